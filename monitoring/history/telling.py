"""What Proxmox's own records told becomes spans of their own, beside the samples of ours, which are preferred wherever there are any.

Each point goes into the tier that is as fine as it is, and its mean into the buckets of the coarser ones: it is still there when the
fine ones are gone. How low and high the figures went between two points Proxmox has not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import transaction

from monitoring.choices import SpanSource, Tier
from monitoring.history import blocks
from monitoring.history.blocks import Aspect, Series
from monitoring.history.metrics import Kind, Metric
from monitoring.history.scales import UNKNOWN
from monitoring.history.tiers import DAY, HOUR, STEPS, tier_for
from monitoring.models import HistoryBlock, HistorySpan

#: Of each tier the seconds of a span, which begins at a multiple of them.
WINDOWS: Mapping[Tier, int] = {
    Tier.TEN_SECONDS: HOUR,
    Tier.MINUTE: DAY,
    Tier.FIVE_MINUTES: 30 * DAY,
    Tier.HOUR: 360 * DAY,
    Tier.SIX_HOURS: 3_600 * DAY,
}

#: How much of a bucket must be known for a mean of it.
NEARLY = 0.9


class ToldSeries(NamedTuple):
    """The records of one object: the start of each point in epoch seconds, rising, how long each lasts, and what was told of it."""

    kind: Kind
    pk: int
    epochs: Sequence[int]
    width_seconds: Sequence[int]
    values: Mapping[Metric, Sequence[float | None]]


class Point(NamedTuple):
    """One point of one object on its way into a tier: how long it lasts, and its figure by metric."""

    width: int
    figures: dict[Metric, float]


#: By start.
Points = dict[int, Point]


def keep_told(instance_id: int, told: Sequence[ToldSeries]) -> int:
    """Keep what was told; returns how many values that were. The same once more replaces it.

    Objects that are told together should have keys that lie together: those of one block are written once.
    """
    windows: dict[tuple[Tier, int], dict[tuple[Kind, int], Points]] = {}
    for (kind, pk), some in by_object(told).items():
        for tier, points in points_of(some).items():
            for epoch, point in points.items():
                start = epoch // WINDOWS[tier] * WINDOWS[tier]
                windows.setdefault((tier, start), {}).setdefault((kind, pk), {})[epoch] = point
    kept = 0
    for (tier, start), objects in sorted(windows.items()):
        kept += write(instance_id, tier, start, objects)
    return kept


def by_object(told: Iterable[ToldSeries]) -> dict[tuple[Kind, int], list[ToldSeries]]:
    """Return what was told of each object."""
    every: dict[tuple[Kind, int], list[ToldSeries]] = {}
    for one in told:
        every.setdefault((one.kind, one.pk), []).append(one)
    return every


def points_of(told: Iterable[ToldSeries]) -> dict[Tier, Points]:
    """Return the points of one object by tier; where two tell of the same time, the finer one is kept."""
    points = [
        (width, epoch, figures)
        for one in told
        for place, (epoch, width) in enumerate(zip(one.epochs, one.width_seconds, strict=True))
        if (
            figures := {
                metric: values[place] for metric, values in one.values.items() if values[place] is not None
            }
        )
    ]
    tiers: dict[Tier, Points] = {}
    widths = sorted({width for width, _, _ in points}, reverse=True)
    for width in widths:
        fine = tier_for(width)
        some = {epoch: figures for wide, epoch, figures in points if wide == width}
        tiers.setdefault(fine, {}).update(
            {epoch: Point(width, figures) for epoch, figures in some.items()}  # type: ignore[arg-type]  # None is left out
        )
        for tier in Tier:
            if tier > fine and STEPS[tier] > width:
                tiers.setdefault(tier, {}).update(means_of(some, width, STEPS[tier]))  # type: ignore[arg-type]
    return tiers


def means_of(points: Mapping[int, Mapping[Metric, float]], width: int, step: int) -> Points:
    """Return the means of points of one width in wider buckets, of those that they fill nearly whole.

    The mean of a part would stand for the rest too, in which perhaps nothing is known.
    """
    gathered: dict[int, dict[Metric, list[float]]] = {}
    for epoch, figures in points.items():
        bucket = gathered.setdefault(epoch // step * step, {})
        for metric, figure in figures.items():
            bucket.setdefault(metric, []).append(figure)
    means = {
        epoch: {
            metric: sum(some) / len(some)
            for metric, some in bucket.items()
            if len(some) * width >= NEARLY * step
        }
        for epoch, bucket in gathered.items()
    }
    return {epoch: Point(step, figures) for epoch, figures in means.items() if figures}


# --- writing ----------------------------------------------------------------------------------------------------------


def write(instance_id: int, tier: Tier, start: int, objects: Mapping[tuple[Kind, int], Points]) -> int:
    """Write the points of one span together with what is there; returns how many values were new."""
    chunks: dict[tuple[Kind, int], dict[int, Points]] = {}
    for (kind, pk), points in objects.items():
        chunks.setdefault((kind, blocks.chunk_of(pk)), {})[pk] = points
    kept = 0
    with transaction.atomic():
        span, _ = HistorySpan.objects.select_for_update().get_or_create(
            instance_id=instance_id,
            tier=tier,
            source=SpanSource.PROXMOX,
            start_epoch=start,
            defaults={"end_epoch": start + WINDOWS[tier]},
        )
        for (kind, chunk), some in sorted(chunks.items()):
            kept += write_block(span, kind, chunk, some, STEPS[tier])
        span.save(update_fields=["value_count", "stored_bytes"])
    return kept


def write_block(span: HistorySpan, kind: Kind, chunk: int, objects: Mapping[int, Points], step: int) -> int:
    """Write the points of the objects of a block together with those of its other objects."""
    row = HistoryBlock.objects.filter(span=span, kind=kind, chunk=chunk).first()
    before = unpacked(row)
    widths = dict(zip(before.epochs, before.widths or [step] * len(before.epochs), strict=True))
    for points in objects.values():
        widths |= {epoch: point.width for epoch, point in points.items()}
    epochs = sorted(widths)
    places = {epoch: place for place, epoch in enumerate(epochs)}
    series = {pk: spread(before.series(pk), before.epochs, places) for pk in before.streams}
    fresh = 0
    for pk, points in objects.items():
        fresh += put(series.setdefault(pk, {}), points, places)
    is_even = all(width == step for width in widths.values())
    body = blocks.pack(
        epochs, dict(sorted(series.items())), () if is_even else [widths[epoch] for epoch in epochs]
    )
    span.stored_bytes += len(body) - (len(bytes(row.body)) if row is not None else 0)
    span.value_count += fresh
    HistoryBlock.objects.update_or_create(span=span, kind=kind, chunk=chunk, defaults={"body": body})
    return fresh


def unpacked(row: HistoryBlock | None) -> blocks.Block:
    """Return what is in a block, nothing when there is none or it cannot be read."""
    try:
        return blocks.unpack(bytes(row.body)) if row is not None else blocks.Block([], [], {})
    except blocks.BadBlock:
        return blocks.Block([], [], {})


def spread(series: Series, epochs: Sequence[int], places: Mapping[int, int]) -> Series:
    """Return the same series on a longer line of time."""
    wide: Series = {}
    for key, codes in series.items():
        every = [UNKNOWN] * len(places)
        for epoch, code in zip(epochs, codes, strict=True):
            every[places[epoch]] = code
        wide[key] = every
    return wide


def put(series: Series, points: Points, places: Mapping[int, int]) -> int:
    """Put the points of one object into its series; returns how many values were not there before."""
    fresh = 0
    columns: dict[Metric, list[int]] = {}
    for epoch, point in points.items():
        for metric, figure in point.figures.items():
            codes = columns.get(metric)
            if codes is None:
                codes = list(series.get((metric.code, Aspect.MEAN), ())) or [UNKNOWN] * len(places)
                columns[metric] = codes
                series[metric.code, Aspect.MEAN] = codes
            place = places[epoch]
            fresh += codes[place] == UNKNOWN
            codes[place] = metric.scale.code(figure)
    return fresh
