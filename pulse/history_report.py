"""What there is of the history, as diagnostics tell it: how much of each tier, since when, and whether the budget has cut it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from django.db import DatabaseError

from monitoring.choices import Tier
from monitoring.history import retention
from monitoring.history.retention import Held
from monitoring.history.tiers import DAY, days_of
from monitoring.models import HistoryBatch
from nodes.models import Guest
from pulse.lib.instants import WireInstant, instant

#: The oldest spans go only when there is no room left for new ones.
NEARLY_FULL = 0.9
#: A tier that reaches back so much less than it may was cut.
SLACK_SECONDS = DAY


class TierReport(msgspec.Struct, rename="camel"):
    """One tier over all instances; `days` is how long it may stay, `cut` that the budget has taken the rest."""

    tier: str
    stored_bytes: int
    values: int
    spans: int
    oldest: WireInstant
    newest: WireInstant
    days: float
    cut: bool


class HistoryReport(msgspec.Struct, rename="camel"):
    """The history on the disk; `waiting` are the minutes of samples that are not sealed yet."""

    used_bytes: int
    budget_bytes: int
    waiting: int
    tiers: list[TierReport]


NOTHING = HistoryReport(0, 0, 0, [])


def history_report(at_epoch: float) -> HistoryReport:
    """Return what there is; nothing when the database cannot be read."""
    try:
        held = retention.held()
        guests = Guest.objects.filter(gone_at=None).count()
        waiting = HistoryBatch.objects.count()
    except DatabaseError:
        return NOTHING
    used, budget = retention.used_bytes(), retention.budget_bytes()
    return HistoryReport(
        used,
        budget,
        waiting,
        [
            TierReport(
                tier.label,
                one.stored_bytes,
                one.value_count,
                one.span_count,
                instant(one.oldest_epoch),
                instant(one.newest_epoch),
                days_of(tier, guests=guests),
                used > NEARLY_FULL * budget
                and is_short(held, one, days_of(tier, guests=guests), at_epoch=at_epoch),
            )
            for tier, one in held.items()
        ],
    )


def is_short(held: dict[Tier, Held], one: Held, days: float, *, at_epoch: float) -> bool:
    """Return whether a tier reaches back less far than it may, though there are coarser samples of that time."""
    coarser = [other.oldest_epoch for tier, other in held.items() if tier >= one.tier]
    oldest = [epoch for epoch in coarser if epoch is not None]
    if not oldest:
        return False
    wanted = max(at_epoch - days * DAY, min(oldest))
    return one.oldest_epoch is None or one.oldest_epoch > wanted + SLACK_SECONDS


def history_words(report: HistoryReport) -> Iterator[str]:
    """Yield a sentence for each tier that the budget has cut."""
    for one in report.tiers:
        if one.cut:
            since = f"reach back to {one.oldest}" if one.spans else "are all gone"
            yield (
                f"the history takes all of the disk that it may (HISTORY_DISK_MB): its samples of {one.tier} {since},"
                f" where they may stay for {one.days:g} days"
            )
