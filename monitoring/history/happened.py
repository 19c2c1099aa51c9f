"""What happened, as it is told by tasks of Proxmox and by what was seen; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from hashlib import blake2b
from typing import NamedTuple

from monitoring.backups.attribution import VMID
from monitoring.backups.results import task_outcome
from monitoring.concerns.shapes import INSTANCE, About
from monitoring.history.changes import Change
from monitoring.history.task_kinds import UNTOLD
from nodes.proxmox.readings.backups import TaskReading, VzdumpGuestReading
from nodes.proxmox.values import said
from pulse.lib.logs import without_secrets

TEXT_LIMIT = 300
KEY_LIMIT = 200
#: How the keys of what was seen begin; those of tasks are their UPIDs.
SEEN = "seen:"
#: A change that was noticed later than this after it was last otherwise is told as a span.
NOTICED_SECONDS = 60


class Happened(NamedTuple):
    """What happened to an object. `instead` is the object to tell it of when that one has no row, `outcome` "" when nobody knows.

    `key` tells it from all others of its instance. Instants are epoch seconds of our own clock; `end_epoch` None: it lasts, or it was
    of an instant.
    """

    about: About
    instead: About
    code: str
    text: str
    outcome: str
    key: str
    start_epoch: int
    end_epoch: int | None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.outcome == "running"


def by_task(
    task: TaskReading, *, ahead_seconds: float | None, stores: Collection[str] | None = None
) -> Happened | None:
    """Return what a task tells, None when it is none of those that are kept.

    `ahead_seconds`: by how much the clock of its host is ahead of ours. `stores` are the datastores of a backup server, None of a
    PVE.
    """
    if task.started_epoch is None or task.kind in UNTOLD:
        return None
    outcome = task_outcome(task)
    about, subject = object_of(task, stores)
    failure = task.status if outcome in ("failed", "warning") else ""
    user = f"by {task.user}" if task.user else ""
    ahead = round(ahead_seconds or 0)
    return Happened(
        about,
        About("node", task.node) if about.kind == "guest" else INSTANCE,
        task.kind,
        worded(subject, failure, user),
        "" if outcome == "unknown" else outcome,
        key_of(task.upid),
        task.started_epoch - ahead,
        task.ended_epoch - ahead if task.ended_epoch is not None else None,
    )


def object_of(task: TaskReading, stores: Collection[str] | None) -> tuple[About, str]:
    """Return which object a task is about, and of what else it tells in words."""
    parts = task.subject.split(":")
    # A sync tells the remote, the datastore there, and then the one here.
    names = parts[2:3] if task.kind == "syncjob" and len(parts) > 2 else parts[:1]
    if stores is not None:
        name = next((one for one in names if one in stores), "")
        rest = ":".join(parts[1:]) if name and names == parts[:1] else task.subject
        return (About("datastore", name), rest) if name else (INSTANCE, task.subject)
    if VMID.fullmatch(task.subject):
        return About("guest", vmid=int(task.subject)), ""
    return About("node", task.node), task.subject


def by_log(
    task: TaskReading, guests: Sequence[VzdumpGuestReading], *, ahead_seconds: float | None
) -> Iterator[Happened]:
    """Yield how the backup of each guest of a run over several went.

    A log tells how long each took, one after the other: while all before it did, so is known when it began; else it was within the run.
    """
    if task.started_epoch is None or task.ended_epoch is None:
        return
    ahead = round(ahead_seconds or 0)
    started, ended = task.started_epoch - ahead, task.ended_epoch - ahead
    begun: int | None = started
    for guest in guests:
        until = begun + guest.seconds if begun is not None and guest.seconds is not None else None
        outcome = {True: "ok", False: "failed", None: ""}[guest.is_ok]
        yield Happened(
            About("guest", vmid=guest.vmid),
            About("node", task.node),
            task.kind,
            worded(guest.error, f"by {task.user}" if task.user else ""),
            outcome,
            key_of(task.upid, str(guest.vmid)),
            started if begun is None else begun,
            ended if until is None else min(until, ended),
        )
        begun = until if until is not None and until <= ended else None


def by_sight(change: Change) -> Happened:
    """Return what a change tells that was seen."""
    until = int(change.until_epoch)
    is_span = change.until_epoch - change.since_epoch > NOTICED_SECONDS
    return Happened(
        change.about,
        INSTANCE,
        change.code,
        worded(change.text),
        "",
        key_of(f"{SEEN}{change.code}:{until}", str(change.about)),
        int(change.since_epoch) if is_span else until,
        until if is_span else None,
    )


def key_of(*words: str) -> str:
    """Return the words as a key, a long one cut and with a digest of the whole."""
    key = " ".join(words)
    if len(key) <= KEY_LIMIT:
        return key
    digest = blake2b(key.encode(errors="replace"), digest_size=12).hexdigest()
    return f"{key[: KEY_LIMIT - len(digest) - 1]} {digest}"


def worded(*parts: str) -> str:
    """Return words of hosts as one clean, bounded line without anything that looks like a secret."""
    return said(without_secrets(", ".join(filter(None, parts))), TEXT_LIMIT)
