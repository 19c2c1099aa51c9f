"""Which timeframes there are of records, and which of them a span of time needs; pure.

Source: api-facts.md sections 7, 11.2 and 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

DAY_SECONDS = 86_400


class Frame(NamedTuple):
    """A timeframe by its name in the API: rows of one step each, that reach back so far."""

    name: str
    step_seconds: int
    reach_seconds: int


#: Up to PVE 8, and of a mail gateway: 70 rows each.
OLD = (
    Frame("hour", 60, 70 * 60),
    Frame("day", 1_800, 70 * 1_800),
    Frame("week", 10_800, 70 * 10_800),
    Frame("month", 43_200, 70 * 43_200),
    Frame("year", 604_800, 70 * 604_800),
)
#: From PVE 9 on, and of a PBS; `hour` and `week` say nothing that is not in `day` and `month`.
NEW = (
    Frame("day", 60, DAY_SECONDS),
    Frame("month", 1_800, 30 * DAY_SECONDS),
    Frame("year", 21_600, 360 * DAY_SECONDS),
)
DECADE = Frame("decade", 604_800, 570 * 604_800)
#: PVE keeps ten years of its nodes alone.
WITH_DECADE = (*NEW, DECADE)


def needed(frames: Sequence[Frame], *, start_epoch: int | None, now_epoch: float) -> tuple[Frame, ...]:
    """Return the timeframes that tell of the time since an instant, the finest first; all of them for None."""
    if start_epoch is None:
        return tuple(frames)
    found: list[Frame] = []
    for frame in frames:
        found.append(frame)
        if now_epoch - frame.reach_seconds <= start_epoch:
            break
    return tuple(found)
