"""Points of any width into the buckets of a grid; pure.

Most buckets get one point, and keep it as it is. Those that get several hold their mean, each weighing by its samples, and the
lowest and highest of all. A point that is wider than a bucket fills all that it covers: it is all that is known of them.

Where the points go is found once for all objects that share a line of time; then each series takes a few calls for whole runs of
points, not some for each: ten thousand guests have millions.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import mul
from typing import NamedTuple

from monitoring.choices import SpanSource
from monitoring.history.columns import Column, Grid
from monitoring.history.metrics import Kind, Metric
from monitoring.history.pages import Codes, Page, Strip
from monitoring.history.scales import UNKNOWN, Figures

#: A point and the bucket that it is in.
Place = tuple[int, int]
Values = list[float | None]
#: Seconds for which a point of Proxmox's own records counts as one sample.
TOLD_SAMPLE_SECONDS = 10


class Stretch(NamedTuple):
    """Neighbouring buckets, the first of which is `bucket`, that have a point for themselves each: which."""

    bucket: int
    points: Sequence[int]


class Heap(NamedTuple):
    """One bucket in which several points meet: from the first to before the last, one after the other."""

    bucket: int
    first: int
    last: int


class Row(NamedTuple):
    """Neighbouring buckets in which equally many neighbouring points meet each, and no others: `width` of them."""

    heaps: Sequence[Heap]
    width: int


class Plan(NamedTuple):
    """Where the points of a strip go; `weights` is how much each weighs, None: all the same, one sample."""

    page: Page
    alone: list[Stretch]
    rows: list[Row]
    shared: list[Heap]
    weights: Sequence[float] | None


def filled(pages: Sequence[Page], grid: Grid) -> dict[tuple[Kind, int], dict[Metric, Column]]:
    """Return the series of all pages on the grid."""
    cells: dict[tuple[Kind, int], dict[Metric, Cells]] = {}
    for strip, plan in planned(pages, grid):
        for pk, series in strip.objects():
            own = cells.setdefault((strip.kind, pk), {})
            for metric, codes in series.items():
                if is_unknown(codes.means):
                    continue
                one = own.get(metric)
                if one is None:
                    one = own[metric] = Cells(grid.size)
                one.put(plan, codes, metric.scale.figures)
    return {key: {metric: one.column() for metric, one in own.items()} for key, own in cells.items() if own}


def is_unknown(codes: Sequence[int]) -> bool:
    """Return whether nothing is known of a series."""
    return codes[0] == UNKNOWN and codes.count(UNKNOWN) == len(codes)


def planned(pages: Sequence[Page], grid: Grid) -> Iterator[tuple[Strip, Plan]]:
    """Yield the strips of which there is something on the grid, each with where its points go."""
    placed: list[tuple[Page, Strip, list[Place]]] = []
    for page in pages:
        lines: dict[int, list[Place]] = {}
        for strip in page.strips:
            line = id(strip.epochs)
            if line not in lines:
                lines[line] = places_of(strip, page, grid)
            placed.append((page, strip, lines[line]))
    touched = touches(placed)
    plans: dict[int, Plan] = {}
    for page, strip, places in placed:
        if places:
            plan = plans.get(id(places))
            if plan is None:
                plan = plans[id(places)] = plan_of(page, strip, places, touched)
            yield strip, plan


def plan_of(page: Page, strip: Strip, places: Sequence[Place], touched: Counter[int]) -> Plan:
    """Return where the points of a strip go."""
    alone = [place for place in places if touched[place[1]] == 1]
    shared = [place for place in places if touched[place[1]] != 1] if len(alone) < len(places) else []
    weights = None
    if page.source == SpanSource.PROXMOX:
        weights = [width / TOLD_SAMPLE_SECONDS for width in strip.widths]
    rows, others = rows_of(heaps_of(shared), touched)
    return Plan(page, stretches_of(alone), rows, others, weights)


def stretches_of(places: Sequence[Place]) -> list[Stretch]:
    """Return places whose buckets go up one by one together."""
    found: list[Stretch] = []
    for _, some in groupby(enumerate(places), key=lambda one: one[1][1] - one[0]):
        run = [place for _, place in some]
        first, last = run[0][0], run[-1][0]
        points = [point for point, _ in run]
        is_run = last - first == len(run) - 1 and points == list(range(first, last + 1))
        found.append(Stretch(run[0][1], range(first, last + 1) if is_run else points))
    return found


def heaps_of(places: Sequence[Place]) -> list[Heap]:
    """Return neighbouring points that share a bucket together."""
    heaps: list[Heap] = []
    for (bucket, _), some in groupby(enumerate(places), key=lambda one: (one[1][1], one[1][0] - one[0])):
        points = [point for _, (point, _) in some]
        heaps.append(Heap(bucket, points[0], points[-1] + 1))
    return heaps


def rows_of(heaps: Sequence[Heap], touched: Counter[int]) -> tuple[list[Row], list[Heap]]:
    """Return the rows among the heaps, and those that are in none."""
    rows: list[Row] = []
    others: list[Heap] = []

    def even(one: tuple[int, Heap]) -> tuple[int, ...] | None:
        """Return what the heaps of a row have in common."""
        place, (bucket, first, last) = one
        width = last - first
        return (width, bucket - place, first - place * width) if touched[bucket] == width else None

    for common, some in groupby(enumerate(heaps), key=even):
        run = [heap for _, heap in some]
        if common is None:
            others += run
        else:
            rows.append(Row(run, common[0]))
    return rows, others


def places_of(strip: Strip, page: Page, grid: Grid) -> list[Place]:
    """Return which points of a strip go into which buckets; only those within what is taken from the page."""
    places: list[Place] = []
    epochs, (first, step, _) = strip.epochs, grid
    widest = max(strip.widths, default=0)
    done = 0
    for start, end in page.kept if widest <= step else ():
        # Nearly all points are narrower than a bucket and lie wholly within what is taken.
        low = bisect_left(epochs, max(start, first))
        high = bisect_right(epochs, min(end, grid.end_epoch) - widest)
        if done <= low < high:
            places += edge_places(range(done, low), strip, page, grid)
            places += [(point, (epoch - first) // step) for point, epoch in enumerate(epochs[low:high], low)]
            done = high
    return places + edge_places(range(done, len(epochs)), strip, page, grid)


def edge_places(points: range, strip: Strip, page: Page, grid: Grid) -> list[Place]:
    """Return where some of the points go: what is taken from the page may begin or end within them, and they may be wide."""
    places: list[Place] = []
    starts, ends = [start for start, _ in page.kept], [end for _, end in page.kept]
    first, step, size = grid
    for point in points:
        epoch, after = strip.epochs[point], strip.epochs[point] + strip.widths[point]
        at = bisect_right(ends, epoch)
        if at == len(starts) or starts[at] >= after:
            continue
        low = max((max(epoch, starts[at]) - first) // step, 0)
        # The bucket in which it ends belongs to the point that begins there.
        high = max((min(after, ends[at]) - first) // step, low + 1)
        places.extend((point, bucket) for bucket in range(low, min(high, size)))
    return places


def touches(placed: Sequence[tuple[Page, Strip, list[Place]]]) -> Counter[int]:
    """Return how many points each bucket gets of one object at most."""
    by_page: dict[int, dict[int, int]] = {}
    lines: set[tuple[int, int]] = set()
    for page, strip, places in placed:
        if (id(page), id(strip.epochs)) in lines:  # the same points again, of other objects
            continue
        lines.add((id(page), id(strip.epochs)))
        most = by_page.setdefault(id(page), {})
        for bucket, number in Counter(bucket for _, bucket in places).items():
            most[bucket] = max(number, most.get(bucket, 0))
    touched: Counter[int] = Counter()
    for most in by_page.values():
        touched.update(most)
    return touched


class Cells:
    """One series on its way into the buckets."""

    __slots__ = ("highs", "lows", "means", "sums", "weights")

    def __init__(self, size: int) -> None:
        """Begin with nothing."""
        self.means: Values = [None] * size
        self.lows: Values = [None] * size
        self.highs: Values = [None] * size
        self.sums: dict[int, float] = {}
        self.weights: dict[int, float] = {}

    def column(self) -> Column:
        """Return what has come together."""
        for bucket, total in self.sums.items():
            self.means[bucket] = total / self.weights[bucket]
        return Column(self.means, self.lows, self.highs)

    def put(self, plan: Plan, codes: Codes, figures: Figures) -> None:
        """Put the points of one series into their buckets."""
        means = codes.means
        lows, highs = extremes(codes, plan)
        for bucket, points in plan.alone:
            copy(self.means, bucket, means, points, figures)
            if lows is not None and highs is not None:
                copy(self.lows, bucket, lows, points, figures)
                copy(self.highs, bucket, highs, points, figures)
        weights: Sequence[float] | None = codes.counts if codes.counts is not None else plan.weights
        is_even = weights is None or min(weights) == max(weights)
        for heaps, width in plan.rows:
            if not (is_even and self.put_row(heaps, width, means, figures)):
                self.add(heaps, means, figures, weights)
        if plan.shared:
            self.add(plan.shared, means, figures, weights)
        if lows is not None and highs is not None:
            for heaps, width in plan.rows:
                if not self.widen_row(heaps, width, lows, highs, figures):
                    for bucket, first, last in heaps:
                        self.widen(bucket, lows[first:last], highs[first:last], figures)
            for bucket, first, last in plan.shared:
                self.widen(bucket, lows[first:last], highs[first:last], figures)

    def put_row(self, heaps: Sequence[Heap], width: int, means: Sequence[int], figures: Figures) -> bool:
        """Write the means of a row; False when something in it is not known."""
        bucket, first, _ = heaps[0]
        codes = means[first : heaps[-1].last]
        lowest = min(codes)
        if lowest == UNKNOWN:
            return False
        if lowest == max(codes):
            self.means[bucket : bucket + len(heaps)] = [figures[lowest]] * len(heaps)
            return True
        known = [figures[code] for code in codes]
        sums: Iterable[float] = map(sum, zip(*[iter(known)] * width, strict=True))
        self.means[bucket : bucket + len(heaps)] = [total / width for total in sums]
        return True

    def widen_row(
        self, heaps: Sequence[Heap], width: int, lows: Sequence[int], highs: Sequence[int], figures: Figures
    ) -> bool:
        """Write the extremes of a row, codes being in the order of what they mean; False when something in it is not known."""
        buckets = slice(heaps[0].bucket, heaps[0].bucket + len(heaps))
        first, last = heaps[0].first, heaps[-1].last
        lowest = lows[first:last]
        if UNKNOWN in lowest:
            return False
        self.lows[buckets] = map(figures.__getitem__, evenly(min, lowest, width))
        self.highs[buckets] = map(figures.__getitem__, evenly(max, highs[first:last], width))
        return True

    def add(
        self, heaps: Sequence[Heap], means: Sequence[int], figures: Figures, weights: Sequence[float] | None
    ) -> None:
        """Add points to the buckets that they share with others; what is not known has no weight."""
        start, end = heaps[0].first, heaps[-1].last
        known = [figures[code] for code in means[start:end]]
        if None in known:
            own = weights[start:end] if weights is not None else [1.0] * len(known)
            own = [0.0 if one is None else weight for one, weight in zip(known, own, strict=True)]
            known, weights = [0.0 if one is None else one for one in known], own
        elif weights is not None:
            weights = weights[start:end]
        if weights is not None:
            known = list(map(mul, known, weights))
        for bucket, first, last in heaps:
            points = slice(first - start, last - start)
            weight = sum(weights[points]) if weights is not None else last - first
            if weight:
                self.sums[bucket] = self.sums.get(bucket, 0.0) + sum(known[points])  # type: ignore[arg-type]
                self.weights[bucket] = self.weights.get(bucket, 0.0) + weight

    def widen(self, bucket: int, lows: Sequence[int], highs: Sequence[int], figures: Figures) -> None:
        """Let the extremes of a bucket hold those of some points; codes are in the order of what they mean."""
        low, high = min(lows), max(highs)
        if low == UNKNOWN:
            low = min((code for code in lows if code != UNKNOWN), default=UNKNOWN)
        if low == UNKNOWN or high == UNKNOWN:
            return
        least, most = self.lows[bucket], self.highs[bucket]
        lowest, highest = figures[low], figures[high]
        self.lows[bucket] = lowest if least is None or (lowest is not None and lowest < least) else least
        self.highs[bucket] = highest if most is None or (highest is not None and highest > most) else most


def evenly(choose: Callable[..., int], codes: Sequence[int], width: int) -> Iterable[int]:
    """Return which of each so many codes in a row is chosen."""
    return map(choose, *(codes[place::width] for place in range(width))) if width > 1 else codes


def copy(cells: Values, bucket: int, codes: Sequence[int], points: Sequence[int], figures: Figures) -> None:
    """Write what points mean into neighbouring buckets."""
    chosen = (
        codes[points.start : points.stop] if isinstance(points, range) else [codes[one] for one in points]
    )
    cells[bucket : bucket + len(points)] = map(figures.__getitem__, chosen)


def extremes(codes: Codes, plan: Plan) -> tuple[Sequence[int] | None, Sequence[int] | None]:
    """Return the codes of the lowest and highest of each point; None where only the mean is known."""
    means, below, above, _ = codes
    if below is not None and above is not None:
        if not any(below) and not any(above):
            return means, means
        return (
            [mean if mean == UNKNOWN else mean - one for mean, one in zip(means, below, strict=True)],
            [mean if mean == UNKNOWN else mean + one for mean, one in zip(means, above, strict=True)],
        )
    return (means, means) if plan.page.has_extremes else (None, None)
