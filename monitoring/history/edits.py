"""What people change of an instance, kept among what happened to it: that it was, and never to what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from monitoring.choices import EventKind
from monitoring.history.blind import PAUSED
from monitoring.history.happened import worded
from monitoring.models import HistoryEvent
from nodes.identity import ObjectKind
from nodes.models import Instance

#: What is told of an edit, by the column.
WORDS: Mapping[str, str] = {
    "name": "name",
    "host": "host",
    "user": "credential",
    "token_id": "credential",
    "sealed_password": "credential",
    "sealed_token": "credential",
    "fingerprint": "certificate",
    "verify_tls": "certificate",
}


def record(instance: Instance, *, at: datetime) -> None:
    """Keep how an instance that is about to be saved differs from its row; nothing when that is none of what is told."""
    before = Instance.objects.filter(pk=instance.pk).first()
    if before is None:
        return
    if before.is_paused != instance.is_paused:
        keep(instance, PAUSED if instance.is_paused else "resumed", "", at=at)
        return
    changed = dict.fromkeys(
        word for column, word in WORDS.items() if getattr(before, column) != getattr(instance, column)
    )
    if changed:
        keep(instance, "edited", ", ".join(changed), at=at)


def keep(instance: Instance, code: str, text: str, *, at: datetime) -> None:
    """Add the row of one edit."""
    HistoryEvent.objects.bulk_create(
        [
            HistoryEvent(
                instance=instance,
                object_kind=ObjectKind.INSTANCE,
                object_id=instance.pk,
                kind=EventKind.CONFIGURATION,
                code=code,
                text=worded(text),
                key=f"{code}:{instance.version}",
                start_epoch=int(at.timestamp()),
            )
        ],
        ignore_conflicts=True,
    )
