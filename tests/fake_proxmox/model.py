"""What stands in the estate: nodes, guests, storages, backup servers. Facts and the time of their changes; no figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.curves import Load

if TYPE_CHECKING:
    from tests.fake_proxmox.backups import Archive, BackupJob
    from tests.fake_proxmox.clusterwide import Ceph, Qdevice, ReplicationJob
    from tests.fake_proxmox.contents import Group, Snapshot
    from tests.fake_proxmox.hardware import Disk
    from tests.fake_proxmox.pbs_model import PbsJob, PbsTask
    from tests.fake_proxmox.tasks import Task

GIB = 1 << 30


@dataclass(frozen=True)
class PveVersion:
    """A release of Proxmox VE and what goes with it."""

    release: str
    version: str  # of pve-manager, as /version says
    repoid: str
    kernel: str
    kernel_build: str

    @property
    def number(self) -> tuple[int, int]:
        """Major and minor, for comparisons."""
        major, minor = self.release.split(".")
        return int(major), int(minor)

    @property
    def tells_errors_in_body(self) -> bool:
        """Before pve-http-server 5.2.0 the text of an error stands only in the reason phrase."""
        return self.number >= (8, 4)


PVE_VERSIONS = {
    "7.4": PveVersion(
        "7.4", "7.4-16", "0f39f621", "5.15.107-2-pve", "#1 SMP PVE 5.15.107-2 (2023-05-10T09:10Z)"
    ),
    "8.1": PveVersion(
        "8.1",
        "8.1.4",
        "ec5affc9e41f1d79",
        "6.5.11-8-pve",
        "#1 SMP PREEMPT_DYNAMIC PMX 6.5.11-8 (2024-01-30T12:27Z)",
    ),
    "8.4": PveVersion(
        "8.4",
        "8.4.1",
        "2a5fa54a8503f96d",
        "6.8.12-10-pve",
        "#1 SMP PREEMPT_DYNAMIC PMX 6.8.12-10 (2025-04-18T07:39Z)",
    ),
    "9.2": PveVersion(
        "9.2",
        "9.2.4",
        "b9984c6d90a4bd80",
        "6.17.4-1-pve",
        "#1 SMP PREEMPT_DYNAMIC PMX 6.17.4-1 (2026-05-11T10:12Z)",
    ),
}


@dataclass
class GuestSnapshot:
    """A snapshot of a guest."""

    name: str
    taken_at: float
    parent: str = ""
    description: str = ""
    has_memory: bool = False  # vmstate
    state: str = ""  # "prepare" or "delete": it was never finished


@dataclass
class Guest:
    """A virtual machine or container."""

    vmid: int
    name: str
    kind: str  # qemu, lxc
    node: str
    cpus: int
    memory_bytes: int
    disk_bytes: int
    load: Load
    status: str = "running"  # QEMU's word
    started_at: float | None = None  # None: not running
    counted_from: float = 0.0  # since when the counters count
    disk_ratio: float = 0.0  # of containers; a VM does not tell
    is_template: bool = False
    tags: str = ""
    pool: str = ""
    lock: str = ""
    hastate: str = ""
    system: str = "debian"  # what runs in it: a key of guests.SYSTEMS
    agent: str = "none"  # none, ok, dead, disabled, hung, unsupported
    agent_delay_seconds: float | None = (
        None  # until a dead or hung agent is given up; None: as the estate says
    )
    filesystems: list[dict[str, Any]] | None = None  # as the agent tells them; None: those of the system
    notes: str = ""
    created_at: float = 0.0
    stopped_at: float | None = None  # since when it does not run; None: it runs, or never did
    off_spans: list[tuple[float, float]] = field(default_factory=list)  # when it did not run before
    departed_at: float | None = None  # when it was removed
    is_backed_up: bool = True  # False: jobs that take all leave it out
    snapshots: dict[str, GuestSnapshot] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)  # wire key -> value, whatever the curves say
    rated: dict[str, tuple[float, float, float]] = field(
        default_factory=dict
    )  # key -> (value, at, per second)
    row: dict[str, Any] | None = None  # the wire row, kept between rounds; None after a change


@dataclass
class Node:
    """A PVE host."""

    name: str
    node_id: int
    address: str
    load: Load
    cpus: int = 16
    sockets: int = 1
    cpu_model: str = "AMD EPYC 7302P 16-Core Processor"
    cpu_mhz: str = "3000.000"
    memory_bytes: int = 64 * GIB
    swap_bytes: int = 8 * GIB
    root_bytes: int = 94 * GIB
    root_ratio: float = 0.2
    created_at: float = 0.0
    started_at: float = 0.0
    died_at: float | None = None  # since when it is off
    frozen_at: float | None = None  # since when its pvestatd is silent
    hastate: str = ""
    version: PveVersion | None = None  # None: that of the cluster
    fixed: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""  # with colons, upper-case, as GET /nodes tells it
    certificate_expires_at: float = 0.0
    disks: list[Disk] | None = None  # None: not looked at yet
    has_zfs: bool = True
    pool_health: dict[str, str] = field(default_factory=dict)  # ZFS pools that are not ONLINE
    pool_changes: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the details of ZFS pools
    fixed_thin: dict[str, float] = field(default_factory=dict)  # used_ratio, metadata_ratio of the thin pool
    subscription: dict[str, Any] = field(default_factory=dict)  # in wire keys; empty: there is none
    pending_updates: int = 3
    services: dict[str, dict[str, str]] = field(
        default_factory=dict
    )  # in wire keys, what differs from one that runs
    repository_problems: list[tuple[str, str]] = field(default_factory=list)  # (path, warning)
    off_spans: list[tuple[float, float]] = field(default_factory=list)  # when it was off before

    @property
    def silent_since(self) -> float | None:
        """When the last figures of this node came, None while they flow."""
        return self.died_at if self.died_at is not None else self.frozen_at


@dataclass
class Storage:
    """A storage of the cluster's configuration."""

    name: str
    plugin: str
    content: str
    total_bytes: int
    used_ratio: float
    is_shared: bool = False
    nodes: frozenset[str] = frozenset()  # empty: all
    inactive_on: frozenset[str] = frozenset()  # nodes that cannot reach it
    is_disabled: bool = False
    options: dict[str, Any] = field(default_factory=dict)  # more of its configuration, in wire keys


@dataclass
class Cluster:
    """A PVE cluster, or one host outside any."""

    name: str
    version: PveVersion
    is_cluster: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    guests: dict[int, Guest] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)
    seed: int = 1
    jobs: dict[str, BackupJob] = field(default_factory=dict)
    backups_per_guest: int = 7  # kept by each job
    departed: dict[int, Guest] = field(default_factory=dict)  # removed guests: their backups stay
    added_archives: list[Archive] = field(default_factory=list)
    removed_archives: set[tuple[int, str, int]] = field(default_factory=set)  # (vmid, storage, at)
    changed_archives: dict[tuple[int, str, int], dict[str, Any]] = field(default_factory=dict)
    tasks: list[Task] = field(default_factory=list)  # those that a test began
    qdevice: Qdevice | None = None
    ceph: Ceph | None = None
    replication: dict[str, ReplicationJob] = field(default_factory=dict)
    ha_requests: dict[int, str] = field(
        default_factory=dict
    )  # vmid -> requested state, if it is not "started"
    config_version: int = 3
    revision: int = 0  # rises with every change; figures are computed anew then

    @property
    def kind(self) -> str:
        """Which product this is."""
        return "pve"

    def version_of(self, node: str) -> PveVersion:
        """Return the release of a node: mixed clusters are normal during upgrades."""
        known = self.nodes.get(node)
        return known.version if known is not None and known.version is not None else self.version

    @property
    def is_quorate(self) -> bool:
        """Whether more than half of the votes are there: each node has one."""
        device = self.qdevice.votes(len(self.nodes)) if self.qdevice is not None else 0
        voting = device if self.qdevice is not None and self.qdevice.is_voting else 0
        present = sum(node.died_at is None for node in self.nodes.values()) + voting
        return 2 * present > len(self.nodes) + device


@dataclass
class Datastore:
    """A datastore of a backup server."""

    name: str
    total_bytes: int
    used_ratio: float
    growth_ratio: float  # of the total per day
    seed: int
    comment: str = ""
    created_at: float = 0.0
    maintenance: str = ""  # as configured: "offline", 'type=read-only,message="..."'
    mount_status: str = "nonremovable"
    is_left_out: bool = False  # of the call about the use of all datastores
    backend: str = "filesystem"
    error: str = ""
    deduplication: float = 14.0
    namespaces: dict[str, dict[tuple[str, str], Group]] = field(
        default_factory=dict
    )  # path -> (type, id) -> group
    namespace_comments: dict[str, str] = field(default_factory=dict)
    added: list[tuple[str, Snapshot]] = field(default_factory=list)  # (namespace, snapshot)
    removed: set[tuple[str, str, str, int]] = field(default_factory=set)  # (namespace, type, id, at)
    changed: dict[tuple[str, str, str, int], dict[str, Any]] = field(default_factory=dict)
    verification_failures: int = 0  # groups with one bad snapshot
    failed_day: int = 0  # the day, since 1970, of those
    fixed: dict[str, Any] = field(default_factory=dict)

    @property
    def closed_text(self) -> str:
        """Why nothing can be read because of maintenance, empty while it can: read-only keeps out writers alone."""
        kind, _, rest = self.maintenance.removeprefix("type=").partition(",")
        message = rest.removeprefix("message=").strip('"')
        return {
            "offline": f"offline maintenance mode: {message}",
            "unmount": "datastore is being unmounted",
            "delete": "datastore is being deleted",
        }.get(kind, "")


@dataclass
class BackupServer:
    """A PBS host."""

    name: str
    version: tuple[int, int]
    release: str
    repoid: str
    kernel: str
    load: Load
    address: str = "127.0.0.1"
    cpus: int = 8
    cpu_model: str = "Intel(R) Xeon(R) E-2334 CPU @ 3.40GHz"
    memory_bytes: int = 32 * GIB
    swap_bytes: int = 8 * GIB
    root_bytes: int = 225 * GIB
    created_at: float = 0.0
    started_at: float = 0.0
    fingerprint: str = ""
    certificate_expires_at: float = 0.0
    disks: list[Disk] | None = None  # None: not looked at yet
    pool_health: dict[str, str] = field(default_factory=dict)  # ZFS pools that are not ONLINE
    pool_changes: dict[str, dict[str, Any]] = field(default_factory=dict)  # of the details of ZFS pools
    pending_updates: int = 2
    datastores: dict[str, Datastore] = field(default_factory=dict)
    jobs: dict[tuple[str, str], PbsJob] = field(default_factory=dict)  # (kind, id) -> job
    tasks: list[PbsTask] = field(default_factory=list)  # those that a test began
    fixed: dict[str, Any] = field(default_factory=dict)
    revision: int = 0

    @property
    def kind(self) -> str:
        """Which product this is."""
        return "pbs"
