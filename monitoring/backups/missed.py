"""When runs of jobs were due, and which should have been and were not: jobs of a PVE over guests, and those of a PBS; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from monitoring.backups import coverage
from monitoring.backups.calendar import NotASchedule, missed_run, parse
from monitoring.backups.results import job_outcome
from monitoring.backups.tries import backup_tasks
from monitoring.known.facts import Facts
from nodes.proxmox.readings.backup_server import ServerJobReading
from nodes.proxmox.readings.backups import BackupJobReading, TaskReading
from nodes.proxmox.tasks import read_upid

#: How late a job may begin before its run counts as missed.
LATENESS = timedelta(hours=1)
#: A run begins so much before its time at most: clocks differ.
EARLINESS_SECONDS = 120


@lru_cache(maxsize=256)
def zone_called(name: str) -> tzinfo | None:
    """Return a time zone by its name, None when this machine does not know it."""
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError):
        return None


def zone_of(facts: Facts, node: str = "") -> tzinfo | None:
    """Return the time zone in which the schedules of an instance are meant."""
    names = [facts.node(node).time_zone] if node else []
    names += [facts.host.time_zone, *(known.time_zone for known in facts.nodes.values())]
    return next((zone for name in names if (zone := zone_called(name)) is not None), None)


def first_seen(facts: Facts, job: str) -> datetime | None:
    """Return since when a job is known as it is, None when it was there before Pulse."""
    known = facts.job_history.get(job)
    return moment(known.changed_epoch) if known is not None else None


def missed_jobs(facts: Facts, *, at: datetime) -> dict[str, int]:
    """Return the runs of an instance's jobs that should have been and were not, by "<kind> <id>"."""
    found: dict[str, int] = {}
    tasks = list(backup_tasks(facts))
    for job in facts.jobs:
        missed = missed_backup(job, facts, tasks, at=at)
        if missed is not None:
            found[f"backup {job.id}"] = missed
    for kind, jobs in facts.server_jobs.items():
        for server_job in jobs:
            name = f"{kind} {server_job.id}"
            run = missed_server_run(server_job, facts, name, at=at)
            if run is not None:
                found[name] = int(run.timestamp())
    return found


def missed_backup(
    job: BackupJobReading, facts: Facts, tasks: Sequence[TaskReading], *, at: datetime
) -> int | None:
    """Return when a backup job should have begun and no task did, None when one did or nobody can tell."""
    if not job.is_enabled or not facts.backup_tasks:
        return None
    due = last_due(job, facts, at=at, tolerance=LATENESS)
    if due is None or facts.tasks_epoch < due + LATENESS.total_seconds():
        return None  # nobody has looked since
    begun = [task for task in tasks if may_be_run(task, job)]
    reaches_back = any((task.started_epoch or due) < due for task in begun) or not any(
        facts.backup_tasks.values()
    )
    return due if reaches_back and not any(is_near(task, due) for task in begun) else None


def last_due(
    job: BackupJobReading, facts: Facts, *, at: datetime, tolerance: timedelta = coverage.TOLERANCE
) -> int | None:
    """Return when a job should have begun last, None when it should not have yet or its schedule is not known."""
    return coverage.due_epoch(
        job,
        at=at,
        zone=zone_of(facts, job.node),
        first_seen_at=first_seen(facts, f"backup {job.id}"),
        tolerance=tolerance,
    )


def may_be_run(task: TaskReading, job: BackupJobReading) -> bool:
    """Return whether a task may be a run of a job, which it does not name.

    A job over one guest names that; one over several names none, and is one task on each node.
    """
    if task.started_epoch is None or (job.node and task.node != job.node):
        return False
    return not task.subject or task.subject in {str(vmid) for vmid in job.vmids}


def is_near(task: TaskReading, due: int) -> bool:
    """Return whether a task began at the time of a run."""
    return task.started_epoch is not None and (
        due - EARLINESS_SECONDS <= task.started_epoch <= due + LATENESS.total_seconds()
    )


def missed_server_run(job: ServerJobReading, facts: Facts, name: str, *, at: datetime) -> datetime | None:
    """Return when a job of a PBS should have run and did not."""
    if job.is_disabled or not job.schedule:
        return None
    try:
        schedule = parse(job.schedule)
    except NotASchedule:
        return None
    looked_at = facts.server_jobs_epoch.get(job.kind)
    if not looked_at:
        return None
    at = min(at, datetime.fromtimestamp(looked_at, UTC))  # nobody knows what has run since
    told = read_upid(job.last_run_upid) if job.last_run_upid else None
    started = told.started_epoch if told is not None else None
    ended = moment(job.last_run_ended_epoch)
    since = first_seen(facts, name) or moment(
        facts.job_history[name].noted_epoch if name in facts.job_history else None
    )
    return missed_run(
        schedule,
        at=at,
        zone=zone_of(facts),
        last_start_at=moment(started) or ended,
        first_seen_at=since or at,
        tolerance=LATENESS,
        last_end_at=ended,
        is_running=job_outcome(job) == "running",
        next_run_at=moment(job.next_run_epoch),
    )


def moment(epoch: float | None) -> datetime | None:
    """Return the instant of epoch seconds."""
    return datetime.fromtimestamp(epoch, UTC) if epoch and epoch < 253_402_300_799 else None
