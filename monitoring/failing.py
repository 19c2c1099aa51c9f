"""What is shown of an instance that does not answer: the last known picture, marked (state.md 6)."""

from __future__ import annotations

import msgspec

from monitoring import lanes
from monitoring.memory import PollMemory
from monitoring.rates import NO_RATES
from monitoring.resources import (
    DatastoreView,
    GuestView,
    NodeView,
    PbsView,
    PmgView,
    StorageView,
    Views,
    guest_view,
    node_view,
    pbs_without_answer,
    placeholder_node,
    pmg_without_answer,
)
from nodes.choices import InstanceKind, PollState
from nodes.models import Datastore, Guest, Instance, Node, Storage
from nodes.proxmox.errors import LoginFailed, PermissionDenied, ProxmoxError
from nodes.proxmox.readings import GuestReading, NodeReading, NodeStatusReading
from pulse.lib.instants import ZERO_TIME, from_epoch, rfc3339

replace = msgspec.structs.replace


class Broken(ProxmoxError):
    """Pulse itself stumbled over an answer; the log has the details."""

    code = "internal_error"
    remedy = "The log of Pulse has the details; please report it"

    def __init__(self, kind: str) -> None:
        super().__init__(f"Pulse could not work with the answer ({kind})")


class DuplicateCluster(ProxmoxError):
    """The host belongs to a cluster that another instance already stands for."""

    code = "duplicate_cluster"
    remedy = "Delete one of the two: one host stands for its whole cluster"

    def __init__(self, other: str) -> None:
        super().__init__(f"This host belongs to the same cluster as {other}, which monitors it already")


def marked(instance: Instance, memory: PollMemory, error: ProxmoxError, *, at: float) -> Views:
    """Return the last resources of an instance whose poll has just failed, as they are to be shown now."""
    views = memory.views
    if isinstance(error, DuplicateCluster):
        return Views()
    if instance.kind == InstanceKind.PBS:
        return Views(pbs=(marked_pbs(instance, views, error, memory),))
    if instance.kind == InstanceKind.PMG:
        return Views(pmg=(marked_pmg(instance, views, error, memory),))
    if memory.login_is_refused:
        return Views(nodes=(placeholder_node(instance=instance.name, seen=seen_of(memory)),))
    silent_since = memory.succeeded_at or memory.first_polled_at
    is_down = at - silent_since > lanes.GRACE_SECONDS
    return Views(
        nodes=tuple(marked_node(view, is_down=is_down) for view in views.nodes),
        vms=tuple(stale_guest(view) for view in views.vms),
        containers=tuple(stale_guest(view) for view in views.containers),
        storage=tuple(stale_storage(view) for view in views.storage),
    )


def marked_node(view: NodeView, *, is_down: bool) -> NodeView:
    """Return a node of a silent instance: unhealthy at once, offline after the grace."""
    if is_down:
        return replace(view, status="offline", connectionHealth="error", cpu=0.0, uptime=0, stale=True)
    return replace(view, connectionHealth="unhealthy", stale=True)


def stale_guest(view: GuestView) -> GuestView:
    """Return the guest as last seen, marked."""
    return view if view.stale else replace(view, stale=True)


def stale_storage(view: StorageView) -> StorageView:
    """Return the storage as last seen, marked."""
    return view if view.stale else replace(view, stale=True)


def marked_pbs(instance: Instance, views: Views, error: ProxmoxError, memory: PollMemory) -> PbsView:
    """Return a PBS that does not answer: offline at once, with its last figures."""
    health = "error" if isinstance(error, LoginFailed | PermissionDenied) else "unhealthy"
    last = views.pbs[0] if views.pbs else None
    if last is None:
        return pbs_without_answer(name=instance.name, host=instance.host, seen=seen_of(memory), health=health)
    return replace(
        last,
        id=f"pbs-{instance.name}",
        name=instance.name,
        host=instance.host,
        status="offline",
        connectionHealth=health,
        stale=True,
    )


def marked_pmg(instance: Instance, views: Views, error: ProxmoxError, memory: PollMemory) -> PmgView:
    """Return a mail gateway that does not answer: offline at once, with its last figures."""
    health = "error" if isinstance(error, LoginFailed | PermissionDenied) else "unhealthy"
    if not views.pmg:
        return pmg_without_answer(name=instance.name, host=instance.host, seen=seen_of(memory), health=health)
    return replace(views.pmg[0], host=instance.host, status="offline", connectionHealth=health, stale=True)


def seen_of(memory: PollMemory) -> str:
    """Return when the instance last answered, the zero time when it never did."""
    return rfc3339(from_epoch(int(memory.succeeded_at))) if memory.succeeded_at else ZERO_TIME


def last_known(instance: Instance) -> Views:
    """Return what the inventory remembers of an instance, marked as old; figures are not kept there.

    Nothing is invented: what is not known yet is `unknown`, neither running nor offline.
    """
    seen = rfc3339(instance.last_success_at.replace(microsecond=0)) if instance.last_success_at else ZERO_TIME
    if instance.kind == InstanceKind.PBS:
        return known_pbs(instance, seen)
    if instance.kind == InstanceKind.PMG:
        view = pmg_without_answer(
            name=instance.name, host=instance.host, seen=seen, health=known_health(instance)
        )
        return Views(pmg=(replace(view, status="unknown", stale=True),))
    name = instance.name
    health = known_health(instance)
    guests = [known_guest(row, name, seen) for row in Guest.objects.filter(instance=instance, gone_at=None)]
    nodes = Node.objects.filter(instance=instance, gone_at=None)
    storages = Storage.objects.filter(instance=instance, gone_at=None)
    return wanted(
        instance,
        Views(
            nodes=tuple(known_node(row, name, seen, health) for row in nodes),
            vms=tuple(view for view in guests if view.type == "qemu"),
            containers=tuple(view for view in guests if view.type == "lxc"),
            storage=tuple(known_storage(row, name) for row in storages),
        ),
    )


def known_health(instance: Instance) -> str:
    """Return how the last poll before the start ended."""
    return "healthy" if instance.state == PollState.OK else "unhealthy"


def wanted(instance: Instance, views: Views) -> Views:
    """Return the resources without those that are not to be monitored."""
    return replace(
        views,
        vms=views.vms if instance.monitor_vms else (),
        containers=views.containers if instance.monitor_containers else (),
        storage=views.storage if instance.monitor_storage else (),
    )


def known_node(row: Node, instance: str, seen: str, health: str) -> NodeView:
    """Return a node of which only the facts are known: its status is unknown, not offline."""
    reading = NodeReading(
        row.name, "unknown", cpu_count=row.cpu_count, memory_total_bytes=row.memory_total_bytes
    )
    detail = NodeStatusReading(
        kernel_version=row.kernel_version, pve_version=row.pve_version, cpu_model=row.cpu_model
    )
    return replace(node_view(reading, detail, instance=instance, seen=seen, health=health), stale=True)


def known_guest(row: Guest, instance: str, seen: str) -> GuestView:
    """Return a guest of which only the facts are known."""
    tags = tuple(tag for tag in row.tags.split(";") if tag)
    reading = GuestReading(row.vmid, row.kind, row.node_name, "unknown", name=row.name, tags=tags)
    return replace(guest_view(reading, NO_RATES, instance=instance, seen=seen), stale=True)


def known_storage(row: Storage, instance: str) -> StorageView:
    """Return a storage of which only the facts are known."""
    return StorageView(
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


def known_pbs(instance: Instance, seen: str) -> Views:
    """Return a PBS before its first answer since the start."""
    health = known_health(instance)
    view = pbs_without_answer(name=instance.name, host=instance.host, seen=seen, health=health)
    stores: tuple[DatastoreView, ...] = ()
    if instance.monitor_datastores:
        names = Datastore.objects.filter(instance=instance, gone_at=None).values_list("name", flat=True)
        stores = tuple(DatastoreView(name, 0, 0, 0, 0.0, "unknown", stale=True) for name in names)
    return Views(pbs=(replace(view, status="unknown", datastores=stores, stale=True),))
