"""Closed days and months: many small spans become one, and six hours at a time one bucket.

A span has a price of its own, for the disk and for whoever reads a year. Each step is one transaction and can be done again: what
came late into a day that is compact already makes it be compacted anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from django.db import transaction
from django.db.models import Count

from monitoring.choices import SpanSource, Tier
from monitoring.history import blocks, sealing
from monitoring.history.blocks import Aspect, Block, Series
from monitoring.history.metrics import BY_CODE
from monitoring.history.rollup import cuts_of, kept, widen
from monitoring.history.scales import UNKNOWN
from monitoring.history.sealing import Writer, Written
from monitoring.history.tiers import DAY, HOUR, STEPS
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan

#: A day is compacted when its last hour is sealed, or would have been long ago.
GRACE_SECONDS = HOUR


def compact(instance_id: int, *, at_epoch: float, most: int = 2) -> int:
    """Compact closed days and months of an instance, the oldest first; returns how many, `most` at most."""
    done = 0
    for start in open_days(instance_id, at_epoch=at_epoch)[:most]:
        compact_day(instance_id, start)
        done += 1
    for start, end in open_months(instance_id, at_epoch=at_epoch)[: most - done]:
        compact_span(instance_id, Tier.SIX_HOURS, start, end)
        done += 1
    return done


def own_spans(instance_id: int, tier: Tier) -> list[tuple[int, int]]:
    """Return start and end of the spans of our own samples of a tier, in order."""
    spans = HistorySpan.objects.filter(instance_id=instance_id, tier=tier, source=SpanSource.OWN)
    return list(spans.order_by("start_epoch").values_list("start_epoch", "end_epoch"))


def open_days(instance_id: int, *, at_epoch: float) -> list[int]:
    """Return the starts of the closed days that lie in several spans, or in one of an hour."""
    before = int(at_epoch - GRACE_SECONDS) // DAY * DAY
    waiting = HistoryBatch.objects.filter(instance_id=instance_id, start_epoch__lt=before)
    unsealed = {start // DAY * DAY for start in waiting.values_list("start_epoch", flat=True)}
    short = HistorySpan.objects.filter(
        instance_id=instance_id, tier=Tier.HOUR, source=SpanSource.OWN, start_epoch__lt=before
    )
    days = {
        start // DAY * DAY
        for start, end in short.values_list("start_epoch", "end_epoch")
        if end - start < DAY
    }
    return sorted(days - unsealed)


def open_months(instance_id: int, *, at_epoch: float) -> list[tuple[int, int]]:
    """Return start and end of the closed months that lie in several spans."""
    spans = own_spans(instance_id, Tier.SIX_HOURS)
    by_month = [(month, len(list(some))) for month, some in groupby(month_of(start) for start, _ in spans)]
    return [(start, end) for (start, end), number in by_month if number > 1 and end + DAY <= at_epoch]


def month_of(epoch: int) -> tuple[int, int]:
    """Return start and end of the month that an instant is in, in UTC."""
    first = datetime.fromtimestamp(epoch, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    after = (first + timedelta(days=32)).replace(day=1)
    return int(first.timestamp()), int(after.timestamp())


def compact_day(instance_id: int, start_epoch: int) -> None:
    """Make one span of the five minutes of a day and one of its hours, and a new one of its four quarters.

    Twelve points of an hour are too few to compress; the two finest tiers stay as they are, an hour each.
    """
    end = start_epoch + DAY
    compact_span(instance_id, Tier.FIVE_MINUTES, start_epoch, end)
    epochs, objects = points_of(instance_id, Tier.HOUR, start_epoch, end)
    quarters = cuts_of(epochs, STEPS[Tier.SIX_HOURS])
    hours, wide = Writer(epochs), Writer([cut.epoch for cut in quarters])
    for kind, pk, series in objects:
        hours.add(kind, pk, series)
        wider: Series = {}
        for metric in {metric for metric, _ in series}:
            scale = BY_CODE[metric].scale
            sealing.put(wider, metric, widen(kept(*buckets_of(series, metric), scale), quarters, scale))
        wide.add(kind, pk, wider)
    with transaction.atomic():
        rewrite(instance_id, Tier.HOUR, start_epoch, end, hours.written())
        rewrite(instance_id, Tier.SIX_HOURS, start_epoch, end, wide.written())


def compact_span(instance_id: int, tier: Tier, start_epoch: int, end_epoch: int) -> None:
    """Make one span of all that lie in this range."""
    epochs, objects = points_of(instance_id, tier, start_epoch, end_epoch)
    writer = Writer(epochs)
    for kind, pk, series in objects:
        writer.add(kind, pk, series)
    with transaction.atomic():
        rewrite(instance_id, tier, start_epoch, end_epoch, writer.written())


def rewrite(instance_id: int, tier: Tier, start_epoch: int, end_epoch: int, written: Written) -> None:
    """Write one span in place of all of our own samples that lie in its range; within a transaction."""
    inside = HistorySpan.objects.filter(
        instance_id=instance_id,
        tier=tier,
        source=SpanSource.OWN,
        start_epoch__gte=start_epoch,
        start_epoch__lt=end_epoch,
    )
    HistoryBlock.objects.filter(span_id__in=list(inside.values_list("pk", flat=True))).delete()
    inside.delete()
    if written.blocks:
        sealing.add(instance_id, tier, start_epoch, end_epoch, written)


def buckets_of(series: Series, metric: int) -> tuple[list[int], list[int], list[int], list[int]]:
    """Return means, lows, highs and counts of one metric."""
    means = list(series[metric, Aspect.MEAN])
    below, above = series[metric, Aspect.LOW], series[metric, Aspect.HIGH]
    lows = [UNKNOWN if mean == UNKNOWN else mean - one for mean, one in zip(means, below, strict=True)]
    highs = [UNKNOWN if mean == UNKNOWN else mean + one for mean, one in zip(means, above, strict=True)]
    counts = [max(one, 0) for one in series[metric, Aspect.COUNT]]
    return means, lows, highs, counts


def points_of(
    instance_id: int, tier: Tier, start_epoch: int, end_epoch: int
) -> tuple[list[int], Iterator[tuple[int, int, Series]]]:
    """Return the starts of all points of our own in a range, and the objects with a code for each of them.

    Of two points at the same instant that of the span that was written last is kept.
    """
    spans = HistorySpan.objects.filter(
        instance_id=instance_id,
        tier=tier,
        source=SpanSource.OWN,
        start_epoch__gte=start_epoch,
        start_epoch__lt=end_epoch,
    )
    pks = list(spans.order_by("pk").values_list("pk", flat=True))
    first = HistoryBlock.objects.filter(span_id__in=pks).values("span_id").annotate(one=Count("pk"))
    epochs: set[int] = set()
    for span in [row["span_id"] for row in first]:
        body = HistoryBlock.objects.filter(span_id=span).values_list("body", flat=True)[0]
        epochs |= set(blocks.unpack(bytes(body)).epochs)
    return sorted(epochs), objects_of(pks, sorted(epochs))


def objects_of(pks: Sequence[int], epochs: Sequence[int]) -> Iterator[tuple[int, int, Series]]:
    """Yield kind, key and series of the objects of these spans, block by block."""
    places = {epoch: place for place, epoch in enumerate(epochs)}
    chunks = HistoryBlock.objects.filter(span_id__in=pks).values_list("kind", "chunk").distinct()
    for kind, chunk in sorted(chunks):
        rows = HistoryBlock.objects.filter(span_id__in=pks, kind=kind, chunk=chunk).order_by("span_id")
        read = [blocks.unpack(bytes(body)) for body in rows.values_list("body", flat=True)]
        for pk in sorted({pk for block in read for pk in block.streams}):
            yield kind, pk, joined(read, pk, places)


def joined(read: Sequence[Block], pk: int, places: dict[int, int]) -> Series:
    """Return the series of one object over several blocks; the counts of what is unknown are 0."""
    series: dict[tuple[int, int], list[int]] = defaultdict(lambda: [UNKNOWN] * len(places))
    for block in read:
        own = [places[epoch] for epoch in block.epochs]
        for key, codes in block.series(pk).items():
            every = series[key]
            for place, code in zip(own, codes, strict=True):
                every[place] = code
    for (_, aspect), codes in series.items():
        if aspect == Aspect.COUNT:
            codes[:] = [0 if code == UNKNOWN else code for code in codes]
    return dict(series)
