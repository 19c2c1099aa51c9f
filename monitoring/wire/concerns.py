"""What is wrong as the state sends it; pure. Not in the contract: docs/architecture.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from monitoring.concerns.shapes import About, Concern
from monitoring.wire.ids import Label
from monitoring.wire.shapes import ConcernShape
from nodes.identity import MatterKey, ObjectKey
from pulse.lib.instants import instant


def concern_shapes(
    concerns: Iterable[Concern], label: Label, nodes: Mapping[int, str], keys: Mapping[About, ObjectKey]
) -> tuple[ConcernShape, ...]:
    """Return the concerns, each id once, whatever a host lists twice; `nodes` are those of the guests, by vmid.

    An object that has no key is not known to the inventory yet: what is wrong with it is told by the next poll.
    """
    shapes: dict[str, ConcernShape] = {}
    for concern in concerns:
        key = keys.get(concern.about)
        if key is None:
            continue
        identity = str(MatterKey(key, concern.code, concern.subject))
        shapes.setdefault(
            identity,
            ConcernShape(
                id=identity,
                instance=label.name,
                resourceId=resource_id(concern.about, label, nodes),
                level=concern.level,
                code=concern.code,
                subject=concern.subject,
                text=concern.text,
                readAt=instant(concern.read_epoch) if concern.read_epoch else "",
            ),
        )
    return tuple(shapes.values())


def resource_id(about: About, label: Label, nodes: Mapping[int, str]) -> str:
    """Return the id of the resource that a concern is about, "" for the whole instance."""
    match about.kind:
        case "node":
            return label.node_id(about.name)
        case "guest":
            return label.guest_id(nodes[about.vmid], about.vmid)
        case "storage":
            return label.storage_id(about.name, about.node)
        case "server":
            return label.server_id
        case "gateway":
            return label.gateway_id
    return ""
