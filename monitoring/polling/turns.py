"""When each instance is polled next: in its turn, which comes once in each interval, or later when a poll has put it off.

Who plans alone, in the process that also polls, goes by the monotonic clock and keeps the plan in memory: no step of the clock
and no full disk stops it, and no poll writes a row. Where several plan, the rows are the plan, and a due time that nothing
explains is due.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import DatabaseError

from monitoring.polling import limits
from nodes.models import Instance
from pulse.lib.instants import from_epoch

logger = logging.getLogger(__name__)

#: So many instances are polled together, and a large estate in turns over half the interval: not all of it in the same second.
TOGETHER = 16
TURNS = 16

#: The key of an instance with its `next_poll_at`.
Row = tuple[int, datetime | None]


class Planned(NamedTuple):
    """When an instance is polled next by the monotonic clock, and what its row said when that was planned."""

    row: datetime | None
    due: float


class Plan:
    """The plan of one process; what its rows say counts when it is other than at the last look: somebody asks for a poll, or puts
    one off. All are due at a start.
    """

    def __init__(self) -> None:
        self._planned: dict[int, Planned] = {}
        self._rows: list[Row] = []
        self._lock = threading.Lock()

    def take(
        self, read: Callable[[], Iterable[Row]], *, at: datetime, monotonic: float, interval: float
    ) -> list[int]:
        """Return the instances that are due, each planned anew; `read` returns all that are polled.

        When the rows cannot be read, those of the last look are polled on; what cannot be written is remembered.
        """
        with self._lock:
            self._look(read)
            self._planned = {pk: self._planned[pk] for pk, _ in self._rows if pk in self._planned}
            due = [
                row for row in self._rows if self._is_due(row, at=at, monotonic=monotonic, interval=interval)
            ]
            for pk, said in due:
                following = next_poll_at(pk, at, interval)
                row = said or self._answer(pk, following)
                self._planned[pk] = Planned(row, monotonic + (following - at).total_seconds())
            return [pk for pk, _ in due]

    def put_off(self, pk: int, *, seconds: float, monotonic: float) -> None:
        """Leave an instance alone for so long, unless its row says something else; does nothing for one that is not planned."""
        with self._lock:
            known = self._planned.get(pk)
            if known is not None:
                self._planned[pk] = Planned(known.row, monotonic + seconds)

    def _look(self, read: Callable[[], Iterable[Row]]) -> None:
        try:
            self._rows = list(read())
        except DatabaseError as error:
            logger.debug("what is to be polled cannot be read (%s)", type(error).__name__)

    def _is_due(self, row: Row, *, at: datetime, monotonic: float, interval: float) -> bool:
        pk, said = row
        known = self._planned.get(pk)
        if known is None:
            return True
        if said != known.row:
            ahead = (said - at).total_seconds() if said is not None else 0.0
            wait = min(max(0.0, ahead), limits.longest_wait_seconds(interval))
            known = self._planned[pk] = Planned(said, monotonic + wait)
        return known.due <= monotonic

    def _answer(self, pk: int, following: datetime) -> datetime | None:
        """Note in the row that somebody's wish is met, so that the next one is seen; returns what the row says then."""
        try:
            is_first = Instance.objects.claim(pk, due_at=None, next_poll_at=following)
        except DatabaseError as error:
            logger.debug("that a poll was asked for cannot be noted (%s)", type(error).__name__)
            return None
        return following if is_first else None

    def forget(self) -> None:
        """Begin anew, as at a start."""
        with self._lock:
            self._planned, self._rows = {}, []


#: The plan of this process; empty where others plan too.
PLAN = Plan()


def claimed(at: datetime, *, interval: float) -> list[int]:
    """Return the instances that are due by their rows and that nobody else has claimed, each moved on to its next poll."""
    due = Instance.objects.due(
        at,
        longest=timedelta(seconds=limits.longest_wait_seconds(interval)),
        usual=timedelta(seconds=2 * interval),
    ).values_list("pk", "next_poll_at")
    return [
        pk
        for pk, due_at in due
        if Instance.objects.claim(pk, due_at=due_at, next_poll_at=next_poll_at(pk, at, interval))
    ]


def next_poll_at(pk: int, at: datetime, interval: float) -> datetime:
    """Return when an instance that is polled now is polled next: in its turn, which comes once in each interval.

    Instances that share a turn are in the state at the same moment, so that one message tells of all of them (decision 0015).
    Half an interval lies between two polls at least; one that was added, or was away, finds into its turn by that.
    """
    turn = pk // TOGETHER % TURNS / TURNS * interval / 2
    earliest_epoch = at.timestamp() + interval / 2
    return from_epoch(math.ceil((earliest_epoch - turn) / interval) * interval + turn)
