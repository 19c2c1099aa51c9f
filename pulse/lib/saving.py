"""Whether Pulse can save: what keeps the database from being written, told once, and the room that is kept for that day.

One process at a time writes the SQLite file, so what one thread finds out holds for all: while nothing can be written nobody
waits for it again, but for the one that looks whether it can (`pulse.runtime.watching`).
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

#: A full disk takes not even a DELETE. This much is given back first: the write-ahead log comes to 4 MiB between two
#: checkpoints, and the largest transaction (20,000 guests of a new instance) to about 9.
BALLAST_BYTES = 16 << 20
BALLAST_NAME = "ballast"
#: So much is left to others when the ballast is laid down.
ROOM_BYTES = 16 << 20
#: Less than this is a full disk.
FULL_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why nothing, or not for long, can be saved. `can_write`: there is some room again, that of the ballast."""

    code: str
    text: str
    can_write: bool = False


FULL = Trouble("disk_full", "the disk of the data directory is full")
LOCKED = Trouble("database_locked", "the database is locked by another program")
READ_ONLY = Trouble(
    "read_only",
    "the data directory cannot be written any more: its file system is read-only, or rights are missing",
)
BROKEN = Trouble("disk_error", "the disk of the data directory fails: reading or writing ends with an error")
ON_BALLAST = Trouble(
    FULL.code, f"{FULL.text}; Pulse goes on with the room that it has kept for that", can_write=True
)
#: By SQLite's own names; the longer ones first.
CAUSES = {
    "SQLITE_FULL": FULL,
    "SQLITE_BUSY": LOCKED,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_CANTOPEN": READ_ONLY,
    "SQLITE_PERM": READ_ONLY,
    "SQLITE_IOERR": BROKEN,
}

_trouble: Trouble | None = None
_lock = threading.Lock()


def trouble() -> Trouble | None:
    """Return what is wrong now, None while everything can be saved."""
    return _trouble


def is_refused() -> bool:
    """Return whether a write would only wait and fail, so that nobody should try."""
    return _trouble is not None and not _trouble.can_write


def is_told(error: BaseException) -> bool:
    """Return whether an error comes of the trouble that has its line in the log already."""
    return _trouble is not None and isinstance(error, OperationalError | InterfaceError | sqlite3.Error)


def note(error: BaseException) -> None:
    """Note what an error of the database says; of a full disk give the ballast back."""
    cause = cause_of(error)
    if cause is not None:
        begin(cause)


def begin(cause: Trouble) -> None:
    """Note a trouble; a full disk is less of one where there is a ballast to give back."""
    if cause is FULL and release_ballast():
        cause = ON_BALLAST
    change(cause)


def end() -> None:
    """Note that everything can be saved."""
    change(None)


def change(now: Trouble | None) -> None:
    """Make this the present trouble, with a line in the log when it is another one."""
    global _trouble
    with _lock:
        before, _trouble = _trouble, now
    if now == before:
        return
    if now is None:
        logger.info("everything can be saved again")
    else:
        logger.error("nothing can be saved: %s" if not now.can_write else "%s", now.text)


def cause_of(error: BaseException) -> Trouble | None:
    """Return what keeps the database from being written by this error; None when that is not its subject."""
    origin = error if isinstance(error, sqlite3.Error) else error.__cause__
    name = getattr(origin, "sqlite_errorname", "") or ""
    for prefix, cause in CAUSES.items():
        if name.startswith(prefix):
            # An index file that cannot be made is no matter of rights where there is no room for it.
            return FULL if cause in (BROKEN, READ_ONLY) and is_full() else cause
    return None


def sentence() -> str:
    """Return what is told to whoever wants something saved, "" while it can be."""
    return f"nothing can be saved: {_trouble.text}" if _trouble is not None and not _trouble.can_write else ""


# --- room ------------------------------------------------------------------------------------------------------------


def data_dir() -> Path:
    """Return where the database is."""
    return Path(settings.PULSE_DATA_DIR)


def free_bytes() -> int:
    """Return how much Pulse could still write beside its database; raises OSError."""
    told = os.statvfs(data_dir())
    return told.f_bavail * told.f_frsize


def is_full() -> bool:
    """Return whether there is no room for anything worth writing."""
    try:
        return free_bytes() < FULL_BYTES
    except OSError:
        return False


def has_room_again() -> bool:
    """Return whether the ballast is there, or so much room that it can be laid down; raises OSError."""
    return (data_dir() / BALLAST_NAME).exists() or free_bytes() >= BALLAST_BYTES + ROOM_BYTES


def lay_ballast() -> bool:
    """Keep room for a full disk, where there is enough; returns whether there is a ballast now."""
    path = data_dir() / BALLAST_NAME
    try:
        if path.exists() and path.stat().st_size == BALLAST_BYTES:
            return True
        if free_bytes() < BALLAST_BYTES + ROOM_BYTES:
            return False
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, BALLAST_BYTES)
        finally:
            os.close(descriptor)
    except OSError as error:
        logger.info("no room is kept for a full disk: %s", error.strerror)
        path.unlink(missing_ok=True)
        return False
    return True


def release_ballast() -> bool:
    """Give the room back that was kept; returns whether there was any."""
    path = data_dir() / BALLAST_NAME
    try:
        had_size = path.stat().st_size
        path.unlink()
    except OSError:
        return False
    return had_size > 0
