"""The times in which nothing was seen of an instance, each with its cause."""

from __future__ import annotations

import logging

from django.conf import settings
from django.db import transaction

from monitoring.choices import BlindCause, SpanSource, Tier
from monitoring.history.backfill import orders
from monitoring.history.batches import BadBatch, Opened
from monitoring.known.memory import PollMemory
from monitoring.models import BlindTime, HistoryBatch, HistoryEvent, HistorySpan
from nodes.identity import ObjectKind
from nodes.models import Instance
from pulse.lib.instants import from_epoch

logger = logging.getLogger(__name__)

#: So many polls that left nothing are a blind time,
MISSED_POLLS = 3
#: of this length at least.
LEAST_SECONDS = 60
#: What stands among the events of an instance when somebody has paused it.
PAUSED = "paused"


def note_gap(instance: Instance, memory: PollMemory, *, at_epoch: float) -> None:
    """Note in the memory that a sample is taken after a while without any; for the first one after a start the rows are asked."""
    last = memory.sampled_epoch or last_sample_epoch(instance.pk)
    if last is not None and is_gap(last, at_epoch) and not memory.blind_since:
        memory.blind_since, memory.blind_until = float(last), at_epoch


def record(instance: Instance, memory: PollMemory) -> BlindTime | None:
    """Write the blind time that is noted, and order that Proxmox's own records of it are read; returns it.

    One that cannot be written now is written after a later sample. Raises DatabaseError.
    """
    if not memory.blind_since:
        return None
    with transaction.atomic():
        row = resumed(
            instance,
            last_epoch=memory.blind_since,
            at_epoch=memory.blind_until,
            began_epoch=memory.first_polled_epoch,
        )
        if row is not None:
            at = from_epoch(memory.blind_until)
            orders.fill_gap(instance, start_epoch=row.start_epoch, end_epoch=row.end_epoch, at=at)
    memory.blind_since = memory.blind_until = 0.0
    return row


def longest_gap_seconds() -> float:
    """Return how far two samples may be apart without a blind time between them."""
    return max(MISSED_POLLS * float(settings.POLLING_INTERVAL_SECONDS), LEAST_SECONDS)


def is_gap(last_epoch: float, at_epoch: float) -> bool:
    """Return whether there is a blind time between two samples."""
    return at_epoch - last_epoch > longest_gap_seconds()


def resumed(
    instance: Instance, *, last_epoch: float, at_epoch: float, began_epoch: float
) -> BlindTime | None:
    """Note that the samples of an instance go on after the last one; returns the blind time, None when it was none.

    `began_epoch` is when its first poll began since the start. `instance` is the row as it was when the poll began: it tells since when the
    polls have failed.
    """
    if not is_gap(last_epoch, at_epoch):
        return None
    cause = cause_of(instance, last_epoch=last_epoch, at_epoch=at_epoch, began_epoch=began_epoch)
    row, is_new = BlindTime.objects.get_or_create(
        instance=instance,
        start_epoch=int(last_epoch),
        defaults={"end_epoch": int(at_epoch), "cause": cause},
    )
    if not is_new:
        return None
    logger.info(
        "%s: nothing was seen from %s to %s: %s",
        instance.name,
        f"{from_epoch(last_epoch):%Y-%m-%d %H:%M:%S}",
        f"{from_epoch(at_epoch):%Y-%m-%d %H:%M:%S}",
        BlindCause(cause).label,
    )
    return row


def cause_of(instance: Instance, *, last_epoch: float, at_epoch: float, began_epoch: float) -> BlindCause:
    """Return why nothing was seen: what came first, for the rest of it is not known to have been otherwise.

    A host that does not answer says so in its row; where none does, nobody has asked.
    """
    pauses = HistoryEvent.objects.filter(
        object_kind=ObjectKind.INSTANCE,
        object_id=instance.pk,
        start_epoch__range=(int(last_epoch), int(at_epoch)),
        code=PAUSED,
    )
    if pauses.exists():
        return BlindCause.PAUSED
    failing_since = instance.failing_since
    if failing_since is None:
        return BlindCause.STOPPED
    was_first = failing_since.timestamp() <= last_epoch + longest_gap_seconds()
    return BlindCause.UNREACHABLE if was_first or began_epoch <= last_epoch else BlindCause.STOPPED


def last_sample_epoch(instance_id: int) -> int | None:
    """Return when the last sample of our own was taken that is stored, None when there is none."""
    batch = HistoryBatch.objects.filter(instance=instance_id, source=SpanSource.OWN)
    span = HistorySpan.objects.filter(instance=instance_id, source=SpanSource.OWN, tier=Tier.TEN_SECONDS)
    found: list[int] = []
    for start, body in batch.order_by("-start_epoch").values_list("start_epoch", "body")[:1]:
        try:
            found.append(max(Opened(bytes(body)).epochs, default=start))
        except BadBatch:
            found.append(start)
    found += span.order_by("-start_epoch").values_list("end_epoch", flat=True)[:1]
    return max(found, default=None)
