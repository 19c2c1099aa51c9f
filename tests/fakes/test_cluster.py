"""Nodes that die, freeze, leave; guests that come and go."""

from __future__ import annotations

import pytest

from tests.fake_proxmox import PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, guest, rows


def _node(site: PveSite, name: str) -> dict[str, object]:
    return next(row for row in rows(site.first, "node") if row["node"] == name)


def _guests_of(site: PveSite, node: str) -> list[dict[str, object]]:
    return [row for row in rows(site.first, "guest") if row["node"] == node]


def test_any_member_answers_for_the_whole_cluster(fake_cluster: PveSite) -> None:
    answers = {get(server, "/cluster/resources").text for server in fake_cluster.servers}

    assert len(answers) == 1


def test_members_share_the_port_and_have_their_own_address(fake_cluster: PveSite) -> None:
    assert [server.host for server in fake_cluster.servers] == ["127.0.0.2", "127.0.0.3", "127.0.0.4"]
    assert len({server.port for server in fake_cluster.servers}) == 1


def test_killed_node_refuses_and_the_others_say_offline_at_once(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-01")

    with pytest.raises(ConnectionRefusedError):
        get(fake_cluster.server("pve-01"), "/version")
    row = _node(fake_cluster, "pve-01")
    assert row["status"] == "offline"
    assert "cpu" not in row
    assert fake_cluster.url == fake_cluster.server("pve-02").url
    status = get(fake_cluster.first, "/cluster/status").data
    assert [entry["online"] for entry in status if entry["name"] == "pve-01"] == [0]


def test_guests_of_a_killed_node_keep_their_last_figures_for_five_minutes(fake_cluster: PveSite) -> None:
    before = _guests_of(fake_cluster, "pve-02")
    fake_cluster.kill_node("pve-02")

    fake_cluster.clock.advance(300)

    assert _guests_of(fake_cluster, "pve-02") == before


def test_guests_of_a_killed_node_are_unknown_after_five_minutes(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")

    fake_cluster.clock.advance(301)

    for row in _guests_of(fake_cluster, "pve-02"):
        assert set(row) - {"hastate"} == {"id", "type", "vmid", "node", "status"}
        assert row["status"] == "unknown"
    storages = [row for row in rows(fake_cluster.first, "storage") if row["node"] == "pve-02"]
    assert {row["status"] for row in storages} == {"unknown"}
    assert all("disk" not in row for row in storages)


def test_quorum_is_lost_with_the_majority(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")
    fake_cluster.kill_node("pve-03")

    status = get(fake_cluster.first, "/cluster/status").data

    assert [entry["quorate"] for entry in status if entry["type"] == "cluster"] == [0]


def test_revived_node_has_just_booted(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")
    fake_cluster.clock.advance(1_000)

    fake_cluster.revive_node("pve-02")
    fake_cluster.clock.advance(30)

    assert (_node(fake_cluster, "pve-02")["status"], _node(fake_cluster, "pve-02")["uptime"]) == (
        "online",
        30,
    )
    assert {row["uptime"] for row in _guests_of(fake_cluster, "pve-02") if row["status"] == "running"} == {30}
    assert get(fake_cluster.server("pve-02"), "/version").status == 200


def test_frozen_node_turns_unknown_while_corosync_sees_it(fake_cluster: PveSite) -> None:
    fake_cluster.freeze_node("pve-02")

    fake_cluster.clock.advance(301)

    assert _node(fake_cluster, "pve-02")["status"] == "unknown"
    status = get(fake_cluster.first, "/cluster/status").data
    assert [entry["online"] for entry in status if entry["name"] == "pve-02"] == [1]


def test_frozen_figures_stand_still_and_thawed_ones_move(fake_cluster: PveSite) -> None:
    fake_cluster.freeze_node("pve-02")
    first = _node(fake_cluster, "pve-02")
    fake_cluster.clock.advance(100)
    second = _node(fake_cluster, "pve-02")
    fake_cluster.thaw_node("pve-02")
    third = _node(fake_cluster, "pve-02")

    assert first == second
    assert third["uptime"] == first["uptime"] + 100


def test_removed_node_is_gone_with_its_guests(fake_cluster: PveSite) -> None:
    gone = fake_cluster.server("pve-03")

    fake_cluster.remove_node("pve-03")

    assert [row["node"] for row in rows(fake_cluster.first, "node")] == ["pve-01", "pve-02"]
    assert _guests_of(fake_cluster, "pve-03") == []
    assert not gone.is_listening


def test_guest_can_be_added_renamed_changed_and_removed(fake_cluster: PveSite) -> None:
    fake_cluster.add_guest(900, "new-one", "lxc", "pve-02", cpus=4)
    fake_cluster.rename_guest(900, "renamed")
    fake_cluster.change_guest(900, tags="a;b", lock="backup")
    added = guest(fake_cluster.first, 900)
    fake_cluster.remove_guest(900)

    assert (added["name"], added["type"], added["node"]) == ("renamed", "lxc", "pve-02")
    assert (added["maxcpu"], added["tags"], added["lock"]) == (4, "a;b", "backup")
    assert 900 not in [row["vmid"] for row in rows(fake_cluster.first, "guest")]


def test_unknown_fact_of_a_guest_is_an_error(fake_cluster: PveSite) -> None:
    with pytest.raises(ValueError, match="no such facts: nodes"):
        fake_cluster.change_guest(100, nodes=3)


def test_storage_fills_and_is_lost_on_one_node(fake_cluster: PveSite) -> None:
    fake_cluster.set_storage("ceph-vm", used_ratio=0.93, inactive_on=["pve-03"])

    first, second, third = (row for row in rows(fake_cluster.first, "storage") if row["storage"] == "ceph-vm")

    assert 0.93 < first["disk"] / first["maxdisk"] < 0.96
    assert first["disk"] == second["disk"]
    assert third["status"] == "unknown"
    assert "disk" not in third


def test_removed_storage_is_gone(fake_cluster: PveSite) -> None:
    fake_cluster.remove_storage("nfs-iso")

    assert "nfs-iso" not in {row["storage"] for row in rows(fake_cluster.first, "storage")}


def test_dead_node_of_a_specification_never_listened() -> None:
    with virtual_estate(PveSpec(name="production", nodes=3, guests=20, dead_nodes=1)) as estate:
        site = estate.site("production")
        status = {row["node"]: row["status"] for row in rows(site.first, "node")}
        unknown = [row for row in rows(site.first, "guest") if row["status"] == "unknown"]
        listening = [server.is_listening for server in site.servers]

    assert status == {"pve-01": "online", "pve-02": "online", "pve-03": "offline"}
    assert listening == [True, True, False]
    assert len({server.port for server in site.servers}) == 1
    assert len(unknown) == 2
