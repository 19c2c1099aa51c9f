"""Resources as the state sends them, and how they are built from readings; pure.

Field names are wire names. Sizes are bytes, `usage` is a percentage 0 to 100, `cpu` a fraction, rates are bytes
per second. What is not known carries the contract's value (0, -1, "") and `stale` or a reason beside it.
Source: state.md sections 2 to 4 of the contract.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from monitoring.guest_memory import GuestMemory, guest_memory
from monitoring.rates import Rates
from nodes.proxmox.readings import (
    DatastoreReading,
    GuestReading,
    MailNodeReading,
    MailQueueReading,
    MailStatisticsReading,
    NodeReading,
    NodeStatusReading,
    NodeStorageReading,
    PbsStatusReading,
    StorageReading,
)
from pulse.lib.instants import ZERO_TIME, instant


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


class NodeView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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


class GuestView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """state.md 2.2; from `pool` on the fields are our own.

    Sources say where a figure comes from, reasons why there is none or how far it is to be trusted: see
    monitoring.guest_memory, monitoring.filesystems, monitoring.backups.coverage.
    """

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
    pool: str = ""
    haState: str = ""
    memorySource: str = ""
    memoryTrust: str = ""
    memoryReason: str = ""
    diskSource: str = ""
    diskReason: str = ""
    ipAddresses: tuple[str, ...] = ()
    backupState: str = ""
    backupReason: str = ""
    stale: bool = False


class GuestExtras(msgspec.Struct, frozen=True, gc=False):
    """What the slow lanes add to a guest's live figures. `disk` None: not known, for this reason."""

    disk: Usage | None = None
    disk_reason: str = "not_read_yet"
    addresses: tuple[str, ...] = ()
    last_backup: str = ZERO_TIME
    backup_state: str = ""
    backup_reason: str = ""


NO_EXTRAS = GuestExtras()


class StorageView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
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


class NamespaceView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `namespaces`; the root is "" and comes first. `depth` is the number of slashes."""

    path: str
    depth: int
    parent: str = ""


class DatastoreView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `datastores` in state.md 2.5; from `maintenance` on the fields are our own."""

    name: str
    total: int
    used: int
    free: int
    usage: float
    status: str
    error: str = ""
    namespaces: tuple[NamespaceView, ...] = ()
    maintenance: str = ""
    backend: str = ""  # filesystem, s3
    fullAt: str = ""  # when it will be full if it goes on growing as in the last month
    deduplication: float = 0.0  # factor; 0: not known
    stale: bool = False


class BackupJobView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `backupJobs`: a PVE job that writes here. From `instance` on the fields of all jobs are our own."""

    id: str
    store: str
    status: str
    type: str
    lastBackup: str
    nextRun: str
    vmid: str = ""
    error: str = ""
    instance: str = ""
    schedule: str = ""
    missedAt: str = ""
    disabled: bool = False


class SyncJobView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `syncJobs`."""

    id: str
    store: str
    status: str
    remote: str
    lastSync: str
    nextRun: str
    error: str = ""
    schedule: str = ""
    direction: str = ""
    missedAt: str = ""
    disabled: bool = False


class VerifyJobView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `verifyJobs`."""

    id: str
    store: str
    status: str
    lastVerify: str
    nextRun: str
    error: str = ""
    schedule: str = ""
    missedAt: str = ""
    disabled: bool = False


class PruneJobView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `pruneJobs`."""

    id: str
    store: str
    status: str
    lastPrune: str
    nextRun: str
    error: str = ""
    schedule: str = ""
    missedAt: str = ""
    disabled: bool = False


class GarbageJobView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An item of `garbageJobs`."""

    id: str
    store: str
    status: str
    lastGarbage: str
    nextRun: str
    error: str = ""
    removedBytes: int = 0
    schedule: str = ""
    pendingBytes: int = 0
    missedAt: str = ""
    disabled: bool = False


class ServerJobs(msgspec.Struct, frozen=True):
    """The five job lists of a PBS."""

    backup: tuple[BackupJobView, ...] = ()
    sync: tuple[SyncJobView, ...] = ()
    verify: tuple[VerifyJobView, ...] = ()
    prune: tuple[PruneJobView, ...] = ()
    garbage: tuple[GarbageJobView, ...] = ()


NO_JOBS = ServerJobs()


class PbsView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """state.md 2.5; `stale` is our own."""

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
    backupJobs: tuple[BackupJobView, ...]
    syncJobs: tuple[SyncJobView, ...]
    verifyJobs: tuple[VerifyJobView, ...]
    pruneJobs: tuple[PruneJobView, ...]
    garbageJobs: tuple[GarbageJobView, ...]
    connectionHealth: str
    lastSeen: str
    stale: bool = False


class MailNodeView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One node of a mail gateway. `cpu` is a fraction, `memory` and `disk` as of PVE nodes."""

    name: str
    status: str  # online, offline
    role: str
    cpu: float
    memory: Usage
    disk: Usage
    uptime: int
    version: str
    queues: dict[str, int]  # messages that wait, by queue
    inSync: bool | None = None
    error: str = ""


class PmgView(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A mail gateway; not in the contract. `statistics` are the totals since its midnight."""

    id: str
    name: str
    host: str
    status: str
    nodes: tuple[MailNodeView, ...]
    connectionHealth: str
    lastSeen: str
    statistics: dict[str, float] = {}
    stale: bool = False


class Views(msgspec.Struct, frozen=True):
    """All resources of one instance, by the keys of the state."""

    nodes: tuple[NodeView, ...] = ()
    vms: tuple[GuestView, ...] = ()
    containers: tuple[GuestView, ...] = ()
    storage: tuple[StorageView, ...] = ()
    pbs: tuple[PbsView, ...] = ()
    pmg: tuple[PmgView, ...] = ()


NOTHING = Usage()
#: The status of a storage that is configured and switched off; no list of live figures has it.
DISABLED = "disabled"
NO_PROBES: Mapping[tuple[str, str], NodeStorageReading] = {}


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
    """Return the node; one that is not online keeps its facts and has no figures.

    `root` is the file system to show when neither the node's status nor the list tells one.
    """
    known = detail or NodeStatusReading()
    online = reading.status == "online"
    return NodeView(
        id=f"{instance}-{reading.name}",
        name=reading.name,
        instance=instance,
        status=reading.status,
        type="node",
        cpu=(reading.cpu_ratio or 0.0) if online else 0.0,
        memory=node_memory(reading, known) if online else NOTHING,
        disk=node_disk(reading, known, root) if online else NOTHING,
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


def node_memory(reading: NodeReading, detail: NodeStatusReading) -> Usage:
    """Return the memory from the list, else from the node's status, which a narrower privilege opens."""
    if reading.memory_total_bytes:
        return usage(reading.memory_used_bytes, reading.memory_total_bytes)
    return usage(detail.memory_used_bytes, detail.memory_total_bytes)


def node_disk(reading: NodeReading, detail: NodeStatusReading, root: Usage | None) -> Usage:
    """Return the root file system: from the node's status, else from the list, else from a local storage."""
    if detail.root_total_bytes:
        return usage(detail.root_used_bytes, detail.root_total_bytes, detail.root_available_bytes)
    if reading.disk_total_bytes:
        return usage(reading.disk_used_bytes, reading.disk_total_bytes)
    return root or NOTHING


def guest_view(
    reading: GuestReading,
    rates: Rates,
    *,
    instance: str,
    seen: str,
    memory: GuestMemory | None = None,
    extras: GuestExtras = NO_EXTRAS,
) -> GuestView:
    """Return the guest with figures that are 0 while it does not run; `memory` by the list alone when it is not given."""
    running = reading.status == "running"
    memory = guest_memory(reading) if memory is None else memory
    disk: Usage | None
    if reading.kind == "lxc":
        disk, source = usage(reading.disk_used_bytes, reading.disk_total_bytes), "host"
        reason = "" if reading.disk_used_bytes else "not_told" if running else "stopped"
    else:
        disk, source, reason = extras.disk, "agent", extras.disk_reason
    if disk is None or reason:
        disk, source = usage(0, reading.disk_total_bytes), ""
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
        memory=usage(memory.used_bytes, memory.total_bytes),
        disk=disk,
        networkIn=rates.network_in,
        networkOut=rates.network_out,
        diskRead=rates.disk_read,
        diskWrite=rates.disk_write,
        uptime=(reading.uptime_seconds or 0) if running else 0,
        template=False,
        lastBackup=extras.last_backup,
        lastSeen=seen,
        tags=reading.tags,
        lock=reading.lock,
        pool=reading.pool,
        haState=reading.ha_state,
        memorySource=memory.source,
        memoryTrust=memory.trust,
        memoryReason=memory.reason,
        diskSource=source,
        diskReason=reason,
        ipAddresses=extras.addresses,
        backupState=extras.backup_state,
        backupReason=extras.backup_reason,
    )


def storage_views(
    readings: Iterable[StorageReading],
    *,
    instance: str,
    wire_ids: Mapping[tuple[str, str], str],
    probed: Mapping[tuple[str, str], NodeStorageReading] = NO_PROBES,
) -> list[StorageView]:
    """Return one row per storage: a shared one once, with the figures of the first node, by name, that tells them.

    `wire_ids` maps (name, node name; "" for shared) to the id, so that a name which another cluster owns keeps
    apart (state.md 4.3). `probed` is what the nodes themselves told of (name, node) not long ago.
    """
    shared: dict[str, list[StorageReading]] = {}
    views: list[StorageView] = []
    for reading in readings:
        if reading.is_shared:
            shared.setdefault(reading.name, []).append(reading)
        else:
            identity = storage_id(reading, instance=instance, wire_ids=wire_ids)
            probe = probed.get((reading.name, reading.node))
            views.append(
                storage_view(reading, probe, instance=instance, node=reading.node, identity=identity)
            )
    for seen_by in shared.values():
        seen_by.sort(key=lambda one: one.node)
        first = next((one for one in seen_by if one.status == "available" and one.total_bytes), seen_by[0])
        identity = storage_id(first, instance=instance, wire_ids=wire_ids)
        nodes = tuple(one.node for one in seen_by)
        probe = probed.get((first.name, first.node))
        views.append(
            storage_view(first, probe, instance=instance, node="shared", identity=identity, nodes=nodes)
        )
    return views


def storage_id(reading: StorageReading, *, instance: str, wire_ids: Mapping[tuple[str, str], str]) -> str:
    """Return the id that was claimed for a storage, else the one that the contract gives it."""
    if reading.is_shared:
        return wire_ids.get((reading.name, "")) or f"shared-{reading.name}"
    claimed = wire_ids.get((reading.name, reading.node))
    return claimed or f"{instance}-{reading.node}-{reading.name}"


def storage_view(
    reading: StorageReading,
    probe: NodeStorageReading | None,
    *,
    instance: str,
    node: str,
    identity: str,
    nodes: tuple[str, ...] = (),
) -> StorageView:
    """Return one row; `active` when it has figures. What is free is told by the node: some of it may be reserved."""
    figures = usage(reading.used_bytes, reading.total_bytes)
    active = reading.status == "available"
    is_disabled = reading.status == DISABLED
    free = figures.free
    if (
        active
        and probe is not None
        and probe.available_bytes is not None
        and probe.total_bytes == figures.total
    ):
        free = min(probe.available_bytes, figures.free)
    return StorageView(
        id=identity,
        name=reading.name,
        node=node,
        instance=instance,
        type=reading.plugin,
        status="available" if active else DISABLED if is_disabled else "inactive",
        total=figures.total,
        used=figures.used,
        free=free,
        usage=figures.usage,
        content=",".join(reading.content),
        shared=reading.is_shared,
        enabled=not is_disabled,
        active=active,
        nodes=nodes,
    )


def datastore_view(
    reading: DatastoreReading, namespaces: tuple[NamespaceView, ...] = (), *, is_stale: bool = False
) -> DatastoreView:
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
        namespaces=namespaces,
        maintenance=reading.maintenance,
        backend=reading.backend,
        fullAt=instant(reading.estimated_full_at) if reading.estimated_full_at else "",
        deduplication=round(reading.deduplication or 0.0, 2),
        stale=is_stale,
    )


def pbs_view(
    *,
    name: str,
    host: str,
    version: str,
    status: PbsStatusReading | None,
    datastores: Iterable[DatastoreView],
    seen: str,
    jobs: ServerJobs = NO_JOBS,
    is_stale: bool = False,
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
        datastores=tuple(datastores),
        backupJobs=jobs.backup,
        syncJobs=jobs.sync,
        verifyJobs=jobs.verify,
        pruneJobs=jobs.prune,
        garbageJobs=jobs.garbage,
        connectionHealth="healthy",
        lastSeen=seen,
        stale=is_stale,
    )


def pbs_without_answer(*, name: str, host: str, seen: str, health: str) -> PbsView:
    """Return a PBS that has not answered since Pulse knows it."""
    view = pbs_view(name=name, host=host, version="unknown", status=None, datastores=(), seen=seen)
    return msgspec.structs.replace(view, status="offline", connectionHealth=health)


def pmg_view(
    *,
    name: str,
    host: str,
    nodes: Iterable[MailNodeReading],
    queues: Mapping[str, Iterable[MailQueueReading]],
    statistics: MailStatisticsReading | None,
    seen: str,
    is_stale: bool = False,
) -> PmgView:
    """Return a mail gateway that answers; statistics that were not told are left out."""
    told = msgspec.structs.asdict(statistics) if statistics is not None else {}
    return PmgView(
        id=f"pmg-{name}",
        name=name,
        host=host,
        status="online",
        nodes=tuple(mail_node_view(node, queues.get(node.name, ())) for node in nodes),
        connectionHealth="healthy",
        lastSeen=seen,
        statistics={camel(key): value for key, value in told.items() if value is not None},
        stale=is_stale,
    )


def mail_node_view(node: MailNodeReading, queues: Iterable[MailQueueReading]) -> MailNodeView:
    """Return one node; one that the asked node cannot reach has no figures."""
    return MailNodeView(
        name=node.name,
        status="offline" if node.error else "online",
        role=node.role,
        cpu=node.cpu_ratio or 0.0,
        memory=usage(node.memory_used_bytes, node.memory_total_bytes),
        disk=usage(node.root_used_bytes, node.root_total_bytes),
        uptime=node.uptime_seconds or 0,
        version=node.version,
        queues={queue.queue: queue.total for queue in queues},
        inSync=node.is_in_sync,
        error=node.error,
    )


def camel(name: str) -> str:
    """Return a name of ours as the wire spells names."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pmg_without_answer(*, name: str, host: str, seen: str, health: str) -> PmgView:
    """Return a mail gateway that has not answered since Pulse knows it."""
    view = pmg_view(name=name, host=host, nodes=(), queues={}, statistics=None, seen=seen)
    return msgspec.structs.replace(view, status="offline", connectionHealth=health)


def placeholder_node(*, instance: str, seen: str) -> NodeView:
    """Return what stands for a PVE instance whose login fails for good (state.md 6)."""
    reading = NodeReading(name=instance, status="offline")
    view = node_view(reading, None, instance=instance, seen=seen, health="error")
    return msgspec.structs.replace(view, id=f"{instance}-failed")


def renamed(views: Views, *, before: str, after: str) -> Views:
    """Return the same resources under the new name of their instance; shared storages keep their ids."""
    replace = msgspec.structs.replace
    own = f"{before}-failed"

    def guest(view: GuestView) -> GuestView:
        return replace(view, id=f"{after}-{view.node}-{view.vmid}", instance=after)

    return Views(
        nodes=tuple(
            placeholder_node(instance=after, seen=view.lastSeen)
            if view.id == own
            else replace(view, id=f"{after}-{view.name}", instance=after)
            for view in views.nodes
        ),
        vms=tuple(guest(view) for view in views.vms),
        containers=tuple(guest(view) for view in views.containers),
        storage=tuple(
            replace(view, instance=after)
            if view.shared
            else replace(view, id=f"{after}-{view.node}-{view.name}", instance=after)
            for view in views.storage
        ),
        pbs=tuple(replace(view, id=f"pbs-{after}", name=after) for view in views.pbs),
        pmg=tuple(replace(view, id=f"pmg-{after}", name=after) for view in views.pmg),
    )
