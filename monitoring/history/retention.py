"""How long samples stay: by age and by the disk they may take. What is oldest in the finest tier goes first."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Min, Q, Sum

from monitoring.choices import SpanSource, Tier
from monitoring.history.size import OVERHEAD
from monitoring.history.tiers import DAY, days_of
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan
from nodes.models import Guest, Instance

#: Spans that are deleted in one transaction: others write in between.
AT_ONCE = 20
#: Samples of more than this ahead were taken by a clock that was wrong.
AHEAD_SECONDS = 2 * DAY
MIB = 1 << 20


class Held(NamedTuple):
    """What there is of one tier, over all instances. Epochs are None when there is nothing."""

    tier: Tier
    stored_bytes: int
    value_count: int
    span_count: int
    oldest_epoch: int | None
    newest_epoch: int | None


class Pruned(NamedTuple):
    """How many spans were deleted, and why."""

    old: int = 0
    over_budget: int = 0
    orphaned: int = 0


def budget_bytes() -> int:
    """Return how much disk the history may take."""
    return int(settings.HISTORY_DISK_MB) * MIB


def held() -> dict[Tier, Held]:
    """Return what there is of each tier."""
    sums = HistorySpan.objects.values("tier").annotate(
        size=Sum("stored_bytes"),
        values_=Sum("value_count"),
        oldest=Min("start_epoch"),
        newest=Max("end_epoch"),
    )
    counts = {tier: HistorySpan.objects.filter(tier=tier).count() for tier in Tier}
    found = {
        Tier(row["tier"]): Held(
            Tier(row["tier"]),
            row["size"],
            row["values_"],
            counts[Tier(row["tier"])],
            row["oldest"],
            row["newest"],
        )
        for row in sums
    }
    return {tier: found.get(tier, Held(tier, 0, 0, 0, None, None)) for tier in Tier}


def used_bytes() -> int:
    """Return how much disk the sealed samples take, about."""
    return int((HistorySpan.objects.aggregate(size=Sum("stored_bytes"))["size"] or 0) * OVERHEAD)


def prune(*, at: datetime) -> Pruned:
    """Delete what is older than its tier stays, what is beyond the budget, and what belongs to no instance any more."""
    epoch = at.timestamp()
    guests = Guest.objects.filter(gone_at=None).count()
    old = 0
    for tier in Tier:
        before = epoch - days_of(tier, guests=guests) * DAY
        old += delete(
            HistorySpan.objects.filter(tier=tier, end_epoch__lt=before).values_list("pk", flat=True)
        )
    return Pruned(old, prune_to(budget_bytes()), prune_orphans(at_epoch=epoch))


def prune_to(budget: int) -> int:
    """Delete the oldest spans of the finest tiers until what is left fits; returns how many."""
    excess = used_bytes() - budget
    doomed: list[int] = []
    for tier in Tier:
        if excess <= 0:
            break
        spans = HistorySpan.objects.filter(tier=tier).order_by("end_epoch", "pk")
        for pk, size in spans.values_list("pk", "stored_bytes").iterator(chunk_size=500):
            if excess <= 0:
                break
            doomed.append(pk)
            excess -= int(size * OVERHEAD)
    return delete(doomed)


def prune_orphans(*, at_epoch: float) -> int:
    """Delete the samples of instances that are no more, and batches of a clock that was far ahead."""
    instances = Instance.objects.values_list("pk", flat=True)
    deleted = delete(HistorySpan.objects.exclude(instance_id__in=instances).values_list("pk", flat=True))
    lost = Q(start_epoch__gt=at_epoch + AHEAD_SECONDS) | ~Q(instance_id__in=instances)
    HistoryBatch.objects.filter(lost).delete()
    return deleted


def delete(pks: Iterable[int]) -> int:
    """Delete spans with their blocks, some at a time; returns how many."""
    every = list(pks)
    for start in range(0, len(every), AT_ONCE):
        some = every[start : start + AT_ONCE]
        with transaction.atomic():
            HistoryBlock.objects.filter(span_id__in=some).delete()
            HistorySpan.objects.filter(pk__in=some).delete()
    return len(every)


def oldest_of(instance_id: int) -> int | None:
    """Return since when there are samples of our own of an instance, in epoch seconds; None when there are none."""
    spans = HistorySpan.objects.filter(instance_id=instance_id, source=SpanSource.OWN)
    oldest: int | None = spans.aggregate(one=Min("start_epoch"))["one"]
    first: int | None = HistoryBatch.objects.filter(instance_id=instance_id).aggregate(
        one=Min("start_epoch")
    )["one"]
    return min((one for one in (oldest, first) if one is not None), default=None)
