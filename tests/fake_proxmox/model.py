"""What stands in the estate: nodes, guests, storages, backup servers. Facts and the time of their changes; no figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.fake_proxmox.curves import Load

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
    started_at: float = 0.0
    died_at: float | None = None  # since when it is off
    frozen_at: float | None = None  # since when its pvestatd is silent
    hastate: str = ""
    fixed: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""  # with colons, upper-case, as GET /nodes tells it

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


@dataclass
class Cluster:
    """A PVE cluster, or one host outside any."""

    name: str
    version: PveVersion
    is_cluster: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    guests: dict[int, Guest] = field(default_factory=dict)
    storages: dict[str, Storage] = field(default_factory=dict)
    config_version: int = 3
    revision: int = 0  # rises with every change; figures are computed anew then

    @property
    def kind(self) -> str:
        """Which product this is."""
        return "pve"

    @property
    def is_quorate(self) -> bool:
        """Whether more than half of the nodes are up."""
        return 2 * sum(node.died_at is None for node in self.nodes.values()) > len(self.nodes)


@dataclass
class Datastore:
    """A datastore of a backup server."""

    name: str
    total_bytes: int
    used_ratio: float
    growth_ratio: float  # of the total per day
    seed: int
    comment: str = ""
    maintenance: str = ""
    mount_status: str = "nonremovable"
    backend: str = "filesystem"
    error: str = ""
    deduplication: float = 14.0
    fixed: dict[str, Any] = field(default_factory=dict)


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
    started_at: float = 0.0
    fingerprint: str = ""
    datastores: dict[str, Datastore] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    revision: int = 0

    @property
    def kind(self) -> str:
        """Which product this is."""
        return "pbs"
