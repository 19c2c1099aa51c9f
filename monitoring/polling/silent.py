"""What is true of an instance that does not answer: the last known picture, marked (state.md 6)."""

from __future__ import annotations

import msgspec

from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import Health, NodeFigures, remembered_node
from nodes.choices import PollState
from nodes.models import Instance
from nodes.proxmox.errors import LoginFailed, PermissionDenied, ProxmoxError

replace = msgspec.structs.replace


class DuplicateCluster(ProxmoxError):
    """Another instance already stands for the host, or for the cluster that it belongs to."""

    code = "duplicate_cluster"
    remedy = "Delete one of the two: one host stands for its whole cluster"

    def __init__(self, other: str) -> None:
        super().__init__(f"This host, or its cluster, is monitored already as {other}")


def marked(figures: Figures, *, is_down: bool) -> Figures:
    """Return the last figures of a PVE: unhealthy at once, its nodes offline when it `is_down` for good."""

    def node(known: NodeFigures) -> NodeFigures:
        return remembered_node(known, health="unhealthy", is_down=is_down)

    return replace(
        figures,
        nodes=tuple(node(known) for known in figures.nodes),
        guests=tuple(unseen(one, is_down=is_down) for one in figures.guests),
        storages=tuple(one if one.is_stale else replace(one, is_stale=True) for one in figures.storages),
        refused=node(figures.refused) if figures.refused is not None else None,
    )


def unseen(guest: GuestFigures, *, is_down: bool) -> GuestFigures:
    """Return a guest as it was last seen; whether it runs nobody knows once its host is down."""
    status = "unknown" if is_down else guest.status
    return (
        guest if guest.is_stale and guest.status == status else replace(guest, status=status, is_stale=True)
    )


def health_after(error: ProxmoxError) -> Health:
    """Return how a server or gateway is after a failure: it may be that only the account is the matter."""
    return "error" if isinstance(error, LoginFailed | PermissionDenied) else "unhealthy"


def last_seen(instance: Instance) -> float | None:
    """Return when an instance last answered by its row, for the time before its first poll since the start."""
    return instance.last_success_at.timestamp() if instance.last_success_at else None


def last_health(instance: Instance) -> Health:
    """Return how an instance was by its row."""
    return "healthy" if instance.state == PollState.OK else "unhealthy"
