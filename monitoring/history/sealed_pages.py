"""What is sealed of a range, as pages."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple

from django.db.models import Q

from monitoring.choices import SpanSource, Tier
from monitoring.history import blocks
from monitoring.history.blocks import Aspect, Block, Series
from monitoring.history.columns import Wanted
from monitoring.history.metrics import Kind, Metric
from monitoring.history.pages import Codes, Page, Strip, covered_by, resolution_of, widths_of
from monitoring.history.scales import UNKNOWN
from monitoring.history.tiers import STEPS
from monitoring.models import HistoryBlock, HistorySpan

logger = logging.getLogger(__name__)

#: What a series has beside its means.
BESIDE = {Aspect.LOW: "below", Aspect.HIGH: "above", Aspect.COUNT: "counts"}
#: Ranges that are asked for one by one; of more, all that lies between them is looked at too.
MOST_RANGES = 8
#: By metric, what is looked at of it: (metric, aspect), its mean first.
Keys = Mapping[Metric, Sequence[tuple[int, Aspect]]]


#: By tier and source, the spans by primary key with their start and end, in the order of time.
Spans = dict[tuple[int, int], dict[int, tuple[int, int]]]


def spans_in(instance_id: int, ranges: Sequence[tuple[int, int]], *, only: Tier | None = None) -> Spans:
    """Return the spans that touch these ranges: those of our own of one tier, or all."""
    if not ranges:
        return {}
    found = HistorySpan.objects.filter(instance_id=instance_id).order_by("start_epoch", "pk")
    if only is not None:
        found = found.filter(tier=only, source=SpanSource.OWN)
    if len(ranges) > MOST_RANGES:
        ranges = [(ranges[0][0], ranges[-1][1])]
    touching = Q()
    for start, end in ranges:
        touching |= Q(start_epoch__lt=end, end_epoch__gt=start)
    spans: Spans = {}
    rows = found.filter(touching).values_list("tier", "source", "pk", "start_epoch", "end_epoch")
    for tier, source, pk, start, end in rows:
        spans.setdefault((tier, source), {})[pk] = (start, end)
    return spans


def sealed(
    instance_id: int,
    found: Spans,
    wanted: Wanted,
    tier: Tier,
    source: SpanSource,
    ranges: Sequence[tuple[int, int]],
    *,
    aspects: Collection[Aspect] = tuple(Aspect),
) -> list[Page]:
    """Return those spans of a tier that touch these ranges, in the order of time: that follow upon each other as one page."""
    spans = {
        pk: (start, end)
        for pk, (start, end) in found.get((tier, source), {}).items()
        if any(start < other_end and other_start < end for other_start, other_end in ranges)
    }
    if not spans:
        return []
    read: dict[int, list[Located]] = {}
    for span, located in located_blocks(instance_id, list(spans), wanted):
        read.setdefault(span, []).append(located)
    pages = []
    for run in runs_of({pk: span for pk, span in spans.items() if pk in read}):
        strips = strips_of([read[pk] for pk in run], tier, wanted, aspects)
        pages.append(
            Page(
                source,
                max(resolution_of(strip) for strip in strips),
                covered_by(strips),
                strips,
                has_extremes=tier == Tier.TEN_SECONDS,
                span=[spans[pk] for pk in run],
            )
        )
    return pages


class Located(NamedTuple):
    """A block, and where it belongs."""

    kind: Kind
    chunk: int
    block: Block


def located_blocks(instance_id: int, spans: Sequence[int], wanted: Wanted) -> Iterator[tuple[int, Located]]:
    """Yield the blocks of these spans in which what is wanted may be, each with its span."""
    for kind, (pks, _) in wanted.items():
        rows = HistoryBlock.objects.filter(kind=kind)
        if pks is not None:
            rows = rows.filter(chunk__in=sorted({blocks.chunk_of(pk) for pk in pks}))
        for start in range(0, len(spans), 500):
            some = rows.filter(span_id__in=spans[start : start + 500]).order_by("span_id", "chunk")
            for span, chunk, body in some.values_list("span_id", "chunk", "body").iterator(chunk_size=100):
                try:
                    yield span, Located(kind, chunk, blocks.unpack(bytes(body)))
                except blocks.BadBlock:
                    logger.error("a block of instance %s cannot be read", instance_id)


def runs_of(spans: Mapping[int, tuple[int, int]]) -> list[list[int]]:
    """Return spans, which are in the order of time, with those together of which none begins before another is over."""
    runs: list[list[int]] = []
    last = 0
    for pk, (start, end) in spans.items():
        if runs and start >= last:
            runs[-1].append(pk)
        else:
            runs.append([pk])
        last = max(end, last) if len(runs[-1]) > 1 else end
    return runs


def strips_of(
    run: Sequence[Sequence[Located]], tier: Tier, wanted: Wanted, aspects: Collection[Aspect]
) -> list[Strip]:
    """Return the blocks of spans that follow upon each other, those with the same objects as one strip.

    Nearly all of them have a common line of time, so that it is looked at once where the points go. A block that has another is
    a strip of its own.
    """
    chosen = {kind: None if pks is None else frozenset(pks) for kind, (pks, _) in wanted.items()}
    keys = {
        kind: {
            metric: [(metric.code, aspect) for aspect in Aspect if aspect in aspects] for metric in metrics
        }
        for kind, (_, metrics) in wanted.items()
    }
    common = [some[0].block for some in run]
    line = Line.of(common, tier)
    together: dict[tuple[Kind, int], list[Block | None]] = {}
    strips: list[Strip] = []
    for place, some in enumerate(run):
        for kind, chunk, block in some:
            if block.epochs == common[place].epochs and block.widths == common[place].widths:
                together.setdefault((kind, chunk), [None] * len(run))[place] = block
            else:
                strips.append(strip_of(kind, Line.of([block], tier), [block], chosen[kind], keys[kind]))
    return [
        *(
            strip_of(kind, line, some, chosen[kind], keys[kind])
            for (kind, _), some in sorted(together.items(), key=itemgetter(0))
        ),
        *strips,
    ]


class Line(NamedTuple):
    """The starts and widths of the points of some blocks one after the other, and how many each has."""

    epochs: list[int]
    widths: list[int]
    sizes: list[int]

    @classmethod
    def of(cls, some: Sequence[Block], tier: Tier) -> Line:
        """Return that of these blocks."""
        epochs = [epoch for block in some for epoch in block.epochs]
        widths: list[int] = []
        for block in some:
            if block.widths:
                widths += block.widths
            elif tier == Tier.TEN_SECONDS:
                widths += widths_of(block.epochs)
            else:
                widths += [STEPS[tier]] * len(block.epochs)
        return cls(epochs, widths, [len(block.epochs) for block in some])


def strip_of(
    kind: Kind, line: Line, some: Sequence[Block | None], pks: Collection[int] | None, keys: Keys
) -> Strip:
    """Return blocks of the same objects, in the order of time, as a strip; None where there is no block."""
    every = frozenset(key for own in keys.values() for key in own)

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        for pk in dict.fromkeys(pk for block in some if block is not None for pk in block.streams):
            if pks is None or pk in pks:
                read = [series_of(kind, pk, block, every) for block in some]
                yield pk, codes_of(read, keys, line.sizes)

    return Strip(kind, line.epochs, line.widths, objects)


def codes_of(read: Sequence[Series], keys: Keys, sizes: Sequence[int]) -> dict[Metric, Codes]:
    """Return the series of an object over several blocks of so many points each."""
    found: dict[Metric, Codes] = {}
    for metric, (mean, *beside) in keys.items():
        means = joined(read, mean, sizes)
        if means is not None and not beside:
            found[metric] = Codes(means)
        elif means is not None:
            others = {BESIDE[key[1]]: joined(read, key, sizes) for key in beside}
            found[metric] = Codes(means, **others)
    return found


def series_of(kind: Kind, pk: int, block: Block | None, keys: frozenset[tuple[int, int]]) -> Series:
    """Return the series of an object in a block; none when it cannot be read."""
    if block is None:
        return {}
    try:
        return block.series(pk, keys)
    except blocks.BadBlock:
        logger.error("a series of %s %s cannot be read", kind.name.lower(), pk)
        return {}


def joined(read: Sequence[Series], key: tuple[int, int], sizes: Sequence[int]) -> Sequence[int] | None:
    """Return one series over several blocks of so many points each; None when none of them has it."""
    if len(read) == 1:
        return read[0].get(key)
    some = [series.get(key) for series in read]
    if not any(some):
        return None
    # Where there is no mean, there is nothing beside it either.
    nothing = UNKNOWN if key[1] == Aspect.MEAN else 0
    return [code for codes, size in zip(some, sizes, strict=True) for code in codes or [nothing] * size]
