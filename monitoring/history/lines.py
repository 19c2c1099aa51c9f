"""The means of many objects as the codes that are kept, one for each bucket of a tier; pure.

Who looks at ten thousand guests asks for millions of numbers. Most of them are kept as they are wanted, so that they need be neither
computed nor even known: a code is as good as what it means until it is written. Several points that meet in one bucket become the
code of their mean, as they will when they are sealed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import add

from monitoring.history.columns import Grid
from monitoring.history.filling import Heap, Plan, planned
from monitoring.history.metrics import Kind, Metric
from monitoring.history.pages import Codes, Page
from monitoring.history.scales import UNKNOWN, Figures, Scale

#: A code for each bucket of a grid, UNKNOWN for a gap.
Line = list[int]
#: By bucket, what was added up there and how much it weighs.
Sums = dict[int, tuple[float, float]]


def lines_of(pages: Sequence[Page], grid: Grid) -> dict[tuple[Kind, int], dict[Metric, Line]]:
    """Return the series of all pages on a grid with the step of a tier."""
    lines: dict[tuple[Kind, int], dict[Metric, Line]] = {}
    sums: dict[tuple[Kind, int, Metric], Sums] = defaultdict(dict)
    for strip, plan in planned(pages, grid):
        kind, is_shared = strip.kind, bool(plan.rows or plan.shared)
        alone = [(bucket, slice_of(points), points) for bucket, points in plan.alone]
        for pk, series in strip.objects():
            own = lines.setdefault((kind, pk), {})
            for metric, codes in series.items():
                line = own.get(metric)
                if line is None:
                    line = own[metric] = []
                means = codes.means
                for bucket, part, points in alone:
                    some = means[part] if part is not None else [means[point] for point in points]
                    if bucket == len(line):  # as a rule: what is later follows
                        line += some
                    else:
                        write(line, bucket, some)
                if is_shared:
                    line += [UNKNOWN] * (grid.size - len(line))
                    share(line, plan, codes, metric.scale, sums[kind, pk, metric])
    for (kind, pk, metric), own_sums in sums.items():
        line, code = lines[kind, pk][metric], metric.scale.code
        for bucket, (total, weight) in own_sums.items():
            line[bucket] = code(total / weight)
    for own in lines.values():
        for line in own.values():
            line.extend([UNKNOWN] * (grid.size - len(line)))
    return lines


def slice_of(points: Sequence[int]) -> slice | None:
    """Return the points as a slice, None when they do not follow upon each other."""
    return slice(points.start, points.stop) if isinstance(points, range) else None


def write(line: Line, bucket: int, some: Sequence[int]) -> None:
    """Write codes into buckets before or beyond the end of what there is of a line."""
    after = bucket + len(some)
    line += [UNKNOWN] * (after - len(line))
    line[bucket:after] = some


def share(line: Line, plan: Plan, codes: Codes, scale: Scale, sums: Sums) -> None:
    """Add the points that share their buckets with others."""
    for heaps, _ in plan.rows:
        first = codes.means[heaps[0].first]
        if codes.means[heaps[0].first : heaps[-1].last].count(first) == heaps[-1].last - heaps[0].first:
            line[heaps[0].bucket : heaps[0].bucket + len(heaps)] = [first] * len(heaps)
        else:
            add_heaps(heaps, plan, codes, scale.figures, sums)
    add_heaps(plan.shared, plan, codes, scale.figures, sums)


def add_heaps(heaps: Iterable[Heap], plan: Plan, codes: Codes, figures: Figures, sums: Sums) -> None:
    """Add points to the sums of their buckets; what is not known has no weight."""
    weights = codes.counts if codes.counts is not None else plan.weights
    for bucket, first, last in heaps:
        total, weight = sums.get(bucket, (0.0, 0.0))
        for point in range(first, last):
            figure = figures[codes.means[point]]
            if figure is not None:
                own = weights[point] if weights is not None else 1.0
                total, weight = total + figure * own, weight + own
        if weight:
            sums[bucket] = total, weight


def means_of(line: Line, width: int, figures: Figures) -> list[float | None]:
    """Return the mean of each so many neighbouring buckets, as far as they are known."""
    if is_constant(line):
        return [figures[line[0]]] * (len(line) // width)
    known: list[float | None] = list(map(figures.__getitem__, line))
    if width == 1:
        return known
    if UNKNOWN in line:
        return [mean_of(known[place : place + width]) for place in range(0, len(known), width)]
    total: Iterable[float] = known[::width]  # type: ignore[assignment]  # all of them are known
    for place in range(1, width):
        total = map(add, total, known[place::width])
    return [one / width for one in total]


def is_constant(line: Line) -> bool:
    """Return whether a line does not move at all, as most do."""
    return line[0] == line[-1] and line == line[:1] * len(line)


def mean_of(some: Sequence[float | None]) -> float | None:
    """Return the mean of those that are known, None when none is."""
    known = [one for one in some if one is not None]
    return sum(known) / len(known) if known else None
