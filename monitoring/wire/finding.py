"""Which figures are behind an id of the contract; ids are never parsed, names hold dashes; pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.wire.fragments import Located
from monitoring.wire.ids import Label

Resource = NodeFigures | GuestFigures | StorageFigures | ServerFigures | GatewayFigures


def resources_of(figures: Figures, label: Label) -> Iterator[tuple[str, Resource]]:
    """Yield (id, figures) of every resource of an instance."""
    yield from ((label.node_id(node.name), node) for node in figures.nodes)
    yield from ((label.guest_id(guest.node, guest.vmid), guest) for guest in figures.guests)
    yield from ((label.storage_id(*storage.key), storage) for storage in figures.storages)
    if figures.server is not None:
        yield label.server_id, figures.server
    if figures.gateway is not None:
        yield label.gateway_id, figures.gateway
    if figures.refused is not None:
        yield label.refused_id, replace(figures.refused, name=label.name)


def figures_behind(located: Located, figures: Figures, label: Label) -> Resource | None:
    """Return the figures of a resource of the state; the place of its item holds what it is known by in its instance."""
    item = located.item
    match located.collection, item.order:
        case "vms" | "containers", (int(vmid), *_):
            return figures.guest(vmid)
        case "nodes", _ if figures.refused is not None:
            return replace(figures.refused, name=label.name) if item.id == label.refused_id else None
        case "nodes", (str(name), *_):
            return figures.node(name)
        case "storage", (_, str(name), str(node)):
            keys = ((name, node), (name, ""))
            return next((figures.storage(key) for key in keys if label.storage_id(*key) == item.id), None)
        case "pbs", _:
            return figures.server
        case "pmg", _:
            return figures.gateway
    return None
