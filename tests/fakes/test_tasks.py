"""Tasks of Proxmox VE: lists, filters, status and log."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fake_proxmox import FakeServer, PveSite
from tests.fakes.raw import get, token_header
from tests.fakes.reference import reference

NIGHTLY = "backup-7a31c9e0-nightly"
TASKS = "/nodes/pve/tasks"
MIDNIGHT = 1_767_225_600
DAY = 86_400


def _log(server: FakeServer, upid: str) -> list[str]:
    return [line["t"] for line in get(server, f"{TASKS}/{upid}/log?limit=1000").data]


def _last_backup(server: FakeServer) -> dict[str, Any]:
    return dict(get(server, TASKS + "?typefilter=vzdump&limit=1").data[0])


def test_ended_task_has_the_keys_of_a_recorded_one(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/node-tasks.json")[0]["json"]["data"][0]

    assert set(_last_backup(fake_pve)) == set(recorded)


def test_list_has_fifty_at_most_unless_told_and_says_how_many_there_are(fake_cluster: PveSite) -> None:
    for _ in range(60):
        fake_cluster.finish_task(fake_cluster.start_task("pve-01", "qmstart", "100"))

    reply = get(fake_cluster.first, "/nodes/pve-01/tasks")
    page = get(fake_cluster.first, "/nodes/pve-01/tasks?start=50&limit=5")

    assert len(reply.data) == 50
    assert '"total":112' in reply.text
    assert len(page.data) == 5
    assert page.data[0]["upid"] not in {row["upid"] for row in reply.data}


def test_newest_task_comes_first(fake_pve: FakeServer) -> None:
    times = [row["starttime"] for row in get(fake_pve, TASKS).data]

    assert times == sorted(times, reverse=True)
    assert times[-1] > MIDNIGHT - 15 * DAY


def test_running_task_is_only_listed_if_asked_for(fake_pve: FakeServer) -> None:
    upid = fake_pve.site.start_task("pve", "qmigrate", "100")

    archive, active, everything = (
        [row for row in get(fake_pve, f"{TASKS}?source={source}").data if row["upid"] == upid]
        for source in ("archive", "active", "all")
    )

    assert archive == []
    assert active == everything
    assert (active[0]["status"], "endtime" in active[0]) == ("RUNNING", False)


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ("typefilter=qmstart", ["WARNINGS: 2", "OK", "job errors", "unexpected status"]),
        ("typefilter=qmsta", []),
        ("typefilter=qmstart&errors=1", ["WARNINGS: 2", "job errors", "unexpected status"]),
        ("typefilter=qmstart&statusfilter=warning", ["WARNINGS: 2"]),
        ("typefilter=qmstart&statusfilter=error,unknown", ["job errors", "unexpected status"]),
        ("typefilter=qmstart&statusfilter=ok", ["OK"]),
        ("typefilter=qmstart&userfilter=alice", ["WARNINGS: 2"]),
        ("typefilter=qmstart&since=1767268801", []),
        ("typefilter=qmstart&until=1767268799", []),
        ("vmid=4711", ["WARNINGS: 2"]),
    ],
)
def test_filters_of_the_list(fake_pve: FakeServer, query: str, statuses: list[str]) -> None:
    site = fake_pve.site
    site.set_job(NIGHTLY, is_enabled=False)
    for number, status in enumerate(("OK", "job errors", "unexpected status")):
        site.finish_task(site.start_task("pve", "qmstart", str(5_000 + number)), status)
    site.finish_task(site.start_task("pve", "qmstart", "4711", user="alice@pve"), "WARNINGS: 2")

    data = get(fake_pve, f"{TASKS}?{query}").data

    own = [row["status"] for row in data if int(row["id"] or 0) > 4_000]
    assert sorted(own) == sorted(statuses)


def test_filter_by_time_compares_the_start(fake_pve: FakeServer) -> None:
    upid = fake_pve.site.start_task("pve", "qmigrate", "100", started_at=MIDNIGHT)
    fake_pve.site.finish_task(upid)

    after = get(fake_pve, f"{TASKS}?since={MIDNIGHT + 1}").data
    until = get(fake_pve, f"{TASKS}?since={MIDNIGHT}&until={MIDNIGHT}").data

    assert upid not in {row["upid"] for row in after}
    assert upid in {row["upid"] for row in until}


def test_unknown_source_is_a_400(fake_pve: FakeServer) -> None:
    reply = get(fake_pve, TASKS + "?source=nowhere")

    assert reply.status == 400
    assert "does not have a value in the enumeration" in reply.text


def test_task_of_a_token_names_user_and_token(fake_pve: FakeServer) -> None:
    upid = fake_pve.site.start_task("pve", "qmstart", "100", user="root@pam!robot")

    row = get(fake_pve, TASKS + "?source=active").data[0]

    assert (row["user"], row["tokenid"]) == ("root@pam", "robot")
    assert upid.endswith(":qmstart:100:root@pam!robot:")
    assert upid.count(":") == 8


def test_caller_without_rights_sees_its_own_tasks_only(fake_pve: FakeServer) -> None:
    site = fake_pve.site
    token = site.add_token("worker", {})
    own = site.start_task("pve", "qmstart", "100", user=token[0])
    other = site.start_task("pve", "qmstart", "101")
    header = token_header(fake_pve, *token)

    assert [row["upid"] for row in get(fake_pve, TASKS + "?source=all", header).data] == [own]
    assert [row["upid"] for row in get(fake_pve, "/cluster/tasks", header).data] == [own]
    assert get(fake_pve, f"{TASKS}/{own}/status", header).status == 200
    assert get(fake_pve, f"{TASKS}/{other}/status", header).status == 403


def test_cluster_list_tells_the_newest_of_all_nodes(fake_cluster: PveSite) -> None:
    upid = fake_cluster.start_task("pve-03", "vzdump")

    rows = get(fake_cluster.first, "/cluster/tasks").data

    counts = {name: sum(row["node"] == name for row in rows) for name in ("pve-01", "pve-02", "pve-03")}
    assert counts == {"pve-01": 25, "pve-02": 25, "pve-03": 25}
    running = next(row for row in rows if row["upid"] == upid)
    assert {"pid", "status", "endtime"} & set(running) == {"pid"}
    ended = next(row for row in rows if row["upid"] != upid)
    assert {"pid", "status", "endtime"} & set(ended) == {"status", "endtime"}


def test_cluster_list_changes_when_a_task_ends(fake_pve: FakeServer) -> None:
    upid = fake_pve.site.start_task("pve", "qmigrate", "100")
    get(fake_pve, "/cluster/tasks")
    fake_pve.clock.advance(60)
    fake_pve.site.fail_task(upid, "migration aborted")

    row = next(row for row in get(fake_pve, "/cluster/tasks").data if row["upid"] == upid)

    assert (row["status"], row["endtime"]) == ("migration aborted", 1_767_268_860)


def test_status_of_a_task_looks_like_recorded_ones(fake_pve: FakeServer) -> None:
    exchanges = reference("recorded/proxmox-go-sdk-pve9/node-tasks-upid-status.json")
    recorded = {each["json"]["data"]["status"]: set(each["json"]["data"]) for each in exchanges}
    running = fake_pve.site.start_task("pve", "qmigrate", "100")
    ended = fake_pve.site.start_task("pve", "qmdestroy", "100")
    fake_pve.site.finish_task(ended)

    own = [get(fake_pve, f"{TASKS}/{upid}/status").data for upid in (running, ended)]

    assert [set(row) for row in own] == [recorded["running"], recorded["stopped"]]
    assert (own[1]["status"], own[1]["exitstatus"]) == ("stopped", "OK")


def test_log_has_numbered_lines_and_an_ending(fake_pve: FakeServer) -> None:
    upid = fake_pve.site.start_task("pve", "qmigrate", "100", log=["starting", "copying"])
    fake_pve.site.fail_task(upid, "no route", log=["gone"])

    reply = get(fake_pve, f"{TASKS}/{upid}/log?start=1&limit=2")

    assert reply.data == [{"n": 2, "t": "copying"}, {"n": 3, "t": "gone"}]
    assert '"total":4' in reply.text
    assert _log(fake_pve, upid)[-1] == "TASK ERROR: no route"


def test_log_of_a_task_without_words_says_so(fake_pve: FakeServer) -> None:
    recorded = reference("recorded/fog-proxmox-pve6/node-tasks-upid-log.json")[0]["json"]
    upid = fake_pve.site.start_task("pve", "vzcreate", "100")

    reply = get(fake_pve, f"{TASKS}/{upid}/log")

    assert reply.data == recorded["data"]


@pytest.mark.parametrize(
    ("upid", "reason"),
    [
        ("nonsense", "unable to parse worker upid 'nonsense'"),
        ("UPID:pve:00000754:00009421:5FBE5DD2:vzcreate:100:root@pam:", "no such task"),
    ],
)
def test_task_that_does_not_exist_is_a_500(fake_pve: FakeServer, upid: str, reason: str) -> None:
    reply = get(fake_pve, f"{TASKS}/{upid}/status")

    assert (reply.status, reply.reason) == (500, reason)


def test_run_of_a_job_is_one_task_per_node_without_a_guest(fake_cluster: PveSite) -> None:
    runs = [
        get(fake_cluster.first, f"/nodes/{node}/tasks?typefilter=vzdump&since={MIDNIGHT}").data
        for node in ("pve-01", "pve-02", "pve-03")
    ]

    assert [len(run) for run in runs] == [1, 1, 1]
    assert [(run[0]["id"], run[0]["starttime"], run[0]["status"]) for run in runs] == [
        ("", MIDNIGHT + 9_000, "OK"),
        ("", MIDNIGHT + 9_000, "OK"),
        ("", MIDNIGHT + 9_000, "OK"),
    ]


def test_one_failing_guest_fails_the_task_and_only_the_log_names_it(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job(NIGHTLY, failing={105: ("no space left on device", MIDNIGHT)})

    task = _last_backup(fake_pve)
    lines = _log(fake_pve, task["upid"])

    assert task["status"] == "job errors"
    assert [line for line in lines if line.startswith("ERROR")] == [
        "ERROR: Backup of VM 105 failed - no space left on device"
    ]
    assert sum(line.startswith("INFO: Finished Backup of VM") for line in lines) == 13
    assert lines[-2:] == ["INFO: Backup job finished with errors", "TASK ERROR: job errors"]


def test_log_of_a_good_run_tells_each_guest(fake_pve: FakeServer) -> None:
    lines = _log(fake_pve, _last_backup(fake_pve)["upid"])

    begin = lines.index("INFO: Starting Backup of VM 105 (lxc)")
    part = lines[begin : begin + 9]
    assert part[1].startswith("INFO: Backup started at 2026-01-01 0")
    assert part[2:4] == ["INFO: status = running", "INFO: CT Name: pihole"]
    assert part[6].startswith(
        "INFO: creating vzdump archive '/mnt/pve/nas-backup/dump/vzdump-lxc-105-2026_01_01-0"
    )
    assert part[7].startswith("INFO: archive file size: ")
    assert part[8] == "INFO: Finished Backup of VM 105 (00:00:13)"
    assert lines[-2:] == ["INFO: Backup job finished successfully", "TASK OK"]


def test_run_with_a_warning_ends_with_warnings(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job(NIGHTLY, warning={100: MIDNIGHT})

    task = _last_backup(fake_pve)

    assert task["status"] == "WARNINGS: 1"
    assert "TASK WARNINGS: 1" in _log(fake_pve, task["upid"])


def test_missed_run_has_no_task(fake_pve: FakeServer) -> None:
    fake_pve.site.set_job(NIGHTLY, missed_days=[MIDNIGHT // DAY])

    assert _last_backup(fake_pve)["starttime"] == MIDNIGHT - DAY + 9_000


def test_run_that_goes_on_is_running_and_its_log_grows(fake_pve: FakeServer) -> None:
    fake_pve.clock.advance(DAY - 43_200 + 9_000 + 600)

    task = get(fake_pve, TASKS + "?source=active").data[0]
    early = _log(fake_pve, task["upid"])
    fake_pve.clock.advance(1_200)
    late = _log(fake_pve, task["upid"])

    assert (task["type"], task["status"]) == ("vzdump", "RUNNING")
    assert late[: len(early) - 3] == early[:-3]
    assert len(late) > len(early)
    assert not any(line.startswith("TASK") for line in late)
