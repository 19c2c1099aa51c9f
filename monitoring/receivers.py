"""What follows from rows of other apps at once: a removed instance leaves the state, an edit stands among what happened."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.dispatch import receiver
from django.utils import timezone

from monitoring.collecting import happening
from monitoring.history import edits, events, keeping
from monitoring.store.current import store
from nodes import inventory
from nodes.connecting import forget
from nodes.models import Instance


@receiver(post_delete, sender=Instance, dispatch_uid="monitoring.instance_removed")
def instance_removed(instance: Instance, **_: Any) -> None:
    """Take the instance out of the state when the deletion is committed."""
    pk = instance.pk

    def leave() -> None:
        forget(pk)
        inventory.forget(pk)
        keeping.forget(pk)
        happening.forget(pk)
        events.forget(pk)
        store().remove(pk)

    transaction.on_commit(leave, robust=True)


@receiver(post_save, sender=Instance, dispatch_uid="monitoring.instance_paused")
def instance_paused(instance: Instance, **_: Any) -> None:
    """Take a paused instance out of the state: what nobody reads is not the present. Its last samples are saved before."""
    if instance.is_paused:
        pk = instance.pk

        def leave() -> None:
            keeping.write_left(pk)
            store().remove(pk)

        transaction.on_commit(leave, robust=True)


@receiver(pre_save, sender=Instance, dispatch_uid="monitoring.instance_edited")
def instance_edited(instance: Instance, update_fields: frozenset[str] | None, **_: Any) -> None:
    """Keep that somebody edits the instance, in the transaction of the edit."""
    if instance.pk and update_fields and "version" in update_fields:
        edits.record(instance, at=timezone.now())
