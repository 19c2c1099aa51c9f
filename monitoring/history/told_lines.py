"""What was told of one object, as codes on the line of time of each tier; pure.

Each series goes into the tier that is as fine as it is, and its means into the buckets of the coarser ones. A year of one guest is
some seventy thousand values: they are taken column by column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Generic, NamedTuple, TypeVar

from monitoring.choices import Tier
from monitoring.history.metrics import Kind, Metric
from monitoring.history.rollup import Cut, cuts_of, even_size
from monitoring.history.scales import UNKNOWN
from monitoring.history.tiers import STEPS, tier_for

#: How much of a bucket must be known for a mean of it.
NEARLY = 0.9

Key = TypeVar("Key")
Value = TypeVar("Value")
#: One figure for each point; None is not told.
Figures = Sequence[float | None]


class ToldSeries(NamedTuple):
    """The records of one object: the start of each point in epoch seconds, rising, how long each lasts, and what was told of it."""

    kind: Kind
    pk: int
    epochs: Sequence[int]
    width_seconds: Sequence[int]
    values: Mapping[Metric, Figures]


class Line(NamedTuple, Generic[Key, Value]):
    """Points of one object: starts, rising, how long each lasts, and columns of equal length, one for each metric."""

    epochs: Sequence[int]
    widths: Sequence[int]
    columns: Mapping[Key, Sequence[Value]]

    def between(self, first: int, last: int) -> Line[Key, Value]:
        """Return the points from one place to before another."""
        columns = {metric: column[first:last] for metric, column in self.columns.items()}
        return Line(self.epochs[first:last], self.widths[first:last], columns)

    def at(self, places: Sequence[int]) -> Line[Key, Value]:
        """Return the points at these places."""
        columns = {metric: [column[place] for place in places] for metric, column in self.columns.items()}
        return Line(
            [self.epochs[place] for place in places], [self.widths[place] for place in places], columns
        )


#: By metric, and by the code of a metric.
Told = Line[Metric, float | None]
Coded = Line[int, int]


def lines_of(told: Iterable[ToldSeries]) -> dict[Tier, Coded]:
    """Return the points of one object by tier; where two tell of the same instant, the finer one is kept."""
    by_width: dict[int, list[Told]] = {}
    for one in told:
        for line in evens_of(one):
            by_width.setdefault(line.widths[0], []).append(line)
    tiers: dict[Tier, list[Coded]] = {}
    for width, some in sorted(by_width.items(), reverse=True):
        line = joined(some, None)
        fine = tier_for(width)
        tiers.setdefault(fine, []).append(coded(line))
        for tier in Tier:
            if tier > fine and STEPS[tier] > width:
                means = means_of(line, width, STEPS[tier])
                if means.epochs:
                    tiers.setdefault(tier, []).append(coded(means))
    return {tier: joined(lines, UNKNOWN) for tier, lines in tiers.items()}


def evens_of(told: ToldSeries) -> Iterator[Told]:
    """Yield the points of each width, without those of which nothing is told."""
    whole: Told = Line(told.epochs, told.width_seconds, told.values)
    widths = set(told.width_seconds)
    for width in widths:
        line = whole
        if len(widths) > 1:
            line = whole.at([place for place, one in enumerate(told.width_seconds) if one == width])
        line = known(line)
        if line.epochs:
            yield line


def known(line: Told) -> Told:
    """Return the points of which anything is told."""
    columns = list(line.columns.values())
    if any(None not in column for column in columns):
        return line
    size = len(columns)
    return line.at([place for place, row in enumerate(zip(*columns, strict=True)) if row.count(None) < size])


def coded(line: Told) -> Coded:
    """Return the same as codes."""
    columns = {metric.code: metric.scale.codes(column) for metric, column in line.columns.items()}
    return Line(line.epochs, line.widths, columns)


# --- Means ------------------------------------------------------------------------------------------------------------


def means_of(line: Told, width: int, step: int) -> Told:
    """Return the means of points of one width in wider buckets, of those that they fill nearly whole.

    The mean of a part would stand for the rest too, in which perhaps nothing is known.
    """
    least = NEARLY * step / width
    cuts = [cut for cut in cuts_of(line.epochs, step) if cut.last - cut.first >= least]
    if not cuts:
        return Line((), (), {})
    begin = cuts[0].first
    size = even_size(
        [Cut(epoch, first - begin, last - begin) for epoch, first, last in cuts], cuts[-1].last - begin
    )
    columns = {metric: column_means(column, cuts, size, least) for metric, column in line.columns.items()}
    return known(Line([cut.epoch for cut in cuts], [step] * len(cuts), columns))


def column_means(column: Figures, cuts: Sequence[Cut], size: int, least: float) -> Figures:
    """Return the mean of each bucket, None where fewer than `least` of its points are known; `size` is that of all, 0: they differ."""
    some = column[cuts[0].first : cuts[-1].last]
    if size and None not in some:
        return [sum(group) / size for group in zip(*[iter(some)] * size, strict=True)]
    found: list[float | None] = []
    for _, first, last in cuts:
        told = [figure for figure in column[first:last] if figure is not None]
        found.append(sum(told) / len(told) if len(told) >= least else None)
    return found


# --- Several ----------------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """Points that stay together: of which line, from the first to before the last."""

    line: int
    first: int
    last: int


def joined(lines: Sequence[Line[Key, Value]], unknown: Value) -> Line[Key, Value]:
    """Return one line of several; of points at the same instant that of the last line is kept, and nothing of the others."""
    if len(lines) == 1:
        return lines[0]
    epochs, runs = runs_of(lines)
    widths = [width for line, first, last in runs for width in lines[line].widths[first:last]]
    columns: dict[Key, Sequence[Value]] = {}
    for metric in {metric: None for line in lines for metric in line.columns}:
        column: list[Value] = []
        for line, first, last in runs:
            told = lines[line].columns.get(metric)
            column += [unknown] * (last - first) if told is None else told[first:last]
        columns[metric] = column
    return Line(epochs, widths, columns)


def runs_of(lines: Sequence[Line[Key, Value]]) -> tuple[list[int], list[Run]]:
    """Return the instants of all lines in order, and where their points come from."""
    places: dict[int, tuple[int, int]] = {}
    for number, line in enumerate(lines):
        places.update(zip(line.epochs, ((number, place) for place in range(len(line.epochs))), strict=True))
    epochs = sorted(places)
    order = [places[epoch] for epoch in epochs]
    runs: list[Run] = []
    for (number, _), some in groupby(enumerate(order), key=lambda one: (one[1][0], one[1][1] - one[0])):
        run = [place for _, (_, place) in some]
        runs.append(Run(number, run[0], run[-1] + 1))
    return epochs, runs
