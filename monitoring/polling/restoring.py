"""After a restart: what was known before is shown at once, marked as old, until the hosts have answered.

In two steps. The inventory gives the resources, in a fraction of a second. What the slow lanes had collected gives
the lists and the judgement over backups; with ten thousand guests that takes a second, for which no page has to wait.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

import msgspec
from django.conf import settings

from monitoring.backups.judgement import NOTHING_JUDGED, Judgement
from monitoring.collecting import judging, run
from monitoring.figures.rates import NO_RATES
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.memory import PollMemory
from monitoring.polling import cycle, pbs, silent
from monitoring.polling.cycle import Poll
from monitoring.polling.pve_views import extras_of
from monitoring.store import saved
from monitoring.store.current import store
from monitoring.store.leases import lease
from monitoring.wire.hosts import guest_view, node_view
from monitoring.wire.jobs import DatastoreShape
from monitoring.wire.server_jobs import namespace_views
from monitoring.wire.servers import pbs_without_answer, pmg_without_answer
from monitoring.wire.shapes import NO_EXTRAS, GuestExtras, GuestShape, NodeShape, Shapes, StorageShape
from nodes import inventory
from nodes.choices import InstanceKind, PollState
from nodes.models import Datastore, Guest, Instance, Node, Storage
from nodes.proxmox.readings import GuestReading, NodeReading, NodeStatusReading
from pulse.lib.instants import ZERO_TIME, rfc3339

logger = logging.getLogger(__name__)
replace = msgspec.structs.replace


def restore_inventory(at: datetime) -> int:
    """Publish the last known resources of every instance that has no fragment yet; returns of how many.

    Those whose poll would come soon anyway are polled at once.
    """
    Instance.objects.poll_within(float(settings.POLLING_INTERVAL_SECONDS), at=at)
    known = store().fragments()
    restored = 0
    for instance in Instance.objects.polled():
        if instance.pk in known:
            continue
        memory = store().load_memory(instance.pk) or PollMemory()
        cycle.start_anew(memory, instance)
        if instance.last_success_at is not None:
            memory.succeeded_at = instance.last_success_at.timestamp()
        memory.storage_ids = inventory.known_storage_ids(instance)
        memory.absent_since = inventory.known_absence(instance)
        memory.failures = 0 if instance.state == PollState.OK else 1
        publish(instance, memory, last_known(instance, at=at), at=at)
        store().save_memory(instance.pk, memory)
        restored += 1
    return restored


def restore_collected(at: datetime) -> int:
    """Make known what the slow lanes had collected, judge it and show it; returns of how many instances.

    For before the first polls. What is known already counts more than what was saved, and what cannot be restored of one
    instance keeps nothing from the others.
    """
    known = [instance for instance in Instance.objects.polled() if make_known(instance)]
    try:
        judging.judge_if_due(at)
    except Exception:
        logger.exception("what was collected before the restart could not be judged")
    for instance in known:
        try:
            show(instance, at=at)
        except Exception:
            logger.exception("%s: what was collected before the restart could not be shown", instance.name)
    return len(known)


def make_known(instance: Instance) -> bool:
    """Put what was saved of an instance into the store, unless more is there; returns whether anything is known.

    A turn of the slow lanes that is on does so itself.
    """
    with lease(f"collecting:{instance.pk}", run.LEASE_SECONDS) as held:
        facts = saved.known_facts(instance) if held else None
        if facts is None:
            return False
        store().save_facts(instance.pk, facts)
        return True


def show(instance: Instance, *, at: datetime) -> None:
    """Show what is known of an instance: in its resources while it was not polled yet, and in its lists."""
    memory, facts = store().load_memory(instance.pk), store().load_facts(instance.pk)
    if memory is None or facts is None:
        return
    if not memory.cycles:
        views = last_known(instance, at=at, facts=facts, judgement=store().load_judgement())
        publish(instance, memory, views, at=at)
        store().save_memory(instance.pk, memory)
    with lease(f"collecting:{instance.pk}", run.LEASE_SECONDS) as held:
        if held:
            run.keep(instance, memory, facts, at=at)


def publish(instance: Instance, memory: PollMemory, views: Shapes, *, at: datetime) -> None:
    """Publish resources as a poll would."""
    interval = float(settings.POLLING_INTERVAL_SECONDS)
    cycle.publish(Poll(instance, memory, at, interval, started=time.monotonic()), views)


def last_known(
    instance: Instance,
    *,
    at: datetime,
    facts: Facts = NOTHING_COLLECTED,
    judgement: Judgement = NOTHING_JUDGED,
) -> Shapes:
    """Return what is remembered of an instance, marked as old; figures are not kept over a restart.

    Nothing is invented: what is not known yet is `unknown`, neither running nor offline.
    """
    seen = rfc3339(instance.last_success_at.replace(microsecond=0)) if instance.last_success_at else ZERO_TIME
    health = "healthy" if instance.state == PollState.OK else "unhealthy"
    if instance.kind == InstanceKind.PBS:
        return known_pbs(instance, seen, health, facts, judgement)
    if instance.kind == InstanceKind.PMG:
        view = pmg_without_answer(name=instance.name, host=instance.host, seen=seen, health=health)
        return Shapes(pmg=(replace(view, status="unknown", stale=True),))
    name, coverage = instance.name, judgement.coverage_of(instance.pk)
    guests: list[GuestShape] = []
    for row in Guest.objects.filter(instance=instance, gone_at=None):
        reading = known_reading(row)
        extras = extras_of(reading, facts=facts, coverage=coverage, at=at.timestamp())
        guests.append(known_guest(reading, name, seen, extras))
    nodes = Node.objects.filter(instance=instance, gone_at=None)
    storages = Storage.objects.filter(instance=instance, gone_at=None)
    return silent.wanted(
        instance,
        Shapes(
            nodes=tuple(known_node(row, name, seen, health, facts) for row in nodes),
            vms=tuple(view for view in guests if view.type == "qemu"),
            containers=tuple(view for view in guests if view.type == "lxc"),
            storage=tuple(known_storage(row, name) for row in storages),
        ),
    )


def known_node(row: Node, instance: str, seen: str, health: str, facts: Facts) -> NodeShape:
    """Return a node of which only the facts are known: its status is unknown, not offline.

    One that was not online was last seen when it went, never if it was not online since Pulse knows it.
    """
    if row.absent_since is not None:
        was_seen = row.absent_since > row.first_seen_at
        seen = rfc3339(row.absent_since.replace(microsecond=0)) if was_seen else ZERO_TIME
    reading = NodeReading(
        row.name, "unknown", cpu_count=row.cpu_count, memory_total_bytes=row.memory_total_bytes
    )
    detail = NodeStatusReading(
        kernel_version=row.kernel_version, pve_version=row.pve_version, cpu_model=row.cpu_model
    )
    version = facts.node(row.name).version
    view = node_view(reading, detail, instance=instance, seen=seen, health=health, version=version)
    return replace(view, stale=True)


def known_reading(row: Guest) -> GuestReading:
    """Return a recorded guest as if it had been listed without a status."""
    tags = tuple(tag for tag in row.tags.split(";") if tag)
    return GuestReading(row.vmid, row.kind, row.node_name, "unknown", name=row.name, tags=tags)


def known_guest(reading: GuestReading, instance: str, seen: str, extras: GuestExtras) -> GuestShape:
    """Return a guest of which only the facts are known. How full its disks are is shown only while it is known to run."""
    view = guest_view(reading, NO_RATES, instance=instance, seen=seen, extras=extras)
    return replace(view, diskReason=NO_EXTRAS.disk_reason, stale=True)


def known_storage(row: Storage, instance: str) -> StorageShape:
    """Return a storage of which only the facts are known."""
    return StorageShape(
        id=row.wire_id,
        name=row.name,
        node=row.node_name or "shared",
        instance=instance,
        type=row.plugin,
        status="unknown",
        total=0,
        used=0,
        free=0,
        usage=0.0,
        content=row.content,
        shared=not row.node_name,
        enabled=True,
        active=False,
        stale=True,
    )


def known_pbs(instance: Instance, seen: str, health: str, facts: Facts, judgement: Judgement) -> Shapes:
    """Return a PBS before its first answer since the start."""
    stores: tuple[DatastoreShape, ...] = ()
    if instance.monitor_datastores:
        names = Datastore.objects.filter(instance=instance, gone_at=None).values_list("name", flat=True)
        stores = tuple(known_datastore(name, facts) for name in names)
    jobs = pbs.jobs_of(instance, facts, judgement)
    view = pbs_without_answer(name=instance.name, host=instance.host, seen=seen, health=health, jobs=jobs)
    return Shapes(pbs=(replace(view, status="unknown", datastores=stores, stale=True),))


def known_datastore(name: str, facts: Facts) -> DatastoreShape:
    """Return a datastore of which only the facts are known."""
    namespaces = namespace_views(facts.namespaces.get(name, ()))
    return DatastoreShape(name, 0, 0, 0, 0.0, "unknown", namespaces=namespaces, stale=True)
