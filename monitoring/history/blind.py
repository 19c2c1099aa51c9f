"""The times in which nothing was seen of an instance, each with its cause."""

from __future__ import annotations

import logging

from django.conf import settings

from monitoring.choices import BlindCause, SpanSource, Tier
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


def resumed(
    instance: Instance, *, last_epoch: float, at_epoch: float, began_epoch: float
) -> BlindTime | None:
    """Note that the samples of an instance go on after the last one; returns the blind time, None when it was none.

    `began_epoch` is when this process began to poll. `instance` is the row as it was when the poll began: it tells since when the
    polls have failed.
    """
    interval = float(settings.POLLING_INTERVAL_SECONDS)
    if at_epoch - last_epoch <= max(MISSED_POLLS * interval, LEAST_SECONDS):
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
    """Return why nothing was seen: what came first, for the rest of it is not known to have been otherwise."""
    grace = max(MISSED_POLLS * float(settings.POLLING_INTERVAL_SECONDS), LEAST_SECONDS)
    pauses = HistoryEvent.objects.filter(
        object_kind=ObjectKind.INSTANCE,
        object_id=instance.pk,
        start_epoch__range=(int(last_epoch), int(at_epoch)),
        code=PAUSED,
    )
    if pauses.exists():
        return BlindCause.PAUSED
    failing_since = instance.failing_since
    has_failed = failing_since is not None and failing_since.timestamp() <= last_epoch + grace
    if began_epoch > last_epoch and not has_failed:
        return BlindCause.STOPPED
    return BlindCause.UNREACHABLE


def last_sample_epoch(instance_id: int) -> int | None:
    """Return until when samples of our own are stored, None when there are none: for the first sample after a start."""
    batch = (
        HistoryBatch.objects.filter(instance=instance_id, source=SpanSource.OWN)
        .order_by("-start_epoch")
        .values_list("start_epoch", flat=True)
        .first()
    )
    span = (
        HistorySpan.objects.filter(instance=instance_id, source=SpanSource.OWN, tier=Tier.TEN_SECONDS)
        .order_by("-start_epoch")
        .values_list("end_epoch", flat=True)
        .first()
    )
    return max((one for one in (batch, span) if one is not None), default=None)
