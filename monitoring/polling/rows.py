"""What the inventory's rows remember of a PVE over a start: facts, no figures."""

from __future__ import annotations

from msgspec.structs import replace

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import Health, NodeFigures, memory_source, remembered_node
from monitoring.figures.storages import StorageFigures
from monitoring.known.facts import Facts
from monitoring.polling.pve_picture import Beside, unmeasured_guest
from nodes.models import Guest, Node, Storage
from nodes.proxmox.readings.live import GuestReading


def known_node(row: Node, seen: float | None, health: Health, facts: Facts) -> NodeFigures:
    """Return a node of which only the facts are known: its status is unknown, not offline.

    One that was not online was last seen when it went, never if it was not online since Pulse knows it.
    """
    if row.absent_since is not None:
        seen = row.absent_since.timestamp() if row.absent_since > row.first_seen_at else None
    known = NodeFigures(
        row.name,
        "unknown",
        seen_epoch=seen,
        cpu_count=row.cpu_count,
        cpu_model=row.cpu_model,
        kernel_version=row.kernel_version,
        pve_version=row.pve_version,
        memory_source=memory_source(row.pve_version or facts.node(row.name).version),
    )
    return remembered_node(known, health=health)


def known_guest(row: Guest, seen: float | None, beside: Beside, *, at_epoch: float) -> GuestFigures:
    """Return a guest of which only the facts are known. How full its disks are is told only while it is known to run."""
    tags = tuple(tag for tag in row.tags.split(";") if tag)
    reading = GuestReading(row.vmid, row.kind, row.node_name, "unknown", name=row.name, tags=tags)
    return replace(unmeasured_guest(reading, beside, at_epoch=at_epoch), seen_epoch=seen)


def known_storage(row: Storage) -> StorageFigures:
    """Return a storage of which only the facts are known."""
    content = tuple(row.content.split(",")) if row.content else ()
    return StorageFigures(row.name, row.node_name, "unknown", row.plugin, content, is_stale=True)
