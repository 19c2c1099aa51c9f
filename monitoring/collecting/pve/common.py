"""What the lanes of a PVE share: which nodes may be asked, which guests are wanted, which version a node has."""

from __future__ import annotations

from monitoring.collecting.visit import Visit
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.versions import numbers_of
from monitoring.known import wanted
from nodes.proxmox.readings.live import GuestReading


def is_online(node: NodeFigures) -> bool:
    """Return whether a node may be asked: a call to another one is answered late, by an error."""
    return node.status == "online" and not node.is_stale


def answers(visit: Visit, node: NodeFigures) -> bool:
    """Return whether a node can be asked about itself: also one whose status daemon is silent, by its membership."""
    members = visit.memory.cluster.members if visit.memory.cluster is not None else ()
    return is_online(node) or (
        node.status == "unknown" and any(one.name == node.name and one.is_online for one in members)
    )


def wanted_guests(visit: Visit) -> list[GuestReading]:
    """Return the guests as they were listed last, also those of nodes that are away."""
    reading = visit.memory.reading
    return wanted.wanted_guests(visit.instance, reading.guests if reading is not None else ())


def version_of(visit: Visit, node: str) -> tuple[int, ...]:
    """Return the version of a node as numbers, () while it is not known."""
    return numbers_of(visit.facts.node(node).version)
