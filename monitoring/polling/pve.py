"""One look at a PVE host or cluster: two calls for everything live, then node details."""

from __future__ import annotations

import time
from collections.abc import Iterable

from monitoring.collecting import lanes
from monitoring.collecting.calls import Calls, quietly
from monitoring.known.memory import PollMemory
from nodes.proxmox import pve
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings import (
    ClusterReading,
    NodeStatusReading,
    ResourcesReading,
)

STATUS_PATH = "/cluster/status"


def look(calls: Calls, memory: PollMemory, *, at: float) -> ResourcesReading:
    """Read the live figures, then the membership, and remember the membership.

    One after the other on one connection: a second one would cost both sides a TLS handshake at every poll, and the host
    is asked two calls at once at most, one of which is left to the slow lanes.
    Raises the ProxmoxError of the resource list; the membership is kept from before when only it fails.
    """
    resources = calls.ask(pve.cluster_resources)
    cluster = read_membership(calls) if wants_membership(memory, at) else None
    if cluster is not None:
        memory.cluster, memory.cluster_at = cluster, at
    refuse_sudden_emptiness(resources, memory)
    calls.remember_refusals()
    return resources


def wants_membership(memory: PollMemory, at: float) -> bool:
    """Return whether the membership is to be read: each time for a cluster, seldom for a host of its own."""
    is_cluster = memory.cluster is not None and memory.cluster.is_cluster
    return is_cluster or lanes.is_due(memory.cluster_at, lanes.MEMBERSHIP_SECONDS, at)


def read_membership(calls: Calls) -> ClusterReading | None:
    """Return the membership, None when it cannot be read now."""
    return quietly(
        lambda: calls.unless_refused(
            STATUS_PATH,
            lambda: calls.ask_here(pve.cluster_status, longest_seconds=lanes.MEMBERSHIP_CALL_SECONDS),
        )
    )


def refuse_sudden_emptiness(resources: ResourcesReading, memory: PollMemory) -> None:
    """Raise BadAnswer for a list without nodes, or without guests where there were some, until it comes often.

    A host that has just started, or lost its cluster file system for a moment, lists nothing. A list without a single
    node is never true: every host lists itself.
    """
    had_guests = bool(memory.views.vms or memory.views.containers)
    empty = not resources.nodes or (had_guests and not resources.guests)
    memory.empty_guest_lists = memory.empty_guest_lists + 1 if empty else 0
    if not resources.nodes:
        raise BadAnswer(
            "The host lists no node at all", remedy="Check that its cluster file system is mounted"
        )
    if empty and memory.empty_guest_lists < lanes.BELIEVED_EMPTY:
        raise BadAnswer(
            "The host suddenly lists no guest at all",
            remedy="Check that its cluster file system is mounted and that the account may still see the guests",
        )


def read_details(
    calls: Calls, memory: PollMemory, nodes: Iterable[str], *, at: float, interval: float
) -> bool:
    """Read the details of those online nodes that are due; returns whether a node's first ones came.

    Stops taking more after a while, so that a slow node delays neither the figures nor the next poll.
    """
    online = list(nodes)
    for gone in memory.details.keys() - set(online) - memory.absent_since.keys():
        memory.details.pop(gone, None)
        memory.details_at.pop(gone, None)
    until = time.monotonic() + min(lanes.DETAIL_BUDGET_SECONDS, calls.seconds_left())
    any_first = False
    for name in lanes.nodes_due(online, memory.details_at, at=at, interval=interval):
        if time.monotonic() >= until:
            break
        memory.details_at[name] = at
        detail = read_detail(calls, name)
        if detail is not None:
            any_first = any_first or name not in memory.details
            memory.details[name] = detail
    calls.remember_refusals()
    return any_first


def read_detail(calls: Calls, node: str) -> NodeStatusReading | None:
    """Return the details of one node, None when they cannot be read now."""

    def node_status(client: Client, *, timeout_seconds: float | None = None) -> NodeStatusReading:
        return pve.node_status(client, node, timeout_seconds=timeout_seconds)

    return quietly(
        lambda: calls.unless_refused(
            f"/nodes/{node}/status",
            lambda: calls.ask_here(node_status, longest_seconds=lanes.DETAIL_CALL_SECONDS),
        )
    )
