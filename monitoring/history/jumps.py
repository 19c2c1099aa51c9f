"""Single jumps of a series, such as a clean-up or a restore, which say nothing about how it goes on; pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

#: Points on an even grid, None where nothing is known.
Points = Sequence[float | None]
#: What makes a median of deviations a standard deviation, where they are spread as noise mostly is.
TO_DEVIATION = 1.4826
#: A jump is this many deviations of what neighbouring days differ by, and this share of all that the series has gone through.
DEVIATIONS, SHARE = 6.0, 0.15
#: So many jumps are exceptions. More of them are how this series goes, such as the teeth of a prune job.
DAYS_PER_JUMP = 40.0


def without_jumps(values: Points, slope: float, *, per_day: int) -> Points:
    """Return the series as if its few jumps had come before all of it; the same object where there are none, or many."""
    width = max(3, per_day)
    known = [value for value in values if value is not None]
    changes = [change_at(values, place, width, slope) for place in range(len(values))]
    sizes = sorted(abs(change) for change in changes)
    limit = max(SHARE * (max(known) - min(known)), DEVIATIONS * TO_DEVIATION * sizes[len(sizes) // 2])
    jumps: dict[int, float] = {}
    for place in sorted(range(len(values)), key=lambda place: -abs(changes[place])):
        change = changes[place]
        if abs(change) <= limit:
            break
        if all(abs(place - other) >= 2 * width for other in jumps):
            exact = steepest(values, place, width, change)
            jumps[exact] = change_at(values, exact, width, slope)
    if not jumps or len(jumps) > max(1, len(values) / per_day / DAYS_PER_JUMP):
        return values
    even = list(values)
    for place, change in jumps.items():
        even[:place] = [None if value is None else value + change for value in even[:place]]
    return even


def change_at(values: Points, place: int, width: int, slope: float) -> float:
    """Return by how much the medians before and after a place differ, beyond what the slope does; 0 where one is not known."""
    before = [value for value in values[max(place - width, 0) : place] if value is not None]
    after = [value for value in values[place : place + width] if value is not None]
    return median(after) - median(before) - slope * width if before and after else 0.0


def steepest(values: Points, place: int, width: int, change: float) -> int:
    """Return where near a place the greatest part of a change lies between two neighbours."""
    greatest, found, last = 0.0, place, None
    for near in range(max(place - width, 0), min(place + width + 1, len(values))):
        value = values[near]
        if value is not None:
            if last is not None and (value - last) * change > greatest:
                greatest, found = (value - last) * change, near
            last = value
    return found
