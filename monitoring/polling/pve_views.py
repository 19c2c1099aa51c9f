"""What is shown of a PVE host or cluster: its nodes, guests and storages as they are now, and what is only remembered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import msgspec

from monitoring.backups.coverage import Coverage
from monitoring.collecting import lanes
from monitoring.concerns import pve_concerns
from monitoring.figures import rates
from monitoring.figures.filesystems import why_unknown
from monitoring.figures.guest_memory import guest_memory
from monitoring.known.facts import NOTHING_COLLECTED, Facts, GuestFacts, NodeFacts
from monitoring.known.memory import Mark, PollMemory
from monitoring.wire.hosts import guest_view, node_view
from monitoring.wire.shapes import NO_EXTRAS, GuestExtras, GuestShape, NodeShape, Shapes, StorageShape, Usage
from monitoring.wire.storages import DISABLED, storage_id, storage_views
from monitoring.wire.usage import usage
from nodes.models import Instance
from nodes.proxmox.readings import (
    ClusterReading,
    GuestReading,
    NodeStorageReading,
    ResourcesReading,
    StorageReading,
)
from pulse.lib.instants import ZERO_TIME, instant

#: What a node told of its storages and its history, and an agent of its file systems, is shown for this long.
PROBE_SECONDS = 900.0
AGENT_SECONDS = 1800.0
Coverages = Mapping[int, Coverage]
NO_COVERAGE: Coverages = {}
replace = msgspec.structs.replace


def views_of(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    *,
    seen: str,
    at: float,
    interval: float,
    facts: Facts = NOTHING_COLLECTED,
    coverage: Coverages = NO_COVERAGE,
    judged_at: float = 0.0,
) -> Shapes:
    """Return all resources of the instance as they are now, with what the slow lanes know of them and what is wrong."""
    absent = absent_nodes(resources, memory.cluster)
    remember_absence(memory, absent, at)
    extras = partial(extras_of, facts=facts, coverage=coverage, at=at)
    guests = guest_views(
        instance,
        resources,
        memory,
        absent=absent,
        seen=seen,
        at=at,
        interval=interval,
        facts=facts,
        extras=extras,
    )
    views = Shapes(
        nodes=node_views(instance, resources, memory, absent=absent, seen=seen, at=at, facts=facts),
        vms=tuple(view for view in guests if view.type == "qemu"),
        containers=tuple(view for view in guests if view.type == "lxc"),
        storage=tuple(all_storages(instance, resources, memory, absent=absent, at=at, facts=facts)),
    )
    concerns = pve_concerns(
        views,
        instance=instance.name,
        storages=resources.storages if instance.monitor_storage else (),
        wire_ids=wire_ids_of(memory),
        cluster=memory.cluster,
        facts=facts,
        coverage=coverage,
        judged_at=judged_at,
        at=at,
    )
    return replace(views, concerns=concerns)


def absent_nodes(resources: ResourcesReading, cluster: ClusterReading | None) -> dict[str, str]:
    """Return the status of each node that is not online, by the list or by a membership that has a majority.

    The list follows the membership by seconds. A host without a majority takes all others for offline.
    """
    absent = {node.name: node.status for node in resources.nodes if node.status != "online"}
    if cluster is not None and cluster.is_quorate:
        absent |= {member.name: "offline" for member in cluster.members if member.is_online is False}
    return absent


def remember_absence(memory: PollMemory, absent: Mapping[str, str], at: float) -> None:
    """Keep since when each node is not online."""
    memory.absent_since = {name: memory.absent_since.get(name, at) for name in absent}


def is_within_grace(memory: PollMemory, node: str, at: float) -> bool:
    """Return whether a node has been absent so shortly that what it had is still shown, marked."""
    return at - memory.absent_since.get(node, at) <= lanes.GRACE_SECONDS


def node_views(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    *,
    absent: Mapping[str, str],
    seen: str,
    at: float,
    facts: Facts = NOTHING_COLLECTED,
) -> tuple[NodeShape, ...]:
    """Return the nodes; one that is not online keeps its facts and when it was last seen."""
    last_seen = {view.name: view.lastSeen for view in memory.views.nodes}
    held = facts.permissions
    views: list[NodeShape] = []
    for node in resources.nodes:
        root = None if node.disk_total_bytes else local_storage(node.name, resources.storages)
        away, known = absent.get(node.name), facts.node(node.name)
        views.append(
            node_view(
                node if away is None else replace(node, status=away),
                memory.details.get(node.name),
                instance=instance.name,
                seen=seen if away is None else last_seen.get(node.name, ZERO_TIME),
                health="healthy",
                root=root,
                version=known.version,
                arc_bytes=arc_of(known, at),
                may_see=None if held is None else held.has(f"/nodes/{node.name}", "Sys.Audit"),
            )
        )
    return tuple(views)


def arc_of(known: NodeFacts, at: float) -> int | None:
    """Return the size of the ZFS cache of a node as its history told it not long ago."""
    if known.history is None or at - known.history_at > PROBE_SECONDS:
        return None
    return known.history.arc_bytes


def with_details(
    instance: Instance, resources: ResourcesReading, memory: PollMemory, *, seen: str, at: float, facts: Facts
) -> Shapes:
    """Return the resources published last with the details of nodes that have been read since."""
    absent = absent_nodes(resources, memory.cluster)
    nodes = node_views(instance, resources, memory, absent=absent, seen=seen, at=at, facts=facts)
    return replace(memory.views, nodes=nodes)


def local_storage(node: str, storages: Iterable[StorageReading]) -> Usage | None:
    """Return the use of `local`, else `local-lvm`, of a node; None when neither tells it (state.md 2.1)."""
    own = {storage.name: storage for storage in storages if storage.node == node and storage.total_bytes}
    found = own.get("local") or own.get("local-lvm")
    return usage(found.used_bytes, found.total_bytes) if found else None


def guest_views(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    *,
    absent: Mapping[str, str],
    seen: str,
    at: float,
    interval: float,
    facts: Facts = NOTHING_COLLECTED,
    extras: Callable[[GuestReading], GuestExtras] = lambda reading: NO_EXTRAS,
) -> list[GuestShape]:
    """Return the guests, and those of nodes that are not online as they were last seen, for a while."""
    wanted = wanted_kinds(instance)
    fresh = fresh_nodes(resources, memory)
    before = {view.vmid: view for view in (*memory.views.vms, *memory.views.containers)}
    samples: dict[int, rates.Sample] = {}
    views: list[GuestShape] = []
    for guest in resources.guests:
        if guest.is_template or guest.kind not in wanted:
            continue
        if guest.node in absent:
            known = before.get(guest.vmid)
            if known is not None and is_within_grace(memory, guest.node, at):
                views.append(known if known.stale else replace(known, stale=True))
            continue
        sample = rates.advance(
            memory.samples.get(guest.vmid), guest, at=at, is_fresh=guest.node in fresh, interval=interval
        )
        samples[guest.vmid] = sample
        named = guest if guest.name else with_known_name(guest, before.get(guest.vmid))
        known_facts = facts.guest(guest.vmid)
        used = guest_memory(guest, known_facts.detail, detail_age_seconds=at - known_facts.detail_at)
        views.append(
            guest_view(
                named, sample.rates, instance=instance.name, seen=seen, memory=used, extras=extras(guest)
            )
        )
    memory.samples = samples
    return views + unreadable_guests(resources, memory, before, wanted, at=at)


def wanted_kinds(instance: Instance) -> set[str]:
    """Return the kinds of guests that are to be shown."""
    kinds = (("qemu", instance.monitor_vms), ("lxc", instance.monitor_containers))
    return {kind for kind, is_wanted in kinds if is_wanted}


def with_known_name(guest: GuestReading, known: GuestShape | None) -> GuestReading:
    """Return a guest that Proxmox knows nothing of just now with the name and tags it had."""
    return replace(guest, name=known.name, tags=known.tags) if known is not None else guest


def unreadable_guests(
    resources: ResourcesReading,
    memory: PollMemory,
    before: Mapping[int, GuestShape],
    wanted: set[str],
    *,
    at: float,
) -> list[GuestShape]:
    """Return the guests that may be among rows nobody can read, as last seen, for a while."""
    if not resources.skipped:
        memory.incomplete_since = 0.0
        return []
    memory.incomplete_since = memory.incomplete_since or at
    if at - memory.incomplete_since > lanes.GRACE_SECONDS:
        return []
    listed = {guest.vmid for guest in resources.guests}
    missing = (view for vmid, view in before.items() if vmid not in listed and view.type in wanted)
    return [replace(view, stale=True) for view in missing]


def fresh_nodes(resources: ResourcesReading, memory: PollMemory) -> set[str]:
    """Return the nodes whose figures have moved since the last poll, and remember the figures.

    A node that tells no figures, for want of a privilege, always counts as fresh.
    """
    fresh: set[str] = set()
    marks: dict[str, Mark] = {}
    for node in resources.nodes:
        mark = (node.cpu_ratio, node.memory_used_bytes, node.uptime_seconds)
        if mark == (None, None, None) or memory.marks.get(node.name) != mark:
            fresh.add(node.name)
        marks[node.name] = mark
    memory.marks = marks
    return fresh


def all_storages(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    *,
    absent: Mapping[str, str],
    at: float,
    facts: Facts = NOTHING_COLLECTED,
) -> list[StorageShape]:
    """Return the storages, and those that only absent nodes see as they were last seen, for a while."""
    if not instance.monitor_storage:
        return []
    if memory.views.storage and not resources.storages:
        memory.empty_storage_lists += 1
        if memory.empty_storage_lists < lanes.BELIEVED_EMPTY:
            return [replace(view, stale=True) for view in memory.views.storage]
        return []
    memory.empty_storage_lists = 0
    wire_ids = wire_ids_of(memory)
    present = [reading for reading in resources.storages if reading.node not in absent]
    views = storage_views(
        present, instance=instance.name, wire_ids=wire_ids, probed=probed_storages(facts, at)
    )
    shown = {view.id for view in views}
    before = {view.id: view for view in memory.views.storage}
    for reading in resources.storages:
        identity = storage_id(reading, instance=instance.name, wire_ids=wire_ids)
        known = before.get(identity)
        if identity not in shown and known is not None and is_within_grace(memory, reading.node, at):
            shown.add(identity)
            views.append(replace(known, stale=True))
    return views


def probed_storages(facts: Facts, at: float) -> dict[tuple[str, str], NodeStorageReading]:
    """Return what the nodes told of their storages not long ago, by (storage, node)."""
    return {
        (storage.name, node): storage
        for node, known in facts.nodes.items()
        if at - known.storages_at <= PROBE_SECONDS
        for storage in known.storages
    }


def with_disabled_storages(resources: ResourcesReading, facts: Facts) -> ResourcesReading:
    """Return the resources with the storages that are configured and switched off, which the live list leaves out."""
    names = {storage.name for storage in resources.storages}
    disabled = [one for one in facts.storages if one.is_disabled and one.name not in names]
    if not disabled:
        return resources
    every = tuple(node.name for node in resources.nodes)
    added = tuple(
        StorageReading(one.name, node, DISABLED, one.plugin, one.content, one.is_shared)
        for one in disabled
        for node in (one.nodes or every)
        if node in every
    )
    return replace(resources, storages=resources.storages + added)


def extras_of(reading: GuestReading, *, facts: Facts, coverage: Coverages, at: float) -> GuestExtras:
    """Return what the slow lanes know of a guest."""
    known = facts.guest(reading.vmid)
    disk, reason = disk_of(reading, known, at)
    judged = coverage.get(reading.vmid)
    return GuestExtras(
        disk=disk,
        disk_reason=reason,
        addresses=known.shown_addresses,
        last_backup=instant(judged.last_good_at) if judged else ZERO_TIME,
        backup_state=backup_state(judged) if judged else "",
        backup_reason=judged.reason if judged else "",
    )


def backup_state(judged: Coverage) -> str:
    """Return one word for the whole: uncovered, else how its backups are (good, overdue, bad, never, unknown)."""
    return "uncovered" if judged.state == "uncovered" else judged.freshness


def disk_of(reading: GuestReading, known: GuestFacts, at: float) -> tuple[Usage | None, str]:
    """Return how full the disks of a VM are as its agent told it not long ago, else None and why it is not known."""
    if reading.kind != "qemu":
        return None, ""
    told = known.disk
    if reading.status == "running" and told is not None and at - known.disk_at <= AGENT_SECONDS:
        return (usage(told.used_bytes, told.total_bytes), "") if not told.reason else (None, told.reason)
    is_enabled = known.config.agent_is_enabled if known.config is not None else None
    return None, why_unknown(
        is_running=reading.status == "running", agent_is_enabled=is_enabled, code=known.agent_code
    )


def wire_ids_of(memory: PollMemory) -> dict[tuple[str, str], str]:
    """Return the remembered ids of storages by (name, node)."""
    split = ((key.rpartition("/"), identity) for key, identity in memory.storage_ids.items())
    return {(name, node): identity for (name, _, node), identity in split}
