"""A bounded pool of daemon threads, in which the thread that rested last works first."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

#: Calls that may wait for a thread. More means that everything hangs: the newest are refused and logged.
MAX_WAITING = 10_000

Call = Callable[[], object]


class Seat:
    """A resting thread: what it shall do next, and what wakes it."""

    __slots__ = ("call", "wake")

    def __init__(self) -> None:
        self.call: Call | None = None
        self.wake = threading.Semaphore(0)


class ThreadPool:
    """At most `size` threads, made when they are first needed.

    The last one to rest is the first to work, so that a quiet installation keeps one or two threads (and their
    database connections) warm instead of touching all of them in turn. The threads are daemons: one that hangs
    on a dead host never keeps the process from ending.
    """

    def __init__(self, size: int, *, name: str) -> None:
        self.size = size
        self.name = name
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)
        self._resting: list[Seat] = []
        self._waiting: deque[Call] = deque()
        self._threads = 0
        self._is_stopping = False

    @property
    def busy(self) -> int:
        """How many threads are at work now."""
        with self._lock:
            return self._threads - len(self._resting)

    @property
    def waiting(self) -> int:
        """How many calls wait for a thread now."""
        return len(self._waiting)

    def submit(self, call: Call) -> bool:
        """Run the call in a thread of the pool, soon; False when the pool is stopping or hopelessly behind."""
        with self._lock:
            if self._is_stopping:
                return False
            if self._resting:
                seat = self._resting.pop()
                seat.call = call
                seat.wake.release()
                return True
            if self._threads < self.size:
                self._threads += 1
                number = self._threads
            elif len(self._waiting) < MAX_WAITING:
                self._waiting.append(call)
                return True
            else:
                logger.error("%s: %d calls are waiting already, one was dropped", self.name, MAX_WAITING)
                return False
        threading.Thread(target=self._work, args=(call,), name=f"{self.name}-{number}", daemon=True).start()
        return True

    def stop(self, timeout_seconds: float) -> bool:
        """Start nothing further; return whether the running calls ended within the time."""
        deadline = time.monotonic() + timeout_seconds
        with self._lock:
            self._is_stopping = True
            self._waiting.clear()
            self._threads -= len(self._resting)
            for seat in self._resting:
                seat.wake.release()  # without a call: the thread ends
            self._resting.clear()
            while self._threads > 0:
                remaining = deadline - time.monotonic()
                if remaining <= 0 or not self._ended.wait(remaining):
                    break
            return self._threads == 0

    def _work(self, call: Call | None) -> None:
        seat = Seat()
        while call is not None:
            try:
                call()
            except BaseException:
                # A thread outlives whatever its call does, SystemExit included: the pool is counted in threads.
                logger.exception("%s: a call ended with an error", self.name)
            call = self._next(seat)

    def _next(self, seat: Seat) -> Call | None:
        with self._lock:
            if self._is_stopping:
                self._threads -= 1
                self._ended.notify_all()
                return None
            if self._waiting:
                return self._waiting.popleft()
            seat.call = None
            self._resting.append(seat)
        seat.wake.acquire()
        return seat.call
