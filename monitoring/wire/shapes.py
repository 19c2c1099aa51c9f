"""Resources as the state sends them; pure.

Field names are wire names. Sizes are bytes, `usage` is a percentage 0 to 100, `cpu` a fraction, rates are bytes
per second. What is not known carries the contract's value (0, -1, "") and `stale` or a reason beside it.
Source: state.md section 2 of the contract.
"""

from __future__ import annotations

import msgspec

from monitoring.wire.jobs import (
    BackupJobShape,
    DatastoreShape,
    GarbageJobShape,
    PruneJobShape,
    SyncJobShape,
    VerifyJobShape,
)


class Usage(msgspec.Struct, frozen=True, gc=False):
    """How much of a memory or of a disk is used; sizes are bytes, `usage` is a percentage."""

    total: int = 0
    used: int = 0
    free: int = 0
    usage: float = 0.0


class CpuInfo(msgspec.Struct, frozen=True, gc=False):
    """The processors of a node; `cores` are logical CPUs, `mhz` is a text as Proxmox has it."""

    model: str = ""
    cores: int = 0
    sockets: int = 0
    mhz: str = ""


# state.md 2.1; from `cpuReason` on the fields are our own.
class NodeShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A node of Proxmox VE.

    `cpu` is a fraction of all its CPUs, `uptime` in seconds. `cpuReason`: why both are 0 although it is online: `no_permission`,
    `not_told`. `memorySource`: what "used" leaves out, `available` (MemAvailable) or `free` (free, buffers, page cache); "" while
    its version is not known. `arcBytes`: how much of the used memory is the cache of ZFS, null while that is not known.
    `stale`: it does not answer, these are the last figures.
    """

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
    cpuReason: str = ""
    memorySource: str = ""
    arcBytes: int | None = None
    stale: bool = False


# state.md 2.2; from `pool` on the fields are our own.
class GuestShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A virtual machine (`type` qemu) or a container (lxc).

    `cpu` is a fraction of its `cpus`; the rates are bytes per second, -1 while there is none. `memorySource` says where its memory
    comes from, `memoryTrust` how far that is to be trusted, `memoryReason` why. `diskReason` says why `disk` is not known, else
    `diskSource` where it comes from. `backupState`: `good`, `overdue`, `bad`, `never`, `uncovered`, `unknown`, or
    absent while nothing is judged, with its reason.
    `/api/resources/{identity}/explain` has the words for all of these. `stale`: nobody can look at it now.
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


# state.md 2.4; `nodes` and `stale` are our own.
class StorageShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A storage of Proxmox VE, once for each node that has it, or once when it is shared.

    `nodes` are those that see a shared one, and `stale` says that these are the last figures. `sameAs` names the storage of the
    same node that lies on the same file system: in a sum only that one counts.
    """

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
    sameAs: str = ""


# state.md 2.5; `stale` is our own.
class PbsShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A Proxmox Backup Server with its datastores and jobs.

    `cpu` is a fraction, `memory` a percentage. `stale`: it does not answer, these are the last figures.
    """

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
    datastores: tuple[DatastoreShape, ...]
    backupJobs: tuple[BackupJobShape, ...]
    syncJobs: tuple[SyncJobShape, ...]
    verifyJobs: tuple[VerifyJobShape, ...]
    pruneJobs: tuple[PruneJobShape, ...]
    garbageJobs: tuple[GarbageJobShape, ...]
    connectionHealth: str
    lastSeen: str
    stale: bool = False


class MailNodeShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One node of a mail gateway. `cpu` is a fraction, `memory` and `disk` as of PVE nodes; null is not told."""

    name: str
    status: str  # online, offline
    role: str
    cpu: float | None
    memory: Usage | None
    disk: Usage | None
    uptime: int | None
    version: str
    queues: dict[str, int]  # messages that wait, by queue
    inSync: bool | None = None
    error: str = ""


# Not in the contract.
class PmgShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A Proxmox Mail Gateway; `statistics` are the totals since its midnight."""

    id: str
    name: str
    host: str
    status: str
    nodes: tuple[MailNodeShape, ...]
    connectionHealth: str
    lastSeen: str
    statistics: dict[str, float] = {}
    stale: bool = False


# Not in the contract.
class ConcernShape(msgspec.Struct, frozen=True, gc=False):
    """One thing that is wrong, by Proxmox's own word or without doubt; nobody has set a threshold for it.

    `code` names the kind, `subject` what exactly, such as a pool. `resourceId` is empty for what concerns the whole instance.
    `readAt` is when the fact was read, empty for what every poll reads anew.
    """

    id: str
    instance: str
    resourceId: str
    level: str  # critical, warning
    code: str
    subject: str
    text: str
    readAt: str


class Shapes(msgspec.Struct, frozen=True):
    """All resources of one instance by the keys of the state, and what is wrong with them."""

    nodes: tuple[NodeShape, ...] = ()
    vms: tuple[GuestShape, ...] = ()
    containers: tuple[GuestShape, ...] = ()
    storage: tuple[StorageShape, ...] = ()
    pbs: tuple[PbsShape, ...] = ()
    pmg: tuple[PmgShape, ...] = ()
    concerns: tuple[ConcernShape, ...] = ()
