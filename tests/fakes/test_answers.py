"""What the fake tells: keys, types and rules of values, by product and version."""

from __future__ import annotations

import pytest

from tests.fake_proxmox import FakeServer, PbsSpec, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, guest, rows

GUEST_KEYS = {
    "id", "type", "vmid", "name", "node", "status", "template", "cpu", "maxcpu", "mem", "maxmem", "disk", "maxdisk",
    "netin", "netout", "diskread", "diskwrite", "uptime",
}  # fmt: skip


@pytest.mark.parametrize(
    ("version", "number", "release"),
    [("7.4", "7.4-16", "7.4"), ("8.4", "8.4.1", "8.4"), ("9.2", "9.2.4", "9.2")],
)
def test_version_is_that_of_pve_manager(version: str, number: str, release: str) -> None:
    with virtual_estate(PveSpec(version=version)) as estate:
        data = get(estate.servers[0], "/version").data

    assert (data["version"], data["release"]) == (number, release)
    assert set(data) == {"version", "release", "repoid"}


def test_running_vm_has_all_keys_and_no_disk_use(fake_pve: FakeServer) -> None:
    row = guest(fake_pve, 100)

    assert set(row) == GUEST_KEYS | {"tags", "memhost"}
    assert (row["id"], row["type"], row["name"], row["disk"]) == ("qemu/100", "qemu", "home-assistant", 0)
    assert 0 < row["cpu"] < 1
    assert 0 < row["mem"] < row["maxmem"]
    assert row["memhost"] > row["mem"]


def test_container_tells_its_disk_use_and_no_memory_of_the_host(fake_pve: FakeServer) -> None:
    row = guest(fake_pve, 105)

    assert row["type"] == "lxc"
    assert 0 < row["disk"] < row["maxdisk"]
    assert row["memhost"] == 0


def test_stopped_guest_has_zeros_and_its_size(fake_pve: FakeServer) -> None:
    row = guest(fake_pve, 103)

    assert row["status"] == "stopped"
    assert [row[key] for key in ("cpu", "mem", "uptime", "netin", "diskwrite")] == [0, 0, 0, 0, 0]
    assert row["maxmem"] == 12 * 2**30


@pytest.mark.parametrize(("version", "tells"), [("7.4", False), ("8.4", False), ("9.2", True)])
def test_memory_of_the_host_is_told_from_9_0_on(version: str, tells: bool) -> None:
    with virtual_estate(PveSpec(version=version)) as estate:
        row = guest(estate.servers[0], 100)

    assert ("memhost" in row) is tells


@pytest.mark.parametrize(("version", "kinds"), [("7.4", set()), ("8.4", {"sdn"}), ("9.2", {"network"})])
def test_networks_are_sdn_rows_and_from_9_on_network_rows(version: str, kinds: set[str]) -> None:
    with virtual_estate(PveSpec(version=version)) as estate:
        data = get(estate.servers[0], "/cluster/resources").data

    assert {row["type"] for row in data} & {"sdn", "network"} == kinds


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [("vm", {"qemu", "lxc"}), ("node", {"node"}), ("storage", {"storage"}), ("sdn", {"network"})],
)
def test_type_parameter_leaves_one_kind(fake_cluster: PveSite, wanted: str, kinds: set[str]) -> None:
    data = get(fake_cluster.first, f"/cluster/resources?type={wanted}").data

    assert {row["type"] for row in data} == kinds


def test_shared_storage_repeats_on_every_node_with_the_same_use(fake_cluster: PveSite) -> None:
    shared = [row for row in rows(fake_cluster.first, "storage") if row["storage"] == "ceph-vm"]

    assert [row["node"] for row in shared] == ["pve-01", "pve-02", "pve-03"]
    assert {row["shared"] for row in shared} == {1}
    assert len({row["disk"] for row in shared}) == 1


def test_pool_sums_its_members(fake_cluster: PveSite) -> None:
    fake_cluster.change_guest(100, pool="mine")
    fake_cluster.set_metric(100, mem=1_000)

    pool = next(row for row in rows(fake_cluster.first, "pool") if row["pool"] == "mine")

    assert (pool["id"], pool["mem"]) == ("/pool/mine", 1_000)


def test_standalone_host_has_no_cluster_entry(fake_pve: FakeServer) -> None:
    data = get(fake_pve, "/cluster/status").data

    assert [(entry["type"], entry["name"], entry["local"], entry["online"]) for entry in data] == [
        ("node", "pve", 1, 1)
    ]


def test_cluster_status_tells_cluster_members_and_who_answers(fake_cluster: PveSite) -> None:
    data = get(fake_cluster.server("pve-02"), "/cluster/status").data

    whole = next(entry for entry in data if entry["type"] == "cluster")
    assert whole == {
        "type": "cluster", "id": "cluster", "name": "production", "nodes": 3, "quorate": 1, "version": 3
    }  # fmt: skip
    members = sorted(
        (entry["name"], entry["ip"], entry["local"]) for entry in data if entry["type"] == "node"
    )
    assert members == [("pve-01", "127.0.0.2", 0), ("pve-02", "127.0.0.3", 1), ("pve-03", "127.0.0.4", 0)]


def test_cluster_status_comes_in_changing_order(fake_cluster: PveSite) -> None:
    orders = set()
    for _ in range(4):
        orders.add(tuple(entry["name"] for entry in get(fake_cluster.first, "/cluster/status").data))
        fake_cluster.clock.advance(1)

    assert len(orders) == 4


def test_node_status_has_load_as_text_and_clock_rate_as_text(fake_pve: FakeServer) -> None:
    data = get(fake_pve, "/nodes/pve/status").data

    assert len(data["loadavg"]) == 3
    assert all(isinstance(load, str) and float(load) > 0 for load in data["loadavg"])
    assert data["cpuinfo"]["mhz"] == "2900.000"
    assert data["pveversion"] == "pve-manager/9.2.4/b9984c6d90a4bd80"
    assert data["rootfs"]["used"] + data["rootfs"]["avail"] < data["rootfs"]["total"]


def test_cpu_of_a_node_status_starts_at_zero_in_each_worker(fake_pve: FakeServer) -> None:
    seen = [get(fake_pve, "/nodes/pve/status").data["cpu"] for _ in range(4)]

    assert seen[:3] == [0, 0, 0]
    assert seen[3] > 0


@pytest.mark.parametrize(
    ("version", "keys"),
    [
        ("7.4", set()),
        ("8.4", {"current-kernel", "boot-info"}),
        ("9.2", {"current-kernel", "boot-info"}),
    ],
)
def test_node_status_tells_kernel_and_boot_from_8_0_on(version: str, keys: set[str]) -> None:
    with virtual_estate(PveSpec(version=version)) as estate:
        data = get(estate.servers[0], "/nodes/pve/status").data

    assert set(data) & {"current-kernel", "boot-info"} == keys


@pytest.mark.parametrize(("version", "tells"), [("7.4", False), ("8.4", False), ("9.2", True)])
def test_available_memory_is_told_from_9_0_on(version: str, tells: bool) -> None:
    with virtual_estate(PveSpec(version=version)) as estate:
        memory = get(estate.servers[0], "/nodes/pve/status").data["memory"]

    assert ("available" in memory) is tells


def test_localhost_is_the_node_that_was_asked(fake_cluster: PveSite) -> None:
    fake_cluster.set_node_metric("pve-02", uptime=4_711)

    assert get(fake_cluster.server("pve-02"), "/nodes/localhost/status").data["uptime"] == 4_711


def test_node_use_is_that_of_its_guests(fake_pve: FakeServer) -> None:
    before = rows(fake_pve, "node")[0]
    for vmid in range(100, 114):
        if vmid != 103:
            fake_pve.site.stop_guest(vmid)

    after = rows(fake_pve, "node")[0]

    assert after["mem"] < before["mem"] / 4
    assert after["cpu"] < before["cpu"] / 4


def test_share_of_virtual_machines_and_of_running_guests_is_as_in_real_places() -> None:
    with virtual_estate(PveSpec(nodes=4, guests=1_000)) as estate:
        guests = rows(estate.servers[0], "guest")

    machines = sum(row["type"] == "qemu" for row in guests)
    running = sum(row["status"] == "running" for row in guests)
    assert 500 <= machines <= 700
    assert 830 <= running <= 920
    assert any(row["status"] == "paused" for row in guests)
    assert any(row["template"] == 1 for row in guests)


def test_guest_names_look_like_those_of_a_real_place(fake_pve: FakeServer) -> None:
    names = [row["name"] for row in rows(fake_pve, "guest")]

    assert names[:4] == ["home-assistant", "truenas", "opnsense", "windows-11"]
    assert len(set(names)) == 14


def test_hostile_estate_has_payloads_in_every_text(fake_pve: FakeServer) -> None:
    del fake_pve
    with virtual_estate(PveSpec(guests=22, hostile=True), PbsSpec(hostile=True)) as estate:
        guests = rows(estate.servers[0], "guest")
        stores = get(estate.servers[1], "/admin/datastore").data

    assert guests[0]["name"] == "<script>window.pwned=1</script>"
    assert guests[0]["pool"] == guests[0]["lock"] == guests[0]["name"]
    assert any("\u202e" in row["name"] for row in guests)
    assert any(len(row["name"]) == 5_000 for row in guests)
    assert stores[0]["comment"] == "<script>window.pwned=1</script>"


@pytest.mark.parametrize("version", ["3.4", "4.2"])
def test_pbs_node_status_has_numbers_and_real_booleans(version: str) -> None:
    with virtual_estate(PbsSpec(version=version)) as estate:
        data = get(estate.servers[0], "/nodes/localhost/status").data

    assert [type(load) for load in data["loadavg"]] == [float, float, float]
    assert data["boot-info"] == {"mode": "efi", "secureboot": False}
    assert 0 < data["memory"]["used"] < data["memory"]["total"]


@pytest.mark.parametrize(("version", "tells"), [("3.4", False), ("4.2", True)])
def test_pbs_tells_the_backend_of_a_datastore_from_4_0_on(version: str, tells: bool) -> None:
    with virtual_estate(PbsSpec(version=version)) as estate:
        row = get(estate.servers[0], "/status/datastore-usage").data[0]

    assert ("backend-type" in row) is tells
    assert row["mount-status"] == "nonremovable"


def test_pbs_usage_has_a_month_of_history(fake_pbs: FakeServer) -> None:
    row = get(fake_pbs, "/status/datastore-usage").data[0]

    assert row["store"] == "main"
    assert len(row["history"]) == 1_440
    assert row["history-delta"] == 1_800
    assert row["history-start"] == 1_767_268_800 - 1_440 * 1_800
    assert all(0 < share < 1 for share in row["history"])
    assert row["used"] + row["avail"] < row["total"]
    assert row["gc-status"]["index-data-bytes"] > row["gc-status"]["disk-bytes"]
    assert row["estimated-full-date"] > fake_pbs.clock.now()


@pytest.mark.parametrize(
    ("maintenance", "error"),
    [
        ("offline", "offline maintenance mode: "),
        ('type=offline,message="new disks"', "offline maintenance mode: new disks"),
        ("unmount", "datastore is being unmounted"),
        ("type=delete", "datastore is being deleted"),
    ],
)
def test_pbs_datastore_in_maintenance_has_an_error_and_no_size(
    fake_pbs: FakeServer, maintenance: str, error: str
) -> None:
    fake_pbs.site.set_datastore("main", maintenance=maintenance)

    usage = get(fake_pbs, "/status/datastore-usage").data[0]
    listed = get(fake_pbs, "/admin/datastore").data[0]

    assert usage["error"] == f"datastore 'main' is unavailable: {error}"
    assert "total" not in usage
    assert listed["maintenance"] == maintenance


def test_pbs_datastore_that_is_read_only_is_read(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_datastore("main", maintenance="read-only")

    assert get(fake_pbs, "/status/datastore-usage").data[0]["total"] > 0
    assert get(fake_pbs, "/admin/datastore/main/groups").status == 200


def test_pbs_datastore_may_be_left_out_of_the_use_of_all(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_datastore("main", is_left_out=True)

    used = {row["store"] for row in get(fake_pbs, "/status/datastore-usage").data}
    listed = {row["store"] for row in get(fake_pbs, "/admin/datastore").data}
    assert listed - used == {"main"}


def test_pbs_datastore_that_is_not_mounted_has_no_size(fake_pbs: FakeServer) -> None:
    fake_pbs.site.set_datastore("main", mount_status="notmounted")

    assert get(fake_pbs, "/status/datastore-usage").data[0] == {
        "store": "main",
        "mount-status": "notmounted",
        "backend-type": "filesystem",
    }
