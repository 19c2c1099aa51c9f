"""Looks, beside everything else, whether the database can be written, and lays down and gives back the room for a full disk."""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing

from django.conf import settings

from pulse.lib import saving
from pulse.lib.sqlite3.base import freeze

logger = logging.getLogger(__name__)

#: How often is looked while something is wrong, and while nothing is: then only how much room there is.
TROUBLED_SECONDS = 2.0
CALM_SECONDS = 5.0
#: So long the look itself waits for a lock.
PATIENCE_SECONDS = 1.0


class Watcher:
    """One thread that looks until it is stopped."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="disk-watch", daemon=True)

    def start(self) -> None:
        """Look once, so that a full disk is told at the start, and begin."""
        look_safely()
        self._thread.start()

    def stop(self) -> None:
        """Look no longer."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(CALM_SECONDS if saving.trouble() is None else TROUBLED_SECONDS):
            look_safely()


def look_safely() -> None:
    """Look; never raises."""
    try:
        look()
    except Exception:
        logger.exception("whether anything can be saved could not be found out")


def look() -> None:
    """Find out what is wrong now: by the room there is, and while something is wrong by writing."""
    known = saving.trouble()
    if known is None:
        if saving.is_full():
            saving.begin(saving.FULL)
        else:
            saving.lay_ballast()
    elif known.can_write:
        if saving.has_room_again():
            saving.end()
        elif saving.is_full():
            saving.change(saving.FULL)
    else:
        try:
            write_something()
        except sqlite3.Error as error:
            saving.note(error)
        else:
            if known.code != saving.FULL.code or saving.free_bytes() > 2 * saving.FULL_BYTES:
                freeze(is_frozen=False)
                saving.end()


def write_something() -> None:
    """Write to the database what changes nothing in it, and give back what its log takes; raises sqlite3.Error."""
    path = settings.DATABASES["default"]["NAME"]
    with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        (number,) = connection.execute("PRAGMA user_version").fetchone()
        if number:
            connection.execute("PRAGMA user_version = 0")
        else:
            connection.execute("PRAGMA user_version = 1")
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
