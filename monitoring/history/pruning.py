"""How long is kept what happened, when nothing was seen, and what had series: two years, and so many of an instance at most.

Each part is deleted in a transaction of its own: others write in between.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from monitoring.choices import EventKind
from monitoring.history.events import LONGEST_SECONDS
from monitoring.models import BlindTime, HistoryEvent, HistoryPart
from nodes.inventory import GONE_FOR, batched
from nodes.models import Instance

#: As long as the rows of what is gone are.
KEPT_FOR = GONE_FOR
#: Of one instance.
MOST_EVENTS = 100_000
MOST_BLIND_TIMES = 10_000
#: So many in one run of an instance; the next one goes on.
MOST_AT_ONCE = 50_000


#: The day on which this process has done so last.
_last: dict[str, str] = {}


def prune_daily(at: datetime) -> int:
    """Do as `prune`, once a day and after a start."""
    day = at.date().isoformat()
    if _last.get("day") == day:
        return 0
    _last["day"] = day
    return prune(at)


def prune(at: datetime) -> int:
    """Delete what is too old or too much of every instance; returns how many rows."""
    deleted = 0
    since = int((at - KEPT_FOR).timestamp())
    for instance_id in Instance.objects.values_list("pk", flat=True):
        events = HistoryEvent.objects.filter(instance=instance_id)
        give_up(events, at_epoch=int(at.timestamp()))
        deleted += delete(events.filter(start_epoch__lt=since))
        deleted += delete_excess(events)
        times = BlindTime.objects.filter(instance=instance_id)
        deleted += delete(times.filter(start_epoch__lt=since))
        deleted += delete_oldest(times, times.count() - MOST_BLIND_TIMES)
        deleted += delete(HistoryPart.objects.filter(instance=instance_id, last_seen_at__lt=at - KEPT_FOR))
    return deleted


def give_up(events: QuerySet[HistoryEvent], *, at_epoch: int) -> None:
    """Say of tasks that began long ago, and that nobody has seen end, that nobody knows how they ended."""
    events.filter(start_epoch__lt=at_epoch - LONGEST_SECONDS, outcome="running").update(outcome="")


def delete_excess(events: QuerySet[HistoryEvent]) -> int:
    """Delete the oldest of more than are kept; first backups and other tasks that went well, thousands a night of a large estate."""
    excess = events.count() - MOST_EVENTS
    routine = events.filter(kind__in=(EventKind.BACKUP, EventKind.TASK), outcome="ok")
    deleted = delete_oldest(routine, excess)
    return deleted + delete_oldest(events, excess - deleted)


def delete_oldest(rows: QuerySet[Any], count: int) -> int:
    """Delete so many rows, those that began first; returns how many."""
    return delete(rows.order_by("start_epoch")[: min(count, MOST_AT_ONCE)]) if count > 0 else 0


def delete(rows: QuerySet[Any]) -> int:
    """Delete these rows a few at a time; returns how many."""
    model = rows.model
    keys = list(rows.values_list("pk", flat=True)[:MOST_AT_ONCE])
    for some in batched(keys):
        model._default_manager.filter(pk__in=some).delete()
    return len(keys)
