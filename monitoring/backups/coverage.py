"""Which guests are safe: in a job, with all their disks, and with a good backup that is not too old; pure.

What was not seen is unknown and never missing: a token that may not list backups gets an empty list, not an error.
Instants are epoch seconds, as in the readings.
Source: api-facts.md 4.1 (GET /cluster/backup, not-backed-up, storage content), 8 and 11.2.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf
from typing import Literal, NamedTuple

import msgspec

from monitoring.backups.calendar import DAY, NotASchedule, last_before, offsets_of, parse
from monitoring.backups.results import Outcome, outcome
from nodes.proxmox.readings.backup_server import BackupSnapshotReading
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    TaskReading,
)
from nodes.proxmox.readings.live import GuestReading

State = Literal["covered", "uncovered", "unknown"]
Freshness = Literal["good", "overdue", "bad", "never", "unknown"]
Fault = Literal["", "unfinished", "verification_failed"]

#: What is said of a guest whose backups are not there.
MISSING: frozenset[Freshness] = frozenset({"overdue", "bad", "never"})
#: Why a guest that may have a backup is not known to have it.
AMBIGUOUS = "ambiguous"
#: How long the run of a job may take before its backups are missed.
TOLERANCE = timedelta(hours=12)
#: Why a place is unread that will be read: until then nobody knows.
NOT_READ_YET = "not_read_yet"
NO_PERMISSION = "no_permission"
#: A PBS writes this for the size of a backup that is not finished.
UNFINISHED_BYTES = 1


class Backup(msgspec.Struct, frozen=True, gc=False):
    """One backup of a guest; only one without a fault is good."""

    taken_epoch: int
    source: str  # storage, or <server>/<datastore>
    fault: Fault = ""


class GuestRun(msgspec.Struct, frozen=True, gc=False):
    """One try to back up a guest; `status` is Proxmox's text, "" while it runs."""

    vmid: int
    started_epoch: int
    status: str = ""
    is_running: bool = False

    @property
    def outcome(self) -> Outcome:
        """How it ended."""
        return outcome(self.status, is_running=self.is_running)


class ExcludedDisk(msgspec.Struct, frozen=True, gc=False):
    """A disk that no job takes, with Proxmox's own reason."""

    key: str
    reason: str = ""


class Coverage(msgspec.Struct, frozen=True):
    """Whether a guest is safe.

    `state`: covered when an enabled job takes it and its backups can be seen, uncovered when no enabled job takes it,
    unknown when the jobs were not read, or its backups may not be seen. `freshness` judges what exists: good, overdue (a
    run is due that left nothing good), bad (nothing but faulty ones), never (none at all), unknown. `reason` says why
    either is unknown, or why `unchecked_jobs` are: with a good backup of another job these change nothing.
    """

    vmid: int
    state: State
    freshness: Freshness
    reason: str = ""
    jobs: tuple[str, ...] = ()  # ids of the enabled ones that take it
    excluded_disks: tuple[ExcludedDisk, ...] | None = ()  # None: not known
    last_good_epoch: int | None = None
    last_good_source: str = ""
    newest: Backup | None = None  # good or not
    failed_verification_count: int = 0
    due_epoch: int | None = None  # newest run that should have left a backup by now
    unchecked_jobs: tuple[str, ...] = ()  # ids of those whose backups cannot be seen
    ahead_count: int = 0  # backups of the future, which prove nothing
    ahead_epoch: int | None = None  # the latest of them
    last_run: GuestRun | None = None
    other_name: str = ""  # that its newest backup carries: it may be of an earlier guest with its number


class FoundBackups(msgspec.Struct, frozen=True):
    """The backups that were seen of the guests of one PVE instance, over all storages and servers.

    `ambiguous` are those that may be of a guest, or of another one with its number. `read` are the names of the sources
    that were read: storages by their name, also those of type pbs whose server was read in their place. `unread` are the
    others, with the reason. Both empty: there is no place for backups at all.
    A backup that is dated later than `latest_epoch` is of the future.
    """

    backups: Mapping[int, Sequence[Backup]] = {}
    read: frozenset[str] = frozenset()
    unread: Mapping[str, str] = {}
    latest_epoch: float = inf
    ambiguous: Mapping[int, Sequence[Backup]] = {}
    births: Mapping[int, int] = {}  # when guests were made, where that is known
    other_names: Mapping[int, str] = {}  # of guests whose newest backup carries another name than theirs

    @property
    def reason(self) -> str:
        """Why something was not read: that it will be before all else, then a missing privilege, which somebody can give."""
        reasons = sorted(self.unread.values())
        first = next((one for one in (NOT_READ_YET, NO_PERMISSION) if one in reasons), "")
        return first or (reasons[0] if reasons else "")

    def reason_for(self, jobs: Iterable[Job]) -> str:
        """Return why the backups of these jobs cannot be seen; of none, why something was not read."""
        told = {self.unread[job.storage] for job in jobs if job.storage in self.unread}
        return min(told) if told else self.reason


class Plan(msgspec.Struct, frozen=True):
    """The jobs of one PVE instance. `jobs` and `uncovered` None: not read, for the reason given."""

    jobs: tuple[BackupJobReading, ...] | None = None
    volumes: Mapping[str, Sequence[JobVolumeReading]] = {}  # by job
    uncovered: frozenset[int] | None = None  # vmids of GET /cluster/backup-info/not-backed-up
    due_epoch: Mapping[str, int] = {}  # by job, see due_epoch()
    reason: str = NOT_READ_YET


def of_volume(source: str, volume: BackupVolumeReading) -> Backup | None:
    """Return a backup in a storage of PVE, None when it does not say from when it is."""
    if volume.created_epoch is None:
        return None
    is_unfinished = volume.format.startswith("pbs-") and volume.size_bytes in (None, UNFINISHED_BYTES)
    return Backup(volume.created_epoch, source, fault(volume.verification, is_unfinished=is_unfinished))


def of_snapshot(source: str, snapshot: BackupSnapshotReading) -> Backup:
    """Return a backup snapshot of a PBS."""
    return Backup(
        snapshot.taken_epoch, source, fault(snapshot.verification, is_unfinished=snapshot.size_bytes is None)
    )


def fault(verification: str, *, is_unfinished: bool) -> Fault:
    """Return why a backup is not good; one that was never verified is."""
    if is_unfinished:
        return "unfinished"
    return "verification_failed" if verification == "failed" else ""


def runs_of(tasks: Iterable[TaskReading]) -> dict[int, GuestRun]:
    """Return the newest try of each guest that has a backup task of its own. Of a job over several only its log tells."""
    found: dict[int, GuestRun] = {}
    for task in tasks:
        if task.kind != "vzdump" or task.started_epoch is None:
            continue
        if not (task.subject.isascii() and task.subject.isdigit()):
            continue
        run = GuestRun(
            int(task.subject), task.started_epoch, task.status, is_running=task.ended_epoch is None
        )
        known = found.get(run.vmid)
        if known is None or run.started_epoch > known.started_epoch:
            found[run.vmid] = run
    return found


def due_epoch(
    job: BackupJobReading,
    *,
    at: datetime,
    zone: tzinfo | None,
    first_seen_at: datetime | None = None,
    tolerance: timedelta = TOLERANCE,
) -> int | None:
    """Return the newest run of a job whose backups should be there by now, None when there is none.

    Without a zone the earliest answer counts of those that fit the next run that Proxmox told, else one of a day ago.
    """
    try:
        schedule = parse(job.schedule)
    except NotASchedule:
        return None
    until = at - tolerance
    if zone is not None or schedule.is_utc:
        answers = [last_before(schedule, until, zone or UTC)]
    else:
        following = None if job.next_run_epoch is None else datetime.fromtimestamp(job.next_run_epoch, UTC)
        offsets = offsets_of(schedule, following, at)
        answers = [last_before(schedule, until, offset) for offset in offsets]
        answers = answers or [last_before(schedule, until - DAY, UTC)]
    told = [answer for answer in answers if answer is not None]
    if not told or (first_seen_at is not None and min(told) < first_seen_at):
        return None
    return int(min(told).timestamp())


def coverage(
    guests: Iterable[GuestReading], plan: Plan, seen: FoundBackups, runs: Mapping[int, GuestRun] | None = None
) -> dict[int, Coverage]:
    """Return the coverage of each guest by vmid; templates are left out."""
    jobs = [Job(job, plan.volumes.get(job.id)) for job in plan.jobs or () if job.is_enabled]
    return {
        guest.vmid: judge(guest, jobs, plan, seen, (runs or {}).get(guest.vmid))
        for guest in guests
        if not guest.is_template
    }


class Job:
    """An enabled job, ready to be asked about many guests."""

    def __init__(self, reading: BackupJobReading, volumes: Iterable[JobVolumeReading] | None = None) -> None:
        self.id = reading.id
        self.storage = reading.storage
        self.node = reading.node
        self._reading = reading
        self._vmids = frozenset(reading.vmids)
        self._excluded = frozenset(reading.excluded)
        self.is_by_pool = bool(reading.pool) and not reading.covers_all
        #: By guest; None: not read.
        self.volumes: dict[int, list[JobVolumeReading]] | None = None if volumes is None else {}
        for volume in volumes or ():
            if self.volumes is not None:
                self.volumes.setdefault(volume.vmid, []).append(volume)

    def names(self, guest: GuestReading) -> bool:
        """Return whether the job means a guest, wherever that is."""
        if self._reading.covers_all:
            return guest.vmid not in self._excluded
        if self.is_by_pool:
            return guest.pool == self._reading.pool
        return guest.vmid in self._vmids

    def takes(self, guest: GuestReading) -> bool:
        """Return whether the job backs a guest up: one that is tied to a node only while it is there."""
        return self.names(guest) and (not self.node or self.node == guest.node)


def judge(
    guest: GuestReading, jobs: Sequence[Job], plan: Plan, seen: FoundBackups, run: GuestRun | None
) -> Coverage:
    """Return the coverage of one guest."""
    plan = since(plan, seen.births.get(guest.vmid))
    taking = [job for job in jobs if job.takes(guest)]
    is_planned = planned(guest, taking, jobs, plan)
    if is_planned is False:
        taking = []
    every = seen.backups.get(guest.vmid, ())
    backups = [one for one in every if one.taken_epoch <= seen.latest_epoch]
    ahead = [one.taken_epoch for one in every if one.taken_epoch > seen.latest_epoch]
    good = max((one for one in backups if not one.fault), key=lambda one: one.taken_epoch, default=None)
    judged = freshness_of(good, every, taking, plan, seen)
    state: State = "unknown" if is_planned is None else "covered" if is_planned else "uncovered"
    reason = plan.reason if is_planned is None else ""
    claimed = good_claims(seen, guest.vmid) if judged.freshness in MISSING else []
    if claimed:
        # Never is too much said, and a run that left nothing is overdue whoever they are of.
        is_enough = judged.due_epoch is None or any(one.taken_epoch >= judged.due_epoch for one in claimed)
        judged = judged._replace(freshness="unknown" if is_enough else "overdue")
        reason = reason or (AMBIGUOUS if is_enough else "")
    if is_planned and not every and not seen.read and seen.unread:
        state = "unknown"
    if not reason and (state == "unknown" or judged.freshness == "unknown" or judged.unchecked):
        reason = seen.reason_for(judged.unchecked)
    return Coverage(
        vmid=guest.vmid,
        state=state,
        freshness=judged.freshness,
        reason=reason,
        jobs=tuple(job.id for job in taking),
        excluded_disks=excluded_disks(guest.vmid, taking),
        last_good_epoch=good.taken_epoch if good else None,
        last_good_source=good.source if good else "",
        newest=max(backups, key=lambda one: one.taken_epoch, default=None),
        failed_verification_count=sum(one.fault == "verification_failed" for one in every),
        due_epoch=judged.due_epoch,
        unchecked_jobs=tuple(job.id for job in judged.unchecked),
        ahead_count=len(ahead),
        ahead_epoch=max(ahead, default=None),
        last_run=run,
        other_name=seen.other_names.get(guest.vmid, ""),
    )


def since(plan: Plan, born_epoch: int | None) -> Plan:
    """Return the plan without the runs that were due before a guest was made: they owe it nothing."""
    if born_epoch is None or all(due >= born_epoch for due in plan.due_epoch.values()):
        return plan
    dues = {job: due for job, due in plan.due_epoch.items() if due >= born_epoch}
    return msgspec.structs.replace(plan, due_epoch=dues)


def planned(guest: GuestReading, taking: Collection[Job], jobs: Collection[Job], plan: Plan) -> bool | None:
    """Return whether an enabled job takes a guest, None when that is not known.

    Proxmox's own list of uncovered guests decides where it was read, but for one thing: it counts a job that is tied to
    another node. A guest it does not list may be in a job by a pool that the list of guests does not tell.
    """
    if plan.uncovered is not None and guest.vmid in plan.uncovered:
        return False
    if taking:
        return True
    if plan.jobs is None:
        return None
    if plan.uncovered is None:
        return None if any(job.is_by_pool for job in jobs) else False
    return not any(job.names(guest) for job in jobs) and any(job.is_by_pool for job in jobs)


class Verdict(NamedTuple):
    """How fresh the backups of a guest are, the run that should have left one, and the jobs that cannot be checked."""

    freshness: Freshness
    due_epoch: int | None
    unchecked: tuple[Job, ...] = ()


def freshness_of(
    good: Backup | None, every: Collection[Backup], taking: Collection[Job], plan: Plan, seen: FoundBackups
) -> Verdict:
    """Return what is to be said of a guest's backups.

    A job whose storage was read and holds nothing from its run is overdue, whatever places that may not be seen hold; while
    any place waits to be read, nobody knows yet. What cannot be seen changes nothing where a run of another job left a good one.
    """
    dues = {job: plan.due_epoch[job.id] for job in taking if job.id in plan.due_epoch}
    due = max(dues.values(), default=None)
    behind = [job for job, due in dues.items() if good is None or good.taken_epoch < due]
    unchecked = [job for job in behind if seen.unread and job.storage not in seen.read]
    if good is not None and not behind:
        return Verdict("good", due)
    if not seen.unread:
        if good is not None:
            return Verdict("overdue", due)
        return Verdict("bad" if every else "never", due)
    if len(unchecked) < len(behind):
        is_waiting = NOT_READ_YET in seen.unread.values()
        return Verdict("unknown" if is_waiting else "overdue", due)
    if good is not None and any(job.storage in seen.read for job in taking):
        return Verdict("good", due, tuple(unchecked))
    return Verdict("unknown", due)


def good_claims(seen: FoundBackups, vmid: int) -> list[Backup]:
    """Return the good backups that may be of a guest, without those of the future."""
    return [
        one for one in seen.ambiguous.get(vmid, ()) if not one.fault and one.taken_epoch <= seen.latest_epoch
    ]


def excluded_disks(vmid: int, taking: Collection[Job]) -> tuple[ExcludedDisk, ...] | None:
    """Return the disks of a guest that none of its jobs takes, None while that was not read of all of them."""
    excluded: dict[str, str] = {}
    included: set[str] = set()
    for job in taking:
        if job.volumes is None:
            return None
        for volume in job.volumes.get(vmid, ()):
            if volume.is_included:
                included.add(volume.volume)
            else:
                excluded.setdefault(volume.volume, volume.reason)
    return tuple(ExcludedDisk(key, reason) for key, reason in excluded.items() if key not in included)
