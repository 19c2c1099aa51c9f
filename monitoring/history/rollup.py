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
    rolled = Rolled([], [], [], [], [])
    low, high = min(codes), max(codes)
    if low == high and low != UNKNOWN:
        figure = scale.figures[low] or 0.0
        same = [low] * len(cuts)
        counts = [last - first for _, first, last in cuts]
        return Rolled(same, same, same, counts, [figure * count for count in counts])
    means, lows, highs, counts, sums = rolled
    figures, code_of, has_gaps = scale.figures, scale.code, low == UNKNOWN
    for _, first, last in cuts:
        some = codes[first:last]
        if has_gaps:
            some = [code for code in some if code != UNKNOWN]
        if not some:
            add_unknown(rolled)
            continue
        low, high = min(some), max(some)
        count = len(some)
        total = sum([figures[code] for code in some])  # type: ignore[misc]  # none of them is unknown
        lows.append(low)
        highs.append(high)
        counts.append(count)
        sums.append(total)
        means.append(low if low == high else code_of(total / count))
    return rolled


def add_unknown(rolled: Rolled) -> None:
    """Add a bucket of which nothing is known."""
    rolled.means.append(UNKNOWN)
    rolled.lows.append(UNKNOWN)
    rolled.highs.append(UNKNOWN)
    rolled.counts.append(0)
    rolled.sums.append(0.0)


def widen(narrow: Rolled, cuts: Sequence[Cut], scale: Scale) -> Rolled:
    """Return wider buckets of narrower ones, whose means weigh by how many samples are in them."""
    wide = Rolled([], [], [], [], [])
    for _, first, last in cuts:
        counts = narrow.counts[first:last]
        count = sum(counts)
        if not count:
            add_unknown(wide)
            continue
        lows, highs = narrow.lows[first:last], narrow.highs[first:last]
        if 0 in counts:
            lows = [low for low in lows if low != UNKNOWN]
        total = sum(narrow.sums[first:last])
        low, high = min(lows), max(highs)
        wide.lows.append(low)
        wide.highs.append(high)
        wide.counts.append(count)
        wide.sums.append(total)
        wide.means.append(low if low == high else scale.code(total / count))
    return wide


def kept(
    means: Sequence[int], lows: Sequence[int], highs: Sequence[int], counts: Sequence[int], scale: Scale
) -> Rolled:
    """Return what was kept of buckets with their sums; what is unknown has a count of 0."""
    figures = scale.figures
    sums = [(figures[mean] or 0.0) * count for mean, count in zip(means, counts, strict=True)]
    return Rolled(list(means), list(lows), list(highs), list(counts), sums)
