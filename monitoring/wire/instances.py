"""All of one instance in the spelling of the contract; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from monitoring.concerns.shapes import About, Concern
from monitoring.figures.instances import Figures
from monitoring.wire.concerns import concern_shapes
from monitoring.wire.guests import guest_shape
from monitoring.wire.ids import Label
from monitoring.wire.nodes import node_shape, refused_shape
from monitoring.wire.servers import gateway_shape, server_shape
from monitoring.wire.shapes import Shapes
from monitoring.wire.storages import storage_shape
from nodes.identity import ObjectKey

NO_KEYS: Mapping[About, ObjectKey] = {}


def shapes_of(
    figures: Figures,
    concerns: Sequence[Concern],
    label: Label,
    keys: Mapping[About, ObjectKey] = NO_KEYS,
) -> Shapes:
    """Return the resources of an instance, and what is wrong with them, under the names that it has now.

    `keys` are those of the objects that the concerns are about.
    """
    nodes = tuple(node_shape(node, label) for node in figures.nodes)
    if figures.refused is not None:
        nodes = (*nodes, refused_shape(figures.refused, label))
    places = {guest.vmid: guest.node for guest in figures.guests} if concerns else {}
    return Shapes(
        nodes=nodes,
        vms=tuple(guest_shape(guest, label) for guest in figures.guests if guest.kind == "qemu"),
        containers=tuple(guest_shape(guest, label) for guest in figures.guests if guest.kind == "lxc"),
        storage=tuple(storage_shape(storage, label) for storage in figures.storages),
        pbs=(server_shape(figures.server, label),) if figures.server is not None else (),
        pmg=(gateway_shape(figures.gateway, label),) if figures.gateway is not None else (),
        concerns=concern_shapes(concerns, label, places, keys),
    )
