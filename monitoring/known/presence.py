"""Which nodes of a PVE are there, whose figures have moved, and what is shown of those that nobody can look at; pure."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from monitoring.figures.guests import GuestFigures
from monitoring.figures.staleness import GRACE_SECONDS, is_recent
from monitoring.known.freshness import lasting_seconds
from monitoring.known.lanes import Lane
from monitoring.known.memory import Mark, PollMemory
from nodes.proxmox.readings.live import ClusterReading, ResourcesReading

#: Every poll asks a cluster who is in it.
MEMBERSHIP_SECONDS = GRACE_SECONDS


def membership(memory: PollMemory, at_epoch: float) -> ClusterReading | None:
    """Return who is in the cluster, None while that is not known, or was told too long ago."""
    known, read_epoch = memory.cluster, memory.cluster_epoch
    lasting = (
        MEMBERSHIP_SECONDS if known is not None and known.is_cluster else lasting_seconds(Lane.MEMBERSHIP)
    )
    return None if read_epoch and not is_recent(read_epoch, at_epoch=at_epoch, seconds=lasting) else known


def absent_nodes(
    resources: ResourcesReading, cluster: ClusterReading | None, *, others_are_silent: bool = False
) -> dict[str, str]:
    """Return the status of each node that is not online, by the list or by a membership that has a majority.

    The list follows the membership by seconds. A host without a majority takes all others for offline, which nobody knows
    unless they do not answer Pulse either (`others_are_silent`).
    """
    absent = {node.name: node.status for node in resources.nodes if node.status != "online"}
    if cluster is not None and cluster.is_quorate:
        absent |= {member.name: "offline" for member in cluster.members if member.is_online is False}
    elif cluster is not None and cluster.is_quorate is False and not others_are_silent:
        absent = dict.fromkeys(absent, "unknown")
    return absent


def remember_absence(memory: PollMemory, absent: Mapping[str, str], at_epoch: float) -> None:
    """Keep since when each node is not online."""
    memory.absent_since = {name: memory.absent_since.get(name, at_epoch) for name in absent}


def fresh_nodes(memory: PollMemory, resources: ResourcesReading) -> set[str]:
    """Return the nodes whose figures have moved since the last poll, and remember the figures.

    A node that tells no figures, for want of a privilege, always counts as fresh.
    """
    fresh: set[str] = set()
    marks: dict[str, Mark] = {}
    for node in resources.nodes:
        mark = (node.cpu_ratio, node.memory_used_bytes, node.uptime_seconds)
        if mark == (None, None, None) or memory.marks.get(node.name) != mark:
            fresh.add(node.name)
        marks[node.name] = mark
    memory.marks = marks
    return fresh


def unreadable_guests(
    memory: PollMemory,
    resources: ResourcesReading,
    before: Mapping[int, GuestFigures],
    wanted: frozenset[str],
    *,
    at_epoch: float,
) -> list[GuestFigures]:
    """Return the guests that may be among rows nobody can read, as last seen, for a while."""
    if not resources.skipped:
        memory.incomplete_since = 0.0
        return []
    memory.incomplete_since = memory.incomplete_since or at_epoch
    if at_epoch - memory.incomplete_since > GRACE_SECONDS:
        return []
    listed = {guest.vmid for guest in resources.guests}
    missing = (guest for vmid, guest in before.items() if vmid not in listed and guest.kind in wanted)
    return [replace(guest, is_stale=True) for guest in missing]
