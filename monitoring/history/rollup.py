"""From samples to buckets, and from buckets to wider ones: minimum, maximum, mean and count; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from monitoring.history.scales import UNKNOWN, Scale


class Cut(NamedTuple):
    """A bucket, and which points lie in it: from `first` to before `last`."""

    epoch: int
    first: int
    last: int


class Rolled(NamedTuple):
    """One series of buckets, as codes; `sums` are the figures added up, for the next wider buckets."""

    means: list[int]
    lows: list[int]
    highs: list[int]
    counts: list[int]
    sums: list[float]


def cuts_of(epochs: Iterable[int], step_seconds: int) -> list[Cut]:
    """Return the buckets of this width in which there are points, in order; the epochs are sorted."""
    cuts: list[Cut] = []
    first = 0
    for bucket, points in groupby(epoch // step_seconds for epoch in epochs):
        last = first + sum(1 for _ in points)
        cuts.append(Cut(bucket * step_seconds, first, last))
        first = last
    return cuts


def roll(codes: Sequence[int], cuts: Sequence[Cut], scale: Scale) -> Rolled:
    """Return the buckets of samples as they were taken; a bucket without a known one is unknown, its count 0."""
    low, high = min(codes), max(codes)
    if low == high and low != UNKNOWN:
        return constant(low, [last - first for _, first, last in cuts], scale)
    size = even_size(cuts, len(codes))
    if size and low != UNKNOWN:
        return roll_evenly(codes, size, scale)
    rolled = Rolled([], [], [], [], [])
    figures = scale.figures
    for _, first, last in cuts:
        some = [code for code in codes[first:last] if code != UNKNOWN]
        total = sum([figures[code] for code in some])  # type: ignore[misc]  # none of them is unknown
        add(rolled, some, some, len(some), total, scale)
    return rolled


def constant(code: int, counts: list[int], scale: Scale) -> Rolled:
    """Return the buckets of a series that does not move."""
    figure, same = scale.figures[code] or 0.0, [code] * len(counts)
    return Rolled(same, same, same, counts, [figure * count for count in counts])


def even_size(cuts: Sequence[Cut], length: int) -> int:
    """Return how many points each bucket has, when all have as many; else 0."""
    size = cuts[0].last
    return size if size * len(cuts) == length and all(last - first == size for _, first, last in cuts) else 0


def roll_evenly(codes: Sequence[int], size: int, scale: Scale) -> Rolled:
    """Return the buckets of samples that are all known, so many in each: what nearly every series is like."""
    figures: list[float] = list(map(scale.figures.__getitem__, codes))  # type: ignore[arg-type]  # none of them is unknown
    groups = [codes[place::size] for place in range(size)]
    lows, highs = (
        list(map(min, *groups)) if size > 1 else groups[0],
        list(map(max, *groups)) if size > 1 else groups[0],
    )
    sums = [sum(some) for some in zip(*[iter(figures)] * size, strict=True)]
    return Rolled(means_of(lows, highs, sums, size, scale), list(lows), list(highs), [size] * len(sums), sums)


def means_of(
    lows: Sequence[int], highs: Sequence[int], sums: Sequence[float], count: int, scale: Scale
) -> list[int]:
    """Return the codes of the means of buckets of so many samples."""
    code = scale.code
    return [
        low if low == high else code(total / count)
        for low, high, total in zip(lows, highs, sums, strict=True)
    ]


def add(
    rolled: Rolled, lows: Sequence[int], highs: Sequence[int], count: int, total: float, scale: Scale
) -> None:
    """Add one bucket of the known ones among its points; unknown, its count 0, when there are none."""
    if not count:
        rolled.means.append(UNKNOWN)
        rolled.lows.append(UNKNOWN)
        rolled.highs.append(UNKNOWN)
        rolled.counts.append(0)
        rolled.sums.append(0.0)
        return
    low, high = min(lows), max(highs)
    rolled.lows.append(low)
    rolled.highs.append(high)
    rolled.counts.append(count)
    rolled.sums.append(total)
    rolled.means.append(low if low == high else scale.code(total / count))


def widen(narrow: Rolled, cuts: Sequence[Cut], scale: Scale) -> Rolled:
    """Return wider buckets of narrower ones, whose means weigh by how many samples are in them."""
    wide = Rolled([], [], [], [], [])
    for _, first, last in cuts:
        lows = [low for low in narrow.lows[first:last] if low != UNKNOWN]
        count, total = sum(narrow.counts[first:last]), sum(narrow.sums[first:last])
        add(wide, lows, narrow.highs[first:last], count, total, scale)
    return wide


def kept(
    means: Sequence[int], lows: Sequence[int], highs: Sequence[int], counts: Sequence[int], scale: Scale
) -> Rolled:
    """Return what was kept of buckets with their sums; what is unknown has a count of 0."""
    figures = scale.figures
    sums = [(figures[mean] or 0.0) * count for mean, count in zip(means, counts, strict=True)]
    return Rolled(list(means), list(lows), list(highs), list(counts), sums)
