"""The calls to a Proxmox VE host, one function each, and beside it the pure reader of its answer.

Readers raise BadAnswer only. Source: api-facts.md sections 3 and 4.
"""

from __future__ import annotations

from nodes.addresses import normalise_fingerprint
from nodes.proxmox import properties
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings import (
    ClusterReading,
    GuestReading,
    MemberReading,
    NodeCertificateReading,
    NodeReading,
    NodeStatusReading,
    PoolReading,
    ResourcesReading,
    StorageReading,
    VersionReading,
)
from nodes.proxmox.rows import Row, fields_of, name, read_rows, rows_of, segment
from nodes.proxmox.values import fields, ratio, reals, size, text, truth, whole

__all__ = [
    "cluster_resources",
    "cluster_status",
    "node_certificates",
    "node_status",
    "node_version",
    "read_cluster_resources",
    "read_cluster_status",
    "read_node_certificates",
    "read_node_status",
    "read_version",
    "segment",
    "version",
]

GUEST_KINDS = frozenset({"qemu", "lxc"})
VMID_HIGHEST = properties.VMID_HIGHEST
CPU_COUNT_HIGHEST = 1_000_000

WORD_LIMIT = 32
GUEST_NAME_LIMIT = 256
KERNEL_LIMIT = 200
POOL_PREFIX = "/pool/"


def version(client: Client, *, timeout_seconds: float | None = None) -> VersionReading:
    """Return the version of the answering host; any user may ask."""
    return read_version(client.get("/version", timeout_seconds=timeout_seconds).data)


def node_version(client: Client, node: str, *, timeout_seconds: float | None = None) -> VersionReading:
    """Return the version of one node; any user may ask. Nodes differ while a cluster is upgraded."""
    return read_version(client.get(f"/nodes/{segment(node)}/version", timeout_seconds=timeout_seconds).data)


def cluster_resources(client: Client, *, timeout_seconds: float | None = None) -> ResourcesReading:
    """Return all nodes, guests and storages of a cluster as far as the user may see them, at most 12 s old."""
    return read_cluster_resources(client.get("/cluster/resources", timeout_seconds=timeout_seconds).data)


def cluster_status(client: Client, *, timeout_seconds: float | None = None) -> ClusterReading:
    """Return the members of the cluster. Needs Sys.Audit on /."""
    return read_cluster_status(client.get("/cluster/status", timeout_seconds=timeout_seconds).data)


def node_status(client: Client, node: str, *, timeout_seconds: float | None = None) -> NodeStatusReading:
    """Return what the resource list does not tell about a node. Needs Sys.Audit on it; is answered by the node."""
    return read_node_status(
        client.get(f"/nodes/{segment(node)}/status", timeout_seconds=timeout_seconds).data
    )


def node_certificates(
    client: Client, *, timeout_seconds: float | None = None
) -> tuple[NodeCertificateReading, ...]:
    """Return each node of the cluster with the certificate that it serves; any user may ask."""
    return read_node_certificates(client.get("/nodes", timeout_seconds=timeout_seconds).data)


def read_version(data: object) -> VersionReading:
    """Return the reading of GET /version; PBS answers in the same form."""
    row = fields_of(data, "the version")
    told = text(row.get("version"), WORD_LIMIT)
    if not told:
        raise BadAnswer("The answer about the version names none")
    return VersionReading(
        version=told,
        release=text(row.get("release"), WORD_LIMIT),
        repository_id=text(row.get("repoid"), 64),
    )


def read_cluster_resources(data: object) -> ResourcesReading:
    """Return the reading of GET /cluster/resources; networks and types to come are passed over.

    Of a guest that two nodes list, as after an unclean migration, the entry of the node where it runs is kept.
    """
    rows = rows_of(data, "the cluster's resources")
    nodes: dict[str, NodeReading] = {}
    guests: dict[int, GuestReading] = {}
    storages: dict[tuple[str, str], StorageReading] = {}
    pools: dict[str, PoolReading] = {}
    twice: list[GuestReading] = []
    skipped = 0
    for row in rows:
        kind = row.get("type") if isinstance(row, dict) else None
        if kind == "qemu" or kind == "lxc":
            guest = _guest(row, kind)  # type: ignore[arg-type]  # a dict, or kind were None
            if guest is None:
                skipped += 1
            elif guests.setdefault(guest.vmid, guest) is not guest:
                twice.append(guest)
        elif kind == "storage":
            storage = _storage(row)  # type: ignore[arg-type]
            if storage is None:
                skipped += 1
            else:
                storages.setdefault((storage.node, storage.name), storage)
        elif kind == "node":
            node = _node(row)  # type: ignore[arg-type]
            if node is None:
                skipped += 1
            else:
                nodes.setdefault(node.name, node)
        elif kind == "pool":
            pool = _pool(row)  # type: ignore[arg-type]
            if pool is None:
                skipped += 1
            else:
                pools.setdefault(pool.id, pool)
        elif not isinstance(kind, str) or not kind:
            skipped += 1
    if rows and skipped == len(rows):
        raise BadAnswer("No entry of the answer about the cluster's resources can be read")
    for guest in twice:
        guests[guest.vmid] = max(guests[guest.vmid], guest, key=lambda one: _claim(one, nodes))
    return ResourcesReading(
        nodes=tuple(nodes.values()),
        guests=tuple(guests.values()),
        storages=tuple(storages.values()),
        pools=tuple(pools.values()),
        skipped=skipped,
    )


def _claim(guest: GuestReading, nodes: dict[str, NodeReading]) -> tuple[bool, bool, bool, str]:
    """Return how well a node's claim to a guest is founded; the name decides between equals, in every poll alike."""
    node = nodes.get(guest.node)
    return (
        guest.status == "running",
        node is not None and node.status == "online",
        guest.status != "unknown",
        guest.node,
    )


def _node(row: Row) -> NodeReading | None:
    get = row.get
    node = name(get("node"))
    if not node:
        return None
    return NodeReading(
        name=node,
        status=text(get("status"), WORD_LIMIT) or "unknown",
        cpu_ratio=ratio(get("cpu")),
        cpu_count=_cpu_count(get("maxcpu")),
        memory_used_bytes=size(get("mem")),
        memory_total_bytes=size(get("maxmem")),
        disk_used_bytes=size(get("disk")),
        disk_total_bytes=size(get("maxdisk")),
        uptime_seconds=size(get("uptime")),
        ha_state=text(get("hastate"), WORD_LIMIT),
        level=text(get("level"), WORD_LIMIT),
        cgroup_mode=size(get("cgroup-mode")),
        architecture=text(get("host-arch"), WORD_LIMIT),
    )


def _guest(row: Row, kind: str) -> GuestReading | None:
    get = row.get
    vmid = whole(get("vmid"))
    node = name(get("node"))
    if vmid is None or not 1 <= vmid <= VMID_HIGHEST or not node:
        return None
    tags = get("tags")
    return GuestReading(
        vmid=vmid,
        kind=kind,
        node=node,
        status=text(get("status"), WORD_LIMIT) or "unknown",
        name=text(get("name"), GUEST_NAME_LIMIT),
        cpu_ratio=ratio(get("cpu")),
        cpu_count=_cpu_count(get("maxcpu")),
        memory_used_bytes=size(get("mem")),
        memory_total_bytes=size(get("maxmem")),
        host_memory_bytes=size(get("memhost")) or None,  # 0 of a container: not measured
        disk_used_bytes=size(get("disk")),
        disk_total_bytes=size(get("maxdisk")),
        network_in_bytes=size(get("netin")),
        network_out_bytes=size(get("netout")),
        disk_read_bytes=size(get("diskread")),
        disk_write_bytes=size(get("diskwrite")),
        uptime_seconds=size(get("uptime")),
        is_template=truth(get("template")) is True,
        tags=properties.tags(tags) if tags else (),
        lock=text(get("lock"), WORD_LIMIT),
        pool=name(get("pool")),
        ha_state=text(get("hastate"), WORD_LIMIT),
    )


def _storage(row: Row) -> StorageReading | None:
    get = row.get
    storage, node = name(get("storage")), name(get("node"))
    if not storage or not node:
        return None
    return StorageReading(
        name=storage,
        node=node,
        status=text(get("status"), WORD_LIMIT) or "unknown",
        plugin=text(get("plugintype"), WORD_LIMIT),
        content=properties.content(get("content")),
        is_shared=truth(get("shared")) is True,
        used_bytes=size(get("disk")),
        total_bytes=size(get("maxdisk")),
    )


def _pool(row: Row) -> PoolReading | None:
    pool = name(row.get("pool")) or name(row.get("id")).removeprefix(POOL_PREFIX)
    return PoolReading(id=pool) if pool else None


def _cpu_count(value: object) -> int | None:
    count = size(value)
    return None if count is None or count > CPU_COUNT_HIGHEST else count


def read_cluster_status(data: object) -> ClusterReading:
    """Return the reading of GET /cluster/status; members are sorted by name, as the answer's order is random."""
    members: dict[str, MemberReading] = {}
    cluster: Row = {}
    for row in rows_of(data, "the cluster's status"):
        if not isinstance(row, dict):
            continue
        if row.get("type") == "cluster":
            cluster = row
        elif row.get("type") == "node" and (member := name(row.get("name"))):
            members[member] = MemberReading(
                name=member,
                address=text(row.get("ip"), 64),
                is_online=truth(row.get("online")),
                is_local=truth(row.get("local")) is True,
                number=size(row.get("nodeid")),
                level=text(row.get("level"), WORD_LIMIT),
            )
    if not members:
        raise BadAnswer("The answer about the cluster's status names no node")
    return ClusterReading(
        members=tuple(members[key] for key in sorted(members)),
        name=name(cluster.get("name")),
        is_quorate=truth(cluster.get("quorate")) if cluster else None,
        node_count=size(cluster.get("nodes")),
        config_version=size(cluster.get("version")),
    )


def read_node_status(data: object) -> NodeStatusReading:
    """Return the reading of GET /nodes/{node}/status; CPU use is not in it, because it jumps about there."""
    row = fields_of(data, "a node's status")
    cpu, memory, swap, root = (fields(row.get(key)) for key in ("cpuinfo", "memory", "swap", "rootfs"))
    boot = fields(row.get("boot-info"))
    return NodeStatusReading(
        load_average=reals(row.get("loadavg"), 3),
        kernel_version=kernel_version(row),
        pve_version=text(row.get("pveversion"), 100),
        cpu_model=text(cpu.get("model"), 200),
        cpu_sockets=_cpu_count(cpu.get("sockets")),
        cpu_cores=_cpu_count(cpu.get("cores")),
        cpu_count=_cpu_count(cpu.get("cpus")),
        cpu_mhz=text(cpu.get("mhz"), WORD_LIMIT),
        memory_used_bytes=size(memory.get("used")),
        memory_total_bytes=size(memory.get("total")),
        memory_available_bytes=size(memory.get("available")),
        swap_used_bytes=size(swap.get("used")),
        swap_total_bytes=size(swap.get("total")),
        root_used_bytes=size(root.get("used")),
        root_total_bytes=size(root.get("total")),
        root_available_bytes=size(root.get("avail")),
        uptime_seconds=size(row.get("uptime")),
        io_wait_ratio=ratio(row.get("wait")),
        ksm_shared_bytes=size(fields(row.get("ksm")).get("shared")),
        boot_mode=text(boot.get("mode"), WORD_LIMIT),
        is_secure_boot=truth(boot.get("secureboot")),
    )


def kernel_version(row: Row) -> str:
    """Return `kversion`, or the same composed from `current-kernel` where only that is told."""
    if told := text(row.get("kversion"), KERNEL_LIMIT):
        return told
    kernel = fields(row.get("current-kernel"))
    parts = (kernel.get("sysname"), kernel.get("release"), kernel.get("version"))
    return text(" ".join(text(part, 100) for part in parts), KERNEL_LIMIT)


def read_node_certificates(data: object) -> tuple[NodeCertificateReading, ...]:
    """Return the reading of GET /nodes; a fingerprint that is not one reads as none."""
    return read_rows(data, "the nodes", _node_certificate)


def _node_certificate(row: Row) -> NodeCertificateReading | None:
    node = name(row.get("node"))
    if not node:
        return None
    try:
        fingerprint = normalise_fingerprint(text(row.get("ssl_fingerprint")))
    except ValueError:
        fingerprint = ""
    return NodeCertificateReading(name=node, fingerprint=fingerprint)
