"""What is to be read of Proxmox's own records: rows that come, are widened, cancelled and ended."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Exists, OuterRef, QuerySet

from monitoring.choices import BackfillReason, BackfillState
from monitoring.models import Backfill, BlindTime
from nodes.models import Instance

#: What is still to be done.
OPEN = (BackfillState.WAITING, BackfillState.RUNNING)
#: Of those that have ended so many are kept of an instance, the newest; that it was read when it was added is always remembered.
KEPT = 50
MESSAGE_LIMIT = 300
#: Nobody has records from before.
LONGEST_DAYS = 3_650
DAY_SECONDS = 86_400


class AlreadyOpen(Exception):
    """The records of the instance are being read."""


def open_ones() -> QuerySet[Backfill]:
    """Return what is still to be done, the oldest first."""
    return Backfill.objects.filter(state__in=OPEN).order_by("created_at", "pk")


def failed() -> list[Backfill]:
    """Return what could not be read, where nothing was ordered of the same instance since."""
    later = Backfill.objects.filter(instance=OuterRef("instance"), pk__gt=OuterRef("pk"))
    found = Backfill.objects.filter(state=BackfillState.FAILED).exclude(Exists(later))
    return list(found.select_related("instance").order_by("instance"))


def order_for_new(at: datetime) -> int:
    """Order that the records are read of each instance that has answered and of which that was never ordered; returns of how many."""
    added = Backfill.objects.filter(instance=OuterRef("pk"), reason=BackfillReason.ADDED)
    fresh = Instance.objects.polled().filter(last_success_at__isnull=False).exclude(Exists(added))
    orders = [
        Backfill(
            instance=instance,
            reason=BackfillReason.ADDED,
            end_epoch=int(at.timestamp()),
            created_at=at,
        )
        for instance in fresh
    ]
    Backfill.objects.bulk_create(orders)
    return len(orders)


def fill_gap(instance: Instance, *, start_epoch: int, end_epoch: int, at: datetime) -> Backfill:
    """Order that the records are read of a time in which nothing was seen; one that waits already is widened instead."""
    waiting = Backfill.objects.filter(
        instance=instance, reason=BackfillReason.GAP, state=BackfillState.WAITING
    ).first()
    if waiting is not None:
        start = min(start_epoch, start_epoch if waiting.start_epoch is None else waiting.start_epoch)
        end = max(end_epoch, waiting.end_epoch)
        # It may have begun in this moment: then this is another one.
        if Backfill.objects.filter(pk=waiting.pk, state=BackfillState.WAITING).update(
            start_epoch=start, end_epoch=end
        ):
            waiting.start_epoch, waiting.end_epoch = start, end
            return waiting
    return Backfill.objects.create(
        instance=instance,
        reason=BackfillReason.GAP,
        start_epoch=start_epoch,
        end_epoch=end_epoch,
        created_at=at,
    )


def ask(instance: Instance, *, days: int | None = None, at: datetime) -> Backfill:
    """Order that the records of the last days are read, all there are for None. Raises AlreadyOpen when somebody has asked already."""
    if open_ones().filter(instance=instance, reason=BackfillReason.ASKED).exists():
        raise AlreadyOpen
    end = int(at.timestamp())
    return Backfill.objects.create(
        instance=instance,
        reason=BackfillReason.ASKED,
        start_epoch=None if days is None else end - days * DAY_SECONDS,
        end_epoch=end,
        created_at=at,
    )


def cancel(backfill: Backfill, *, at: datetime, message: str = "") -> bool:
    """Read no further; False when it had ended. What was read is kept."""
    return end(backfill, BackfillState.CANCELLED, message=message, at=at)


def cancel_paused(at: datetime) -> int:
    """Cancel what is open of instances that are paused; returns how many."""
    return (
        open_ones()
        .filter(instance__is_paused=True)
        .update(state=BackfillState.CANCELLED, message="The instance was paused", ended_at=at)
    )


def end(backfill: Backfill, state: BackfillState, *, message: str, at: datetime) -> bool:
    """End what is open; False when it was not. The time of which nothing was seen counts as filled where it could be read."""
    if (
        not open_ones()
        .filter(pk=backfill.pk)
        .update(state=state, message=message[:MESSAGE_LIMIT], ended_at=at)
    ):
        return False
    if state == BackfillState.DONE:
        blind = BlindTime.objects.filter(
            instance=backfill.instance_id, is_filled=False, end_epoch__lte=backfill.end_epoch
        )
        if backfill.start_epoch is not None:
            blind = blind.filter(start_epoch__gte=backfill.start_epoch)
        blind.update(is_filled=True)
    _prune(backfill.instance_id)
    return True


def _prune(instance_id: int) -> None:
    ended = Backfill.objects.filter(instance=instance_id).exclude(state__in=OPEN)
    old = ended.exclude(reason=BackfillReason.ADDED).order_by("-created_at").values_list("pk", flat=True)
    Backfill.objects.filter(pk__in=list(old[KEPT:])).delete()
