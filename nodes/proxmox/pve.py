"""The calls to a Proxmox VE host, and the pure readers of their answers.

Readers raise BadAnswer only. Source: api-facts.md sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from nodes.proxmox import limits, properties
from nodes.proxmox.calls import Call
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.plain import CPU_COUNT_HIGHEST, Cleaner, PlainRow, plain_rows
from nodes.proxmox.readings.live import (
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
from nodes.proxmox.rows import Row, Rows, Thing, row_of, rows_of
from nodes.proxmox.values import fields, is_true, name, ratio, size, text, truth, whole, word

GUEST_NAME_LIMIT = 256
KERNEL_LIMIT = 200
POOL_PREFIX = "/pool/"


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
    of = readers_of(rows)
    for row in rows:
        kind = of.kind(row)
        if kind == "qemu" or kind == "lxc":
            guest = of.guest(row)
            if guest is None:
                skipped += 1
            elif guests.setdefault(guest.vmid, guest) is not guest:
                twice.append(guest)
        elif kind == "storage":
            storage = of.storage(row)
            if storage is None:
                skipped += 1
            else:
                storages.setdefault((storage.node, storage.name), storage)
        elif kind == "node":
            node = of.node(row)
            if node is None:
                skipped += 1
            else:
                nodes.setdefault(node.name, node)
        elif kind == "pool":
            pool = of.pool(row)
            if pool is None:
                skipped += 1
            else:
                pools.setdefault(pool.id, pool)
        elif not isinstance(kind, str) or not kind:
            skipped += 1
    if rows and skipped == len(rows):
        raise BadAnswer("No entry of the answer about the cluster's resources can be read")
    for guest in twice:
        guests[guest.vmid] = max(guests[guest.vmid], guest, key=lambda claimant: _claim(claimant, nodes))
    return _within_limits(
        ResourcesReading(
            nodes=tuple(nodes.values()),
            guests=tuple(guests.values()),
            storages=tuple(storages.values()),
            pools=tuple(pools.values()),
            skipped=skipped,
        )
    )


def _within_limits(told: ResourcesReading) -> ResourcesReading:
    """Return no more than is kept of an instance, with how much is left out: the same in every poll, whatever the order.

    Nodes by their names, those that are listed first; of guests the lowest numbers. What is on a node that is left out goes with it.
    """
    listed = sorted({node.name for node in told.nodes})
    named = {guest.node for guest in told.guests} | {storage.node for storage in told.storages}
    unlisted = named.difference(listed)
    if len(listed) + len(unlisted) > limits.NODES:
        kept = {*[*listed, *sorted(unlisted)][: limits.NODES]}
        nodes = tuple(node for node in told.nodes if node.name in kept)
        guests = tuple(guest for guest in told.guests if guest.node in kept)
        storages = tuple(storage for storage in told.storages if storage.node in kept)
    else:
        nodes, guests, storages = told.nodes, told.guests, told.storages
    if len(guests) > limits.GUESTS:
        guests = tuple(sorted(guests, key=lambda guest: guest.vmid)[: limits.GUESTS])
    if len(storages) > limits.STORAGES:
        storages = tuple(sorted(storages, key=lambda one: (one.name, one.node))[: limits.STORAGES])
    pools = told.pools
    if len(pools) > limits.POOLS:
        pools = tuple(sorted(pools, key=lambda pool: pool.id)[: limits.POOLS])
    left_out = {
        "nodes": len(listed) + len(unlisted) - limits.NODES,
        "guests": len(told.guests) - len(guests),
        "storages": len(told.storages) - len(storages),
        "pools": len(told.pools) - len(pools),
    }
    left_out = {what: count for what, count in left_out.items() if count > 0}
    if not left_out:
        return told
    return ResourcesReading(nodes, guests, storages, pools, told.skipped, left_out)


class Readers(NamedTuple):
    """How the rows of an answer are read: what type one is of, and what it is if it is of that type."""

    kind: Callable[[Any], object]
    node: Callable[[Any], NodeReading | None]
    guest: Callable[[Any], GuestReading | None]
    storage: Callable[[Any], StorageReading | None]
    pool: Callable[[Any], PoolReading | None]


def readers_of(rows: Sequence[object]) -> Readers:
    """Return the readers of these rows: of all of them as Proxmox writes them, or of whatever they are."""
    if rows and type(rows[0]) is PlainRow:
        plain = Cleaner()
        return Readers(attrgetter("type"), plain.node, plain.guest, plain.storage, plain.pool)
    return Readers(_kind, _node, _guest, _storage, _pool)


def _kind(row: object) -> object:
    return row.get("type") if isinstance(row, dict) else None


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
        status=word(get("status")) or "unknown",
        cpu_ratio=ratio(get("cpu")),
        cpu_count=_cpu_count(get("maxcpu")),
        memory_used_bytes=size(get("mem")),
        memory_total_bytes=size(get("maxmem")),
        disk_used_bytes=size(get("disk")),
        disk_total_bytes=size(get("maxdisk")),
        uptime_seconds=size(get("uptime")),
        ha_state=word(get("hastate")),
        level=word(get("level")),
    )


def _guest(row: Row) -> GuestReading | None:
    get = row.get
    vmid = whole(get("vmid"))
    node = name(get("node"))
    if vmid is None or not limits.VMID_LOWEST <= vmid <= properties.VMID_HIGHEST or not node:
        return None
    tags = get("tags")
    return GuestReading(
        vmid=vmid,
        kind=str(get("type")),
        node=node,
        status=word(get("status")) or "unknown",
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
        is_template=is_true(get("template")),
        tags=properties.tags(tags) if tags else (),
        lock=word(get("lock")),
        pool=name(get("pool")),
        ha_state=word(get("hastate")),
    )


def _storage(row: Row) -> StorageReading | None:
    get = row.get
    storage, node = name(get("storage")), name(get("node"))
    if not storage or not node:
        return None
    return StorageReading(
        name=storage,
        node=node,
        status=word(get("status")) or "unknown",
        plugin=word(get("plugintype")),
        content=properties.content(get("content")),
        is_shared=is_true(get("shared")),
        used_bytes=size(get("disk")),
        total_bytes=size(get("maxdisk")),
    )


def _pool(row: Row) -> PoolReading | None:
    pool = name(row.get("pool")) or name(row.get("id")).removeprefix(POOL_PREFIX)
    get = row.get
    if not pool:
        return None
    return PoolReading(
        id=pool,
        cpu_ratio=ratio(get("cpu")),
        cpu_count=_cpu_count(get("maxcpu")),
        memory_used_bytes=size(get("mem")),
        memory_total_bytes=size(get("maxmem")),
        disk_used_bytes=size(get("disk")),
        disk_total_bytes=size(get("maxdisk")),
        uptime_seconds=size(get("uptime")),
    )


def _cpu_count(value: object) -> int | None:
    count = size(value)
    return None if count is None or count > CPU_COUNT_HIGHEST else count


_member = row_of(MemberReading)


def read_cluster_status(data: object) -> ClusterReading:
    """Return the reading of GET /cluster/status; members are sorted by name, as the answer's order is random."""
    members: dict[str, MemberReading] = {}
    cluster: Row = {}
    for row in rows_of(data, "the cluster's status"):
        if not isinstance(row, dict):
            continue
        if row.get("type") == "cluster":
            cluster = row
        elif row.get("type") == "node" and (member := _member(row)):
            members[member.name] = member
    if not members:
        raise BadAnswer("The answer about the cluster's status names no node")
    return ClusterReading(
        members=tuple(members[key] for key in sorted(members)[: limits.NODES]),
        name=name(cluster.get("name")),
        is_quorate=truth(cluster.get("quorate")) if cluster else None,
        node_count=size(cluster.get("nodes")),
        config_version=size(cluster.get("version")),
    )


def kernel_version(row: Row) -> str:
    """Return `kversion`, or the same composed from `current-kernel` where only that is told."""
    if version := text(row.get("kversion"), KERNEL_LIMIT):
        return version
    kernel = fields(row.get("current-kernel"))
    parts = (kernel.get("sysname"), kernel.get("release"), kernel.get("version"))
    return text(" ".join(text(part, 100) for part in parts), KERNEL_LIMIT)


#: PBS and PMG answer in the same form.
read_version = Thing("the version", row_of(VersionReading), lack="names none")
#: The use of the CPU is not read: it jumps about there.
read_node_status = Thing(
    "a node's status",
    row_of(
        NodeStatusReading,
        kernel_version=kernel_version,
        cpu_sockets=(_cpu_count, "cpuinfo", "sockets"),
        cpu_cores=(_cpu_count, "cpuinfo", "cores"),
        cpu_count=(_cpu_count, "cpuinfo", "cpus"),
    ),
)
read_node_certificates = Rows("the nodes", row_of(NodeCertificateReading))

#: Of the host that answers.
version = Call("/version", read_version)
#: Nodes differ while a cluster is upgraded.
node_version = Call("/nodes/{node}/version", read_version)
#: All nodes, guests and storages of a cluster as far as the user may see them, at most 12 s old.
cluster_resources = Call("/cluster/resources", read_cluster_resources, plain=plain_rows)
#: The members of the cluster.
cluster_status = Call("/cluster/status", read_cluster_status)
#: What the resource list does not tell about a node; answered by the node itself.
node_status = Call("/nodes/{node}/status", read_node_status)
#: Each node of the cluster with the certificate that it serves.
node_certificates = Call("/nodes", read_node_certificates)
