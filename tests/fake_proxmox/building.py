"""Estates from a description: the same (specification, seed, day) always gives the same place."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from random import Random

from tests.fake_proxmox import curves
from tests.fake_proxmox.certificates import CERTIFICATE_DAYS
from tests.fake_proxmox.clusterwide import join
from tests.fake_proxmox.curves import DAY_SECONDS, draw_load
from tests.fake_proxmox.filling import fill
from tests.fake_proxmox.furnishing import furnish
from tests.fake_proxmox.guests import system_of
from tests.fake_proxmox.hardware import wear_out
from tests.fake_proxmox.model import (
    GIB,
    PVE_VERSIONS,
    BackupServer,
    Cluster,
    Datastore,
    Guest,
    Node,
)
from tests.fake_proxmox.protection import build_storages, schedule_backups
from tests.fake_proxmox.roles import HOME, HOSTILE_TEXTS, KIB, OFFICE, Role

RUNNING_SHARE = 0.88
TEMPLATE_SHARE = 0.03
#: Proxmox gives a node 300 s before its guests turn unknown; a node of a specification has been dead much longer.
LONG_DEAD_SECONDS = 5 * 3_600


@dataclass(frozen=True)
class PveSpec:
    """A PVE host (one node) or cluster (more) to build."""

    name: str = "pve"
    nodes: int = 1
    guests: int = 14
    version: str = "9.2"
    dead_nodes: int = 0  # the last ones
    node_prefix: str = ""  # empty: "pve-"; a single node has the name of the specification
    hostile: bool = False
    is_home_lab: bool = False  # the guests of a home instead of those of an office
    older_nodes: int = 0  # so many, after the first, run an older release
    older_version: str = "8.1"
    agents: int | None = None  # VMs with an agent that answers: the first so many; None: nine in ten
    agent_troubles: int = (
        0  # of those that run, so many have an agent that is dead, disabled, hung, unsupported in turn
    )
    backups_per_guest: int = 7  # kept by each backup job
    backup_storages: int = 0  # so many more shared storages, each with the backups of its share of the guests
    backup_server: str = ""  # name of the PBS behind the storage pbs-vault
    backup_datastore: str = "main"
    backup_namespace: str = ""
    backup_troubles: bool = (
        False  # a guest that fails, one that warns, a missed run, two guests never backed up
    )
    qdevice: bool = False  # of a cluster
    has_ceph: bool = True  # of a cluster
    ceph_trouble: bool = False  # an OSD is down, HEALTH_WARN
    replication_jobs: int = 0  # of the first so many guests of a cluster
    replication_trouble: bool = False  # the second of them fails
    disk_trouble: bool = (
        False  # the second node, or the only one, has a degraded pool and a disk that is nearly worn out
    )
    certificate_days: int = CERTIFICATE_DAYS  # of the first node
    guest_snapshots: int | None = None  # guests with snapshots; None: one in six
    first_address: int = 2  # of a cluster: its first member listens at 127.0.0.2
    privileges: tuple[str, ...] = ()  # of the monitoring user and its token, beside those of the auditor


@dataclass(frozen=True)
class PbsSpec:
    """A backup server to build."""

    name: str = "vault"
    datastores: int = 3
    version: str = "4.2"
    hostile: bool = False
    namespaces: int = 2  # beside the roots and those of the PVE storages that point here
    groups: int = 12  # beside those of the guests that are backed up here
    backups_per_group: int = 7
    verification_failures: int = 0  # groups with one bad snapshot
    push_status: str = "OK"  # how the last run of the sync job that pushes ended
    jobs: bool = True


@dataclass(frozen=True)
class PmgSpec:
    """A mail gateway (one node) or a cluster of them to build."""

    name: str = "mail"
    nodes: int = 1
    version: str = "9.1"
    messages_per_day: int = 9_000
    deferred: int = 21  # messages that wait on each node


Spec = PveSpec | PbsSpec | PmgSpec

_PBS_KERNELS = {"3": "6.8.12-10-pve", "4": "6.17.4-1-pve"}
_CPUS = (
    (8, 1, "Intel(R) N305", "2900.000"),
    (16, 1, "AMD Ryzen 7 5800X 8-Core Processor", "3800.000"),
    (32, 1, "AMD EPYC 7302P 16-Core Processor", "3000.000"),
    (64, 2, "AMD EPYC 7302 16-Core Processor", "3000.000"),
    (128, 2, "AMD EPYC 7543 32-Core Processor", "2800.000"),
    (256, 2, "AMD EPYC 9554 64-Core Processor", "3100.000"),
)
_STORES = (
    ("main", 8_000 * GIB, 0.62, 0.0009, 18.4, "VMs and containers"),
    ("archive", 22_000 * GIB, 0.41, 0.0002, 9.7, "monthly, kept for a year"),
    ("offsite", 4_000 * GIB, 0.87, 0.0016, 21.3, "pulled from the other site"),
)


def build_cluster(spec: PveSpec, *, seed: int, at: float) -> Cluster:
    """Return the cluster of a specification as it stands at an instant."""
    random = Random(seed ^ zlib.crc32(spec.name.encode()))
    midnight = at - at % DAY_SECONDS
    cluster = Cluster(spec.name, PVE_VERSIONS[spec.version], spec.nodes > 1, seed=seed)
    for number in range(1, spec.nodes + 1):
        node = _build_node(random, _node_name(spec, number), number, midnight)
        node.address = f"127.0.0.{spec.first_address + number - 1}"
        if cluster.is_cluster:
            node.hastate = "online"
        if number > spec.nodes - spec.dead_nodes:
            node.died_at = midnight - LONG_DEAD_SECONDS
            node.hastate = "unknown"
        if number == 1:
            node.certificate_expires_at = midnight + spec.certificate_days * DAY_SECONDS
        if 1 < number <= 1 + spec.older_nodes:
            node.version = PVE_VERSIONS[spec.older_version]
        cluster.nodes[node.name] = node
    for guest in _build_guests(random, spec, cluster, midnight):
        cluster.guests[guest.vmid] = guest
    furnish(cluster, spec, midnight)
    _fit_hardware(cluster)
    cluster.storages = {storage.name: storage for storage in build_storages(random, spec, cluster)}
    schedule_backups(cluster, spec, midnight)
    join(cluster, spec, midnight)
    if spec.disk_trouble:
        wear_out(cluster)
    return cluster


def new_guest(
    vmid: int,
    name: str,
    kind: str,
    node: str,
    *,
    at: float,
    cpus: int = 2,
    memory_gib: float = 4,
    disk_gib: int = 32,
) -> Guest:
    """Return a guest that was started just now."""
    role = Role(name, kind, cpus, memory_gib, disk_gib, 0.1, 0.5, 200 * KIB)
    guest = _guest_of(Random(vmid), role, vmid, name, node)
    guest.started_at = guest.counted_from = guest.created_at = at
    guest.agent = "ok" if kind == "qemu" else "none"
    return guest


def build_backup_server(spec: PbsSpec, *, seed: int, at: float) -> BackupServer:
    """Return the backup server of a specification as it stands at an instant."""
    random = Random(seed ^ zlib.crc32(spec.name.encode()))
    midnight = at - at % DAY_SECONDS
    major, minor = spec.version.split(".")
    server = BackupServer(
        name=spec.name,
        version=(int(major), int(minor)),
        release=str(random.randint(1, 4)),
        repoid=f"{random.getrandbits(160):040x}",
        kernel=_PBS_KERNELS[major],
        load=draw_load(random, cpu_ratio=0.06, memory_ratio=0.3, traffic=2_000_000, bursts=0.15),
        created_at=midnight - 900 * DAY_SECONDS,
        started_at=midnight - random.uniform(5, 60) * DAY_SECONDS,
        certificate_expires_at=midnight + CERTIFICATE_DAYS * DAY_SECONDS,
    )
    for index in range(spec.datastores):
        name, total, ratio, growth, factor, comment = _STORES[index % len(_STORES)]
        if index >= len(_STORES):
            name = f"{name}-{index // len(_STORES) + 1}"
        if spec.hostile:
            comment = HOSTILE_TEXTS[index % len(HOSTILE_TEXTS)]
        server.datastores[name] = Datastore(
            name,
            total,
            ratio,
            growth,
            random.getrandbits(40),
            comment=comment,
            created_at=server.created_at,
            deduplication=factor,
        )
    fill(server, spec, midnight)
    return server


def _node_name(spec: PveSpec, number: int) -> str:
    if spec.nodes == 1:
        return spec.node_prefix or spec.name
    return f"{spec.node_prefix or 'pve-'}{number:02d}"


def _build_node(random: Random, name: str, number: int, midnight: float) -> Node:
    load = draw_load(random, cpu_ratio=0.02, memory_ratio=0.05, traffic=500_000, bursts=0.01)
    return Node(
        name,
        number,
        "",
        load,
        root_ratio=random.uniform(0.12, 0.45),
        created_at=midnight - 1_600 * DAY_SECONDS,
        started_at=midnight - random.uniform(6, 140) * DAY_SECONDS,
        certificate_expires_at=midnight + CERTIFICATE_DAYS * DAY_SECONDS,
    )


def _build_guests(random: Random, spec: PveSpec, cluster: Cluster, midnight: float) -> list[Guest]:
    # A dead node holds a few guests only: most were moved away in time.
    living = [node for node in cluster.nodes.values() if node.died_at is None]
    nodes = living * 3 + [node for node in cluster.nodes.values() if node.died_at is not None]
    numbers: dict[str, int] = {}
    guests = []
    for index in range(spec.guests):
        if not spec.is_home_lab:
            role = random.choice(OFFICE)
            numbers[role.name] = numbers.get(role.name, 0) + 1
            name = f"{role.name}-{numbers[role.name]:02d}"
        else:
            role = HOME[index % len(HOME)]
            name = role.name if index < len(HOME) else f"{role.name}-{index // len(HOME) + 1}"
        node = nodes[index % len(nodes)]
        guest = _guest_of(random, role, 100 + index, name, node.name)
        _start_or_not(random, guest, role, node, midnight, spec)
        if cluster.is_cluster and guest.status == "running" and random.random() < 0.3:
            guest.hastate = "started"
        if spec.hostile:
            _make_hostile(guest, index)
        guests.append(guest)
    return guests


def _guest_of(random: Random, role: Role, vmid: int, name: str, node: str) -> Guest:
    load = draw_load(
        random,
        cpu_ratio=role.cpu_ratio,
        memory_ratio=role.memory_ratio,
        traffic=role.traffic,
        bursts=role.bursts,
    )
    return Guest(
        vmid,
        name,
        role.kind,
        node,
        role.cpus,
        int(role.memory_gib * GIB),
        role.disk_gib * GIB,
        load,
        disk_ratio=random.uniform(0.15, 0.8) if role.kind == "lxc" else 0.0,
        tags=role.tags,
        pool=role.pool,
        system=system_of(role.name),
    )


def _start_or_not(
    random: Random, guest: Guest, role: Role, node: Node, midnight: float, spec: PveSpec
) -> None:
    draw = random.random()
    started_at = random.uniform(node.started_at + 45, midnight)
    # Between three months and four years old; drawn from the guest itself, so that no other draw is another one for it.
    guest.created_at = (
        started_at - (90 + 1_300 * (curves.noise(guest.load.seed, 7) * 0.5 + 0.5)) * DAY_SECONDS
    )
    is_running = not role.is_stopped if spec.is_home_lab else draw < RUNNING_SHARE
    if is_running:
        guest.started_at = guest.counted_from = started_at
        # One in 80 of those that run stands on pause, as after a failed migration or by hand.
        if not spec.is_home_lab and guest.kind == "qemu" and draw > RUNNING_SHARE * (1 - 1 / 80):
            guest.status = "paused"
        return
    guest.status = "stopped"
    if draw > 1 - TEMPLATE_SHARE:
        guest.is_template = True
        guest.name = f"template-{guest.name}"


def _make_hostile(guest: Guest, index: int) -> None:
    """Put a payload into every field that a person can write."""
    text = HOSTILE_TEXTS[index % len(HOSTILE_TEXTS)]
    guest.name = text
    guest.tags = f"{text};{HOSTILE_TEXTS[(index + 1) % len(HOSTILE_TEXTS)]}"
    guest.pool = text
    guest.lock = text if index % 3 == 0 else ""
    guest.hastate = text if index % 4 == 0 else ""


def _fit_hardware(cluster: Cluster) -> None:
    """Give all nodes the memory and CPUs that somebody would have bought for the fullest of them."""
    memory = dict.fromkeys(cluster.nodes, 0.0)
    cpus = dict.fromkeys(cluster.nodes, 0.0)
    for guest in cluster.guests.values():
        if guest.started_at is not None:
            memory[guest.node] += guest.memory_bytes * guest.load.memory_ratio
            cpus[guest.node] += guest.cpus * guest.load.cpu_ratio
    size = 16 * GIB
    while size * 0.85 < max(memory.values()) + 2 * GIB:
        size *= 2
    enough = [hardware for hardware in _CPUS if max(cpus.values()) < hardware[0] * 0.4]
    for node in cluster.nodes.values():
        # The kernel keeps a part for itself.
        node.memory_bytes = int(size * 0.978) & ~0xFFF
        node.cpus, node.sockets, node.cpu_model, node.cpu_mhz = (enough or _CPUS[-1:])[0]
