"""The nodes of a PVE as series, and what belongs to one: pools, disks, certificates; pure."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.exporting.labels import Labels, instance_labels, node_labels, pool_labels
from monitoring.exporting.pressure import add_pressure
from monitoring.figures.nodes import NodeFigures
from monitoring.known.disks import ShownDisk, shown_disks
from monitoring.known.facts import NodeFacts
from nodes.proxmox.readings.hardware import ZfsPoolReading

FIGURES = {
    "pulse_node_uptime_seconds": attrgetter("uptime_seconds"),
    "pulse_node_cpus": attrgetter("cpu_count"),
    "pulse_node_cpu_ratio": attrgetter("cpu_ratio"),
    "pulse_node_io_wait_ratio": attrgetter("io_wait_ratio"),
    "pulse_node_memory_used_bytes": attrgetter("memory_used_bytes"),
    "pulse_node_memory_total_bytes": attrgetter("memory_total_bytes"),
    "pulse_node_arc_bytes": attrgetter("arc_bytes"),
    "pulse_node_swap_used_bytes": attrgetter("swap_used_bytes"),
    "pulse_node_swap_total_bytes": attrgetter("swap_total_bytes"),
    "pulse_node_disk_used_bytes": attrgetter("root.used_bytes"),
    "pulse_node_disk_total_bytes": attrgetter("root.total_bytes"),
    "pulse_node_network_in_bytes_per_second": attrgetter("network_in_bytes_per_second"),
    "pulse_node_network_out_bytes_per_second": attrgetter("network_out_bytes_per_second"),
}
LOADS = ("load1", "load5", "load15")
#: What a disk says of itself when it is well.
HEALTHY = frozenset({"PASSED", "OK"})


def add_nodes(book: Book, instance: str, nodes: Sequence[NodeFigures], *, is_now: bool) -> None:
    """Write the nodes of an instance down. `is_now`: the figures are those of the present."""
    for node in nodes:
        labels = spelled(node_labels(instance, node.name))
        info = {
            "cpu_model": node.cpu_model,
            "kernel_version": node.kernel_version,
            "pve_version": node.pve_version,
        }
        book.add("pulse_node_info", f"{labels},{spelled(info)}", 1)
        if is_now:
            book.add("pulse_node_up", labels, up(node))
    seen = [node for node in nodes if is_now and not node.is_stale]
    labels_seen = [spelled(node_labels(instance, node.name)) for node in seen]
    for name, figure in FIGURES.items():
        book.extend(name, labels_seen, map(figure, seen))
    for node, labels in zip(seen, labels_seen, strict=True):
        add_loads(book, "pulse_node", labels, node.load_average)
    add_pressure(book, "pulse_node_pressure_ratio", labels_seen, [node.pressure for node in seen])


def up(node: NodeFigures) -> int | None:
    """Return 1 for a node that is online, 0 for one that is offline, None when nobody knows."""
    if node.status == "online":
        return None if node.is_stale else 1
    return 0 if node.status == "offline" else None


def add_loads(book: Book, prefix: str, labels: str, loads: Sequence[float]) -> None:
    """Write down as many of the three loads as are told."""
    for name, load in zip(LOADS, loads, strict=False):
        book.add(f"{prefix}_{name}", labels, load)


def add_node_facts(book: Book, instance: str, node: str, facts: NodeFacts) -> None:
    """Write down what the slow lanes know of a node, or of the host of a PBS, which has no name."""
    of_node = node_labels(instance, node) if node else instance_labels(instance)
    labels, prefix = spelled(of_node), "pulse_node" if node else "pulse_server"
    updates = facts.updates if facts.updates_epoch else None
    book.add(f"{prefix}_pending_updates", labels, None if updates is None else len(updates))
    book.add(f"{prefix}_clock_ahead_seconds", labels, facts.clock_ahead_seconds)
    for certificate in facts.certificates:
        named = spelled({**of_node, "certificate": certificate.filename})
        book.add("pulse_certificate_expiry_timestamp_seconds", named, certificate.expires_epoch)
    for pool in facts.zfs_pools:
        add_pool(book, spelled(pool_labels(instance, node, pool.name)), pool)
    for disk in shown_disks(facts):
        add_disk(book, {**of_node, "device": disk.device}, disk)


def add_pool(book: Book, labels: str, pool: ZfsPoolReading) -> None:
    """Write a ZFS pool down."""
    book.add("pulse_pool_healthy", labels, int(pool.health == "ONLINE") if pool.health else None)
    book.add("pulse_pool_disk_used_bytes", labels, pool.allocated_bytes)
    book.add("pulse_pool_disk_total_bytes", labels, pool.size_bytes)


def add_disk(book: Book, of_disk: Labels, disk: ShownDisk) -> None:
    """Write a disk down; one that was not asked how it is has only its name."""
    labels = spelled(of_disk)
    info = {"model": disk.model, "serial": disk.serial, "kind": disk.kind}
    book.add("pulse_disk_info", f"{labels},{spelled(info)}", 1)
    is_told = disk.health not in (None, "", "UNKNOWN")
    book.add("pulse_disk_healthy", labels, int(disk.health in HEALTHY) if is_told else None)
    left = disk.life_left_percent
    book.add("pulse_disk_life_left_ratio", labels, None if left is None else left / 100)
    book.add("pulse_disk_temperature_celsius", labels, disk.temperature_celsius)
