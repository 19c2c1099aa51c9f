from __future__ import annotations

from typing import Any

import pytest

from nodes.proxmox import cluster
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.cluster import (
    CephCheckReading,
    CephFlagReading,
    CephOsdReading,
    CephPoolReading,
    CephReading,
    HaNodeReading,
    HaReading,
    HaServiceReading,
    QdeviceReading,
    ReplicationReading,
    VoteReading,
)


def test_the_votes_of_the_nodes_are_texts_and_come_by_name() -> None:
    rows = [
        {"node": "pve2", "name": "pve2", "nodeid": "2", "quorum_votes": "2", "ring0_addr": "192.0.2.2"},
        {"name": "pve1", "nodeid": "1"},
        {"nodeid": "3"},
    ]

    assert cluster.read_node_votes(rows) == (VoteReading("pve1", 1, None), VoteReading("pve2", 2, 2))


def test_a_host_outside_any_cluster_has_no_votes() -> None:
    assert cluster.read_node_votes([]) == ()


QDEVICE = {
    "Model": "Net",
    "QNetd host": "192.0.2.53:5403",
    "State": "Connected",
    "Algorithm": "Fifty-Fifty split",
    "Tie-breaker": "Node with lowest node ID",
    "Last poll call": "2026-01-01T12:00:00 (cast vote)",
}


def test_a_qdevice_is_read_in_the_words_of_its_daemon() -> None:
    assert cluster.read_qdevice(QDEVICE) == QdeviceReading(
        model="Net",
        host="192.0.2.53:5403",
        state="Connected",
        algorithm="Fifty-Fifty split",
        tie_breaker="Node with lowest node ID",
        last_poll="2026-01-01T12:00:00 (cast vote)",
    )


def test_a_node_without_a_daemon_has_no_qdevice() -> None:
    assert cluster.read_qdevice({}) is None


@pytest.mark.parametrize("data", [None, [], "Connected", {"Name": "x"}])
def test_what_tells_of_no_qdevice_in_another_way_is_a_bad_answer(data: Any) -> None:
    with pytest.raises(BadAnswer):
        cluster.read_qdevice(data)


@pytest.mark.parametrize(
    ("state", "last_poll", "is_connected", "casts_vote"),
    [
        ("Connected", "2026-01-01T12:00:00 (cast vote)", True, True),
        ("Connected", "2026-01-01T12:00:00", True, False),
        ("Connected", "", True, None),
        ("Connect failed", "2026-01-01T12:00:00 (cast vote)", False, False),
        ("Connecting", "Never", False, False),
        ("", "2026-01-01T12:00:00 (cast vote)", None, None),
    ],
)
def test_a_qdevice_votes_only_while_it_is_connected(
    state: str, last_poll: str, is_connected: bool | None, casts_vote: bool | None
) -> None:
    reading = QdeviceReading(state=state, last_poll=last_poll)

    assert (reading.is_connected, reading.casts_vote) == (is_connected, casts_vote)


def test_high_availability_is_read_with_its_services() -> None:
    rows = [
        {"type": "quorum", "id": "quorum", "node": "pve1", "quorate": 1, "status": "OK"},
        {
            "type": "master",
            "id": "master",
            "node": "pve2",
            "status": "pve2 (active)",
            "timestamp": 1767225600,
        },
        {"type": "fencing", "id": "fencing", "armed-state": "armed"},
        {"type": "lrm", "id": "lrm:pve2", "node": "pve2", "status": "pve2 (idle)", "timestamp": 1767225601},
        {
            "type": "lrm",
            "id": "lrm:pve1",
            "node": "pve1",
            "status": "pve1 (active)",
            "timestamp": "1767225602",
        },
        {"type": "service", "sid": "vm:100", "node": "pve1", "state": "error", "request_state": "started"},
        {"type": "service", "id": "service:ct:101", "node": "pve2", "state": "stopped"},
    ]

    assert cluster.read_ha_status(rows) == HaReading(
        is_quorate=True,
        master_node="pve2",
        master_status="pve2 (active)",
        master_seen_epoch=1767225600,
        nodes=(
            HaNodeReading("pve1", "pve1 (active)", 1767225602),
            HaNodeReading("pve2", "pve2 (idle)", 1767225601),
        ),
        services=(
            HaServiceReading("ct:101", "pve2", "stopped"),
            HaServiceReading("vm:100", "pve1", "error", "started"),
        ),
        fencing="armed",
    )


def test_where_high_availability_is_not_used_the_reading_is_empty() -> None:
    assert cluster.read_ha_status([]) == HaReading()


def test_a_cluster_without_quorum_says_so() -> None:
    assert cluster.read_ha_status([{"type": "quorum", "quorate": 0}]).is_quorate is False


@pytest.mark.parametrize("data", [None, {}, [1], [{"node": "pve1"}]])
def test_high_availability_that_cannot_be_read_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        cluster.read_ha_status(data)


def test_ceph_is_read_with_its_checks_and_rates() -> None:
    data = {
        "health": {"status": "HEALTH_WARN", "checks": {
            "OSD_DOWN": {"severity": "HEALTH_WARN", "summary": {"message": "1 osds down"}, "muted": False},
            "MON_CLOCK_SKEW": {"severity": "HEALTH_WARN", "summary": {"message": "skew"}, "muted": True}}},
        "osdmap": {"num_osds": 6, "num_up_osds": 5, "num_in_osds": 6},
        "pgmap": {"num_pgs": 129, "bytes_used": 40, "bytes_total": 100, "read_bytes_sec": 1, "write_bytes_sec": 2,
                  "read_op_per_sec": 3, "write_op_per_sec": 4,
                  "pgs_by_state": [{"state_name": "active+undersized", "count": 9}, {"state_name": "active+clean", "count": 120},
                                   {"state_name": "", "count": 1}, {"state_name": "down"}]},
        "monmap": {"mons": [{"name": "pve1"}, {"name": "pve2"}], "num_mons": 9},
        "mgrmap": {"available": False},
        "quorum_names": ["pve2", "pve1"],
    }  # fmt: skip

    assert cluster.read_ceph_status(data) == CephReading(
        health="HEALTH_WARN",
        checks=(
            CephCheckReading("MON_CLOCK_SKEW", "HEALTH_WARN", "skew", is_muted=True),
            CephCheckReading("OSD_DOWN", "HEALTH_WARN", "1 osds down"),
        ),
        osd_count=6,
        osd_up_count=5,
        osd_in_count=6,
        used_bytes=40,
        total_bytes=100,
        placement_group_count=129,
        placement_groups=(("active+clean", 120), ("active+undersized", 9)),
        monitor_count=2,
        quorum=("pve1", "pve2"),
        manager_is_available=False,
        read_bytes_per_second=1,
        write_bytes_per_second=2,
        read_operations_per_second=3,
        write_operations_per_second=4,
    )


def test_ceph_of_old_releases_is_read() -> None:
    data = {
        "health": {"overall_status": "HEALTH_ERR", "summary": [{"severity": "HEALTH_ERR", "summary": "3 full osd(s)"}]},
        "osdmap": {"osdmap": {"num_osds": 3, "num_up_osds": 2, "num_in_osds": 1}},
    }  # fmt: skip

    reading = cluster.read_ceph_status(data)

    assert reading == CephReading(
        health="HEALTH_ERR",
        checks=(CephCheckReading("", "HEALTH_ERR", "3 full osd(s)"),),
        osd_count=3,
        osd_up_count=2,
        osd_in_count=1,
    )


def test_more_checks_than_ceph_has_are_cut() -> None:
    checks = {f"CHECK_{number}": {"severity": "HEALTH_WARN"} for number in range(300)}

    reading = cluster.read_ceph_status({"health": {"status": "HEALTH_WARN", "checks": checks}})

    assert len(reading.checks) == 200


@pytest.mark.parametrize("data", [None, [], {}, {"health": {}}, {"health": "HEALTH_OK"}])
def test_ceph_without_a_health_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        cluster.read_ceph_status(data)


def osd(number: Any, **fields: Any) -> dict[str, Any]:
    return {"id": number, "type": "osd", **fields}


def host(name: str, *children: Any) -> dict[str, Any]:
    return {"id": -2, "type": "host", "name": name, "children": list(children)}


def test_osds_are_the_leaves_of_a_tree() -> None:
    first = osd(
        "0", name="osd.zero", host="pve9", status="up", percent_used=12.5, total_space=800, bytes_used=100, device_class="ssd",
        **{"in": 1},
    )  # fmt: skip
    tree = {
        "children": [{"type": "root", "children": [host("pve2", osd(1, status="down")), host("pve1", first)]}]
    }

    assert cluster.read_ceph_osds({"root": tree}) == (
        CephOsdReading(0, "osd.zero", "pve9", "up", True, 12.5, 800, "ssd", 100),
        CephOsdReading(1, "osd.1", "pve2", "down"),
    )


def test_buckets_and_osds_without_a_number_are_left_out() -> None:
    tree = {"root": host("pve1", osd(-1), osd("x"), osd(None), {"type": "rack"}, 5)}

    assert cluster.read_ceph_osds(tree) == ()


def test_a_tree_without_end_is_walked_to_a_limit() -> None:
    tree = {"root": host("pve1", *(osd(number) for number in range(30_000)))}

    assert len(cluster.read_ceph_osds(tree)) == 19_999


@pytest.mark.parametrize("data", [None, [], {}])
def test_osds_that_are_no_tree_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        cluster.read_ceph_osds(data)


def test_the_use_of_a_pool_is_a_ratio_whatever_its_field_is_called() -> None:
    rows = [
        {"pool_name": "vms", "bytes_used": 30, "percent_used": 0.25, "size": 3, "min_size": 2, "pg_num": 128},
        {"pool_name": "data"},
        {"size": 3},
    ]

    assert cluster.read_ceph_pools(rows) == (
        CephPoolReading("data"),
        CephPoolReading("vms", 30, 0.25, 3, 2, 128),
    )


def replication(**fields: Any) -> dict[str, Any]:
    return {"id": "100-0", **fields}


def test_a_replication_job_is_read_with_its_last_run() -> None:
    row = replication(
        guest=105, source="pve1", target="pve2", schedule="*/15", last_sync=1767225600, last_try=1767225900,
        next_sync=1767226800, duration=4.5, fail_count=2, error="no route", pid=4711, disable=1,
    )  # fmt: skip

    assert cluster.read_replication([row]) == (
        ReplicationReading(
            id="100-0",
            vmid=105,
            source="pve1",
            target="pve2",
            schedule="*/15",
            last_sync_epoch=1767225600,
            last_try_epoch=1767225900,
            next_sync_epoch=1767226800,
            duration_seconds=4.5,
            failure_count=2,
            error="no route",
            is_running=True,
            is_disabled=True,
        ),
    )


def test_a_replication_job_that_never_ran_has_no_last_run() -> None:
    (reading,) = cluster.read_replication([replication(last_sync=0, last_try=0, fail_count=0, duration=-1)])

    assert reading == ReplicationReading("100-0", vmid=100)


def test_replication_jobs_come_by_id() -> None:
    rows = [replication(id="101-0"), replication(), {"guest": 5}]

    assert [job.id for job in cluster.read_replication(rows)] == ["100-0", "101-0"]


def lines_of(detail: object, summary: str = "2 nearfull osd(s)") -> tuple[tuple[str, ...], int]:
    """The lines of one check, and how many there are."""
    check = {"severity": "HEALTH_WARN", "summary": {"message": summary}, "detail": detail}
    (reading,) = cluster.read_ceph_status(
        {"health": {"status": "HEALTH_WARN", "checks": {"OSD_NEARFULL": check}}}
    ).checks
    return reading.details, reading.detail_count


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        ([{"message": "osd.3 is near full"}, {"message": "osd.7 is near full"}], (("osd.3 is near full", "osd.7 is near full"), 2)),
        ([{"message": "2 nearfull osd(s)"}, {"message": "osd.3 is near full"}], (("osd.3 is near full",), 1)),
        ([{"message": "2 nearfull osd(s)"}], ((), 0)),
        ([{"message": ""}, {"text": "?"}, "osd.3", None], ((), 0)),
        ("osd.3 is near full", ((), 0)),
        (None, ((), 0)),
        ([], ((), 0)),
    ],
)  # fmt: skip
def test_a_check_of_ceph_says_what_it_is_about(detail: object, expected: tuple[tuple[str, ...], int]) -> None:
    assert lines_of(detail) == expected


def test_of_thousands_of_lines_the_first_are_kept_and_all_are_counted() -> None:
    lines, count = lines_of([{"message": f"pg 1.{number} is stuck {'x' * 500}"} for number in range(4_000)])

    assert (len(lines), max(map(len, lines)), count) == (30, 200, 4_000)


def test_flags_of_ceph_are_read_by_name() -> None:
    rows = [{"name": "noout", "value": 1}, {"name": "noin", "value": False}, {"name": "pause"}, {"value": 1}]

    assert cluster.read_ceph_flags(rows) == (
        CephFlagReading("noin"),
        CephFlagReading("noout", is_set=True),
        CephFlagReading("pause"),
    )
