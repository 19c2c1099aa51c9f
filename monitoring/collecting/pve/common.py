"""What the lanes of a PVE share: which nodes may be asked, which guests are wanted, which version a node has."""

from __future__ import annotations

from monitoring.collecting.turn import Turn
from monitoring.figures.versions import numbers_of
from monitoring.wire.shapes import NodeShape
from nodes.proxmox.readings import GuestReading


def is_online(node: NodeShape) -> bool:
    """Return whether a node may be asked: a call to another one is answered late, by an error."""
    return node.status == "online" and not node.stale


def wanted_guests(turn: Turn) -> list[GuestReading]:
    """Return the guests as they were listed last, also those of nodes that are away."""
    instance, reading = turn.instance, turn.memory.reading
    wanted = {"qemu": instance.monitor_vms, "lxc": instance.monitor_containers}
    guests = reading.guests if reading is not None else ()
    return [guest for guest in guests if wanted.get(guest.kind) and not guest.is_template]


def version_of(turn: Turn, node: str) -> tuple[int, ...]:
    """Return the version of a node as numbers, () while it is not known."""
    return numbers_of(turn.facts.node(node).version)
