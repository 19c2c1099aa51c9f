"""Which figures are behind an id of the contract; ids are never parsed, names hold dashes; pure."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
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


def resource_called(identity: str, figures: Figures, label: Label) -> Resource | None:
    """Return the figures of the resource with this id."""
    return next((found for known, found in resources_of(figures, label) if known == identity), None)
