"""Which tasks were the runs of which job: PVE names a task after a guest when the job finds exactly one on the node."""

from __future__ import annotations

import pytest

from monitoring.backups.attribution import BackupServer
from monitoring.backups.collected import Collected
from monitoring.backups.missed import missed_backup, missed_jobs, missed_server_run
from monitoring.backups.pve_jobs import jobs_of
from monitoring.backups.tries import newest_runs
from monitoring.known.facts import Facts, JobHistory, NodeFacts
from monitoring.known.memory import PollMemory
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backup_server import ServerJobReading
from nodes.proxmox.readings.backups import BackupJobReading, TaskReading
from nodes.proxmox.readings.live import GuestReading
from tests.conftest import NOON

AT = int(NOON.timestamp())
HOUR, DAY = 3600, 86400
TWO = AT - 10 * HOUR  # 02:00


def ran(started, subject="", *, node="pve1", status="OK", kind="vzdump"):
    """A task that took ten minutes."""
    upid = f"UPID:{node}:00000001:00000001:{started:08X}:{kind}:{subject}:root@pam:"
    return TaskReading(upid, node, kind, subject, "root@pam", started, started + 600, status)


def guest(vmid, node="pve1", pool=""):
    return GuestReading(vmid, "qemu", node, "running", pool=pool)


ALL = {"covers_all": True}
BUT_ONE = {"covers_all": True, "excluded": (101,)}
POOL = {"pool": "web"}
WEEKLY = BackupJobReading("weekly", schedule="sun 22:00", vmids=(100, 101))
#: Two guests on one node.
PAIR = (guest(100), guest(101))

#: A nightly job that was due at two, the guests, the tasks: status of its newest run, when that ended, what was missed.
RUNS = {
    "all, with one guest on the node": (ALL, (guest(100),), (ran(TWO, "100"),), ("ok", TWO + 600, None)),
    "all but one, which leaves one": (BUT_ONE, PAIR, (ran(TWO, "100"),), ("ok", TWO + 600, None)),
    "a pool of one": (POOL, (guest(100, pool="web"), guest(101)), (ran(TWO, "100"),), ("ok", TWO + 600, None)),
    "a pool below the pool": (
        POOL, (guest(100, pool="web/front"), guest(101)), (ran(TWO, "100"),), ("ok", TWO + 600, None)),
    "a pool that is not told": (POOL, PAIR, (ran(TWO, "100"),), ("ok", TWO + 600, None)),
    "one guest on each of two nodes": (
        ALL, (guest(100), guest(200, "pve2")),
        (ran(TWO, "100"), ran(TWO, "200", node="pve2", status="job errors")), ("failed", TWO + 600, None)),
    "one guest on one node, two on the other": (
        ALL, (guest(100), guest(200, "pve2"), guest(201, "pve2")),
        (ran(TWO, "100"), ran(TWO + 60, node="pve2")), ("ok", TWO + 660, None)),
    "two are listed, one of them here": (
        {"vmids": (100, 200)}, (guest(100), guest(200, "pve2")),
        (ran(TWO, "100"), ran(TWO, "200", node="pve2")), ("ok", TWO + 600, None)),
    "a guest that is gone since": (ALL, (guest(101), guest(102)), (ran(TWO, "100"),), ("ok", TWO + 600, None)),
    "a guest beside which another was made since": (ALL, PAIR, (ran(TWO + 30, "100"),), ("ok", TWO + 630, None)),
    "it failed": (ALL, (guest(100),), (ran(TWO, "100", status="job errors"),), ("failed", TWO + 600, None)),
    # as before
    "several guests name none": (ALL, PAIR, (ran(TWO),), ("ok", TWO + 600, None)),
    "by hand, half an hour later": (ALL, PAIR, (ran(TWO + 1800, "100"),), ("unknown", None, TWO)),
    "the excluded one by hand": (BUT_ONE, PAIR, (ran(TWO, "101"),), ("unknown", None, TWO)),
    "a guest of another pool": (POOL, (guest(100, pool="web"), guest(101, pool="db")), (ran(TWO, "101"),),
                                ("unknown", None, TWO)),
    "a start among the tasks": (ALL, (guest(100),), (ran(TWO, "100", kind="qmstart"),), ("unknown", None, TWO)),
    "not a number": (ALL, (guest(100),), (ran(TWO, "web"),), ("unknown", None, TWO)),
    "on another node": ({**ALL, "node": "pve1"}, PAIR, (ran(TWO, node="pve2"),), ("unknown", None, TWO)),
}  # fmt: skip


def facts_of(tasks, *jobs, **more):
    nodes = sorted({task.node for task in tasks} | {"pve1"})
    older = tuple(ran(TWO - 7 * DAY, node=node) for node in nodes)
    lists = {node: tuple(task for task in (*tasks, *older) if task.node == node) for node in nodes}
    known = {
        "backup_tasks": lists,
        "jobs": jobs,
        "tasks_epoch": float(AT),
        "nodes": {"pve1": NodeFacts(time_zone="UTC")},
    }
    return Facts(**(known | more))


def judged(job, guests, tasks, *others, **more):
    """Status, end and missed run of a job."""
    facts = facts_of(tasks, job, *others, **more)
    host = Collected(1, BackupServer("lab"), facts, PollMemory(), guests)
    missed = missed_jobs(facts, host.guests_by_vmid, at=NOON)
    told = jobs_of(host, missed, at=NOON)[0]
    return told.status, told.last_run_ended_epoch, told.missed_epoch


@pytest.mark.parametrize(("given", "guests", "tasks", "expected"), RUNS.values(), ids=RUNS)
def test_what_was_the_run_of_a_job(given, guests, tasks, expected):
    job = BackupJobReading("nightly", schedule="02:00", storage="nas", **given)

    assert judged(job, guests, tasks, WEEKLY) == expected


def test_the_run_of_another_job_over_one_guest_is_not_taken_for_that_of_the_job_over_all():
    every = BackupJobReading("every", schedule="02:00", **ALL)
    single = BackupJobReading("single", schedule="02:00", vmids=(100,))

    assert judged(every, PAIR, (ran(TWO, "100"),), single) == ("unknown", None, TWO)
    assert judged(single, PAIR, (ran(TWO, "100"),), every) == ("ok", TWO + 600, None)


def test_a_failed_backup_by_hand_does_not_make_the_good_run_fail():
    every = BackupJobReading("every", schedule="02:00", **ALL)
    tasks = (ran(TWO), ran(TWO + 100, "100", status="job errors"))

    assert judged(every, PAIR, tasks) == ("ok", TWO + 600, None)


def allowed(**paths):
    held = {"/": frozenset({"Sys.Audit", *paths.get("root", ())})}
    return PermissionsReading(held | paths.get("held", {}), held)


#: What nobody can tell: the facts and the guests of a nightly job without a run.
UNTOLD = {
    "a pool without guests begins no task": (POOL, PAIR, {"permissions": allowed(root=("Pool.Audit",))}),
    "tasks of a node are those of the account alone": (
        ALL, PAIR, {"permissions": allowed(held={"/nodes/pve1": frozenset()})}),
    "the tasks of a node with guests were never read": (ALL, (guest(100), guest(200, "pve9")), {}),
    "the tasks of the node of the job were never read": ({**ALL, "node": "pve9"}, (guest(200, "pve9"),), {}),
    "nobody has looked since": (ALL, PAIR, {"tasks_epoch": TWO + 60.0}),
    "the clock of the host has not come there": (
        ALL, PAIR, {"nodes": {"pve1": NodeFacts(time_zone="UTC", clock_ahead_seconds=-11.0 * HOUR)},
                    "backup_tasks": {"pve1": (ran(TWO - DAY),)}}),
}  # fmt: skip


@pytest.mark.parametrize(("given", "guests", "facts"), UNTOLD.values(), ids=UNTOLD)
def test_a_run_of_which_nobody_can_tell_is_not_called_missed(given, guests, facts):
    job = BackupJobReading("nightly", schedule="02:00", **given)

    assert judged(job, guests, (), **facts)[2] is None


def test_a_pool_without_guests_is_missed_where_the_account_may_not_see_who_is_in_it():
    job = BackupJobReading("nightly", schedule="02:00", **POOL)

    assert judged(job, PAIR, (), permissions=allowed())[2] == TWO


# --- instants of a host ---------------------------------------------------------------------------------------------


def test_a_run_dated_in_the_future_is_not_the_newest_try_of_a_guest():
    tasks = (ran(TWO + 300 * DAY, "100"), ran(TWO, "100", status="no space left on device"))

    runs = newest_runs(facts_of(tasks), latest_epoch=AT + 300.0)

    assert runs[100].status == "no space left on device"


SERVER_JOB = ServerJobReading("v1", "verify", "main", schedule="02:00")
#: When a job of a PBS has ended last, and how far its clock is ahead: the run that was missed.
SERVER_RUNS = {
    "in the future": (AT + 300 * DAY, None, TWO),
    "in the future, a little": (AT + 60, None, None),
    "in the future by our clock, not by its own": (AT + HOUR, 2.0 * HOUR, None),
    "last night": (TWO + 600, None, None),
    "a day before": (TWO - DAY + 600, None, TWO),
    "a day before, and its clock has not come to two": (TWO - DAY + 600, -11.0 * HOUR, None),
}  # fmt: skip


@pytest.mark.parametrize(("ended", "ahead", "expected"), SERVER_RUNS.values(), ids=SERVER_RUNS)
def test_the_last_run_of_a_job_that_is_dated_in_the_future_hides_no_missed_one(ended, ahead, expected):
    job = ServerJobReading(
        "v1", "verify", "main", schedule="02:00", last_run_ended_epoch=ended, last_run_state="OK"
    )
    facts = Facts(
        server_jobs_epoch={"verify": AT},
        host=NodeFacts(time_zone="UTC", clock_ahead_seconds=ahead),
        job_history={"verify v1": JobHistory("02:00", AT - 9 * DAY, AT - 9 * DAY)},
    )

    found = missed_server_run(job, facts, "verify v1", at=NOON)

    assert (int(found.timestamp()) if found else None) == expected


def test_a_job_of_a_host_whose_clock_is_ahead_is_due_by_that_clock():
    job = BackupJobReading("nightly", schedule="13:30", covers_all=True)
    facts = facts_of((), nodes={"pve1": NodeFacts(time_zone="UTC", clock_ahead_seconds=3.0 * HOUR)})
    ours = facts_of((), nodes={"pve1": NodeFacts(time_zone="UTC", clock_ahead_seconds=60.0)})

    tasks = facts.backup_tasks["pve1"]
    assert missed_backup(job, facts, tasks, at=NOON) == AT + 90 * 60
    assert missed_backup(job, ours, tasks, at=NOON) == AT - DAY + 90 * 60
