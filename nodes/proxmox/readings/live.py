"""What the live lane reads: nodes, guests, storages, membership, node status, and the figures of a PBS."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.values import (
    Epoch,
    Fingerprint,
    IsTrue,
    Loads,
    Name,
    Ratio,
    Size,
    Truth,
    Word,
    said_of,
    text_of,
)


class NodeReading(msgspec.Struct, frozen=True, gc=False):
    """A `node` row of GET /cluster/resources."""

    name: str
    status: str  # online, offline, unknown
    cpu_ratio: float | None = None  # of all logical CPUs
    cpu_count: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None  # root file system
    disk_total_bytes: int | None = None
    uptime_seconds: int | None = None
    ha_state: str = ""  # online, maintenance, fence, gone, unknown; only where HA is used
    level: str = ""  # of the subscription: c, b, s, p; empty for none


class GuestReading(msgspec.Struct, frozen=True, gc=False):
    """A `qemu` or `lxc` row of GET /cluster/resources; templates are marked, not dropped."""

    vmid: int
    kind: str  # qemu, lxc
    node: str
    status: str  # QEMU's own word: running, stopped, paused, unknown, io-error, ...
    name: str = ""
    cpu_ratio: float | None = None  # of the guest's CPUs
    cpu_count: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None  # always 0 for a VM: not known
    disk_total_bytes: int | None = None
    network_in_bytes: int | None = None  # counters since the guest was started on this node
    network_out_bytes: int | None = None
    disk_read_bytes: int | None = None
    disk_write_bytes: int | None = None
    uptime_seconds: int | None = None
    is_template: bool = False
    tags: tuple[str, ...] = ()
    lock: str = ""
    pool: str = ""
    ha_state: str = ""
    host_memory_bytes: int | None = None  # what the host spends on it; VMs of PVE 9


class PoolReading(msgspec.Struct, frozen=True, gc=False):
    """A `pool` row of GET /cluster/resources; which guests are in it, they say themselves.

    The figures are sums over those that run, by Proxmox's own reckoning; none of them while nothing runs.
    """

    id: str
    cpu_ratio: float | None = None
    cpu_count: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_used_bytes: int | None = None
    disk_total_bytes: int | None = None
    uptime_seconds: int | None = None  # of the guest that runs longest


class StorageReading(msgspec.Struct, frozen=True, gc=False):
    """A `storage` row of GET /cluster/resources: one storage as one node sees it."""

    name: str
    node: str
    status: str  # available, unknown
    plugin: str = ""  # dir, zfspool, nfs, ...
    content: tuple[str, ...] = ()  # sorted
    is_shared: bool = False
    used_bytes: int | None = None
    total_bytes: int | None = None


class ResourcesReading(msgspec.Struct, frozen=True):
    """GET /cluster/resources as a whole; `skipped` counts rows that could not be read, `left_out` those of each kind that are too many."""

    nodes: tuple[NodeReading, ...] = ()
    guests: tuple[GuestReading, ...] = ()
    storages: tuple[StorageReading, ...] = ()
    pools: tuple[PoolReading, ...] = ()
    skipped: int = 0
    left_out: dict[str, int] = {}  # nodes, guests, storages, pools


class MemberReading(msgspec.Struct, frozen=True, gc=False):
    """A `node` entry of GET /cluster/status."""

    name: Annotated[Name, "name"]
    address: Annotated[str, text_of(64), "ip"] = ""
    is_online: Annotated[Truth, "online"] = None
    is_local: Annotated[IsTrue, "local"] = False  # the node that answered
    number: Annotated[Size, "nodeid"] = None  # of the node in the cluster
    level: Annotated[Word, "level"] = ""  # of the subscription; empty for none


class ClusterReading(msgspec.Struct, frozen=True):
    """GET /cluster/status; `name` is empty and `is_quorate` None for a host outside any cluster."""

    members: tuple[MemberReading, ...] = ()
    name: str = ""
    is_quorate: bool | None = None
    node_count: int | None = None  # with those that are offline, as the cluster's configuration has it
    config_version: int | None = None

    @property
    def is_cluster(self) -> bool:
        """More than one member; a cluster of one is treated as a single host (state.md 4.2)."""
        return len(self.members) > 1


class NodeStatusReading(msgspec.Struct, frozen=True):
    """GET /nodes/{node}/status: what the resource list does not tell."""

    load_average: Annotated[Loads, "loadavg"] = ()  # 1, 5, 15 minutes
    kernel_version: str = ""
    pve_version: Annotated[str, text_of(100), "pveversion"] = ""
    cpu_model: Annotated[str, text_of(200), "cpuinfo", "model"] = ""
    cpu_sockets: int | None = None
    cpu_cores: int | None = None  # physical, all sockets
    cpu_count: int | None = None  # logical
    cpu_mhz: Annotated[Word, "cpuinfo", "mhz"] = ""
    memory_used_bytes: Annotated[Size, "memory", "used"] = None
    memory_total_bytes: Annotated[Size, "memory", "total"] = None
    memory_available_bytes: Annotated[Size, "memory", "available"] = None  # PVE 9
    swap_used_bytes: Annotated[Size, "swap", "used"] = None
    swap_total_bytes: Annotated[Size, "swap", "total"] = None
    root_used_bytes: Annotated[Size, "rootfs", "used"] = None
    root_total_bytes: Annotated[Size, "rootfs", "total"] = None
    root_available_bytes: Annotated[Size, "rootfs", "avail"] = None
    uptime_seconds: Annotated[Size, "uptime"] = None
    io_wait_ratio: Annotated[Ratio, "wait"] = (
        None  # since the same worker's previous question: it jumps about
    )
    ksm_shared_bytes: Annotated[Size, "ksm", "shared"] = None
    boot_mode: Annotated[Word, "boot-info", "mode"] = ""  # efi, legacy-bios; from PVE 8
    is_secure_boot: Annotated[Truth, "boot-info", "secureboot"] = None


class NodeCertificateReading(msgspec.Struct, frozen=True, gc=False):
    """Name and served certificate of a node, from GET /nodes."""

    name: Annotated[Name, "node"]
    fingerprint: Annotated[Fingerprint, "ssl_fingerprint"] = ""  # SHA-256, hex, lower case, without colons


class VersionReading(msgspec.Struct, frozen=True, gc=False):
    """GET /version."""

    version: Annotated[Word, "version"]
    release: Annotated[Word, "release"] = ""


class DatastoreReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /status/datastore-usage. Instants are epoch seconds."""

    name: Annotated[Name, "store"]
    total_bytes: Annotated[Size, "total"] = None
    used_bytes: Annotated[Size, "used"] = None
    available_bytes: Annotated[Size, "avail"] = None
    error: Annotated[str, said_of(300), "error"] = ""
    mount_status: Annotated[Word, "mount-status"] = ""  # mounted, notmounted, nonremovable
    backend: Annotated[Word, "backend-type"] = ""  # filesystem, s3; from PBS 4
    maintenance: str = ""  # what the error tells of it, as offline; DatastoreStateReading knows every kind
    estimated_full_epoch: int | None = None  # only where it grows
    is_growing: bool | None = None  # None: fewer than seven points of history
    history: tuple[float | None, ...] = ()  # ratios of use over the last month, oldest first
    history_start_epoch: Annotated[Epoch, "history-start"] = None
    history_step_seconds: Annotated[Size, "history-delta"] = None
    disk_bytes: Annotated[Size, "gc-status", "disk-bytes"] = (
        None  # the rest is of the last garbage collection
    )
    index_bytes: Annotated[Size, "gc-status", "index-data-bytes"] = (
        None  # what the backups would take without deduplication
    )
    pending_bytes: Annotated[Size, "gc-status", "pending-bytes"] = None
    removed_bytes: Annotated[Size, "gc-status", "removed-bytes"] = None
    bad_chunk_count: Annotated[Size, "gc-status", "still-bad"] = None
    collected_epoch: int | None = None  # when it began

    @property
    def deduplication(self) -> float | None:
        """How many times each stored byte is used; None before the first garbage collection."""
        if self.index_bytes is None or not self.disk_bytes:
            return None
        return self.index_bytes / self.disk_bytes


class DatastoreStateReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /admin/datastore."""

    name: Annotated[Name, "store"]
    comment: Annotated[str, text_of(300), "comment"] = ""
    maintenance: str = ""  # read-only, offline, unmount, delete, ...; empty when in service
    maintenance_message: str = ""
    mount_status: Annotated[Word, "mount-status"] = ""
    backend: Annotated[Word, "backend-type"] = ""


class PbsStatusReading(msgspec.Struct, frozen=True):
    """GET /nodes/localhost/status of a PBS."""

    cpu_ratio: Annotated[Ratio, "cpu"] = None
    memory_used_bytes: Annotated[Size, "memory", "used"] = None
    memory_total_bytes: Annotated[Size, "memory", "total"] = None
    load_average: Annotated[Loads, "loadavg"] = ()
    uptime_seconds: Annotated[Size, "uptime"] = None
    fingerprint: Annotated[Fingerprint, "info", "fingerprint"] = ""
    swap_used_bytes: Annotated[Size, "swap", "used"] = None
    swap_total_bytes: Annotated[Size, "swap", "total"] = None
    root_used_bytes: Annotated[Size, "root", "used"] = None
    root_total_bytes: Annotated[Size, "root", "total"] = None
    root_available_bytes: Annotated[Size, "root", "avail"] = None
    io_wait_ratio: Annotated[Ratio, "wait"] = None  # since anybody's previous question: it jumps about
    kernel_version: str = ""
    cpu_model: Annotated[str, text_of(200), "cpuinfo", "model"] = ""
    cpu_count: Annotated[Size, "cpuinfo", "cpus"] = None  # logical
    boot_mode: Annotated[Word, "boot-info", "mode"] = ""
    is_secure_boot: Annotated[Truth, "boot-info", "secureboot"] = None
