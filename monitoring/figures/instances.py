"""Everything that is true of one instance now; pure. No name of the instance is in it: that is how it is called, not what it is."""

from __future__ import annotations

import msgspec

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """A PVE has nodes, guests and storages, a PBS a server, a PMG a gateway.

    `refused` stands for a PVE that refuses the login for good, of which nothing else is shown (state.md 6); it has no name.
    """

    nodes: tuple[NodeFigures, ...] = ()
    guests: tuple[GuestFigures, ...] = ()
    storages: tuple[StorageFigures, ...] = ()
    server: ServerFigures | None = None
    gateway: GatewayFigures | None = None
    refused: NodeFigures | None = None


NO_FIGURES = Figures()
