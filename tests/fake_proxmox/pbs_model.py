"""Jobs and tasks of a backup server."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import Any

from tests.fake_proxmox.backups import BackupJob


@dataclass
class PbsJob:
    """A job of a backup server; gc is one as well, with the name of its datastore."""

    kind: str  # gc, verify, prune, sync
    id: str
    store: str
    schedule: str
    seconds: int = 60  # how long a run takes
    status: str = "OK"  # how its last run ended
    options: dict[str, Any] = field(default_factory=dict)  # more of its configuration, in wire keys
    is_running: bool = False
    has_run: bool = True

    @property
    def worker_type(self) -> str:
        """The kind of task that a run is."""
        return {
            "gc": "garbage_collection",
            "verify": "verificationjob",
            "prune": "prunejob",
            "sync": "syncjob",
        }[self.kind]

    @property
    def worker_id(self) -> str:
        """What the task of a run names."""
        return self.store if self.kind == "gc" else f"{self.store}:{self.id}"

    def last_start(self, now: float) -> int:
        """Return when its last run began."""
        return next(BackupJob(self.id, "", self.schedule).starts(now))

    def next_start(self, now: float) -> int:
        """Return when it is due next."""
        return BackupJob(self.id, "", self.schedule).next_start(now)


@dataclass
class PbsTask:
    """A worker of a backup server, running or ended."""

    node: str
    type: str
    id: str
    started_at: int
    user: str = "root@pam"
    ended_at: int | None = None
    status: str = ""
    log: list[str] = field(default_factory=list)
    pid: int = 913

    @property
    def pstart(self) -> int:
        """When the process began, in jiffies since boot."""
        return 3_421

    @property
    def upid(self) -> str:
        """The name of the task: one field more than in Proxmox VE, and an escaped id."""
        number = zlib.crc32(f"{self.type}{self.id}{self.started_at}".encode())
        return f"UPID:{self.node}:{self.pid:08X}:{self.pstart:08X}:{number:08X}:{self.started_at:08X}:{self.type}:{escaped(self.id)}:{self.user}:"

    def is_running(self, now: float) -> bool:
        """Whether it has not ended yet."""
        return self.ended_at is None or self.ended_at > now

    def row(self, now: float) -> dict[str, Any]:
        """Return the task as lists show it."""
        row: dict[str, Any] = {
            "upid": self.upid,
            "node": "localhost",
            "pid": self.pid,
            "pstart": self.pstart,
            "starttime": self.started_at,
            "worker_type": self.type,
            "worker_id": self.id or None,
            "user": self.user,
        }
        if not self.id:
            del row["worker_id"]
        if not self.is_running(now):
            row |= {"endtime": self.ended_at, "status": self.status}
        return row


def escaped(text: str) -> str:
    """Return a worker id as it stands in a UPID."""
    return (
        re.sub(r"[^A-Za-z0-9_./:]", lambda found: f"\\x{ord(found[0]):02x}", text)
        .replace(":", "\\x3a")
        .replace("/", "-")
    )
