"""Points of any width into the buckets of a grid; pure.

Most buckets get one point, and keep it as it is. Those that get several hold their mean, each weighing by its samples, and the
lowest and highest of all. A point that is wider than a bucket fills all that it covers: it is all that is known of them.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from monitoring.choices import SpanSource
from monitoring.history.columns import Column, Grid
from monitoring.history.metrics import Kind, Metric
from monitoring.history.pages import Codes, Page, Strip
from monitoring.history.scales import UNKNOWN, Figures

#: A point and the bucket that it is in.
Place = tuple[int, int]
#: Seconds for which a point of Proxmox's own records counts as one sample.
TOLD_SAMPLE_SECONDS = 10


class Plan(NamedTuple):
    """Where the points of a strip go: those that have a bucket for themselves, and those that share one."""

    strip: Strip
    page: Page
    alone: list[Place]
    shared: list[Place]
    #: The buckets of `alone`, when these and the points go up one by one.
    run: tuple[int, int, int] | None  # first point, first bucket, length


def filled(pages: Sequence[Page], grid: Grid) -> dict[tuple[Kind, int], dict[Metric, Column]]:
    """Return the series of all pages on the grid."""
    placed = [(page, strip, places_of(strip, page, grid)) for page in pages for strip in page.strips]
    touched = touches(placed)
    cells: dict[tuple[Kind, int], dict[Metric, Cells]] = {}
    for page, strip, places in placed:
        if not places:
            continue
        alone = [place for place in places if touched[place[1]] == 1]
        shared = [place for place in places if touched[place[1]] != 1] if len(alone) < len(places) else []
        plan = Plan(strip, page, alone, shared, run_of(alone))
        for pk, series in strip.objects():
            own = cells.setdefault((strip.kind, pk), {})
            for metric, codes in series.items():
                one = own.get(metric)
                if one is None:
                    one = own[metric] = Cells(grid.size)
                put(one, plan, codes, metric.scale.figures)
    return {
        key: columns
        for key, own in cells.items()
        if (columns := {metric: one.column() for metric, one in own.items() if one.is_known})
    }


def places_of(strip: Strip, page: Page, grid: Grid) -> list[Place]:
    """Return which points of a strip go into which buckets; only those within what is taken from the page."""
    places: list[Place] = []
    starts, ends = [start for start, _ in page.kept], [end for _, end in page.kept]
    first, step, size = grid.start_epoch, grid.step_seconds, grid.size
    for point, (epoch, width) in enumerate(zip(strip.epochs, strip.widths, strict=True)):
        after = epoch + width
        at = bisect_right(ends, epoch)
        if at == len(starts) or starts[at] >= after:
            continue
        # What is taken from the page may begin or end within the point.
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


def run_of(places: Sequence[Place]) -> tuple[int, int, int] | None:
    """Return first point, first bucket and length when both go up one by one."""
    if not places:
        return None
    (point, bucket), (last_point, last_bucket) = places[0], places[-1]
    length = len(places)
    is_run = last_point - point == last_bucket - bucket == length - 1
    return (point, bucket, length) if is_run else None


class Cells:
    """One series on its way into the buckets."""

    __slots__ = ("highs", "is_known", "lows", "means", "sums", "weights")

    def __init__(self, size: int) -> None:
        """Begin with nothing."""
        self.means: list[float | None] = [None] * size
        self.lows: list[float | None] = [None] * size
        self.highs: list[float | None] = [None] * size
        self.sums: dict[int, float] = {}
        self.weights: dict[int, float] = {}
        self.is_known = False

    def column(self) -> Column:
        """Return what has come together."""
        for bucket, total in self.sums.items():
            self.means[bucket] = total / self.weights[bucket]
        return Column(self.means, self.lows, self.highs)


def put(cells: Cells, plan: Plan, codes: Codes, figures: Figures) -> None:
    """Put the points of one series into their buckets."""
    means, counts = codes.means, codes.counts
    if min(means) == UNKNOWN == max(means):
        return
    cells.is_known = True
    lows, highs = extremes(codes, plan)
    if plan.run is not None:
        point, bucket, length = plan.run
        cells.means[bucket : bucket + length] = [figures[code] for code in means[point : point + length]]
        if lows is not None and highs is not None:
            cells.lows[bucket : bucket + length] = [figures[code] for code in lows[point : point + length]]
            cells.highs[bucket : bucket + length] = [figures[code] for code in highs[point : point + length]]
    else:
        for point, bucket in plan.alone:
            cells.means[bucket] = figures[means[point]]
            if lows is not None and highs is not None:
                cells.lows[bucket], cells.highs[bucket] = figures[lows[point]], figures[highs[point]]
    is_told = plan.page.source == SpanSource.PROXMOX
    for point, bucket in plan.shared:
        figure = figures[means[point]]
        if figure is None:
            continue
        weight = 1.0
        if counts is not None:
            weight = float(counts[point])
        elif is_told:
            weight = plan.strip.widths[point] / TOLD_SAMPLE_SECONDS
        cells.sums[bucket] = cells.sums.get(bucket, 0.0) + figure * weight
        cells.weights[bucket] = cells.weights.get(bucket, 0.0) + weight
        if lows is not None and highs is not None:
            low, high = figures[lows[point]], figures[highs[point]]
            least, most = cells.lows[bucket], cells.highs[bucket]
            cells.lows[bucket] = low if least is None or (low is not None and low < least) else least
            cells.highs[bucket] = high if most is None or (high is not None and high > most) else most


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
