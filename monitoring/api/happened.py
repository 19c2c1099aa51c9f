"""What happened to a resource, as its history tells it."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from monitoring.api.answers_history import HistoryEvent as Told
from monitoring.api.spans import Span
from monitoring.history.metrics import Kind
from monitoring.models import BlindTime, HistoryEvent

#: The newest of one answer.
MOST_EVENTS = 500
#: A task that began before the time that is asked for is told when it ended within it; none runs for longer.
LONGEST_TASK_SECONDS = 8 * 86_400


def events_of(kind: Kind, pk: int, instance_id: int, span: Span) -> list[Told]:
    """Return what happened to an object, and when nothing was seen of its instance; by when it began."""
    told = [*rows_of(kind, pk, span), *blind_times(instance_id, span)]
    return sorted(told, key=lambda one: (one.start, one.kind, one.code))


def rows_of(kind: Kind, pk: int, span: Span) -> Iterator[Told]:
    """Yield the newest events of an object that touch the time."""
    rows = HistoryEvent.objects.filter(
        Q(start_epoch__gte=span.start_epoch)
        | Q(start_epoch__gte=span.start_epoch - LONGEST_TASK_SECONDS, end_epoch__gte=span.start_epoch)
        | Q(start_epoch__gte=span.start_epoch - LONGEST_TASK_SECONDS, outcome="running"),
        object_kind=kind.object_kind,
        object_id=pk,
        start_epoch__lt=span.end_epoch,
    ).order_by("-start_epoch")[:MOST_EVENTS]
    for row in rows:
        yield Told(row.kind, row.code, row.text, row.outcome, row.start_epoch * 1000, in_ms(row.end_epoch))


def blind_times(instance_id: int, span: Span) -> Iterator[Told]:
    """Yield the newest times in which nothing was seen of an instance."""
    rows = BlindTime.objects.filter(
        instance=instance_id, start_epoch__lt=span.end_epoch, end_epoch__gt=span.start_epoch
    ).order_by("-start_epoch")[:MOST_EVENTS]
    for row in rows:
        yield Told(
            "blind", row.cause, row.get_cause_display(), "", row.start_epoch * 1000, in_ms(row.end_epoch)
        )


def in_ms(epoch: int | None) -> int | None:
    """Return epoch seconds in milliseconds."""
    return None if epoch is None else epoch * 1000
