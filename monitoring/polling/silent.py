"""What is shown of an instance that does not answer: the last known picture, marked (state.md 6)."""

from __future__ import annotations

import msgspec

from monitoring.collecting import lanes
from monitoring.known.memory import PollMemory
from monitoring.wire.hosts import placeholder_node
from monitoring.wire.servers import pbs_without_answer, pmg_without_answer
from monitoring.wire.shapes import GuestShape, NodeShape, PbsShape, PmgShape, Shapes, StorageShape
from nodes.choices import InstanceKind
from nodes.models import Instance
from nodes.proxmox.errors import LoginFailed, PermissionDenied, ProxmoxError
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


def marked(instance: Instance, memory: PollMemory, error: ProxmoxError, *, at: float) -> Shapes:
    """Return the last resources of an instance whose poll has just failed, as they are to be shown now."""
    views = memory.views
    if isinstance(error, DuplicateCluster):
        return Shapes()
    if instance.kind == InstanceKind.PBS:
        return Shapes(pbs=(marked_pbs(instance, views, error, memory),))
    if instance.kind == InstanceKind.PMG:
        return Shapes(pmg=(marked_pmg(instance, views, error, memory),))
    if memory.login_is_refused:
        return Shapes(nodes=(placeholder_node(instance=instance.name, seen=seen_of(memory)),))
    silent_since = memory.succeeded_at or memory.first_polled_at
    is_down = at - silent_since > lanes.GRACE_SECONDS
    return Shapes(
        nodes=tuple(marked_node(view, is_down=is_down) for view in views.nodes),
        vms=tuple(stale_guest(view) for view in views.vms),
        containers=tuple(stale_guest(view) for view in views.containers),
        storage=tuple(stale_storage(view) for view in views.storage),
    )


def marked_node(view: NodeShape, *, is_down: bool) -> NodeShape:
    """Return a node of a silent instance: unhealthy at once, offline after the grace."""
    if is_down:
        return replace(view, status="offline", connectionHealth="error", cpu=0.0, uptime=0, stale=True)
    return replace(view, connectionHealth="unhealthy", stale=True)


def stale_guest(view: GuestShape) -> GuestShape:
    """Return the guest as last seen, marked."""
    return view if view.stale else replace(view, stale=True)


def stale_storage(view: StorageShape) -> StorageShape:
    """Return the storage as last seen, marked."""
    return view if view.stale else replace(view, stale=True)


def marked_pbs(instance: Instance, views: Shapes, error: ProxmoxError, memory: PollMemory) -> PbsShape:
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


def marked_pmg(instance: Instance, views: Shapes, error: ProxmoxError, memory: PollMemory) -> PmgShape:
    """Return a mail gateway that does not answer: offline at once, with its last figures."""
    health = "error" if isinstance(error, LoginFailed | PermissionDenied) else "unhealthy"
    if not views.pmg:
        return pmg_without_answer(name=instance.name, host=instance.host, seen=seen_of(memory), health=health)
    return replace(views.pmg[0], host=instance.host, status="offline", connectionHealth=health, stale=True)


def seen_of(memory: PollMemory) -> str:
    """Return when the instance last answered, the zero time when it never did."""
    return rfc3339(from_epoch(int(memory.succeeded_at))) if memory.succeeded_at else ZERO_TIME


def wanted(instance: Instance, views: Shapes) -> Shapes:
    """Return the resources without those that are not to be monitored."""
    return replace(
        views,
        vms=views.vms if instance.monitor_vms else (),
        containers=views.containers if instance.monitor_containers else (),
        storage=views.storage if instance.monitor_storage else (),
    )
