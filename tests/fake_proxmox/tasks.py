"""Tasks of a PVE cluster: backup runs of its jobs, daily routine, and those that a test began itself."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.fake_proxmox import curves
from tests.fake_proxmox.backups import (
    BackupHistory,
    BackupJob,
    archive_of,
    file_name,
    offset_seconds,
    snapshot_name,
)
from tests.fake_proxmox.curves import DAY_SECONDS
from tests.fake_proxmox.model import Cluster, Guest

#: So long the list of a node reaches back.
ARCHIVE_DAYS = 14
_ROUTINE = {
    "qemu": ("qmstart", "qmshutdown", "qmsnapshot", "qmconfig"),
    "lxc": ("vzstart", "vzshutdown", "vzsnapshot", "vzreboot"),
}


@dataclass
class Task:
    """A worker of Proxmox VE, running or ended."""

    node: str
    type: str
    id: str
    started_at: int
    user: str = "root@pam"  # or a token: root@pam!name
    ended_at: int | None = None
    status: str = ""  # OK, WARNINGS: n, or what went wrong; empty while it runs
    pid: int = 0
    log: list[str] = field(default_factory=list)
    job: BackupJob | None = None  # of a scheduled backup, whose log is written when it is read

    def __post_init__(self) -> None:
        self.pid = (
            self.pid
            or 2_000 + zlib.crc32(f"{self.node}{self.type}{self.id}{self.started_at}".encode()) % 4_000_000
        )

    @property
    def pstart(self) -> int:
        """When the process began, in jiffies since boot."""
        return self.pid * 31 % 0xFFFFFFF

    @property
    def upid(self) -> str:
        """The name of the task."""
        return f"UPID:{self.node}:{self.pid:08X}:{self.pstart:08X}:{self.started_at:08X}:{self.type}:{self.id}:{self.user}:"

    def is_running(self, now: float) -> bool:
        """Whether it has not ended yet."""
        return self.ended_at is None or self.ended_at > now

    def row(self, now: float) -> dict[str, Any]:
        """Return the task as lists show it."""
        user, _, token = self.user.partition("!")
        row: dict[str, Any] = {
            "upid": self.upid,
            "node": self.node,
            "pid": self.pid,
            "pstart": self.pstart,
            "starttime": self.started_at,
            "type": self.type,
            "id": self.id,
            "user": user,
        }
        if token:
            row["tokenid"] = token
        if not self.is_running(now):
            row |= {"endtime": self.ended_at, "status": self.status}
        return row


class TaskHistory:
    """The tasks of a cluster as they stand at an instant."""

    def __init__(self, cluster: Cluster, backups: BackupHistory) -> None:
        self._cluster = cluster
        self._backups = backups
        self._key: tuple[int, int] = (0, 0)
        self._tasks: dict[str, list[Task]] = {}

    def of_node(self, node: str, now: float) -> list[Task]:
        """Return the tasks of a node, newest first."""
        key = (self._cluster.revision, int(now))
        if key != self._key:
            self._tasks, self._key = {}, key
        if node not in self._tasks:
            begun = [task for task in list(self._cluster.tasks) if task.node == node]
            everything = [*begun, *self._runs(node, now), *self._routine(node, now)]
            self._tasks[node] = sorted(
                (task for task in everything if task.started_at <= now),
                key=lambda task: (task.started_at, task.pid),
                reverse=True,
            )
        return self._tasks[node]

    def find(self, upid: str, now: float) -> Task | None:
        """Return a task by its name."""
        node = upid.split(":", 2)[1] if ":" in upid else ""
        return next((task for task in self.of_node(node, now) if task.upid == upid), None)

    def log(self, task: Task, now: float) -> list[str]:
        """Return the lines of a task's log up to an instant."""
        if task.job is not None:
            lines = list(self._backup_log(task.job, task.node, task.started_at, now))
            if not task.is_running(now):
                ending = "with errors" if task.status == "job errors" else "successfully"
                lines.append(f"INFO: Backup job finished {ending}")
        else:
            lines = list(task.log)
        if not task.is_running(now):
            is_good = task.status == "OK" or task.status.startswith("WARNINGS")
            lines.append(f"TASK {task.status}" if is_good else f"TASK ERROR: {task.status}")
        return lines or ["no content"]

    def _routine(self, node: str, now: float) -> Iterator[Task]:
        """Yield the daily update of package lists and a few things that people do."""
        guests = [guest for guest in list(self._cluster.guests.values()) if guest.node == node]
        seed = zlib.crc32(node.encode()) ^ self._cluster.seed
        today = int(now // DAY_SECONDS)
        for day in range(today, today - ARCHIVE_DAYS, -1):
            begin = int(day * DAY_SECONDS)
            update = begin + 13_000 + int(3_000 * abs(curves.noise(seed, day)))
            if not self._backups.is_off(node, update):
                yield Task(node, "aptupdate", "", update, ended_at=update + 9, status="OK")
            for number in range(int(3.99 * abs(curves.noise(seed + 1, day))) if guests else 0):
                turn = abs(curves.noise(seed + 2 + number, day))
                guest = guests[int(turn * 0.999 * len(guests))]
                at = begin + 28_800 + int(turn * 36_000)
                kinds = _ROUTINE[guest.kind]
                kind = kinds[int(turn * 1e6) % len(kinds)]
                status = "OK" if int(turn * 1e7) % 9 else "command 'systemctl start' failed: exit code 1"
                user = ("root@pam", "admin@pve", "root@pam!terraform")[int(turn * 1e5) % 3]
                if not self._backups.is_off(node, at):
                    yield Task(node, kind, str(guest.vmid), at, user, at + 4, status)

    def _runs(self, node: str, now: float) -> Iterator[Task]:
        guests = [guest for guest in list(self._cluster.guests.values()) if guest.node == node]
        for job in list(self._cluster.jobs.values()):
            if not job.is_enabled or (job.node and job.node != node):
                continue
            covered = [guest for guest in guests if job.covers(guest)]
            for start in job.starts(now):
                if start < max(now - ARCHIVE_DAYS * DAY_SECONDS, job.created_at):
                    break
                if (
                    covered
                    and int(start // DAY_SECONDS) not in job.missed_days
                    and not self._backups.is_off(node, start)
                ):
                    yield self._run(job, node, start, covered)

    def _run(self, job: BackupJob, node: str, start: int, covered: list[Guest]) -> Task:
        ended_at, failed, warned = start + 4, 0, 0
        for guest in covered:
            at = start + offset_seconds(guest)
            if at < guest.created_at:
                continue
            archive = archive_of(self._cluster, guest, job.storage, at)
            ended_at = max(ended_at, at + archive.seconds)
            failed += not self._backups.succeeded(job, guest, at)
            warned += guest.vmid in job.warning and job.warning[guest.vmid] <= at
        status = "job errors" if failed else f"WARNINGS: {warned}" if warned else "OK"
        return Task(node, "vzdump", "", start, ended_at=ended_at, status=status, job=job)

    def _backup_log(self, job: BackupJob, node: str, start: int, now: float) -> Iterator[str]:
        chosen = "--all 1" if job.vmids is None else " ".join(map(str, job.vmids))
        yield f"INFO: starting new backup job: vzdump {chosen} --mode {job.mode} --storage {job.storage} --quiet 1"
        covered = [
            guest for guest in list(self._cluster.guests.values()) if guest.node == node and job.covers(guest)
        ]
        for guest in sorted(covered, key=offset_seconds):
            at = start + offset_seconds(guest)
            if guest.created_at <= at <= now:
                has_failed = not self._backups.succeeded(job, guest, at)
                has_warned = guest.vmid in job.warning and job.warning[guest.vmid] <= at
                yield from self._part(
                    job, guest, at, is_over=now, has_failed=has_failed, has_warned=has_warned
                )

    def _part(
        self, job: BackupJob, guest: Guest, at: int, *, is_over: float, has_failed: bool, has_warned: bool
    ) -> Iterator[str]:
        archive = archive_of(self._cluster, guest, job.storage, at)
        what = "VM" if guest.kind == "qemu" else "CT"
        storage = self._cluster.storages.get(job.storage)
        is_pbs = storage is not None and storage.plugin == "pbs"
        folder = storage.options.get("path", "") if storage is not None else ""
        yield f"INFO: Starting Backup of VM {guest.vmid} ({guest.kind})"
        yield f"INFO: Backup started at {_clock(at)}"
        yield f"INFO: status = {'running' if guest.started_at is not None else 'stopped'}"
        yield f"INFO: {what} Name: {guest.name}"
        yield f"INFO: backup mode: {job.mode}"
        yield "INFO: ionice priority: 7"
        if is_pbs:
            yield f"INFO: creating Proxmox Backup Server archive '{snapshot_name(archive)}'"
        else:
            yield f"INFO: creating vzdump archive '{folder}/dump/{file_name(archive)}'"
        if has_warned:
            yield "WARN: skipping guest-agent 'fs-freeze', agent configured but not running?"
        if has_failed:
            reason = job.failing.get(guest.vmid, ("interrupted by signal", 0.0))[0]
            yield f"ERROR: Backup of VM {guest.vmid} failed - {reason}"
            yield f"INFO: Failed at {_clock(at + 3)}"
            return
        if at + archive.seconds > is_over:
            return
        if is_pbs:
            yield f"INFO: transferred {guest.disk_bytes / 2**30:.2f} GiB in {archive.seconds} seconds"
        else:
            yield f"INFO: archive file size: {_size(archive.size)}"
        yield f"INFO: Finished Backup of VM {guest.vmid} ({_span(archive.seconds)})"
        yield f"INFO: Backup finished at {_clock(at + archive.seconds)}"


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(at))


def _span(seconds: int) -> str:
    return f"{seconds // 3_600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _size(size: int) -> str:
    return f"{size / 2**30:.2f}GB" if size >= 2**30 else f"{size // 2**20}MB"
