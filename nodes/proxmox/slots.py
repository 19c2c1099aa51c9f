"""How many calls a host is asked at once, whoever asks: two, of which one always stays free for the live figures.

The lanes of a process share the slots of an instance, whichever of its addresses they ask: a node that two of them lead to
is not asked twice as much. Calls that are told to be in the background are made one at a time, and give way.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from weakref import WeakValueDictionary

#: A host has three workers for everybody: more would starve its administrator.
CALLS_AT_ONCE = 2


class Rank(IntEnum):
    """Who comes first: the live figures, then what is asked now and then, last what nobody waits for."""

    LIVE = 0
    BACKGROUND = 1
    LAST = 2


_rank: ContextVar[Rank] = ContextVar("rank", default=Rank.LIVE)


@contextmanager
def in_background(rank: Rank = Rank.BACKGROUND) -> Iterator[None]:
    """Let the calls made inside the block give way to those of a higher rank, and wait for an answer as long as they may take.

    One of the last rank begins only while nothing else is asked of the host.
    """
    token = _rank.set(rank)
    try:
        yield
    finally:
        _rank.reset(token)


def is_in_background() -> bool:
    """Return whether this is such a block."""
    return _rank.get() is not Rank.LIVE


class Slots:
    """The calls in flight to one instance; any thread may take a slot."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._in_front = 0
        self._behind = 0
        self._waiting_behind = 0  # without those of the last rank
        self._waiting: deque[object] = deque()  # in front, the first come first

    def take(self, seconds: float) -> bool:
        """Take a slot for one call; False when none is free within so many seconds. Who gets one gives it back."""
        return self._take_behind(seconds) if is_in_background() else self._take_in_front(seconds)

    def give_back(self) -> None:
        """Let others have the slot."""
        with self._changed:
            if is_in_background():
                self._behind -= 1
            else:
                self._in_front -= 1
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return self._in_front + self._behind < CALLS_AT_ONCE

    def _take_in_front(self, seconds: float) -> bool:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                is_free = self._changed.wait_for(
                    lambda: self._waiting[0] is ticket and self._has_room(), seconds
                )
                self._in_front += is_free
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        return is_free

    def _take_behind(self, seconds: float) -> bool:
        is_last = _rank.get() is Rank.LAST
        with self._changed:
            self._waiting_behind += not is_last
            try:
                is_free = self._changed.wait_for(
                    self._may_begin_last if is_last else self._may_begin_behind, seconds
                )
                self._behind += is_free
            finally:
                self._waiting_behind -= not is_last
                self._changed.notify_all()
        return is_free

    def _may_begin_behind(self) -> bool:
        return not self._waiting and not self._behind and self._has_room()

    def _may_begin_last(self) -> bool:
        return self._may_begin_behind() and not self._in_front and not self._waiting_behind


_known: WeakValueDictionary[str, Slots] = WeakValueDictionary()
_known_lock = threading.Lock()


def slots_of(url: str) -> Slots:
    """Return the slots of an address in this process, as long as anybody holds them; made on the first call."""
    with _known_lock:
        slots = _known.get(url)
        if slots is None:
            slots = _known[url] = Slots()
        return slots
