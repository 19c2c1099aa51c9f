"""What of the history of an instance waits to be sent: a minute as it was written, or some of an hour that is sealed by now."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from django.db.models import Max, QuerySet

from monitoring.choices import SpanSource, Tier
from monitoring.exporting.remote import blocks
from monitoring.exporting.remote.blocks import MINUTE, Block
from monitoring.history.batches import BadBatch, Opened
from monitoring.history.blocks import BadBlock, unpack
from monitoring.history.metrics import Kind
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan

logger = logging.getLogger(__name__)

#: So much of a sealed hour at once: an hour of ten thousand guests would take longer than a turn.
SEALED_SECONDS = 600


class Window(NamedTuple):
    """What was sampled from an instant on and before another; the blocks are read once."""

    end_epoch: int
    is_empty: bool
    blocks: Iterable[tuple[Kind, Block]]


def window_of(instance_id: int, start_epoch: int) -> Window:
    """Return the next minute, or some minutes of a sealed hour.

    The minute is looked for first: an hour that is sealed meanwhile is found whole in the second place.
    """
    end = start_epoch + MINUTE
    if minute := minute_blocks(instance_id, start_epoch, end):
        return Window(end, False, minute)
    span = sealed_spans(instance_id, start_epoch, end).values_list("pk", "end_epoch").first()
    if span is None:
        return Window(end, True, ())
    end = min(span[1], start_epoch + SEALED_SECONDS)
    return Window(end, False, sealed_blocks(span[0], start_epoch, end))


def minute_blocks(instance_id: int, start_epoch: int, end_epoch: int) -> list[tuple[Kind, Block]]:
    """Return what was sampled in a minute that is not sealed, kind by kind."""
    by_kind: dict[Kind, list[Block]] = {}
    rows = own_batches(instance_id, start_epoch, end_epoch).order_by("start_epoch")
    for body in rows.values_list("body", flat=True):
        try:
            opened = Opened(bytes(body))
        except BadBatch:
            logger.error("a minute of instance %s cannot be read, and is not sent", instance_id)
            continue
        for kind, block in blocks.of_batch(opened):
            by_kind.setdefault(kind, []).append(block)
    return [(kind, blocks.merged(found)) for kind, found in sorted(by_kind.items())]


def sealed_blocks(span: int, start_epoch: int, end_epoch: int) -> Iterator[tuple[Kind, Block]]:
    """Yield the blocks of a sealed hour, a few objects at a time: all of them at once may be hundreds of megabytes."""
    rows = HistoryBlock.objects.filter(span_id=span).order_by("kind", "chunk").values_list("kind", "body")
    for kind, body in rows.iterator(chunk_size=20):
        try:
            found = blocks.of_sealed(unpack(bytes(body)), start_epoch, end_epoch)
        except BadBlock:
            logger.error("a block of the hour before %s cannot be read, and is not sent", end_epoch)
            continue
        if found is not None:
            yield Kind(kind), found


def blocks_between(instance_id: int, start_epoch: int, end_epoch: int) -> Iterator[tuple[Kind, Block]]:
    """Yield what was sampled from an instant on and before another, a minute apart at most, wherever it lies by now."""
    minute = minute_blocks(instance_id, start_epoch, end_epoch)
    yield from minute
    if not minute:
        for span in sealed_spans(instance_id, start_epoch, end_epoch).values_list("pk", flat=True):
            yield from sealed_blocks(span, start_epoch, end_epoch)


def count_between(window: Window, start_epoch: int, end_epoch: int) -> int:
    """Return how many figures of a window are known from an instant on and before another."""
    return sum(blocks.between(block, start_epoch, end_epoch).figure_count for _, block in window.blocks)


def newest_epochs(now_epoch: int) -> dict[int, int]:
    """Return by instance when its newest batch begins; one of the future was written by another clock."""
    rows = HistoryBatch.objects.filter(source=SpanSource.OWN, start_epoch__lte=now_epoch)
    return dict(rows.values_list("instance").order_by("instance").annotate(Max("start_epoch")))


def first_epoch(instance_id: int, start_epoch: int, end_epoch: int) -> int | None:
    """Return when the first sample was taken from an instant on and before another, or the hour in which it is; None for none."""
    batches = own_batches(instance_id, start_epoch, end_epoch).order_by("start_epoch")
    spans = sealed_spans(instance_id, start_epoch, end_epoch)
    starts = [
        *batches.values_list("start_epoch", flat=True)[:1],
        *(max(start, start_epoch) for start in spans.values_list("start_epoch", flat=True)[:1]),
    ]
    return min(starts, default=None)


def own_batches(instance_id: int, start_epoch: int, end_epoch: int) -> QuerySet[HistoryBatch]:
    """Return the batches that begin from an instant on and before another: none goes on beyond its minute."""
    return HistoryBatch.objects.filter(
        instance_id=instance_id,
        source=SpanSource.OWN,
        start_epoch__gte=start_epoch,
        start_epoch__lt=end_epoch,
    )


def sealed_spans(instance_id: int, start_epoch: int, end_epoch: int) -> QuerySet[HistorySpan]:
    """Return the sealed hours that touch a range, in the order of time."""
    return HistorySpan.objects.filter(
        instance_id=instance_id,
        tier=Tier.TEN_SECONDS,
        source=SpanSource.OWN,
        start_epoch__lt=end_epoch,
        end_epoch__gt=start_epoch,
    ).order_by("start_epoch")
