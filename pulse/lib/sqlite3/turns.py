"""Who of this process writes next: whoever has waited longest.

SQLite lets a writer try again after ever longer pauses, so that of many the unlucky one waits until its time is over: of eight
threads that wrote all the time, one met "database is locked" within seconds. What it says after this is about other programs.
"""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """A lock that is handed on in the order in which it was asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    def take(self, timeout_seconds: float) -> bool:
        """Wait for a turn; False when it did not come in time."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(timeout_seconds):
            return True
        with self._lock:
            if mine.is_set():
                return True  # it came in the last moment
            self._waiting.remove(mine)
        return False

    def give_back(self) -> None:
        """Hand the turn on to whoever has waited longest."""
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._is_taken = False
