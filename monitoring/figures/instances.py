"""Everything that is true of one instance now; pure. No name of the instance is in it: that is how it is called, not what it is."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import Key, StorageFigures

Thing = TypeVar("Thing")
_name, _vmid, _key = attrgetter("name"), attrgetter("vmid"), attrgetter("key")


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

    def in_order(self) -> Figures:
        """Return the same, sorted so that each can be found by what it is known by within its instance."""
        return msgspec.structs.replace(
            self,
            nodes=tuple(sorted(self.nodes, key=_name)),
            guests=tuple(sorted(self.guests, key=_vmid)),
            storages=tuple(sorted(self.storages, key=_key)),
        )

    def node(self, name: str) -> NodeFigures | None:
        """Return a node, when these are in order."""
        return keyed(self.nodes, name, _name)

    def guest(self, vmid: int) -> GuestFigures | None:
        """Return a guest, when these are in order."""
        return keyed(self.guests, vmid, _vmid)

    def storage(self, key: Key) -> StorageFigures | None:
        """Return a storage, when these are in order."""
        return keyed(self.storages, key, _key)


def keyed(things: Sequence[Thing], key: Any, key_of: Callable[[Thing], Any]) -> Thing | None:
    """Return which of these has the key; they are sorted by it."""
    place = bisect_left(things, key, key=key_of)
    return things[place] if place < len(things) and key_of(things[place]) == key else None


NO_FIGURES = Figures()
