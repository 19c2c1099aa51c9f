"""QDevice, high availability, Ceph and replication of a cluster: facts that a test can change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fake_proxmox.guests import draw
from tests.fake_proxmox.model import Cluster

if TYPE_CHECKING:
    from tests.fake_proxmox.building import PveSpec


@dataclass
class Ceph:
    """The Ceph of a cluster."""

    is_installed: bool = True
    is_initialized: bool = True
    nodes: frozenset[str] = frozenset()  # where it is installed; empty: everywhere
    schema: str = ""  # "old" lists the monitors, "new" counts them; empty: as the release has it
    health: str = "HEALTH_OK"
    checks: dict[str, str] = field(default_factory=dict)  # name of a check -> its summary
    muted: list[str] = field(default_factory=list)
    details: dict[str, list[str]] = field(
        default_factory=dict
    )  # name of a check -> its lines, else its summary
    flags: list[str] = field(
        default_factory=list
    )  # those that are set; the health says so in a check of its own
    osds_per_node: int = 4
    osds_down: int = 0
    osds_out: int = 0
    used_ratio: float = 0.46
    is_idle: bool = False  # then no rates are told
    is_available: bool = True  # its manager


@dataclass
class Qdevice:
    """The QDevice of a cluster, as the daemons of all its nodes see it."""

    host: str = "192.0.2.53:5403"
    state: str = "Connected"  # Connecting, Connect failed, Disconnected
    algorithm: str = "Fifty-Fifty split"  # LMS
    is_voting: bool = True

    def votes(self, nodes: int) -> int:
        """Return how many votes it has in a cluster of so many nodes."""
        return 1 if self.algorithm == "Fifty-Fifty split" else nodes - 1


@dataclass
class ReplicationJob:
    """A replication job of a guest."""

    guest: int
    target: str
    number: int = 0
    schedule: str = "*/15"
    interval_seconds: int = 900
    comment: str = ""
    is_disabled: bool = False
    fail_count: int = 0
    error: str = ""
    failing_since: float | None = None
    duration: float = 4.2
    is_running: bool = False
    last_sync: int | None = None  # None: as the schedule says; 0: never

    @property
    def id(self) -> str:
        """Guest and number."""
        return f"{self.guest}-{self.number}"

    def last_try(self, now: float) -> int:
        """Return when it ran last."""
        offset = self.guest % 60
        return int((now - offset) // self.interval_seconds * self.interval_seconds + offset)


def service_id(kind: str, vmid: int) -> str:
    """Return the name of a guest as a service."""
    return f"{'vm' if kind == 'qemu' else 'ct'}:{vmid}"


def join(cluster: Cluster, spec: PveSpec, midnight: float) -> None:
    """Give a new cluster its QDevice, its Ceph and its replication jobs."""
    if cluster.is_cluster and spec.qdevice:
        cluster.qdevice = Qdevice(algorithm="LMS" if len(cluster.nodes) % 2 else "Fifty-Fifty split")
    if cluster.is_cluster and spec.has_ceph:
        cluster.ceph = Ceph()
        if spec.ceph_trouble:
            cluster.ceph.health = "HEALTH_WARN"
            cluster.ceph.osds_down = cluster.ceph.osds_out = 1
            cluster.ceph.checks = {
                "OSD_DOWN": "1 osds down",
                "PG_DEGRADED": "Degraded data redundancy: 2118/412032 objects degraded (0.514%), 17 pgs degraded",
            }
    living = [name for name, node in cluster.nodes.items() if node.died_at is None]
    if len(living) < 2:
        return
    guests = [guest for guest in cluster.guests.values() if guest.node in living and not guest.is_template]
    for number, guest in enumerate(guests[: spec.replication_jobs]):
        target = living[(living.index(guest.node) + 1) % len(living)]
        job = ReplicationJob(guest.vmid, target, duration=round(2 + 30 * draw(guest, 9), 6))
        if number == 1 and spec.replication_trouble:
            job.fail_count, job.failing_since = 7, midnight - 14_000
            job.error = f"command 'zfs snapshot rpool/data/vm-{guest.vmid}-disk-0' failed: exit code 1"
        cluster.replication[job.id] = job
