"""Named reads of the configured instances."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from nodes.models import Instance  # noqa: F401


class InstanceQuerySet(models.QuerySet["Instance"]):
    """Instances, narrowed by what they are or need."""

    def polled(self) -> InstanceQuerySet:
        """Return those that are not paused."""
        return self.filter(is_paused=False)

    def clusters(self) -> InstanceQuerySet:
        """Return those that stand for a whole PVE cluster."""
        return self.filter(kind="pve", is_cluster=True)

    def by_wire_id(self, kind: str, number: int) -> InstanceQuerySet:
        """Return the one instance that the configuration routes call `<kind>-<number>`, or none."""
        return self.filter(kind=kind, number=number)

    def due(self, at: datetime) -> InstanceQuerySet:
        """Return those whose poll is due at the instant; a new one, never scheduled, is due at once."""
        return self.polled().filter(models.Q(next_poll_at__isnull=True) | models.Q(next_poll_at__lte=at))

    def claim(self, pk: int, *, due_at: datetime | None, next_poll_at: datetime) -> bool:
        """Move one instance on to its next poll if nobody else did since `due_at` was read.

        False means that another scheduler was first, which is an answer, not an error.
        """
        return self.filter(pk=pk, is_paused=False, next_poll_at=due_at).update(next_poll_at=next_poll_at) == 1

    def poll_soon(self, pks: Iterable[int]) -> int:
        """Make the instances due at the next tick; returns how many."""
        return self.filter(pk__in=list(pks)).update(next_poll_at=None)

    def poll_within(self, seconds: float, *, at: datetime) -> int:
        """Make those due at the next tick that would be within so many seconds; returns how many.

        Who waits longer does so because its login was refused, or because the host asked for time.
        """
        limit = at + timedelta(seconds=seconds)
        return self.polled().filter(next_poll_at__lte=limit).update(next_poll_at=None)
