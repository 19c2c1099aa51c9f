"""When runs of jobs were due, and which should have been and were not: jobs of a PVE over guests, and those of a PBS; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from nodes.proxmox.readings.live import GuestReading
from nodes.proxmox.tasks import read_upid

#: How late a job may begin before its run counts as missed.
LATENESS = timedelta(hours=1)
#: What is dated later than now by more than this is of the future, and proves nothing.
AHEAD_SECONDS = 300.0
#: A run begins so much before its time at most: clocks differ.
EARLINESS_SECONDS = 120
#: A run whose guests are others today than they were then began at its time: the scheduler looks every minute.
PUNCTUAL_SECONDS = 180

NO_GUESTS: Mapping[int, GuestReading] = {}


@lru_cache(maxsize=256)
def zone_called(name: str) -> tzinfo | None:
    """Return a time zone by its name, None when this machine does not know it."""
    try:
        return ZoneInfo(name) if name else None
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        return None


def zone_of(facts: Facts, node: str = "") -> tzinfo | None:
    """Return the time zone in which the schedules of an instance are meant."""
    names = [facts.node(node).time_zone] if node else []
    names += [facts.host.time_zone, *(known.time_zone for known in facts.nodes.values())]
    return next((zone for name in names if (zone := zone_called(name)) is not None), None)


def ahead_seconds(facts: Facts, node: str = "") -> float:
    """Return by how much the clock of an instance is ahead of ours, 0 while it was not told."""
    told = [facts.node(node)] if node else []
    told += [facts.host, *facts.nodes.values()]
    return next((one.clock_ahead_seconds for one in told if one.clock_ahead_seconds is not None), 0.0)


def host_now(facts: Facts, node: str = "", *, at: datetime) -> datetime:
    """Return what the clock of an instance says at an instant: its schedules, tasks and backups go by that."""
    return at + timedelta(seconds=ahead_seconds(facts, node))


def latest_epoch(facts: Facts, *, at: datetime) -> float:
    """Return up to when what is dated by the clocks of an instance may be: later than this is the future."""
    told = (one.clock_ahead_seconds or 0.0 for one in (facts.host, *facts.nodes.values()))
    return at.timestamp() + max([0.0, *told]) + AHEAD_SECONDS


def first_seen(facts: Facts, job: str) -> datetime | None:
    """Return since when a job is known as it is, None when it was there before Pulse."""
    known = facts.job_history.get(job)
    return moment(known.changed_epoch) if known is not None else None


def missed_jobs(
    facts: Facts, guests: Mapping[int, GuestReading] = NO_GUESTS, *, at: datetime
) -> dict[str, int]:
    """Return the runs of an instance's jobs that should have been and were not, by "<kind> <id>"."""
    found: dict[str, int] = {}
    tasks = list(backup_tasks(facts))
    for job in facts.jobs:
        missed = missed_backup(job, facts, tasks, guests, at=at)
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
    job: BackupJobReading,
    facts: Facts,
    tasks: Sequence[TaskReading],
    guests: Mapping[int, GuestReading] = NO_GUESTS,
    *,
    at: datetime,
) -> int | None:
    """Return when a backup job should have begun and no task did, None when one did or nobody can tell."""
    if not job.is_enabled or not facts.backup_tasks or begins_nothing(job, facts, guests):
        return None
    if not are_tasks_seen(job, facts, guests):
        return None
    due = last_due(job, facts, at=host_now(facts, job.node, at=at), tolerance=LATENESS)
    looked_epoch = facts.tasks_epoch + ahead_seconds(facts, job.node)
    if due is None or looked_epoch < due + LATENESS.total_seconds():
        return None  # nobody has looked since
    begun = [task for task in tasks if may_be_run(task, job, guests)]
    reaches_back = any((task.started_epoch or due) < due for task in begun) or not any(
        facts.backup_tasks.values()
    )
    return due if reaches_back and not runs_at(due, job, facts, tasks, guests) else None


def are_tasks_seen(job: BackupJobReading, facts: Facts, guests: Mapping[int, GuestReading]) -> bool:
    """Return whether the tasks of all nodes were read on which a job has guests: an account may see its own tasks alone."""
    held = facts.permissions
    if held is not None and not all(held.has(f"/nodes/{node}", "Sys.Audit") for node in facts.backup_tasks):
        return False
    nodes = {one.node for vmid, one in guests.items() if may_name(job, vmid, guests)}
    return nodes <= facts.backup_tasks.keys() if not job.node else job.node in facts.backup_tasks


def begins_nothing(job: BackupJobReading, facts: Facts, guests: Mapping[int, GuestReading]) -> bool:
    """Return whether a job over a pool finds no guest on any node: then it begins no task at all.

    Source: pve-manager, PVE/API2/VZDump.pm: without a guest of its own a node leaves silently, unless the job is over all.
    """
    if job.covers_all or not job.pool or not guests:
        return False
    held = facts.permissions
    is_told = held is not None and held.has(f"/pool/{job.pool}", "Pool.Audit")
    return is_told and not any(is_in_pool(one, job.pool) for one in guests.values())


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


def is_in_pool(guest: GuestReading, pool: str) -> bool:
    """Return whether a guest is told to be in a pool, or one below it."""
    return guest.pool == pool or guest.pool.startswith(f"{pool}/")


def may_name(job: BackupJobReading, vmid: int, guests: Mapping[int, GuestReading]) -> bool:
    """Return whether a job may take a guest, or may have: its pool need not be told, and it may be gone."""
    if job.covers_all:
        return vmid not in job.excluded
    if job.pool:
        known = guests.get(vmid)
        return known is None or not known.pool or is_in_pool(known, job.pool)
    return vmid in job.vmids


def may_be_run(
    task: TaskReading, job: BackupJobReading, guests: Mapping[int, GuestReading] = NO_GUESTS
) -> bool:
    """Return whether a task may be a run of a job, which it does not name.

    A run is one task on each node. It is named after a guest when the job finds exactly one there, however the job lists its
    guests, and else after none. Source: pve-manager, PVE/API2/VZDump.pm.
    """
    if task.started_epoch is None or (job.node and task.node != job.node):
        return False
    if not task.subject:
        return True
    return task.subject.isascii() and task.subject.isdigit() and may_name(job, int(task.subject), guests)


def is_named_alike(task: TaskReading, job: BackupJobReading, guests: Mapping[int, GuestReading]) -> bool:
    """Return whether a run of a job would be named as a task is, by the guests that are told to be on its node now."""
    there = [
        vmid
        for vmid, one in guests.items()
        if one.node == task.node
        if (is_in_pool(one, job.pool) if job.pool and not job.covers_all else may_name(job, vmid, guests))
    ]
    return bool(there) and task.subject == (str(there[0]) if len(there) == 1 else "")


def runs_at(
    due: int,
    job: BackupJobReading,
    facts: Facts,
    tasks: Sequence[TaskReading],
    guests: Mapping[int, GuestReading],
) -> list[TaskReading]:
    """Return the tasks that were the run of a job at an instant, one on each node.

    Those that are named as the job would have them now; else, as guests come and go, also one named after a single guest, when it
    began at its time and not as the run of another job over that guest.
    """
    near = [task for task in tasks if is_near(task, due) and may_be_run(task, job, guests)]
    alike = [task for task in near if is_named_alike(task, job, guests)]
    if alike:
        return alike
    listed = {str(vmid) for vmid in job.vmids}
    return [
        task
        for task in near
        if not task.subject
        or task.subject in listed
        or (
            bool(guests)
            and (task.started_epoch or 0) <= due + PUNCTUAL_SECONDS
            and not is_of_another(task, job, facts)
        )
    ]


def is_of_another(task: TaskReading, job: BackupJobReading, facts: Facts) -> bool:
    """Return whether a task was the run of another job, which lists its guest."""
    begun = moment((task.started_epoch or 0) + EARLINESS_SECONDS)
    if begun is None:
        return False
    for one in facts.jobs:
        if one.id != job.id and one.is_enabled and one.vmids and may_be_run(task, one):
            due = last_due(one, facts, at=begun, tolerance=timedelta(0))
            if due is not None and is_near(task, due):
                return True
    return False


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
    latest = latest_epoch(facts, at=at)
    at = host_now(facts, at=min(at, moment(looked_at) or at))  # nobody knows what has run since
    told = read_upid(job.last_run_upid) if job.last_run_upid else None
    started = past(told.started_epoch if told is not None else None, latest)
    ended = moment(past(job.last_run_ended_epoch, latest))
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


def past(epoch: int | None, latest: float) -> int | None:
    """Return an instant, None for one of the future."""
    return epoch if epoch is not None and epoch <= latest else None


def moment(epoch: float | None) -> datetime | None:
    """Return the instant of epoch seconds."""
    return datetime.fromtimestamp(epoch, UTC) if epoch and epoch < 253_402_300_799 else None
