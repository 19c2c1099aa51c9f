"""Disks, pools, certificates, subscription, updates, and rows of averages."""

from __future__ import annotations

import itertools
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509

from tests.fake_proxmox import FakeServer, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted, tls
from tests.fakes.reference import reference

DISKS = "/nodes/pve/disks/"
MIDNIGHT = 1_767_225_600
NOON = 1_767_268_800
DAY = 86_400


def _disk(server: FakeServer, path: str) -> dict[str, Any]:
    return next(row for row in get(server, DISKS + "list").data if row["devpath"] == path)


@pytest.mark.parametrize(
    ("path", "recorded"),
    [("/dev/nvme0n1", "nvme_smart__disklist_expected"), ("/dev/sda", "hdd_smart__disklist_expected")],
)
def test_disk_has_the_keys_and_types_of_a_real_one(fake_pve: FakeServer, path: str, recorded: str) -> None:
    real = next(iter(reference(f"recorded/pve-storage-disks/{recorded}.json").values()))

    own = _disk(fake_pve, path)

    assert set(real) <= set(own)
    assert {key: type(own[key]) for key in real} == {key: type(value) for key, value in real.items()}


def test_wear_is_percent_left_as_number_or_text_or_not_known(fake_cluster: PveSite) -> None:
    fake_cluster.set_disk("pve-01", "/dev/nvme0n1", wearout=97)
    fake_cluster.set_disk("pve-01", "/dev/sda", wearout="3", health="FAILED!")
    fake_cluster.set_disk("pve-01", "/dev/sdb", wearout="N/A")

    rows = {row["devpath"]: row for row in get(fake_cluster.first, "/nodes/pve-01/disks/list").data}

    assert [rows[f"/dev/{name}"]["wearout"] for name in ("nvme0n1", "sda", "sdb")] == [97, "3", "N/A"]
    assert rows["/dev/sda"]["health"] == "FAILED!"
    assert (rows["/dev/sdb"]["osdid"], rows["/dev/sdb"]["osdid-list"]) == (0, [0])


def test_smart_is_not_asked_if_it_is_skipped(fake_pve: FakeServer) -> None:
    rows = get(fake_pve, DISKS + "list?skipsmart=1").data

    assert {(row["health"], row["wearout"]) for row in rows} == {("UNKNOWN", "N/A")}
    assert len(rows) == 4


def test_attributes_of_a_disk_look_like_real_ones(fake_pve: FakeServer) -> None:
    real = reference("recorded/pve-storage-disks/hdd_smart__sda_smart_expected.json")

    own = get(fake_pve, DISKS + "smart?disk=/dev/sda").data

    assert set(own) == set(real)
    assert set(own["attributes"][0]) == set(real["attributes"][0])
    temperature = next(each for each in own["attributes"] if each["id"] == "194")
    assert (temperature["raw"], own["type"]) == ("38", "ata")


def test_text_of_a_disk_tells_temperature_and_wear(fake_pve: FakeServer) -> None:
    fake_pve.site.set_disk("pve", "/dev/nvme0n1", celsius=71, wearout=12)
    real = reference("recorded/pve-storage-disks/nvme_smart__nvme0n1_smart_expected.json")

    own = get(fake_pve, DISKS + "smart?disk=/dev/nvme0n1").data

    assert set(own) == set(real)
    assert "Temperature:                        71 Celsius" in own["text"]
    assert "Percentage Used:                    88%" in own["text"]


def test_disk_that_does_not_exist_is_a_500(fake_pve: FakeServer) -> None:
    assert get(fake_pve, DISKS + "smart?disk=/dev/sdz").status == 500
    assert get(fake_pve, DISKS + "smart").status == 400


@pytest.mark.parametrize(
    ("version", "privilege", "call", "status"),
    [
        ("7.4", "Datastore.Audit", "list", 200),
        ("8.4", "Datastore.Audit", "list", 403),
        ("7.4", "Datastore.Audit", "zfs", 200),
        ("8.4", "Datastore.Audit", "zfs", 403),
        ("8.4", "Sys.Audit", "zfs", 200),
        ("9.2", "VM.Audit", "list", 403),
    ],
)
def test_privilege_for_disks_changed_with_8(version: str, privilege: str, call: str, status: int) -> None:
    with virtual_estate(PveSpec(name="pve", version=version)) as estate:
        assert get(estate.servers[0], DISKS + call, granted(estate.sites[0], privilege)).status == status


def test_right_on_the_node_opens_its_disks_and_not_its_pools(fake_pve: FakeServer) -> None:
    header = granted(fake_pve.site, "Sys.Audit", path="/nodes/pve")

    assert get(fake_pve, DISKS + "list", header).status == 200
    assert get(fake_pve, DISKS + "zfs", header).reason == "Permission check failed (/, Sys.Audit)"


def test_degraded_pool_names_the_device(fake_pve: FakeServer) -> None:
    fake_pve.site.set_pool_health("pve", "tank", "DEGRADED")

    listed = {row["name"]: row["health"] for row in get(fake_pve, DISKS + "zfs").data}
    detail = get(fake_pve, DISKS + "zfs/tank").data

    assert listed == {"rpool": "ONLINE", "tank": "DEGRADED"}
    assert (detail["state"], detail["errors"]) == ("DEGRADED", "No known data errors")
    leaves = detail["children"][0]["children"][0]["children"]
    assert [(leaf["name"], leaf["state"], leaf["read"]) for leaf in leaves] == [
        ("sda", "ONLINE", 0),
        ("sdb", "FAULTED", 14),
    ]
    assert detail["action"].startswith("Replace the faulted device")
    assert "action" not in get(fake_pve, DISKS + "zfs/rpool").data


def test_host_without_zfs_is_a_500(fake_pve: FakeServer) -> None:
    fake_pve.site.set_node("pve", has_zfs=False)

    reply = get(fake_pve, DISKS + "zfs")

    assert (reply.status, reply.reason) == (500, "zfsutils-linux not installed")


def test_metadata_of_a_thin_pool_is_told_apart(fake_cluster: PveSite) -> None:
    fake_cluster.set_node("pve-02", fixed_thin={"used_ratio": 0.5, "metadata_ratio": 0.96})

    row = get(fake_cluster.first, "/nodes/pve-02/disks/lvmthin").data[0]

    assert (row["lv"], row["vg"]) == ("data", "pve")
    assert row["used"] == 400 * 2**30
    assert row["metadata_used"] / row["metadata_size"] == pytest.approx(0.96)


def test_certificate_is_the_one_that_is_served(fake_cluster: PveSite) -> None:
    rows = get(fake_cluster.first, "/nodes/pve-02/certificates/info").data

    assert [row["filename"] for row in rows] == ["pve-root-ca.pem", "pve-ssl.pem"]
    assert rows[1]["fingerprint"].replace(":", "").lower() == fake_cluster.server("pve-02").fingerprint
    assert rows[1]["notafter"] == MIDNIGHT + 700 * DAY


def test_certificate_can_end_soon(fake_pve: FakeServer) -> None:
    fake_pve.site.expire_certificate("pve", days=2)

    assert get(fake_pve, "/nodes/pve/certificates/info").data[1]["notafter"] == NOON + 2 * DAY


def test_served_certificate_of_a_specification_ends_when_the_api_says() -> None:
    with virtual_estate(PveSpec(certificate_days=9)) as estate:
        told = get(estate.servers[0], "/nodes/pve/certificates/info").data[1]["notafter"]
        with tls(estate.servers[0]) as connection:
            der = connection.getpeercert(binary_form=True)

    assert der is not None
    served = x509.load_pem_x509_certificate(ssl.DER_cert_to_PEM_cert(der).encode())
    assert told == MIDNIGHT + 9 * DAY
    # Served certificates live in real time, the data in that of the estate: nine days, less the half day that is over.
    left = served.not_valid_after_utc - datetime.now(UTC)
    assert 7 * DAY < left.total_seconds() <= 9 * DAY


def test_certificate_is_told_to_anybody_with_an_account(fake_pve: FakeServer) -> None:
    assert get(fake_pve, "/nodes/pve/certificates/info", granted(fake_pve.site)).status == 200
    assert get(fake_pve, "/nodes/pve/certificates/info", {}).status == 401


def test_subscription_is_missing_or_active(fake_pve: FakeServer) -> None:
    missing = get(fake_pve, "/nodes/pve/subscription").data
    fake_pve.site.set_node("pve", subscription={"nextduedate": "2026-02-01", "status": "expired"})
    there = get(fake_pve, "/nodes/pve/subscription").data

    assert missing["status"] == "notfound"
    assert (there["status"], there["nextduedate"], there["level"]) == ("expired", "2026-02-01", "c")


def test_updates_need_more_than_an_auditor(fake_pve: FakeServer) -> None:
    fake_pve.site.set_node("pve", pending_updates=2)

    refusal = get(fake_pve, "/nodes/pve/apt/update")
    rows = get(fake_pve, "/nodes/pve/apt/update", granted(fake_pve.site, "Sys.Modify")).data

    assert (refusal.status, refusal.reason) == (403, "Permission check failed (/nodes/pve, Sys.Modify)")
    assert [row["Package"] for row in rows] == ["pve-manager", "proxmox-kernel-6.17"]


@pytest.mark.parametrize(
    ("version", "frame", "count", "step"),
    [
        ("8.4", "hour", 70, 60),
        ("8.4", "day", 70, 1_800),
        ("8.4", "year", 70, 604_800),
        ("9.2", "hour", 60, 60),
        ("9.2", "day", 1_440, 60),
        ("9.2", "week", 336, 1_800),
        ("9.2", "decade", 570, 604_800),
    ],
)
def test_averages_have_the_steps_of_their_version(version: str, frame: str, count: int, step: int) -> None:
    with virtual_estate(PveSpec(name="pve", version=version)) as estate:
        times = [row["time"] for row in get(estate.servers[0], f"/nodes/pve/rrddata?timeframe={frame}").data]

    assert len(times) == count
    assert {after - before for before, after in itertools.pairwise(times)} == {step}
    assert NOON - step < times[-1] <= NOON


@pytest.mark.parametrize(
    ("version", "path", "recorded"),
    [
        ("8.4", "/nodes/pve/rrddata", "pve8_node_rrddata"),
        ("9.2", "/nodes/pve/rrddata", "pve9_node_rrddata"),
        ("8.4", "/nodes/pve/qemu/100/rrddata", "pve8_guest_rrddata"),
        ("9.2", "/nodes/pve/qemu/100/rrddata", "pve9_qemu_rrddata"),
        ("9.2", "/nodes/pve/lxc/105/rrddata", "pve9_lxc_rrddata"),
    ],
)
def test_row_of_averages_has_the_columns_of_a_recorded_one(version: str, path: str, recorded: str) -> None:
    real = reference(f"recorded/pulse-rrd/{recorded}.json")["data"][0]

    with virtual_estate(PveSpec(name="pve", version=version, is_home_lab=True)) as estate:
        own = get(estate.servers[0], path + "?timeframe=hour").data[-1]

    assert set(own) == set(real)


def test_any_member_has_the_averages_of_a_dead_node(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")
    fake_cluster.clock.advance(1_200)

    rows = get(fake_cluster.first, "/nodes/pve-02/rrddata?timeframe=hour").data

    assert "cpu" in rows[0]
    assert set(rows[-1]) == {"time"}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", '"timeframe":"property is missing and it is not optional"'),
        ("?timeframe=minute", "does not have a value in the enumeration"),
        ("?timeframe=hour&cf=MEDIAN", '"cf":'),
    ],
)
def test_averages_need_a_known_timeframe(fake_pve: FakeServer, query: str, text: str) -> None:
    reply = get(fake_pve, "/nodes/pve/rrddata" + query)

    assert reply.status == 400
    assert text in reply.text


def test_ten_years_are_kept_for_nodes_only(fake_pve: FakeServer) -> None:
    assert get(fake_pve, "/nodes/pve/qemu/100/rrddata?timeframe=decade").status == 400


def test_averages_of_a_storage_are_of_the_node_that_has_it(fake_cluster: PveSite) -> None:
    rows = get(fake_cluster.first, "/nodes/pve-02/storage/ceph-vm/rrddata?timeframe=hour").data
    fake_cluster.kill_node("pve-02")

    assert set(rows[-1]) == {"time", "total", "used"}
    assert get(fake_cluster.first, "/nodes/pve-02/storage/ceph-vm/rrddata?timeframe=hour").status == 595


def test_time_of_a_node_can_be_wrong(fake_pve: FakeServer) -> None:
    fake_pve.faults.add("clock", seconds=-300)

    data = get(fake_pve, "/nodes/pve/time").data

    assert (data["time"], data["timezone"]) == (NOON - 300, "Europe/Vienna")
    assert data["localtime"] - data["time"] == 3_600
