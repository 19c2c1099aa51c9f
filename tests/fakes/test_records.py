"""What a fake Proxmox keeps of the past: averages, and the samples of the last half hour."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_proxmox import FakeServer, PbsSpec, PveSite, PveSpec
from tests.fake_proxmox.clock import NOON_EPOCH
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted, guest, rows, ticket_header

NOON = int(NOON_EPOCH)
GIB = 2**30
EXPORT = "/cluster/metrics/export"


def sampled(server: FakeServer, vmid: int, count: int) -> list[dict[str, Any]]:
    """Return the rows of a guest at so many rounds of ten seconds, from now on."""
    found = []
    for _ in range(count):
        found.append(guest(server, vmid))
        server.clock.advance(10)
    return found


@pytest.mark.parametrize("vmid", [100, 105])
def test_averages_of_a_guest_are_those_of_its_live_figures(fake_pve: FakeServer, vmid: int) -> None:
    kind = guest(fake_pve, vmid)["type"]
    live = sampled(fake_pve, vmid, 31)

    kept = get(fake_pve, f"/nodes/pve/{kind}/{vmid}/rrddata?timeframe=hour").data[-5:]

    assert [row["time"] for row in kept] == [NOON + 60 * minute for minute in range(1, 6)]
    for name, tolerance in (("cpu", 0.05), ("mem", 0.01)):
        told, seen = sum(row[name] for row in kept) / 5, sum(row[name] for row in live[:30]) / 30
        assert told == pytest.approx(seen, rel=tolerance)
    for name in ("netin", "netout", "diskread", "diskwrite"):
        grown = (live[30][name] - live[0][name]) / 300
        assert sum(row[name] for row in kept) / 5 == pytest.approx(grown, rel=0.02)


def test_averages_of_a_node_are_those_of_its_live_figures(fake_pve: FakeServer) -> None:
    live = []
    for _ in range(30):
        live += rows(fake_pve, "node")
        fake_pve.clock.advance(10)

    kept = get(fake_pve, "/nodes/pve/rrddata?timeframe=hour").data[-5:]

    assert sum(row["cpu"] for row in kept) / 5 == pytest.approx(
        sum(row["cpu"] for row in live) / 30, rel=0.05
    )
    assert kept[-1]["memused"] == pytest.approx(live[-1]["mem"], rel=0.02)
    assert kept[-1]["rootused"] == pytest.approx(live[-1]["disk"], rel=0.001)


def test_averages_of_a_storage_are_those_of_its_live_figures(fake_cluster: PveSite) -> None:
    live = {(row["node"], row["storage"]): row for row in rows(fake_cluster.first, "storage")}

    kept = get(fake_cluster.first, "/nodes/pve-02/storage/local/rrddata?timeframe=hour").data[-1]

    assert kept["used"] == pytest.approx(live["pve-02", "local"]["disk"], rel=0.001)


def test_a_coarse_row_is_the_average_of_the_fine_ones(fake_pve: FakeServer) -> None:
    fine = get(fake_pve, "/nodes/pve/qemu/100/rrddata?timeframe=day").data
    coarse = get(fake_pve, "/nodes/pve/qemu/100/rrddata?timeframe=month").data[-1]

    inside = [row["cpu"] for row in fine if coarse["time"] - 1_800 < row["time"] <= coarse["time"]]

    assert len(inside) == 30
    assert coarse["cpu"] == pytest.approx(sum(inside) / 30, rel=0.05)


def test_a_peak_is_never_below_the_average(fake_pve: FakeServer) -> None:
    means = get(fake_pve, "/nodes/pve/qemu/100/rrddata?timeframe=month").data
    peaks = get(fake_pve, "/nodes/pve/qemu/100/rrddata?timeframe=month&cf=MAX").data

    assert all(peak["cpu"] >= mean["cpu"] * 0.98 for peak, mean in zip(peaks, means, strict=True))
    assert sum(row["cpu"] for row in peaks) > sum(row["cpu"] for row in means)


def test_nothing_is_told_of_before_a_guest_was_created(fake_pve: FakeServer) -> None:
    fake_pve.site.add_guest(555, "new")
    fake_pve.clock.advance(600)

    kept = get(fake_pve, "/nodes/pve/qemu/555/rrddata?timeframe=hour").data

    assert [set(row) == {"time"} for row in kept] == [True] * 50 + [False] * 10


def test_a_guest_that_did_not_run_tells_only_how_large_it_is(fake_pve: FakeServer) -> None:
    fake_pve.site.stop_guest(100)
    fake_pve.clock.advance(600)
    fake_pve.site.start_guest(100)
    fake_pve.clock.advance(600)

    kept = get(fake_pve, "/nodes/pve/qemu/100/rrddata?timeframe=hour").data

    assert ["cpu" in row for row in kept] == [True] * 40 + [False] * 10 + [True] * 10
    assert kept[45] == {
        "time": NOON + 360,
        "maxcpu": kept[0]["maxcpu"],
        "maxmem": kept[0]["maxmem"],
        "maxdisk": kept[0]["maxdisk"],
        "disk": 0,
    }


# --- The export of PVE ------------------------------------------------------------------------------------------------


def exported(server: FakeServer, query: str = "", **options: Any) -> list[dict[str, Any]]:
    """Return the samples of an export."""
    data: list[dict[str, Any]] = get(server, EXPORT + query, **options).data["data"]
    return data


def test_export_has_the_newest_sample_of_everything(fake_pve: FakeServer) -> None:
    told = {(row["id"], row["metric"]): row for row in exported(fake_pve)}
    live = guest(fake_pve, 100)

    assert told["qemu/100", "net_in"] == {
        "id": "qemu/100", "metric": "net_in", "timestamp": NOON, "type": "derive", "value": live["netin"],
    }  # fmt: skip
    assert told["qemu/100", "mem_used"]["value"] == live["mem"]
    assert told["node/pve", "cpu_current"]["type"] == "gauge"


def test_export_keeps_the_samples_of_half_an_hour(fake_pve: FakeServer) -> None:
    times = [row["timestamp"] for row in exported(fake_pve, "?history=1") if row["id"] == "node/pve"]

    assert min(times) == NOON - 1_800
    assert len(set(times)) == 181
    assert times == sorted(times)


def test_export_begins_after_the_start_time(fake_pve: FakeServer) -> None:
    told = exported(fake_pve, f"?history=1&start-time={NOON - 30}")

    assert sorted({row["timestamp"] for row in told if row["id"] == "qemu/100"}) == [
        NOON - 20,
        NOON - 10,
        NOON,
    ]
    assert {row["id"].partition("/")[0] for row in exported(fake_pve, f"?start-time={NOON}")} <= {
        "lxc",
        "storage",
    }


def test_a_dead_node_is_missing_in_the_export_without_a_word(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")

    told = {row["id"] for row in exported(fake_cluster.first)}

    assert {identity for identity in told if identity.startswith("node/")} == {"node/pve-01", "node/pve-03"}


def test_export_can_be_of_some_nodes_only(fake_cluster: PveSite) -> None:
    named = {row["id"] for row in exported(fake_cluster.first, "?node-list=pve-03")}
    local = {row["id"] for row in exported(fake_cluster.first, "?local-only=1")}

    assert [identity for identity in named if identity.startswith("node/")] == ["node/pve-03"]
    assert [identity for identity in local if identity.startswith("node/")] == ["node/pve-01"]
    assert get(fake_cluster.first, EXPORT + "?node-list=pve-09").status == 500


def test_a_storage_that_a_node_does_not_have_has_no_size_in_the_export(fake_cluster: PveSite) -> None:
    fake_cluster.set_storage("local", is_disabled=True)

    told = {(row["id"], row["metric"]): row["value"] for row in exported(fake_cluster.first)}

    assert told["storage/pve-01/local", "disk_total"] == 0


def test_a_template_is_exported_as_a_stopped_guest(fake_pve: FakeServer) -> None:
    fake_pve.site.stop_guest(100)
    fake_pve.site.change_guest(100, is_template=True)

    told = {row["metric"] for row in exported(fake_pve) if row["id"] == "qemu/100"}

    assert told == {"uptime", "cpu_max", "mem_total", "disk_total"}


def test_export_needs_the_right_to_audit_everything(fake_pve: FakeServer) -> None:
    assert get(fake_pve, EXPORT, granted(fake_pve.site, "VM.Audit")).status == 403


@pytest.mark.parametrize(("version", "status"), [("7.4", 501), ("8.1", 501), ("8.4", 200)])
def test_older_releases_have_no_export(version: str, status: int) -> None:
    with virtual_estate(PveSpec(name="pve", version=version)) as estate:
        assert get(estate.servers[0], EXPORT).status == status


def test_release_before_nine_knows_no_list_of_nodes() -> None:
    with virtual_estate(PveSpec(name="pve", version="8.4")) as estate:
        assert get(estate.servers[0], EXPORT + "?node-list=pve").status == 400


# --- PBS and PMG ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?timeframe=hour", "?cf=AVERAGE"])
def test_averages_of_a_backup_server_need_timeframe_and_function(fake_pbs: FakeServer, query: str) -> None:
    assert get(fake_pbs, "/nodes/localhost/rrd" + query).status == 400
    assert get(fake_pbs, "/admin/datastore/main/rrd" + query).status == 400


@pytest.mark.parametrize(
    ("frame", "count", "step"),
    [("hour", 1_440, 60), ("day", 1_440, 60), ("month", 1_440, 1_800), ("year", 1_440, 21_600)],
)
def test_rows_of_a_backup_server_are_named_by_their_beginning(
    fake_pbs: FakeServer, frame: str, count: int, step: int
) -> None:
    kept = get(fake_pbs, f"/admin/datastore/main/rrd?timeframe={frame}&cf=AVERAGE").data

    assert len(kept) == count
    assert kept[1]["time"] - kept[0]["time"] == step
    assert NOON - step < kept[-1]["time"] <= NOON


def test_averages_of_a_datastore_are_those_of_its_use(fake_pbs: FakeServer) -> None:
    used = {row["store"]: row["used"] for row in get(fake_pbs, "/status/datastore-usage").data}

    kept = get(fake_pbs, "/admin/datastore/main/rrd?timeframe=hour&cf=AVERAGE").data

    assert kept[-1]["used"] == pytest.approx(used["main"], rel=0.002)


def test_metrics_of_a_backup_server_are_of_what_the_caller_may_see(fake_pbs: FakeServer) -> None:
    mine = granted(fake_pbs.site, "Datastore.Audit", path="/datastore/main")

    told = {row["id"] for row in get(fake_pbs, "/status/metrics", mine).data["data"]}

    assert told == {"datastore/main"}


def test_metrics_of_a_backup_server_go_back_half_an_hour_only_with_history(fake_pbs: FakeServer) -> None:
    one = get(fake_pbs, f"/status/metrics?start-time={NOON + 60}").data["data"]
    all_of_them = get(fake_pbs, f"/status/metrics?history=1&start-time={NOON - 60}").data["data"]

    assert {row["timestamp"] for row in one} == {NOON}
    assert {row["timestamp"] for row in all_of_them} == {NOON - ago for ago in range(0, 60, 10)}


def test_older_backup_server_has_no_metrics() -> None:
    with virtual_estate(PbsSpec(name="vault", version="3.1")) as estate:
        assert get(estate.servers[0], "/status/metrics").status == 404


def test_averages_of_a_mail_gateway_are_those_of_its_status(fake_pmg: FakeServer) -> None:
    ticket = ticket_header(fake_pmg)
    status = get(fake_pmg, "/nodes/mail/status", ticket).data

    kept = get(fake_pmg, "/nodes/mail/rrddata?timeframe=hour", ticket).data

    assert len(kept) == 70
    assert kept[-1]["memused"] == pytest.approx(status["memory"]["used"], rel=0.02)
