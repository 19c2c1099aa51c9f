"""Polls of instances, each by its kind, and the end of those that are gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from monitoring.known.memory import MEMORY, PollMemory
from monitoring.polling import publishing
from monitoring.polling.cycle import Poll, start_anew
from monitoring.polling.pbs import PbsPoll
from monitoring.polling.pmg import PmgPoll
from monitoring.polling.pve import PvePoll
from monitoring.store.current import store
from monitoring.store.leases import lease
from nodes.choices import InstanceKind
from nodes.connecting import forget
from nodes.models import Instance

#: How each kind of instance is polled.
POLLS: Mapping[str, type[Poll]] = {
    InstanceKind.PVE: PvePoll,
    InstanceKind.PBS: PbsPoll,
    InstanceKind.PMG: PmgPoll,
}
#: A poll that has not ended by then belongs to a process that was killed.
LEASE_SECONDS = 60


def poll(instance_id: int, at: datetime) -> bool:
    """Read one instance and publish its fragment; False when it is being read already, or is no longer there.

    Never raises for what a host does. A poll that began before the instance was edited publishes nothing.
    """
    with lease(f"polling:{instance_id}", LEASE_SECONDS) as held:
        if not held:
            return False
        instance = Instance.objects.polled().prefetch_related("endpoints").filter(pk=instance_id).first()
        if instance is None:
            forget(instance_id)
            publishing.drop(instance_id)
            return False
        memory = store().load(MEMORY, of=instance_id) or PollMemory()
        if memory.instance_version != instance.version:
            start_anew(memory, instance)
        try:
            POLLS[instance.kind](instance, memory, at).run()
        finally:
            store().save(MEMORY, memory, of=instance_id)
        return True


def drop_removed() -> int:
    """Take the instances that were paused or removed elsewhere out of the state; returns how many."""
    shown = {key.instance_id for key in store().fragments()}
    gone = (
        shown - set(Instance.objects.polled().filter(pk__in=shown).values_list("pk", flat=True))
        if shown
        else set()
    )
    for pk in gone:
        forget(pk)
        publishing.drop(pk)
    return len(gone)
