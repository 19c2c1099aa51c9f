"""A closed hour of samples becomes spans of blocks: as they were taken, and by the minute, five minutes and the hour.

All of it in one transaction: after a kill there are the samples or the seal, never neither, never both counted. Samples of an
hour that is sealed already, such as those of a clock that was set back, are sealed anew together with it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from django.db import transaction

from monitoring.choices import SpanSource, Tier
from monitoring.history import batches, blocks
from monitoring.history.blocks import Aspect, Series
from monitoring.history.metrics import BY_CODE
from monitoring.history.rollup import Cut, Rolled, cuts_of, roll, widen
from monitoring.history.scales import UNKNOWN
from monitoring.history.tiers import HOUR, SEALED, STEPS
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan

logger = logging.getLogger(__name__)

#: A batch is written when its minute is over, and a worker may be slow: an hour is closed this much later.
GRACE_SECONDS = 120


class Object(NamedTuple):
    """One object with the codes of its samples by metric, one for each instant of the hour."""

    kind: int
    pk: int
    codes: dict[int, Sequence[int]]


class Hour(NamedTuple):
    """The samples of an hour: instants in order, and the objects in the order of their kinds and keys."""

    epochs: list[int]
    objects: Iterable[Object]


class Written(NamedTuple):
    """What a span has come to: its blocks, and how many values and bytes are in them."""

    blocks: list[tuple[int, int, bytes]]
    values: int
    size: int


def closed_hours(instance_id: int, *, at_epoch: float) -> list[int]:
    """Return the starts of the hours of which there are samples to be sealed, the oldest first."""
    end = int(at_epoch - GRACE_SECONDS) // HOUR * HOUR
    starts = HistoryBatch.objects.filter(instance_id=instance_id, start_epoch__lt=end)
    return sorted({start // HOUR * HOUR for start in starts.values_list("start_epoch", flat=True)})


def seal(instance_id: int, hour_epoch: int) -> int:
    """Seal the samples of an hour; returns how many bytes the blocks take, 0 when there was nothing to do.

    Called by one worker at a time. What cannot be read is logged, and given up.
    """
    rows = HistoryBatch.objects.filter(
        instance_id=instance_id, start_epoch__gte=hour_epoch, start_epoch__lt=hour_epoch + HOUR
    ).order_by("start_epoch")
    taken = list(rows.values_list("pk", "body"))
    if not taken:
        return 0
    opened = list(readable(instance_id, [bytes(body) for _, body in taken]))
    sealed = sealed_hour(instance_id, hour_epoch)
    hour = hour_of(opened)
    if sealed is not None:
        hour = merged(sealed, hour)
    written = {tier: Written([], 0, 0) for tier in SEALED}
    if hour.epochs:
        written = blocks_of(hour)
    with transaction.atomic():
        for tier, one in written.items():
            replace(instance_id, tier, hour_epoch, hour_epoch + HOUR, one)
        HistoryBatch.objects.filter(pk__in=[pk for pk, _ in taken]).delete()
    return sum(one.size for one in written.values())


def readable(instance_id: int, bodies: Iterable[bytes]) -> Iterator[batches.Opened]:
    """Yield the batches that can be read."""
    for body in bodies:
        try:
            yield batches.Opened(body)
        except batches.BadBatch:
            logger.error("a minute of samples of instance %s cannot be read, and is lost", instance_id)


def replace(instance_id: int, tier: Tier, start_epoch: int, end_epoch: int, written: Written) -> None:
    """Write the span of a tier in place of the one that is there; within a transaction."""
    own = HistorySpan.objects.filter(
        instance_id=instance_id, tier=tier, start_epoch=start_epoch, source=SpanSource.OWN
    )
    HistoryBlock.objects.filter(span_id__in=own.values_list("pk", flat=True)).delete()
    own.delete()
    if written.blocks:
        add(instance_id, tier, start_epoch, end_epoch, written)


def add(
    instance_id: int,
    tier: Tier,
    start_epoch: int,
    end_epoch: int,
    written: Written,
    source: SpanSource = SpanSource.OWN,
) -> HistorySpan:
    """Write a span with its blocks; within a transaction."""
    span = HistorySpan.objects.create(
        instance_id=instance_id,
        tier=tier,
        source=source,
        start_epoch=start_epoch,
        end_epoch=end_epoch,
        value_count=written.values,
        stored_bytes=written.size,
    )
    HistoryBlock.objects.bulk_create(
        [HistoryBlock(span=span, kind=kind, chunk=chunk, body=body) for kind, chunk, body in written.blocks],
        batch_size=200,
    )
    return span


# --- samples ----------------------------------------------------------------------------------------------------------


def hour_of(opened: Sequence[batches.Opened]) -> Hour:
    """Return the samples of these batches; of two instants at the same second the first is kept."""
    epochs = [epoch for one in opened for epoch in one.epochs]
    order = sorted({epoch: place for place, epoch in reversed(list(enumerate(epochs)))}.items())
    places = [place for _, place in order]
    is_in_order = places == list(range(len(epochs)))
    return Hour([epoch for epoch, _ in order], objects_in(opened, None if is_in_order else places))


def objects_in(opened: Sequence[batches.Opened], places: Sequence[int] | None) -> Iterator[Object]:
    """Yield the objects of batches, kind after kind, with the samples at these places."""
    for kind in sorted({kind for one in opened for kind in one.kinds}):
        pks = sorted({pk for one in opened for pk in one.pks(kind)})
        planes = {
            metric: batches.joined_planes(opened, kind, metric, pks)
            for metric in sorted({metric for one in opened for metric in one.metrics(kind)})
        }
        for place, pk in enumerate(pks):
            codes: dict[int, Sequence[int]] = {}
            for metric, plane in planes.items():
                column = plane[place :: len(pks)]
                codes[metric] = column if places is None else [column[one] for one in places]
            yield Object(kind, pk, codes)


# --- an hour that is sealed already -----------------------------------------------------------------------------------


def sealed_hour(instance_id: int, hour_epoch: int) -> Hour | None:
    """Return the samples of an hour as it was sealed, None when it was not, or when that cannot be read."""
    span = HistorySpan.objects.filter(
        instance_id=instance_id, tier=Tier.TEN_SECONDS, start_epoch=hour_epoch, source=SpanSource.OWN
    ).first()
    if span is None:
        return None
    bodies = HistoryBlock.objects.filter(span=span).order_by("kind", "chunk").values_list("kind", "body")
    try:
        read = [(kind, blocks.unpack(bytes(body))) for kind, body in bodies]
        objects = [
            Object(kind, pk, {metric: codes for (metric, _), codes in block.series(pk).items()})
            for kind, block in read
            for pk in block.streams
        ]
    except blocks.BadBlock:
        logger.error("an hour of instance %s cannot be read, and is sealed anew without it", instance_id)
        return None
    return Hour(read[0][1].epochs, objects) if read else None


def merged(one: Hour, other: Hour) -> Hour:
    """Return the samples of two; of two instants at the same second that of the first is kept."""
    epochs = sorted({*one.epochs, *other.epochs})
    by_object: dict[tuple[int, int], dict[int, list[int]]] = {}
    for hour in (other, one):
        places = [epochs.index(epoch) for epoch in hour.epochs]
        for thing in hour.objects:
            series = by_object.setdefault((thing.kind, thing.pk), {})
            for metric, codes in thing.codes.items():
                every = series.setdefault(metric, [UNKNOWN] * len(epochs))
                for place, code in zip(places, codes, strict=True):
                    every[place] = code
    return Hour(epochs, [Object(kind, pk, dict(codes)) for (kind, pk), codes in sorted(by_object.items())])


# --- blocks -----------------------------------------------------------------------------------------------------------


def blocks_of(hour: Hour) -> dict[Tier, Written]:
    """Return the blocks of all tiers of an hour."""
    minutes = cuts_of(hour.epochs, STEPS[Tier.MINUTE])
    starts = [cut.epoch for cut in minutes]
    wider = {tier: cuts_of(starts, STEPS[tier]) for tier in (Tier.FIVE_MINUTES, Tier.HOUR)}
    writers = {Tier.TEN_SECONDS: Writer(hour.epochs), Tier.MINUTE: Writer(starts)}
    writers |= {tier: Writer([cut.epoch for cut in cuts]) for tier, cuts in wider.items()}
    for thing in hour.objects:
        writers[Tier.TEN_SECONDS].add(
            thing.kind, thing.pk, {(metric, Aspect.MEAN): codes for metric, codes in thing.codes.items()}
        )
        series: dict[Tier, Series] = {tier: {} for tier in (Tier.MINUTE, *wider)}
        for metric, codes in thing.codes.items():
            add_buckets(series, metric, codes, minutes, wider)
        for tier, one in series.items():
            writers[tier].add(thing.kind, thing.pk, one)
    return {tier: writer.written() for tier, writer in writers.items()}


def add_buckets(
    series: dict[Tier, Series],
    metric: int,
    codes: Sequence[int],
    minutes: Sequence[Cut],
    wider: dict[Tier, list[Cut]],
) -> None:
    """Add the buckets of one metric to the series of each tier."""
    scale = BY_CODE[metric].scale
    narrow = roll(codes, minutes, scale)
    put(series[Tier.MINUTE], metric, narrow)
    for tier, cuts in wider.items():
        put(series[tier], metric, widen(narrow, cuts, scale))


def put(series: Series, metric: int, rolled: Rolled) -> None:
    """Add the four series of one metric; the extremes as how far they lie from the mean: mostly nothing."""
    means, lows, highs, counts, _ = rolled
    if not any(counts):
        return
    series[metric, Aspect.MEAN] = means
    if lows is highs or lows == highs:
        below = above = [0] * len(means)
    else:
        below = [mean - low for mean, low in zip(means, lows, strict=True)]
        above = [high - mean for mean, high in zip(means, highs, strict=True)]
    series[metric, Aspect.LOW] = below
    series[metric, Aspect.HIGH] = above
    series[metric, Aspect.COUNT] = counts


class Writer:
    """Gathers the objects of a span, in the order of their kinds and keys, into blocks."""

    def __init__(self, epochs: Sequence[int], widths: Sequence[int] = ()) -> None:
        """Begin; the points of all series are these, `widths` as in `blocks.pack`."""
        self._epochs, self._widths = epochs, widths
        self._done: list[tuple[int, int, bytes]] = []
        self._place: tuple[int, int] | None = None
        self._objects: dict[int, Series] = {}
        self._values = 0

    def add(self, kind: int, pk: int, series: Series) -> None:
        """Add one object; one without a series is left out."""
        if not series:
            return
        place = (kind, blocks.chunk_of(pk))
        if place != self._place:
            self._close()
            self._place = place
        self._objects[pk] = series
        self._values += len(series) * len(self._epochs)

    def written(self) -> Written:
        """Return what there is."""
        self._close()
        return Written(self._done, self._values, sum(len(body) for _, _, body in self._done))

    def _close(self) -> None:
        if self._place is not None and self._objects:
            self._done.append((*self._place, blocks.pack(self._epochs, self._objects, self._widths)))
        self._objects = {}
