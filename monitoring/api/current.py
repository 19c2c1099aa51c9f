"""What is true of a resource now, by the names that metrics have on the wire; nothing that is stale or not known."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.storages import StorageFigures
from monitoring.wire.finding import Resource
from monitoring.wire.guests import rates_of
from monitoring.wire.usage import usage

Values = Mapping[str, float | None]
NOTHING: Values = {}


def current_values(resource: Resource) -> Values:
    """Return the values of a guest, a node or a storage: percent, bytes, and bytes per second."""
    match resource:
        case GuestFigures(is_stale=False):
            return guest_values(resource)
        case NodeFigures(is_stale=False, status="online"):
            return node_values(resource)
        case StorageFigures(is_stale=False, status="available"):
            return {"disk": usage(resource.used_bytes, resource.total_bytes).usage}
    return NOTHING


def guest_values(guest: GuestFigures) -> Values:
    """Return the values of a guest."""
    memory, disk = guest.memory, guest.disk
    rates = rates_of(guest.rates) if guest.rates is not None else (None,) * 4
    return {
        "cpu": (guest.cpu_ratio or 0.0) * 100,
        "memory": usage(memory.used_bytes, memory.total_bytes).usage,
        "disk": None if disk.reason else usage(disk.used_bytes, disk.total_bytes).usage,
        **dict(zip(("netin", "netout", "diskread", "diskwrite"), rates, strict=True)),
    }


def node_values(node: NodeFigures) -> Values:
    """Return the values of a node."""
    return {
        "cpu": (node.cpu_ratio or 0.0) * 100,
        "memory": usage(node.memory_used_bytes, node.memory_total_bytes).usage,
        "disk": usage(node.root.used_bytes, node.root.total_bytes).usage,
    }
