"""The long lists of an instance as a fragment of their own: published when they change, not at every poll."""

from __future__ import annotations

import hashlib

import msgspec

from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from monitoring.known.wanted import wanted_guests
from monitoring.store.current import store
from monitoring.wire.backups import GuestPlace, Lists, pbs_lists, pve_lists
from monitoring.wire.fragments import Fragment, FragmentKey, next_version
from monitoring.wire.lists import items_of
from nodes.choices import InstanceKind
from nodes.models import Instance

_pack = msgspec.msgpack.encode


def publish(instance: Instance, facts: Facts, memory: PollMemory, *, at_epoch: float) -> bool:
    """Replace the lists of an instance if what they are made from has changed; returns whether it did.

    While the login is refused for good they are empty: nothing of such an instance is shown (state.md 6).
    """
    judgement = store().load(JUDGEMENT) or NOTHING_JUDGED
    owned, jobs = judgement.attributions_of(instance.pk), judgement.host_jobs.get(instance.pk, ())
    guests = places_of(instance, memory)
    made_from = digest(facts.version, instance.version, memory.login_is_refused, owned, jobs, guests)
    key = FragmentKey(instance.pk, "lists")
    known = store().fragments().get(key)
    if known is not None and facts.lists_made_from == made_from:
        return False
    if memory.login_is_refused:
        lists = Lists()
    elif instance.kind == InstanceKind.PBS:
        lists = pbs_lists(instance.name, facts, owned)
    else:
        lists = pve_lists(instance.name, facts, guests, jobs, with_backups=instance.monitor_backups)
    items = items_of(lists)
    facts.lists_made_from = made_from
    if known is not None and (known.name, known.items) == (instance.name, items):
        return False
    store().publish(
        Fragment(
            key=key,
            version=next_version(known.version if known is not None else 0, at_epoch),
            name=instance.name,
            health_key=instance.health_key,
            is_healthy=True,
            items=items,
            polled_epoch=at_epoch,
        )
    )
    return True


def digest(*parts: object) -> str:
    """Return what stands for these parts, the same in every process."""
    return hashlib.blake2b(_pack(parts), digest_size=16).hexdigest()


def places_of(instance: Instance, memory: PollMemory) -> dict[int, GuestPlace]:
    """Return where the guests of a PVE are, those of a node that is away as well: their snapshots are still there."""
    if memory.reading is not None:
        listed = wanted_guests(instance, memory.reading.guests)
        return {one.vmid: GuestPlace(one.node, one.kind) for one in sorted(listed, key=lambda one: one.vmid)}
    known = sorted(memory.figures.guests, key=lambda one: one.vmid)
    return {one.vmid: GuestPlace(one.node, one.kind) for one in known}
