"""The time of the data, apart from the time of the sockets."""

from __future__ import annotations

import threading
import time

#: 2026-01-01 12:00:00 UTC, where virtual time begins unless a test says otherwise.
NOON_EPOCH = 1_767_268_800.0


class RealClock:
    """The system's clock, with an offset that `advance` moves."""

    def __init__(self) -> None:
        self._offset_seconds = 0.0

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time() + self._offset_seconds

    def advance(self, seconds: float) -> None:
        """Let the data jump ahead by some seconds."""
        self._offset_seconds += seconds


class ManualClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, at: float = NOON_EPOCH) -> None:
        self._at = at
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return epoch seconds."""
        return self._at

    def advance(self, seconds: float) -> None:
        """Let that many seconds pass at once."""
        with self._lock:
            self._at += seconds


Clock = RealClock | ManualClock
