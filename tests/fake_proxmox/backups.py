"""Backup jobs and what they left behind: archives, failures and gaps, each a function of the facts and the time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from tests.fake_proxmox import curves
from tests.fake_proxmox.curves import DAY_SECONDS
from tests.fake_proxmox.guests import draw
from tests.fake_proxmox.model import GIB, Cluster, Guest

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Guests of one run are spread over this long; nobody's place depends on the others.
RUN_SECONDS = 5_400
#: Further back no run is looked for.
MEMORY_DAYS = 400


@dataclass
class BackupJob:
    """A scheduled vzdump job."""

    id: str
    storage: str
    schedule: str = "02:30"  # "HH:MM", or "sat HH:MM" for one day of the week
    vmids: tuple[int, ...] | None = None  # None: all, or those of the pool
    exclude: tuple[int, ...] = ()
    pool: str = ""
    node: str = ""  # empty: every node does its own guests
    is_enabled: bool = True
    mode: str = "snapshot"
    comment: str = ""
    prune: str = ""
    repeats_missed: bool = False
    failing: dict[int, tuple[str, float]] = field(default_factory=dict)  # vmid -> (reason, since)
    warning: dict[int, float] = field(
        default_factory=dict
    )  # vmid -> since: that guest's part ends with a warning
    missed_days: set[int] = field(default_factory=set)  # days since 1970 on which it did not run
    created_at: float = 0.0

    def starts(self, now: float) -> Iterator[int]:
        """Yield when it was due, newest first; missed days included."""
        weekday, second = parsed(self.schedule)
        today = int(now // DAY_SECONDS)
        for day in range(today, today - MEMORY_DAYS, -1):
            # The first day of 1970 was a Thursday.
            if weekday in (None, (day + 3) % 7) and day * DAY_SECONDS + second <= now:
                yield int(day * DAY_SECONDS) + second

    def next_start(self, now: float) -> int:
        """Return when it is due next."""
        weekday, second = parsed(self.schedule)
        day = int(now // DAY_SECONDS)
        while weekday not in (None, (day + 3) % 7) or day * DAY_SECONDS + second <= now:
            day += 1
        return int(day * DAY_SECONDS) + second

    def covers(self, guest: Guest) -> bool:
        """Whether a guest belongs to the job."""
        if guest.vmid in self.exclude:
            return False
        if self.vmids is not None:
            return guest.vmid in self.vmids
        if self.pool:
            return guest.pool == self.pool
        return guest.is_backed_up


@dataclass(frozen=True)
class Archive:
    """One backup of one guest."""

    vmid: int
    kind: str  # qemu, lxc
    storage: str
    at: int  # when it began
    size: int
    node: str
    seconds: int = 60
    notes: str = ""
    is_protected: bool = False
    is_finished: bool = True
    verification: str = ""  # ok, failed; empty: never verified
    fingerprint: str = ""  # of the key; empty: not encrypted


def parsed(schedule: str) -> tuple[int | None, int]:
    """Return (day of the week or None, second of the day) of a schedule; raises ValueError for other forms."""
    *days, clock = schedule.lower().split()
    hours, minutes = clock.split(":")
    weekday = _WEEKDAYS.index(days[0]) if days else None
    return weekday, int(hours) * 3_600 + int(minutes) * 60


def offset_seconds(guest: Guest) -> int:
    """Return how long after the start of a run a guest has its turn."""
    return 6 + int(draw(guest, 7) * RUN_SECONDS)


def archive_of(cluster: Cluster, guest: Guest, storage: str, at: int) -> Archive:
    """Return the backup that was begun at an instant."""
    is_pbs = storage in cluster.storages and cluster.storages[storage].plugin == "pbs"
    share = 1.0 if is_pbs else (0.25 + 0.5 * draw(guest, 1)) * 0.45
    growth = 1 + 0.02 * curves.noise(guest.load.seed, at // 86_400)
    size = guest.disk_bytes + 3_200 if is_pbs else max(1 << 20, int(guest.disk_bytes * share * growth))
    seconds = 8 + int(guest.disk_bytes / GIB * (0.6 + draw(guest, 8)))
    return Archive(guest.vmid, guest.kind, storage, at, size, guest.node, seconds, guest.name)


class BackupHistory:
    """The backups of a cluster as they stand at an instant."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._key: tuple[int, int] = (0, 0)
        self._archives: dict[str, list[Archive]] = {}

    def archives(self, storage: str, now: float) -> list[Archive]:
        """Return all backups in a storage, those of guests that are gone included."""
        # Half a minute is no age for a backup.
        key = (self._cluster.revision, int(now / 30))
        if key != self._key:
            self._archives, self._key = {}, key
        if storage not in self._archives:
            guests = [*self._cluster.guests.values(), *self._cluster.departed.values()]
            found = [archive for guest in guests for archive in self._scheduled(guest, storage, now)]
            self._archives[storage] = found + self._added(storage, now)
        return self._archives[storage]

    def archives_of(self, vmid: int, storage: str, now: float) -> list[Archive]:
        """Return the backups of one guest in a storage."""
        # A number may have been used again.
        guests = (self._cluster.guests.get(vmid), self._cluster.departed.get(vmid))
        found = [
            each for guest in guests if guest is not None for each in self._scheduled(guest, storage, now)
        ]
        return found + [archive for archive in self._added(storage, now) if archive.vmid == vmid]

    def is_off(self, node: str, at: float) -> bool:
        """Whether a node was off at an instant."""
        known = self._cluster.nodes.get(node)
        if known is None:
            return False
        if known.died_at is not None and known.died_at <= at:
            return True
        return any(begin <= at < end for begin, end in known.off_spans)

    def _added(self, storage: str, now: float) -> list[Archive]:
        return [
            archive
            for archive in list(self._cluster.added_archives)
            if archive.storage == storage and archive.at <= now
        ]

    def _scheduled(self, guest: Guest, storage: str, now: float) -> Iterator[Archive]:
        for job in list(self._cluster.jobs.values()):
            if job.storage == storage and job.is_enabled and job.covers(guest):
                yield from self._of_job(job, guest, now)

    def _of_job(self, job: BackupJob, guest: Guest, now: float) -> Iterator[Archive]:
        cluster, wanted = self._cluster, self._cluster.backups_per_guest
        if not wanted:
            return
        after = offset_seconds(guest)
        for start in job.starts(now):
            at = start + after
            if at < max(guest.created_at, job.created_at):
                return
            if not self.succeeded(job, guest, at):
                continue
            archive = archive_of(cluster, guest, job.storage, at)
            if at + archive.seconds > now or (
                guest.departed_at is not None and at + archive.seconds > guest.departed_at
            ):
                continue
            wanted -= 1
            if (guest.vmid, job.storage, at) not in cluster.removed_archives:
                changes = cluster.changed_archives.get((guest.vmid, job.storage, at))
                yield replace(archive, **changes) if changes else archive
            if not wanted:
                return

    def succeeded(self, job: BackupJob, guest: Guest, at: int) -> bool:
        """Whether the part of a run that began at an instant left a backup of its guest."""
        if int(at // DAY_SECONDS) in job.missed_days or self.is_off(guest.node, at):
            return False
        failing = job.failing.get(guest.vmid)
        return failing is None or at < failing[1]


def file_name(archive: Archive) -> str:
    """Return the name of a backup in a directory."""
    when = time.strftime("%Y_%m_%d-%H_%M_%S", time.gmtime(archive.at))
    return f"vzdump-{archive.kind}-{archive.vmid}-{when}.{form(archive)}"


def form(archive: Archive) -> str:
    """Return the format of a backup in a directory."""
    return "vma.zst" if archive.kind == "qemu" else "tar.zst"


def snapshot_name(archive: Archive) -> str:
    """Return the name of a backup on a backup server."""
    kind = "vm" if archive.kind == "qemu" else "ct"
    return f"{kind}/{archive.vmid}/{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(archive.at))}"
