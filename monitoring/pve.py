"""One look at a PVE host or cluster: two calls for everything live, node details one after the other."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import msgspec

from monitoring import lanes, rates
from monitoring.memory import PollMemory
from monitoring.resources import (
    GuestView,
    NodeView,
    StorageView,
    Usage,
    Views,
    guest_view,
    node_view,
    storage_views,
    usage,
)
from nodes.connecting import Connection
from nodes.models import Instance
from nodes.proxmox import pve
from nodes.proxmox.errors import BadAnswer, NotFound, PermissionDenied, ProxmoxError
from nodes.proxmox.readings import (
    ClusterReading,
    NodeReading,
    NodeStatusReading,
    ResourcesReading,
    StorageReading,
)

Result = TypeVar("Result")

#: The second of the two calls that an instance may have in flight, for all instances.
fetchers = ThreadPoolExecutor(64, thread_name_prefix="fetch")
STATUS_PATH = "/cluster/status"
#: An empty list where there were entries is believed only when it comes for the third time.
BELIEVED_EMPTY = 3


def look(
    instance: Instance, connection: Connection, memory: PollMemory, *, at: float, interval: float
) -> ResourcesReading:
    """Read the live figures and the membership, and remember what the views need.

    Raises the ProxmoxError of the resource list; the membership is kept from before when only it fails.
    """
    status: Future[ClusterReading | None] | None = None
    if wants_membership(memory, at):
        status = fetchers.submit(read_membership, connection, memory, at)
    try:
        resources = connection.ask(pve.cluster_resources)
    finally:
        cluster = status.result() if status else None
    if cluster is not None:
        memory.cluster, memory.cluster_at = cluster, at
    refuse_sudden_emptiness(resources, memory)
    return resources


def wants_membership(memory: PollMemory, at: float) -> bool:
    """Return whether the membership is to be read: each time for a cluster, seldom for a host of its own."""
    if memory.is_denied(STATUS_PATH, at):
        return False
    is_cluster = memory.cluster is not None and memory.cluster.is_cluster
    return is_cluster or lanes.is_due(memory.cluster_at, lanes.MEMBERSHIP_SECONDS, at)


def read_membership(connection: Connection, memory: PollMemory, at: float) -> ClusterReading | None:
    """Return the membership, None when it cannot be read now."""
    return unless_refused(lambda: connection.ask(pve.cluster_status), STATUS_PATH, memory, at)


def unless_refused(call: Callable[[], Result], path: str, memory: PollMemory, at: float) -> Result | None:
    """Return what the call reads; None when it fails, and remember a denial so that it is not asked again soon."""
    try:
        return call()
    except (PermissionDenied, NotFound):
        memory.denied_until[path] = at + lanes.DENIAL_SECONDS
    except ProxmoxError:
        pass  # the last reading stays; the next poll tries again
    return None


def refuse_sudden_emptiness(resources: ResourcesReading, memory: PollMemory) -> None:
    """Raise BadAnswer for a list without nodes, or without guests where there were some, until it comes often.

    A host that has just started, or lost its cluster file system for a moment, lists nothing.
    """
    had_guests = bool(memory.views.vms or memory.views.containers)
    empty = not resources.nodes or (had_guests and not resources.guests)
    memory.empty_guest_lists = memory.empty_guest_lists + 1 if empty else 0
    if not resources.nodes:
        raise BadAnswer(
            "The host lists no node at all", remedy="Check that its cluster file system is mounted"
        )
    if empty and memory.empty_guest_lists < BELIEVED_EMPTY:
        raise BadAnswer(
            "The host suddenly lists no guest at all",
            remedy="Check that its cluster file system is mounted and that the account may still see the guests",
        )


def read_details(
    connection: Connection, memory: PollMemory, nodes: Iterable[NodeReading], *, at: float, interval: float
) -> bool:
    """Read the details of the nodes that are due, two at a time; returns whether a node's first ones came.

    Stops taking more after a while, so that a slow node delays neither the figures nor the next poll.
    """
    online = [node.name for node in nodes if node.status == "online"]
    due = deque(
        name
        for name in lanes.nodes_due(online, memory.details_at, at=at, interval=interval)
        if not memory.is_denied(detail_path(name), at)
    )
    until = time.monotonic() + lanes.DETAIL_BUDGET_SECONDS

    def take() -> bool:
        any_first = False
        while due and time.monotonic() < until:
            try:
                name = due.popleft()
            except IndexError:  # the other one took the last
                break
            memory.details_at[name] = at
            detail = read_detail(connection, memory, name, at)
            if detail is not None:
                any_first = any_first or name not in memory.details
                memory.details[name] = detail
        return any_first

    second = fetchers.submit(take) if len(due) > 1 else None
    own = take()
    return (second.result() if second else False) or own


def read_detail(connection: Connection, memory: PollMemory, name: str, at: float) -> NodeStatusReading | None:
    """Return the details of one node, None when they cannot be read now."""

    def ask() -> NodeStatusReading:
        return connection.ask(lambda client: pve.node_status(client, name))

    return unless_refused(ask, detail_path(name), memory, at)


def detail_path(node: str) -> str:
    """Return the path under which a denial of a node's details is remembered."""
    return f"/nodes/{node}/status"


def views_of(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    *,
    seen: str,
    at: float,
    interval: float,
) -> Views:
    """Return all resources of the instance as they are now."""
    nodes = {node.name: node for node in resources.nodes}
    offline = offline_nodes(resources, memory.cluster)
    name = instance.name
    guests = guest_views(instance, resources, memory, offline=offline, seen=seen, at=at, interval=interval)
    storages: list[StorageView] = []
    if instance.monitor_storage:
        storages = storage_views(resources.storages, instance=name, wire_ids=wire_ids_of(memory))
    return Views(
        nodes=tuple(
            one_node(node, memory, offline=offline, instance=name, seen=seen, storages=resources.storages)
            for node in nodes.values()
        ),
        vms=tuple(view for view in guests if view.type == "qemu"),
        containers=tuple(view for view in guests if view.type == "lxc"),
        storage=tuple(storages),
    )


def with_details(views: Views, resources: ResourcesReading, memory: PollMemory) -> Views:
    """Return the views with the details of nodes that have been read since."""
    readings = {node.name: node for node in resources.nodes}

    def detailed(view: NodeView) -> NodeView:
        if view.status != "online" or view.name not in memory.details:
            return view
        return node_view(
            readings[view.name],
            memory.details[view.name],
            instance=view.instance,
            seen=view.lastSeen,
            health="healthy",
        )

    return msgspec.structs.replace(views, nodes=tuple(detailed(view) for view in views.nodes))


def wire_ids_of(memory: PollMemory) -> dict[tuple[str, str], str]:
    """Return the remembered ids of storages by (name, node)."""
    split = (key.partition("/") for key in memory.storage_ids)
    return {(name, node): memory.storage_ids[f"{name}/{node}"] for name, _, node in split}


def offline_nodes(resources: ResourcesReading, cluster: ClusterReading | None) -> set[str]:
    """Return the nodes that are not online by the list or, when the answering node has a majority, by the membership."""
    offline = {node.name for node in resources.nodes if node.status == "offline"}
    if cluster is not None and cluster.is_quorate:
        offline |= {member.name for member in cluster.members if member.is_online is False}
    return offline


def one_node(
    node: NodeReading,
    memory: PollMemory,
    *,
    offline: set[str],
    instance: str,
    seen: str,
    storages: Iterable[StorageReading],
) -> NodeView:
    """Return a node of an instance that answers; an offline one keeps when it was last seen."""
    if node.name in offline:
        before = next((view for view in memory.views.nodes if view.name == node.name), None)
        gone = NodeReading(name=node.name, status="offline", cpu_count=node.cpu_count)
        last = before.lastSeen if before is not None else seen
        return node_view(
            gone, memory.details.get(node.name), instance=instance, seen=last, health="healthy", root=Usage()
        )
    root = None if node.disk_total_bytes else local_storage(node.name, storages)
    return node_view(
        node, memory.details.get(node.name), instance=instance, seen=seen, health="healthy", root=root
    )


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
    offline: set[str],
    seen: str,
    at: float,
    interval: float,
) -> list[GuestView]:
    """Return the guests, and those of nodes that are offline as they were last seen, for a while."""
    wanted = {
        kind for kind, on in (("qemu", instance.monitor_vms), ("lxc", instance.monitor_containers)) if on
    }
    fresh = fresh_nodes(resources, memory)
    before = {view.vmid: view for view in (*memory.views.vms, *memory.views.containers)}
    samples: dict[int, rates.Sample] = {}
    views: list[GuestView] = []
    for guest in resources.guests:
        if guest.is_template or guest.kind not in wanted:
            continue
        if guest.node in offline:
            kept = kept_guest(before.get(guest.vmid), memory, at)
            if kept is not None:
                views.append(kept)
            continue
        sample = rates.advance(
            memory.samples.get(guest.vmid), guest, at=at, is_fresh=guest.node in fresh, interval=interval
        )
        samples[guest.vmid] = sample
        views.append(guest_view(guest, sample.rates, instance=instance.name, seen=seen))
    memory.samples = samples
    return views


def kept_guest(view: GuestView | None, memory: PollMemory, at: float) -> GuestView | None:
    """Return a guest of an offline node as last seen, None once that is too long ago."""
    if view is None:
        return None
    since = memory.offline_since.setdefault(view.node, at)
    if at - since > lanes.GRACE_SECONDS:
        return None
    return msgspec.structs.replace(view, stale=True)


def fresh_nodes(resources: ResourcesReading, memory: PollMemory) -> set[str]:
    """Return the nodes whose figures have moved since the last poll, and remember the figures.

    A node that tells no figures, for want of a privilege, always counts as fresh.
    """
    fresh: set[str] = set()
    marks: dict[str, tuple[float | None, int | None, int | None]] = {}
    for node in resources.nodes:
        mark = (node.cpu_ratio, node.memory_used_bytes, node.uptime_seconds)
        if mark == (None, None, None) or memory.marks.get(node.name) != mark:
            fresh.add(node.name)
        marks[node.name] = mark
        if node.status == "online":
            memory.offline_since.pop(node.name, None)
    memory.marks = marks
    return fresh
