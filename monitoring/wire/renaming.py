"""Resources under another name of their instance; pure."""

from __future__ import annotations

import msgspec

from monitoring.wire.hosts import placeholder_node
from monitoring.wire.shapes import GuestShape, Shapes


def renamed(views: Shapes, *, before: str, after: str) -> Shapes:
    """Return the same resources under the new name of their instance; shared storages keep their ids."""
    replace = msgspec.structs.replace
    own = f"{before}-failed"

    def guest(view: GuestShape) -> GuestShape:
        return replace(view, id=f"{after}-{view.node}-{view.vmid}", instance=after)

    return Shapes(
        nodes=tuple(
            placeholder_node(instance=after, seen=view.lastSeen)
            if view.id == own
            else replace(view, id=f"{after}-{view.name}", instance=after)
            for view in views.nodes
        ),
        vms=tuple(guest(view) for view in views.vms),
        containers=tuple(guest(view) for view in views.containers),
        storage=tuple(
            replace(view, instance=after)
            if view.shared
            else replace(view, id=f"{after}-{view.node}-{view.name}", instance=after)
            for view in views.storage
        ),
        pbs=tuple(replace(view, id=f"pbs-{after}", name=after) for view in views.pbs),
        pmg=tuple(replace(view, id=f"pmg-{after}", name=after) for view in views.pmg),
    )
