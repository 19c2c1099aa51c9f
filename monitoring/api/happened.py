"""What happened to a resource, as its history tells it."""

from __future__ import annotations

from monitoring.api.answers_history import HistoryEvent
from monitoring.api.spans import Span
from monitoring.history import timeline
from monitoring.history.metrics import Kind


def events_of(kind: Kind, pk: int, instance_id: int, span: Span) -> list[HistoryEvent]:
    """Return what happened to an object, and when nothing was seen of its instance; by when it began."""
    found = timeline.events_of(kind, pk, instance_id, start_epoch=span.start_epoch, end_epoch=span.end_epoch)
    return [
        HistoryEvent(one.kind, one.code, one.text, one.outcome, one.start_epoch * 1000, in_ms(one.end_epoch))
        for one in found
    ]


def in_ms(epoch: int | None) -> int | None:
    """Return epoch seconds in milliseconds."""
    return None if epoch is None else epoch * 1000
