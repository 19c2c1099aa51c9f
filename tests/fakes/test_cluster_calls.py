"""Votes, high availability, Ceph and replication."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_proxmox import FakeServer, PveSite, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.fakes.raw import get, granted
from tests.fakes.reference import reference

MIDNIGHT = 1_767_225_600
NOON = 1_767_268_800


def _ha(site: PveSite, kind: str) -> list[dict[str, Any]]:
    return [row for row in get(site.first, "/cluster/ha/status/current").data if row["type"] == kind]


def test_each_node_of_a_cluster_has_one_vote_told_as_text(fake_cluster: PveSite) -> None:
    rows = get(fake_cluster.first, "/cluster/config/nodes").data

    assert [(row["node"], row["nodeid"], row["quorum_votes"]) for row in rows] == [
        ("pve-01", "1", "1"),
        ("pve-02", "2", "1"),
        ("pve-03", "3", "1"),
    ]


def test_a_host_of_its_own_has_no_votes_and_no_qdevice(fake_pve: FakeServer) -> None:
    assert get(fake_pve, "/cluster/config/nodes").data == []
    assert get(fake_pve, "/cluster/config/qdevice").data == {}


def test_qdevice_tells_of_itself_as_its_daemon_prints_it() -> None:
    with virtual_estate(PveSpec(nodes=2, guests=4, qdevice=True)) as estate:
        assert get(estate.servers[0], "/cluster/config/qdevice").data == {
            "Model": "Net",
            "QNetd host": "192.0.2.53:5403",
            "Algorithm": "Fifty-Fifty split",
            "Tie-breaker": "Node with lowest node ID",
            "State": "Connected",
            "Last poll call": "2026-01-01T12:00:00 (cast vote)",
        }


def test_qdevice_that_is_not_connected_casts_no_vote(fake_cluster: PveSite) -> None:
    fake_cluster.set_qdevice(state="Connect failed")

    data = get(fake_cluster.first, "/cluster/config/qdevice").data

    assert (data["State"], data["Last poll call"]) == ("Connect failed", "2026-01-01T12:00:00")
    fake_cluster.remove_qdevice()
    assert get(fake_cluster.first, "/cluster/config/qdevice").data == {}


@pytest.mark.parametrize(("is_voting", "quorate"), [(True, 1), (False, 0)])
def test_one_of_two_nodes_has_quorum_with_the_vote_of_the_qdevice(is_voting: bool, quorate: int) -> None:
    with virtual_estate(PveSpec(name="pve", nodes=2, guests=4, qdevice=True)) as estate:
        site = estate.site("pve")
        site.kill_node("pve-02")
        site.set_qdevice(is_voting=is_voting)

        rows = get(site.first, "/cluster/status").data

    assert [row["quorate"] for row in rows if row["type"] == "cluster"] == [quorate]


def test_ha_rows_have_the_keys_of_recorded_ones(fake_cluster: PveSite) -> None:
    recorded: dict[str, set[str]] = {}
    for exchange in reference("recorded/proxmox-go-sdk-pve9/cluster-ha-status-current.json"):
        for row in exchange["json"]["data"]:
            recorded.setdefault(row["type"], set(row) - {"comment", "resource_mode"})

    own = {row["type"]: set(row) for row in get(fake_cluster.first, "/cluster/ha/status/current").data}

    assert own == recorded


def test_host_without_services_tells_quorum_and_from_9_2_fencing(fake_pve: FakeServer) -> None:
    data = get(fake_pve, "/cluster/ha/status/current").data

    assert [(row["type"], row["status"]) for row in data] == [
        ("quorum", "OK"),
        ("fencing", "standby (CRM watchdog standby)"),
    ]


@pytest.mark.parametrize(
    ("version", "kinds"),
    [
        ("7.4", {"quorum", "master", "lrm", "service"}),
        ("9.2", {"quorum", "master", "lrm", "service", "fencing"}),
    ],
)
def test_fencing_is_told_from_9_2_on(version: str, kinds: set[str]) -> None:
    with virtual_estate(PveSpec(nodes=3, guests=30, version=version)) as estate:
        data = get(estate.servers[0], "/cluster/ha/status/current").data

    assert {row["type"] for row in data} == kinds


def test_service_has_the_state_that_was_set(fake_cluster: PveSite) -> None:
    fake_cluster.set_ha_state(101, "error", request_state="stopped")

    row = next(row for row in _ha(fake_cluster, "service") if row["sid"] == "ct:101")
    resource = next(
        row for row in get(fake_cluster.first, "/cluster/ha/resources").data if row["sid"] == "ct:101"
    )

    assert (row["state"], row["crm_state"], row["request_state"]) == ("error", "error", "stopped")
    assert (row["status"], row["node"]) == ("ct:101 (pve-02, error)", "pve-02")
    assert (resource["state"], resource["type"]) == ("stopped", "ct")
    assert get(fake_cluster.first, "/nodes/pve-02/lxc/101/status/current").data["ha"] == {
        "managed": 1,
        "state": "error",
    }


def test_guest_can_leave_high_availability(fake_cluster: PveSite) -> None:
    assert [row["sid"] for row in _ha(fake_cluster, "service")] == ["ct:110"]

    fake_cluster.set_ha_state(110, "")

    assert _ha(fake_cluster, "service") == []


def test_local_manager_of_a_dead_node_stands_still(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-02")
    fake_cluster.clock.advance(600)

    told = {row["node"]: row["timestamp"] for row in _ha(fake_cluster, "lrm")}

    assert told == {"pve-01": NOON + 600, "pve-02": NOON, "pve-03": NOON + 600}


def test_resources_can_be_chosen_by_kind(fake_cluster: PveSite) -> None:
    fake_cluster.set_ha_state(100, "started")

    data = get(fake_cluster.first, "/cluster/ha/resources?type=vm").data

    assert [row["sid"] for row in data] == ["vm:100"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_installed": False}, "binary not installed: /usr/bin/ceph-mon"),
        ({"nodes": ["pve-02", "pve-03"]}, "binary not installed: /usr/bin/ceph-mon"),
        ({"is_initialized": False}, "pveceph configuration not initialized"),
    ],
)
def test_no_ceph_here_is_a_500(fake_cluster: PveSite, change: dict[str, Any], reason: str) -> None:
    fake_cluster.set_ceph(**change)

    reply = get(fake_cluster.server("pve-01"), "/cluster/ceph/status")

    assert (reply.status, reply.reason) == (500, reason)


def test_host_has_no_ceph_and_another_node_may(fake_pve: FakeServer, fake_cluster: PveSite) -> None:
    fake_cluster.set_ceph(nodes=["pve-02"])

    assert get(fake_pve, "/cluster/ceph/status").status == 500
    assert get(fake_cluster.server("pve-02"), "/cluster/ceph/status").status == 200


def test_ceph_status_has_the_keys_of_a_recorded_one(fake_cluster: PveSite) -> None:
    recorded = reference("recorded/pulse-inline/cluster_ceph_status_squid.json")["data"]

    own = get(fake_cluster.first, "/cluster/ceph/status").data

    assert set(recorded) <= set(own)
    for key in ("health", "monmap", "mgrmap", "osdmap", "pgmap"):
        assert set(recorded[key]) <= set(own[key])
    assert own["mgrmap"]["available"] is True


@pytest.mark.parametrize(
    ("version", "schema", "listed", "counted"),
    [("8.4", "", 3, None), ("9.2", "", None, 3), ("9.2", "old", 3, None), ("8.4", "new", None, 3)],
)
def test_ceph_lists_or_counts_its_monitors(
    version: str, schema: str, listed: int | None, counted: int | None
) -> None:
    with virtual_estate(PveSpec(nodes=3, version=version)) as estate:
        estate.sites[0].set_ceph(schema=schema)
        monitors = get(estate.servers[0], "/cluster/ceph/status").data["monmap"]

    assert (len(monitors["mons"]) if "mons" in monitors else None) == listed
    assert monitors.get("num_mons") == counted


def test_ceph_in_trouble_says_what_is_wrong(fake_cluster: PveSite) -> None:
    fake_cluster.set_ceph(
        health="HEALTH_WARN",
        checks={"OSD_DOWN": "1 osds down"},
        muted=["OSD_DOWN"],
        osds_down=1,
        is_idle=True,
    )

    data = get(fake_cluster.first, "/cluster/ceph/status").data

    assert data["health"]["status"] == "HEALTH_WARN"
    assert data["health"]["checks"]["OSD_DOWN"]["summary"]["message"] == "1 osds down"
    assert data["health"]["checks"]["OSD_DOWN"]["muted"] is True
    assert (data["osdmap"]["num_osds"], data["osdmap"]["num_up_osds"], data["osdmap"]["num_in_osds"]) == (
        12,
        11,
        12,
    )
    assert {state["state_name"] for state in data["pgmap"]["pgs_by_state"]} == {
        "active+clean",
        "active+undersized+degraded",
    }
    assert "read_bytes_sec" not in data["pgmap"]


def test_osds_of_a_dead_node_are_down(fake_cluster: PveSite) -> None:
    fake_cluster.kill_node("pve-03")

    data = get(fake_cluster.first, "/nodes/pve-01/ceph/osd").data

    hosts = data["root"]["children"][0]["children"]
    states = {host["name"]: [osd["status"] for osd in host["children"]] for host in hosts}
    assert states == {"pve-01": ["up"] * 4, "pve-02": ["up"] * 4, "pve-03": ["down"] * 4}
    assert get(fake_cluster.first, "/cluster/ceph/status").data["quorum_names"] == ["pve-01", "pve-02"]


def test_pools_of_ceph_tell_their_use(fake_cluster: PveSite) -> None:
    rows = get(fake_cluster.first, "/nodes/pve-02/ceph/pool").data

    assert [(row["pool_name"], row["size"], row["type"]) for row in rows] == [
        (".mgr", 3, "replicated"),
        ("vm", 3, "replicated"),
    ]
    assert rows[1]["percent_used"] == pytest.approx(0.46, abs=0.001)


def test_ceph_opens_with_either_of_two_rights(fake_cluster: PveSite) -> None:
    statuses = [
        get(fake_cluster.first, "/cluster/ceph/status", granted(fake_cluster, name)).status
        for name in ("Sys.Audit", "Datastore.Audit", "VM.Audit")
    ]

    assert statuses == [200, 200, 403]


def test_replication_is_told_by_the_node_that_has_the_guest(fake_cluster: PveSite) -> None:
    fake_cluster.set_replication(101, target="pve-03")
    before = [get(fake_cluster.first, f"/nodes/pve-0{number}/replication").data for number in (1, 2)]
    fake_cluster.migrate_guest(101, "pve-01")
    after = [get(fake_cluster.first, f"/nodes/pve-0{number}/replication").data for number in (1, 2)]

    assert [len(rows) for rows in before] == [0, 1]
    assert [len(rows) for rows in after] == [1, 0]
    row = before[1][0]
    assert (row["id"], row["source"], row["target"], row["fail_count"]) == ("101-0", "pve-02", "pve-03", 0)
    assert row["last_sync"] == row["last_try"] == NOON - 900 + 41
    assert row["next_sync"] == NOON + 41
    assert "error" not in row


def test_replication_that_fails_tells_its_error_and_its_last_success(fake_cluster: PveSite) -> None:
    fake_cluster.set_replication(101, target="pve-03")
    fake_cluster.set_replication(101, fail_count=3, error="no space", failing_since=MIDNIGHT)
    failing = get(fake_cluster.first, "/nodes/pve-02/replication").data[0]
    fake_cluster.set_replication(101, fail_count=0)
    healed = get(fake_cluster.first, "/nodes/pve-02/replication").data[0]

    assert (failing["fail_count"], failing["error"]) == (3, "no space")
    assert failing["last_sync"] == MIDNIGHT - 900 + 41
    assert failing["last_try"] == NOON - 60
    assert failing["next_sync"] == NOON - 60 + 900
    assert "error" not in healed
    assert healed["last_sync"] == NOON - 900 + 41


def test_configuration_of_replication_says_nothing_of_how_it_goes(fake_cluster: PveSite) -> None:
    fake_cluster.set_replication(101, target="pve-03", comment="to the other room", is_disabled=True)

    assert get(fake_cluster.first, "/cluster/replication").data == [
        {
            "id": "101-0",
            "type": "local",
            "guest": 101,
            "jobnum": 0,
            "source": "pve-02",
            "target": "pve-03",
            "schedule": "*/15",
            "comment": "to the other room",
            "disable": 1,
        }
    ]


@pytest.mark.parametrize("path", ["/cluster/replication", "/nodes/pve-02/replication"])
def test_replication_of_guests_that_may_not_be_seen_is_left_out(fake_cluster: PveSite, path: str) -> None:
    fake_cluster.set_replication(101, target="pve-03")
    fake_cluster.set_replication(104, target="pve-03")

    one = get(fake_cluster.first, path, granted(fake_cluster, "VM.Audit", path="/vms/104")).data

    assert [row["id"] for row in one] == ["104-0"]
    assert get(fake_cluster.first, path, granted(fake_cluster)).data == []


def test_job_that_never_ran_has_zero(fake_cluster: PveSite) -> None:
    fake_cluster.set_replication(101, target="pve-03", last_sync=0)

    assert get(fake_cluster.first, "/nodes/pve-02/replication").data[0]["last_sync"] == 0


def test_unknown_fact_is_an_error(fake_cluster: PveSite) -> None:
    with pytest.raises(ValueError, match="no such facts: colour"):
        fake_cluster.set_ceph(colour="blue")
    with pytest.raises(ValueError, match="no such facts: colour"):
        fake_cluster.set_replication(101, colour="blue")
