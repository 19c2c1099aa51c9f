"""When a target is sent what waits for it; kept apart, so that nothing else is loaded before there is a target."""

from __future__ import annotations

from datetime import datetime

from monitoring.models import RemoteWriteTarget
from monitoring.store.leases import lease

#: Longer than a turn with its last request; whoever is killed holds up no other for longer.
LEASE_SECONDS = 60


def due() -> list[int]:
    """Return the targets that are switched on; whether one waits is judged in its turn."""
    return list(RemoteWriteTarget.objects.filter(is_enabled=True).values_list("pk", flat=True))


def take(pk: int, at: datetime) -> None:
    """Send a target what waits for it, unless somebody else is about to."""
    with lease(f"remote-write:{pk}", LEASE_SECONDS) as held:
        if held:
            from monitoring.exporting.remote import sending  # late: most installations have no target

            sending.send(pk, at=at)
