"""What Proxmox's own records told becomes spans of their own, beside the samples of ours, which are preferred wherever there are any.

Each point goes into the tier that is as fine as it is, and its mean into the buckets of the coarser ones: it is still there when the
fine ones are gone. How low and high the figures went between two points Proxmox has not kept.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence

from django.db import transaction

from monitoring.choices import SpanSource, Tier
from monitoring.history import blocks
from monitoring.history.blocks import Aspect, Series
from monitoring.history.metrics import Kind
from monitoring.history.scales import UNKNOWN
from monitoring.history.tiers import DAY, HOUR, STEPS
from monitoring.history.told_lines import Coded, ToldSeries, lines_of
from monitoring.models import HistoryBlock, HistorySpan

__all__ = ["ToldSeries", "keep_told"]

#: Of each tier the seconds of a span, which begins at a multiple of them.
WINDOWS: Mapping[Tier, int] = {
    Tier.TEN_SECONDS: HOUR,
    Tier.MINUTE: DAY,
    Tier.FIVE_MINUTES: 30 * DAY,
    Tier.HOUR: 360 * DAY,
    Tier.SIX_HOURS: 3_600 * DAY,
}


def keep_told(instance_id: int, told: Sequence[ToldSeries]) -> int:
    """Keep what was told; returns how many values that were. The same once more replaces it.

    Objects that are told together should have keys that lie together: those of one block are written once.
    """
    windows: dict[tuple[Tier, int], dict[tuple[Kind, int], Coded]] = {}
    for key, some in by_object(told).items():
        for tier, line in lines_of(some).items():
            for start, part in windows_of(line, WINDOWS[tier]):
                windows.setdefault((tier, start), {})[key] = part
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


def windows_of(line: Coded, seconds: int) -> Iterator[tuple[int, Coded]]:
    """Yield the starts of the spans that a line reaches into, and what of it lies in each."""
    first = 0
    while first < len(line.epochs):
        start = line.epochs[first] // seconds * seconds
        last = bisect_left(line.epochs, start + seconds, first)
        yield start, line.between(first, last)
        first = last


# --- writing ----------------------------------------------------------------------------------------------------------


def write(instance_id: int, tier: Tier, start: int, objects: Mapping[tuple[Kind, int], Coded]) -> int:
    """Write the points of one span together with what is there; returns how many values were new."""
    chunks: dict[tuple[Kind, int], dict[int, Coded]] = {}
    for (kind, pk), line in objects.items():
        chunks.setdefault((kind, blocks.chunk_of(pk)), {})[pk] = line
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


def write_block(span: HistorySpan, kind: Kind, chunk: int, objects: Mapping[int, Coded], step: int) -> int:
    """Write the points of the objects of a block together with those of its other objects; returns how many values were new.

    An object that has nothing new is not compressed again where the line of time of the block stays as it was.
    """
    row = HistoryBlock.objects.filter(span=span, kind=kind, chunk=chunk).first()
    before = unpacked(row)
    widths = dict(zip(before.epochs, before.widths or [step] * len(before.epochs), strict=True))
    for line in objects.values():
        widths.update(zip(line.epochs, line.widths, strict=True))
    epochs = sorted(widths)
    streams = dict(before.streams)
    if epochs != before.epochs:
        places = places_of(before.epochs, epochs)
        streams = {pk: blocks.write_stream(spread(before.series(pk), places, len(epochs))) for pk in streams}
    fresh = 0
    for pk, line in objects.items():
        told = {(metric, int(Aspect.MEAN)): codes for metric, codes in line.columns.items()}
        series, new = merged(
            blocks.series_of(streams.get(pk), len(epochs)),
            spread(told, places_of(line.epochs, epochs), len(epochs)),
        )
        streams[pk] = blocks.write_stream(series)
        fresh += new
    is_even = all(width == step for width in widths.values())
    body = blocks.pack_streams(
        epochs, dict(sorted(streams.items())), () if is_even else [widths[epoch] for epoch in epochs]
    )
    span.stored_bytes += len(body) - (len(bytes(row.body)) if row is not None else 0)
    span.value_count += fresh
    if row is None:
        HistoryBlock.objects.create(span=span, kind=kind, chunk=chunk, body=body)
    else:
        row.body = body
        row.save(update_fields=["body"])
    return fresh


def unpacked(row: HistoryBlock | None) -> blocks.Block:
    """Return what is in a block, nothing when there is none or it cannot be read."""
    try:
        return blocks.unpack(bytes(row.body)) if row is not None else blocks.Block([], [], {})
    except blocks.BadBlock:
        return blocks.Block([], [], {})


def places_of(epochs: Sequence[int], line: Sequence[int]) -> Sequence[int]:
    """Return where points lie on a longer line of time: a range where they follow one another there as well."""
    first = bisect_left(line, epochs[0]) if epochs else 0
    if list(line[first : first + len(epochs)]) == list(epochs):
        return range(first, first + len(epochs))
    places = {epoch: place for place, epoch in enumerate(line)}
    return [places[epoch] for epoch in epochs]


def spread(series: Series, places: Sequence[int], size: int) -> Series:
    """Return the same series on a longer line of time, with their points at these places."""
    if isinstance(places, range):
        before, after = [UNKNOWN] * places.start, [UNKNOWN] * (size - places.stop)
        return {key: [*before, *codes, *after] for key, codes in series.items()}
    wide: Series = {}
    for key, codes in series.items():
        every = [UNKNOWN] * size
        for place, code in zip(places, codes, strict=True):
            every[place] = code
        wide[key] = every
    return wide


def merged(before: Series, told: Series) -> tuple[Series, int]:
    """Return the series of an object with what was told of it now, and how many values were not there before."""
    fresh = 0
    every = dict(before)
    for key, codes in told.items():
        old = before.get(key)
        if old is None:
            fresh += len(codes) - codes.count(UNKNOWN)
            every[key] = codes
        else:
            pairs = list(zip(codes, old, strict=True))
            fresh += sum(code != UNKNOWN and other == UNKNOWN for code, other in pairs)
            every[key] = [other if code == UNKNOWN else code for code, other in pairs]
    return every, fresh
