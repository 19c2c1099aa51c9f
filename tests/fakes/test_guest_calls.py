"""Lists of guests per node, status, configuration, snapshots and addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_proxmox import FakeServer, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted, guest
from tests.fakes.reference import reference

PRESSURES = {
    "pressurecpusome", "pressurecpufull", "pressureiosome", "pressureiofull", "pressurememorysome", "pressurememoryfull",
}  # fmt: skip
PLAIN_KEYS = {
    "vmid", "name", "status", "cpu", "cpus", "mem", "maxmem", "disk", "maxdisk", "uptime", "netin", "netout", "pid", "tags",
}  # fmt: skip


def _machine(server: FakeServer, vmid: int, query: str = "") -> dict[str, Any]:
    return next(row for row in get(server, f"/nodes/pve/qemu{query}").data if int(row["vmid"]) == vmid)


def _container(server: FakeServer, vmid: int) -> dict[str, Any]:
    return next(row for row in get(server, "/nodes/pve/lxc").data if int(row["vmid"]) == vmid)


def test_node_lists_only_its_own_machines(fake_cluster: PveSite) -> None:
    data = get(fake_cluster.first, "/nodes/pve-02/qemu").data

    assert sorted(row["vmid"] for row in data) == [104, 107]


@pytest.mark.parametrize(
    ("version", "more"),
    [
        ("7.4", {"diskread", "diskwrite", "template"}),
        ("8.4", {"diskread", "diskwrite"}),
        ("9.2", PRESSURES | {"memhost"}),
    ],
)
def test_keys_of_a_running_machine_differ_by_version(version: str, more: set[str]) -> None:
    with virtual_estate(PveSpec(version=version, is_home_lab=True)) as estate:
        row = _machine(estate.servers[0], 100)

    assert set(row) == PLAIN_KEYS | more


def test_pressure_of_a_machine_is_a_number_and_of_a_container_a_text(fake_pve: FakeServer) -> None:
    machine, container = _machine(fake_pve, 104), _container(fake_pve, 113)

    assert {type(machine[key]) for key in PRESSURES} == {float}
    assert {type(container[key]) for key in PRESSURES} == {str}
    assert float(str(container["pressurecpusome"])) > 0


def test_full_list_has_what_qemu_tells(fake_pve: FakeServer) -> None:
    row = _machine(fake_pve, 104, "?full=1")

    assert row["qmpstatus"] == "running"
    assert row["balloon"] == 8 * 2**30
    assert row["freemem"] == row["ballooninfo"]["free_mem"]
    assert row["ballooninfo"]["total_mem"] < row["maxmem"]
    assert row["nics"]["tap104i0"]["netin"] == row["netin"]
    assert row["blockstat"]["scsi0"]["rd_bytes"] == row["diskread"]
    assert row["blockstat"]["scsi0"]["account_failed"] is True


def test_machine_without_a_balloon_driver_tells_no_free_memory(fake_pve: FakeServer) -> None:
    row = _machine(fake_pve, 102, "?full=1")

    assert "freemem" not in row
    assert "balloon" not in row
    assert row["qmpstatus"] == "running"


def test_memory_of_a_plain_list_is_that_of_the_host(fake_pve: FakeServer) -> None:
    plain, full = _machine(fake_pve, 100), _machine(fake_pve, 100, "?full=1")

    assert full["mem"] == guest(fake_pve, 100)["mem"]
    assert plain["mem"] == plain["memhost"]
    assert plain["mem"] > full["mem"]


def test_stopped_machine_has_lost_what_qemu_tells(fake_pve: FakeServer) -> None:
    recorded = next(
        exchange["json"]["data"]
        for exchange in reference("recorded/fog-proxmox-pve6/node-qemu-vmid-status-current.json")
        if exchange["path"].startswith("/api2/json/nodes/proxmox-noris")
    )

    row = get(fake_pve, "/nodes/pve/qemu/103/status/current").data

    assert set(recorded) <= set(row)
    assert set(row) - set(recorded) == PRESSURES | {"memhost", "agent", "tags"}
    assert (row["status"], row["qmpstatus"], row["ha"]) == ("stopped", "stopped", {"managed": 0})


def test_paused_machine_is_running_in_the_list_and_paused_for_qemu(fake_pve: FakeServer) -> None:
    fake_pve.site.pause_guest(100)

    row = get(fake_pve, "/nodes/pve/qemu/100/status/current").data

    assert (row["status"], row["qmpstatus"]) == ("running", "paused")
    assert row["clipboard"] is None


def test_container_tells_its_swap(fake_pve: FakeServer) -> None:
    row = _container(fake_pve, 105)

    assert (row["type"], row["maxswap"]) == ("lxc", 256 * 2**20)
    assert 0 < row["swap"] < row["maxswap"]


def test_release_7_writes_numbers_of_guests_as_text() -> None:
    with virtual_estate(PveSpec(version="7.4", is_home_lab=True)) as estate:
        machine, container = _machine(estate.servers[0], 100), _container(estate.servers[0], 105)

    assert (machine["vmid"], machine["pid"], machine["template"]) == ("100", "1700", "")
    assert (container["vmid"], container["maxdisk"], container["lock"]) == ("105", "4294967296", "")


def test_template_says_so_only_if_it_is_one(fake_pve: FakeServer) -> None:
    fake_pve.site.stop_guest(104)
    fake_pve.site.change_guest(104, is_template=True)

    assert _machine(fake_pve, 104)["template"] == 1
    assert "template" not in _machine(fake_pve, 100)


def test_cpu_of_a_guest_starts_at_zero_in_each_worker(fake_pve: FakeServer) -> None:
    seen = [_machine(fake_pve, 104)["cpu"] for _ in range(4)]

    assert seen[:3] == [0, 0, 0]
    assert seen[3] > 0


def test_lists_show_only_guests_that_may_be_seen(fake_pve: FakeServer) -> None:
    one = granted(fake_pve.site, "VM.Audit", path="/vms/101")
    fresh = granted(fake_pve.site)

    assert [row["vmid"] for row in get(fake_pve, "/nodes/pve/qemu", one).data] == [101]
    assert get(fake_pve, "/nodes/pve/lxc", one).data == []
    assert get(fake_pve, "/nodes/pve/qemu", fresh).data == []


def test_status_of_a_guest_that_may_not_be_seen_is_refused(fake_pve: FakeServer) -> None:
    one = granted(fake_pve.site, "VM.Audit", path="/vms/101")

    reply = get(fake_pve, "/nodes/pve/qemu/100/status/current", one)

    assert (reply.status, reply.reason) == (403, "Permission check failed (/vms/100, VM.Audit)")


def test_right_on_a_pool_opens_the_configuration_of_its_members(fake_pve: FakeServer) -> None:
    fake_pve.site.change_guest(100, pool="mine")
    mine = granted(fake_pve.site, "VM.Audit", path="/pool/mine")

    assert get(fake_pve, "/nodes/pve/qemu/100/config", mine).status == 200
    assert get(fake_pve, "/nodes/pve/qemu/101/config", mine).status == 403


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "/nodes/pve-02/qemu/999/config",
            "Configuration file 'nodes/pve-02/qemu-server/999.conf' does not exist",
        ),
        (
            "/nodes/pve-01/qemu/104/config",
            "Configuration file 'nodes/pve-01/qemu-server/104.conf' does not exist",
        ),
        ("/nodes/pve-02/lxc/104/config", "Configuration file 'nodes/pve-02/lxc/104.conf' does not exist"),
    ],
    ids=["nowhere", "on another node", "of another kind"],
)
def test_guest_that_is_not_there_is_a_500(fake_cluster: PveSite, path: str, reason: str) -> None:
    reply = get(fake_cluster.first, path)

    assert (reply.status, reply.reason, reply.data) == (500, reason, None)
    assert reply.text == f'{{"data":null,"message":"{reason}\\n"}}'


def test_migrated_guest_is_gone_from_its_old_node(fake_cluster: PveSite) -> None:
    fake_cluster.migrate_guest(104, "pve-03")

    assert get(fake_cluster.first, "/nodes/pve-02/qemu/104/config").status == 500
    assert get(fake_cluster.first, "/nodes/pve-03/qemu/104/config").status == 200


def test_calls_to_a_dead_node_are_595(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")

    reply = get(fake_cluster.first, "/nodes/pve-02/qemu/104/config")

    assert (reply.status, reply.reason) == (595, "No route to host")


def test_number_that_is_none_is_a_400(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, "/nodes/pve/qemu/abc/config")

    assert (reply.status, reply.reason) == (400, "Parameter verification failed.")
    assert '"vmid":"type check' in reply.text


def test_configuration_has_the_syntax_of_proxmox(fake_pve: FakeServer) -> None:
    fake_pve.site.set_notes(100, "two\nlines")

    config = get(fake_pve, "/nodes/pve/qemu/100/config").data

    assert (config["name"], config["cores"], config["memory"]) == ("home-assistant", 2, "4096")
    assert config["scsi0"] == "local-zfs:vm-100-disk-0,iothread=1,size=32G"
    assert config["agent"] == "enabled=1"
    assert config["description"] == "two\nlines\n"
    assert config["net0"].startswith("virtio=BC:24:11:")
    assert len(config["digest"]) == 40


def test_configuration_of_a_container_has_other_keys(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/node-lxc-vmid-config.json")[0]["json"]["data"]

    config = get(fake_pve, "/nodes/pve/lxc/108/config").data

    assert set(recorded) <= set(config)
    assert (config["hostname"], config["memory"], config["swap"]) == ("jellyfin", 4096, 1024)
    assert config["rootfs"] == "local-zfs:subvol-108-disk-0,size=24G"
    assert config["mp0"] == "/mnt/shared,mp=/srv/shared"


def test_digest_changes_with_the_configuration_and_not_with_time(fake_pve: FakeServer) -> None:
    def digest() -> str:
        return str(get(fake_pve, "/nodes/pve/qemu/100/config").data["digest"])

    first = digest()
    fake_pve.clock.advance(3_600)
    second = digest()
    fake_pve.site.change_guest(100, tags="new")

    assert first == second
    assert digest() != first


@pytest.mark.parametrize(("state", "told"), [("ok", "enabled=1"), ("dead", "enabled=1"), ("none", None)])
def test_agent_of_the_configuration_says_what_is_wanted_not_what_answers(
    fake_pve: FakeServer, state: str, told: str | None
) -> None:
    fake_pve.site.set_agent(100, state)

    assert get(fake_pve, "/nodes/pve/qemu/100/config").data.get("agent") == told


def test_guest_without_snapshots_has_the_present_only(fake_pve: FakeServer) -> None:
    data = get(fake_pve, "/nodes/pve/qemu/100/snapshot").data

    assert [row["name"] for row in data] == ["current"]
    assert (data[0]["description"], data[0]["running"]) == ("You are here!", 1)
    assert "snaptime" not in data[0]


def test_snapshot_list_has_the_keys_of_a_recorded_one(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/node-qemu-vmid-snapshot.json")[-1]["json"]["data"]
    fake_pve.site.add_snapshot(100, "snapshot1")

    own = {row["name"]: set(row) for row in get(fake_pve, "/nodes/pve/qemu/100/snapshot").data}

    assert own == {row["name"]: set(row) for row in recorded}


def test_snapshots_that_were_added_form_a_chain(fake_pve: FakeServer) -> None:
    site = fake_pve.site
    site.add_snapshot(100, "one", taken_at=1_767_200_000, description="first")
    site.add_snapshot(100, "two", has_memory=True)
    site.add_snapshot(100, "three", state="prepare")

    named = {row["name"]: row for row in get(fake_pve, "/nodes/pve/qemu/100/snapshot").data}

    assert named["one"] == {"name": "one", "snaptime": 1_767_200_000, "vmstate": 0, "description": "first"}
    assert (named["two"]["parent"], named["two"]["vmstate"]) == ("one", 1)
    assert named["two"]["snaptime"] == 1_767_268_800
    assert (named["three"]["parent"], named["three"]["snapstate"]) == ("two", "prepare")
    assert named["current"]["parent"] == "three"


def test_removed_snapshot_leaves_its_parent_to_its_child(fake_pve: FakeServer) -> None:
    for name in ("one", "two", "three"):
        fake_pve.site.add_snapshot(105, name)

    fake_pve.site.remove_snapshot(105, "two")

    named = {row["name"]: row for row in get(fake_pve, "/nodes/pve/lxc/105/snapshot").data}
    assert set(named) == {"one", "three", "current"}
    assert named["three"]["parent"] == "one"
    assert "vmstate" not in named["three"]


def test_container_tells_its_addresses_while_it_runs(fake_pve: FakeServer) -> None:
    running = get(fake_pve, "/nodes/pve/lxc/105/interfaces").data
    fake_pve.site.stop_guest(105)
    stopped = get(fake_pve, "/nodes/pve/lxc/105/interfaces").data

    assert [(row["name"], row["inet"]) for row in running] == [
        ("lo", "127.0.0.1/8"),
        ("eth0", "10.20.0.107/16"),
    ]
    assert running[1]["ip-addresses"][0] == {
        "ip-address-type": "inet",
        "ip-address": "10.20.0.107",
        "prefix": 16,
    }
    assert stopped is None


@pytest.mark.parametrize(
    ("version", "status", "lists"), [("7.4", 501, None), ("8.1", 200, False), ("8.4", 200, True)]
)
def test_addresses_of_containers_came_with_8_1(version: str, status: int, lists: bool | None) -> None:
    with virtual_estate(PveSpec(version=version, is_home_lab=True)) as estate:
        reply = get(estate.servers[0], "/nodes/pve/lxc/105/interfaces")

    assert reply.status == status
    if status == 200:
        assert ("ip-addresses" in reply.data[0]) is lists
    else:
        assert reply.reason == "Method 'GET /nodes/pve/lxc/105/interfaces' not implemented"


def test_older_node_of_a_cluster_answers_as_its_own_release_does() -> None:
    spec = PveSpec(nodes=3, guests=30, version="9.2", older_nodes=1, older_version="7.4")
    with virtual_estate(spec) as estate:
        first = estate.servers[0]
        versions = [get(first, f"/nodes/pve-0{number}/version").data["release"] for number in (1, 2, 3)]
        newer, older = (get(first, f"/nodes/pve-0{number}/qemu").data[0] for number in (1, 2))
        missing = get(first, "/nodes/pve-02/qemu/9999/config")
        own = get(estate.sites[0].server("pve-02"), "/version").data["version"]

    assert versions == ["9.2", "7.4", "9.2"]
    assert "memhost" in newer
    assert "memhost" not in older
    assert missing.text == '{"data":null}'
    assert own == "7.4-16"
