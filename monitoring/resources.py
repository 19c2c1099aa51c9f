"""Resources as the state sends them, and how they are built from readings; pure.

Field names are wire names. Sizes are bytes, `usage` is a percentage 0 to 100, `cpu` a fraction, rates are bytes
per second. What is not known carries the contract's value (0, -1, "") and `stale` or a reason beside it.
Source: state.md sections 2 to 4 of the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from monitoring.rates import Rates
from nodes.proxmox.readings import (
    DatastoreReading,
    GuestReading,
    NodeReading,
    NodeStatusReading,
    PbsStatusReading,
    StorageReading,
)
from pulse.lib.instants import ZERO_TIME


class Usage(msgspec.Struct, frozen=True, gc=False):
    """`memory` and `disk` of nodes and guests."""

    total: int = 0
    used: int = 0
    free: int = 0
    usage: float = 0.0


class CpuInfo(msgspec.Struct, frozen=True, gc=False):
    """`cpuInfo` of a node; `cores` are logical CPUs, `mhz` is a text as Proxmox has it."""

    model: str = ""
    cores: int = 0
    sockets: int = 0
    mhz: str = ""


class NodeView(msgspec.Struct, frozen=True):
    """state.md 2.1. `stale` is our own: the figures are the last known ones."""

    id: str
    name: str
    instance: str
    status: str
    type: str
    cpu: float
    memory: Usage
    disk: Usage
    uptime: int
    loadAverage: tuple[float, ...]
    kernelVersion: str
    pveVersion: str
    cpuInfo: CpuInfo
    lastSeen: str
    connectionHealth: str
    stale: bool = False


class GuestView(msgspec.Struct, frozen=True, omit_defaults=True):
    """state.md 2.2. `diskReason` and `stale` are our own."""

    id: str
    vmid: int
    name: str
    node: str
    instance: str
    status: str
    type: str
    cpu: float
    cpus: int
    memory: Usage
    disk: Usage
    networkIn: int
    networkOut: int
    diskRead: int
    diskWrite: int
    uptime: int
    template: bool
    lastBackup: str
    lastSeen: str
    tags: tuple[str, ...] = ()
    lock: str = ""
    diskReason: str = ""
    stale: bool = False


class StorageView(msgspec.Struct, frozen=True, omit_defaults=True):
    """state.md 2.4. `nodes` (who sees a shared storage) and `stale` are our own."""

    id: str
    name: str
    node: str
    instance: str
    type: str
    status: str
    total: int
    used: int
    free: int
    usage: float
    content: str
    shared: bool
    enabled: bool
    active: bool
    nodes: tuple[str, ...] = ()
    stale: bool = False


class DatastoreView(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item of `datastores` in state.md 2.5; namespaces are not collected yet and therefore absent."""

    name: str
    total: int
    used: int
    free: int
    usage: float
    status: str
    error: str = ""


class PbsView(msgspec.Struct, frozen=True, omit_defaults=True):
    """state.md 2.5; the job lists are not collected yet and therefore empty."""

    id: str
    name: str
    host: str
    status: str
    version: str
    cpu: float
    memory: float
    memoryUsed: int
    memoryTotal: int
    uptime: int
    datastores: tuple[DatastoreView, ...]
    backupJobs: list[None]
    syncJobs: list[None]
    verifyJobs: list[None]
    pruneJobs: list[None]
    garbageJobs: list[None]
    connectionHealth: str
    lastSeen: str
    stale: bool = False


class Views(msgspec.Struct, frozen=True):
    """All resources of one instance, by the keys of the state."""

    nodes: tuple[NodeView, ...] = ()
    vms: tuple[GuestView, ...] = ()
    containers: tuple[GuestView, ...] = ()
    storage: tuple[StorageView, ...] = ()
    pbs: tuple[PbsView, ...] = ()


NOTHING = Usage()


def usage(used: int | None, total: int | None, free: int | None = None) -> Usage:
    """Return the four figures; 0 where a part is not known, and never more used than there is."""
    total = max(total or 0, 0)
    used = min(max(used or 0, 0), total) if total else max(used or 0, 0)
    if free is None:
        free = max(total - used, 0)
    return Usage(total, used, free, percent(used, total))


def percent(used: int, total: int) -> float:
    """Return used of total in percent, 0 when the total is 0."""
    return used / total * 100 if total > 0 else 0.0


def node_view(
    reading: NodeReading,
    detail: NodeStatusReading | None,
    *,
    instance: str,
    seen: str,
    health: str,
    root: Usage | None = None,
) -> NodeView:
    """Return the node; `root` is the file system to show when neither its status nor the list tells one."""
    known = detail or NodeStatusReading()
    online = reading.status == "online"
    return NodeView(
        id=f"{instance}-{reading.name}",
        name=reading.name,
        instance=instance,
        status=reading.status,
        type="node",
        cpu=(reading.cpu_ratio or 0.0) if online else 0.0,
        memory=usage(reading.memory_used_bytes, reading.memory_total_bytes or known.memory_total_bytes),
        disk=node_disk(reading, known, root),
        uptime=(reading.uptime_seconds or 0) if online else 0,
        loadAverage=known.load_average if online else (),
        kernelVersion=known.kernel_version,
        pveVersion=known.pve_version,
        cpuInfo=CpuInfo(
            known.cpu_model, reading.cpu_count or known.cpu_count or 0, known.cpu_sockets or 0, known.cpu_mhz
        ),
        lastSeen=seen,
        connectionHealth=health,
    )


def node_disk(reading: NodeReading, detail: NodeStatusReading, root: Usage | None) -> Usage:
    """Return the root file system: from the node's status, else from the list, else from a local storage."""
    if detail.root_total_bytes:
        return usage(detail.root_used_bytes, detail.root_total_bytes, detail.root_available_bytes)
    if reading.disk_total_bytes:
        return usage(reading.disk_used_bytes, reading.disk_total_bytes)
    return root or NOTHING


def guest_view(reading: GuestReading, rates: Rates, *, instance: str, seen: str) -> GuestView:
    """Return the guest with figures that are 0 while it does not run."""
    running = reading.status == "running"
    disk_is_known = reading.kind == "lxc" and bool(reading.disk_used_bytes)
    return GuestView(
        id=f"{instance}-{reading.node}-{reading.vmid}",
        vmid=reading.vmid,
        name=reading.name,
        node=reading.node,
        instance=instance,
        status=reading.status,
        type=reading.kind,
        cpu=(reading.cpu_ratio or 0.0) if running else 0.0,
        cpus=reading.cpu_count or 0,
        memory=usage(reading.memory_used_bytes if running else 0, reading.memory_total_bytes),
        disk=usage(reading.disk_used_bytes, reading.disk_total_bytes),
        networkIn=rates.network_in,
        networkOut=rates.network_out,
        diskRead=rates.disk_read,
        diskWrite=rates.disk_write,
        uptime=(reading.uptime_seconds or 0) if running else 0,
        template=False,
        lastBackup=ZERO_TIME,
        lastSeen=seen,
        tags=reading.tags,
        lock=reading.lock,
        diskReason="" if disk_is_known else "not_collected" if running else "stopped",
    )


def storage_views(
    readings: Iterable[StorageReading], *, instance: str, wire_ids: Mapping[tuple[str, str], str]
) -> list[StorageView]:
    """Return one row per storage: a shared one once, with the figures of the first node that tells them.

    `wire_ids` maps (name, node name; "" for shared) to the id, so that a name which another cluster owns keeps
    apart (state.md 4.3).
    """
    shared: dict[str, list[StorageReading]] = {}
    views: list[StorageView] = []
    for reading in readings:
        if reading.is_shared:
            shared.setdefault(reading.name, []).append(reading)
        else:
            identity = wire_ids.get((reading.name, reading.node), f"{instance}-{reading.node}-{reading.name}")
            views.append(storage_view(reading, instance=instance, node=reading.node, identity=identity))
    for name, seen_by in shared.items():
        first = next((one for one in seen_by if one.status == "available" and one.total_bytes), seen_by[0])
        identity = wire_ids.get((name, ""), f"shared-{name}")
        nodes = tuple(sorted(one.node for one in seen_by))
        views.append(storage_view(first, instance=instance, node="shared", identity=identity, nodes=nodes))
    return views


def storage_view(
    reading: StorageReading, *, instance: str, node: str, identity: str, nodes: tuple[str, ...] = ()
) -> StorageView:
    """Return one row; the list names a storage only where it is enabled, `active` when it has figures."""
    figures = usage(reading.used_bytes, reading.total_bytes)
    active = reading.status == "available"
    return StorageView(
        id=identity,
        name=reading.name,
        node=node,
        instance=instance,
        type=reading.plugin,
        status="available" if active else "inactive",
        total=figures.total,
        used=figures.used,
        free=figures.free,
        usage=figures.usage,
        content=",".join(reading.content),
        shared=reading.is_shared,
        enabled=True,
        active=active,
        nodes=nodes,
    )


def datastore_view(reading: DatastoreReading) -> DatastoreView:
    """Return one datastore; the percentage is of used and available, as PBS's own history has it."""
    used, free = max(reading.used_bytes or 0, 0), max(reading.available_bytes or 0, 0)
    broken = bool(reading.error) or reading.mount_status == "notmounted"
    return DatastoreView(
        name=reading.name,
        total=max(reading.total_bytes or 0, 0),
        used=used,
        free=free,
        usage=percent(used, used + free),
        status="unavailable" if broken else "available",
        error=reading.error or ("not mounted" if broken else ""),
    )


def pbs_view(
    *,
    name: str,
    host: str,
    version: str,
    status: PbsStatusReading | None,
    datastores: Iterable[DatastoreReading],
    seen: str,
) -> PbsView:
    """Return a PBS that answers; CPU and memory stay 0 when the token may not read them."""
    known = status or PbsStatusReading()
    used, total = known.memory_used_bytes or 0, known.memory_total_bytes or 0
    return PbsView(
        id=f"pbs-{name}",
        name=name,
        host=host,
        status="online",
        version=version or "connected",
        cpu=known.cpu_ratio or 0.0,
        memory=percent(used, total),
        memoryUsed=used,
        memoryTotal=total,
        uptime=known.uptime_seconds or 0,
        datastores=tuple(datastore_view(reading) for reading in datastores),
        backupJobs=[],
        syncJobs=[],
        verifyJobs=[],
        pruneJobs=[],
        garbageJobs=[],
        connectionHealth="healthy",
        lastSeen=seen,
    )


def pbs_without_answer(*, name: str, host: str, seen: str, health: str) -> PbsView:
    """Return a PBS that has not answered since Pulse knows it."""
    view = pbs_view(name=name, host=host, version="unknown", status=None, datastores=(), seen=seen)
    return msgspec.structs.replace(view, status="offline", connectionHealth=health)


def placeholder_node(*, instance: str, seen: str) -> NodeView:
    """Return what stands for a PVE instance whose login fails for good (state.md 6)."""
    reading = NodeReading(name=instance, status="offline")
    view = node_view(reading, None, instance=instance, seen=seen, health="error")
    return msgspec.structs.replace(view, id=f"{instance}-failed")
