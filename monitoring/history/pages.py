"""What lies in the database of a range, as pages: a span of blocks, or the samples that are not sealed yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from monitoring.choices import SpanSource, Tier
from monitoring.history import batches, blocks
from monitoring.history.batches import Opened, codes_of
from monitoring.history.blocks import Aspect, Block
from monitoring.history.columns import Wanted
from monitoring.history.metrics import Kind, Metric
from monitoring.history.scales import UNKNOWN
from monitoring.history.tiers import STEPS
from monitoring.known.head import Head, Shot
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan

logger = logging.getLogger(__name__)

#: A sample stands for the time until the next one, unless that comes later than so many usual distances: then there is a gap.
MOST_DISTANCES = 2.5
LONGEST_BATCH_SECONDS = 60
#: What is wanted of more objects than this is read for all of them at once.
FEW = 8


class Codes(NamedTuple):
    """One series of a page, a code for each point. Without extremes each point is one sample, or only its mean is known."""

    means: Sequence[int]
    below: Sequence[int] | None = None  # how far the lowest lies below the mean
    above: Sequence[int] | None = None
    counts: Sequence[int] | None = None


@dataclass(slots=True)
class Strip:
    """Objects of one kind with a common line of time: starts and widths of the points, in order."""

    kind: Kind
    epochs: Sequence[int]
    widths: Sequence[int]
    objects: Callable[[], Iterator[tuple[int, dict[Metric, Codes]]]]


@dataclass(slots=True)
class Page:
    """Strips of one source. `covered` is the time of which it tells, `kept` the part that is taken from it, both in epoch seconds."""

    source: SpanSource
    resolution: int
    covered: list[tuple[int, int]]
    strips: list[Strip]
    has_extremes: bool = False  # a sample is its own lowest and highest
    span: list[tuple[int, int]] = field(
        default_factory=list
    )  # all of the time of which there is nothing else
    kept: list[tuple[int, int]] = field(default_factory=list)


def sealed(
    instance_id: int,
    wanted: Wanted,
    tier: Tier,
    source: SpanSource,
    ranges: Sequence[tuple[int, int]],
    *,
    aspects: Collection[Aspect] = tuple(Aspect),
) -> list[Page]:
    """Return the spans of a tier that touch these ranges, what was read of them, in the order of time."""
    if not ranges:
        return []
    found = HistorySpan.objects.filter(
        instance_id=instance_id,
        tier=tier,
        source=source,
        start_epoch__lt=ranges[-1][1],
        end_epoch__gt=ranges[0][0],
    ).order_by("start_epoch", "pk")
    spans = {
        pk: (start, end)
        for pk, start, end in found.values_list("pk", "start_epoch", "end_epoch")
        if any(start < other_end and other_start < end for other_start, other_end in ranges)
    }
    strips: dict[int, list[Strip]] = {}
    for span, kind, body in bodies(list(spans), wanted):
        try:
            block = blocks.unpack(body)
        except blocks.BadBlock:
            logger.error("a block of instance %s cannot be read", instance_id)
            continue
        strips.setdefault(span, []).append(strip_of(Kind(kind), block, tier, wanted, aspects))
    return [
        Page(
            source,
            resolution_of(strips[pk]),
            covered_by(strips[pk]),
            strips[pk],
            has_extremes=tier == Tier.TEN_SECONDS,
            span=[spans[pk]],
        )
        for pk in spans
        if pk in strips
    ]


def bodies(spans: Sequence[int], wanted: Wanted) -> Iterator[tuple[int, int, bytes]]:
    """Yield span, kind and body of the blocks in which what is wanted may be."""
    for kind, (pks, _) in wanted.items():
        rows = HistoryBlock.objects.filter(kind=kind)
        if pks is not None:
            rows = rows.filter(chunk__in=sorted({blocks.chunk_of(pk) for pk in pks}))
        for start in range(0, len(spans), 500):
            some = rows.filter(span_id__in=spans[start : start + 500]).order_by("span_id", "chunk")
            for span, body in some.values_list("span_id", "body").iterator(chunk_size=100):
                yield span, kind, bytes(body)


def strip_of(kind: Kind, block: Block, tier: Tier, wanted: Wanted, aspects: Collection[Aspect]) -> Strip:
    """Return a block as a strip."""
    if block.widths:
        widths: Sequence[int] = block.widths
    elif tier == Tier.TEN_SECONDS:
        widths = widths_of(block.epochs)
    else:
        widths = [STEPS[tier]] * len(block.epochs)
    pks, metrics = wanted[kind]
    keys = frozenset((metric.code, aspect) for metric in metrics for aspect in aspects)

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        chosen = block.streams if pks is None else [pk for pk in pks if pk in block.streams]
        for pk in chosen:
            try:
                series = block.series(pk, keys)
            except blocks.BadBlock:
                logger.error("a series of %s %s cannot be read", kind.name.lower(), pk)
                continue
            yield (
                pk,
                {
                    metric: Codes(
                        series[metric.code, Aspect.MEAN],
                        series.get((metric.code, Aspect.LOW)),
                        series.get((metric.code, Aspect.HIGH)),
                        series.get((metric.code, Aspect.COUNT)),
                    )
                    for metric in metrics
                    if (metric.code, Aspect.MEAN) in series
                },
            )

    return Strip(kind, block.epochs, widths, objects)


def widths_of(epochs: Sequence[int]) -> list[int]:
    """Return for how long each sample stands: until the next one, or for the usual distance before a gap and at the end."""
    distances = [after - before for before, after in pairwise(epochs)]
    usual = max(int(median(distances)), STEPS[Tier.TEN_SECONDS]) if distances else STEPS[Tier.TEN_SECONDS]
    longest = MOST_DISTANCES * usual
    return [one if one <= longest else usual for one in distances] + [usual] * (len(epochs) > 0)


def covered_by(strips: Sequence[Strip]) -> list[tuple[int, int]]:
    """Return the time of which strips tell."""
    spans = sorted(
        {span for one in {id(strip.epochs): strip for strip in strips}.values() for span in stretches(one)}
    )
    every: list[tuple[int, int]] = []
    for start, end in spans:
        if every and start <= every[-1][1]:
            every[-1] = (every[-1][0], max(end, every[-1][1]))
        else:
            every.append((start, end))
    return every


def stretches(strip: Strip) -> list[tuple[int, int]]:
    """Return the time of which a strip tells, points that touch made one."""
    found: list[tuple[int, int]] = []
    for epoch, width in zip(strip.epochs, strip.widths, strict=True):
        if found and epoch <= found[-1][1]:
            found[-1] = (found[-1][0], max(epoch + width, found[-1][1]))
        else:
            found.append((epoch, epoch + width))
    return found


def resolution_of(strips: Sequence[Strip]) -> int:
    """Return the usual distance of the points, in seconds."""
    widths = [width for strip in strips[:1] for width in strip.widths]
    return int(median(widths)) if widths else 0


# --- what is not sealed yet -------------------------------------------------------------------------------------------


def unsealed(
    instance_id: int, wanted: Wanted, ranges: Sequence[tuple[int, int]], *, has_samples: bool
) -> list[Page]:
    """Return the batches that touch these ranges.

    `has_samples`: with each of their samples, not only the means of the minutes.
    """
    if not ranges:
        return []
    rows = HistoryBatch.objects.filter(
        instance_id=instance_id,
        start_epoch__gt=ranges[0][0] - LONGEST_BATCH_SECONDS,
        start_epoch__lt=ranges[-1][1],
    ).order_by("start_epoch")
    bodies = rows.values_list("source", "body" if has_samples else "means")
    opened: dict[int, list[Opened]] = {}
    for source, body in bodies.iterator(chunk_size=50):
        try:
            opened.setdefault(source, []).append(Opened(bytes(body)))
        except batches.BadBatch:
            logger.error("a minute of samples of instance %s cannot be read", instance_id)
    return [
        page_of(SpanSource(source), some, wanted, has_samples=has_samples)
        for source, some in sorted(opened.items())
    ]


def page_of(source: SpanSource, opened: Sequence[Opened], wanted: Wanted, *, has_samples: bool) -> Page:
    """Return batches as one page."""
    epochs = [epoch for one in opened for epoch in one.epochs]
    if has_samples:
        widths = widths_of(epochs)
    else:
        epochs = [epoch // 60 * 60 for epoch in epochs]
        widths = [60] * len(epochs)
    strips = [
        Strip(
            kind,
            epochs,
            widths,
            few(opened, kind, pks, metrics)
            if has_samples and pks is not None and len(pks) <= FEW
            else many(opened, kind, pks, metrics),
        )
        for kind, (pks, metrics) in wanted.items()
    ]
    return Page(source, 10 if has_samples else 60, covered_by(strips[:1]), strips, has_extremes=has_samples)


Objects = Callable[[], Iterator[tuple[int, dict[Metric, Codes]]]]


def few(opened: Sequence[Opened], kind: Kind, pks: Iterable[int], metrics: Iterable[Metric]) -> Objects:
    """Return what yields the series of a few objects: only what is wanted of each batch is looked at."""

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        places = [{pk: place for place, pk in enumerate(one.pks(kind))} for one in opened]
        there = [set(one.metrics(kind)) for one in opened]
        for pk in pks:
            found: dict[Metric, Codes] = {}
            for metric in metrics:
                codes: list[int] = []
                for one, own, known in zip(opened, places, there, strict=True):
                    if pk in own and metric.code in known:
                        codes += one.column(kind, metric.code, own[pk])
                    else:
                        codes += [UNKNOWN] * len(one.epochs)
                found[metric] = Codes(codes)
            yield pk, found

    return objects


def many(
    opened: Sequence[Opened], kind: Kind, pks: Iterable[int] | None, metrics: Iterable[Metric]
) -> Objects:
    """Return what yields the series of many objects, metric after metric."""

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        every = sorted({pk for one in opened for pk in one.pks(kind)})
        known = {
            metric: batches.joined_planes(opened, kind, metric.code, every)
            for metric in metrics
            if any(metric.code in one.metrics(kind) for one in opened)
        }
        chosen = None if pks is None else set(pks)
        for place, pk in enumerate(every):
            if chosen is None or pk in chosen:
                yield pk, {metric: Codes(plane[place :: len(every)]) for metric, plane in known.items()}

    return objects


# --- what is not saved yet --------------------------------------------------------------------------------------------


def of_head(head: Head, wanted: Wanted, *, has_samples: bool) -> list[Page]:
    """Return the samples that wait in memory; of many objects the newest one."""
    instants = head if has_samples else head[-1:]
    if not instants:
        return []
    epochs = [one.epoch for one in instants]
    widths = widths_of(epochs)
    strips = [
        Strip(kind, epochs, widths, waiting([one.shots.get(kind) for one in instants], pks, metrics))
        for kind, (pks, metrics) in wanted.items()
    ]
    return [Page(SpanSource.OWN, 10, covered_by(strips[:1]), strips, has_extremes=True)]


def waiting(shots: Sequence[Shot | None], pks: Iterable[int] | None, metrics: Iterable[Metric]) -> Objects:
    """Return what yields the series of shots."""

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        places = [{pk: place for place, pk in enumerate(one.pks)} if one is not None else {} for one in shots]
        planes: list[Mapping[int, Sequence[int]]] = [
            {code: codes_of(plane) for code, plane in one.planes.items()} if one is not None else {}
            for one in shots
        ]
        for pk in sorted({pk for one in places for pk in one}) if pks is None else pks:
            yield (
                pk,
                {
                    metric: Codes(
                        [
                            plane[metric.code][own[pk]] if pk in own and metric.code in plane else UNKNOWN
                            for own, plane in zip(places, planes, strict=True)
                        ]
                    )
                    for metric in metrics
                },
            )

    return objects
