"""What is asked of each node: details of its guests, storages, versions, certificates, history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from monitoring.collecting.disks import disk_errands
from monitoring.collecting.pve.common import is_online, version_of, wanted_guests
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import LISTING_SECONDS, Turn
from monitoring.figures.nodes import NodeFigures
from monitoring.known.lanes import Lane
from nodes.proxmox import backups, cluster, guests, hardware, pve

GUEST_KINDS = ("qemu", "lxc")
#: From this version on the history of a node tells its pressure and its ZFS cache.
HISTORY_SINCE = (9, 0)


def node_errands(
    turn: Turn, node: NodeFigures, running: Collection[str], *, replicates: bool
) -> Iterator[Errand]:
    """Yield what is asked of each node, only while it is online; `running` are the kinds of guests that run there."""
    name, is_there = node.name, is_online(node)
    if (
        is_there and node.uptime_seconds
    ):  # it may have been started with another version, and its disks may have other names
        turn.hasten([(Lane.VERSIONS, name), (Lane.DISKS, name)], since=turn.at - node.uptime_seconds)
    audits = is_there and turn.may(f"/nodes/{name}", "Sys.Audit")

    def errand(lane: Lane, run: Callable[..., None], *, is_possible: bool = is_there) -> Errand:
        return Errand(lane, name, run, (name,), is_possible, name)

    for kind in GUEST_KINDS:
        is_possible = is_there and kind in running
        yield Errand(Lane.GUEST_DETAILS, (name, kind), read_guest_details, (name, kind), is_possible, name)
    if turn.instance.monitor_storage:
        yield Errand(Lane.NODE_STORAGES, name, read_node_storages, (name,), is_there)
    yield from disk_errands(turn, name, is_possible=is_there and turn.may("/", "Sys.Audit"))
    yield errand(Lane.VERSIONS, read_node_version)
    yield errand(Lane.TIME, read_node_time, is_possible=audits)
    yield errand(Lane.CERTIFICATES, read_certificates)
    yield errand(Lane.SUBSCRIPTION, read_subscription)
    if turn.may(f"/nodes/{name}", "Sys.Modify"):
        yield errand(Lane.UPDATES, read_updates)
    if version_of(turn, name) >= HISTORY_SINCE:
        yield errand(Lane.NODE_HISTORY, read_history, is_possible=audits)
    if replicates:
        yield errand(Lane.REPLICATION, read_replication)


def read_guest_details(turn: Turn, node: str, kind: str) -> None:
    """Read balloon, swap and pressure of all guests of a node and kind; templates are among them, and not wanted."""
    wanted = {guest.vmid for guest in wanted_guests(turn)}
    for detail in turn.ask(guests.node_guests, node, kind, longest_seconds=10.0):
        if detail.vmid in wanted:
            turn.facts.set_guest(detail.vmid, detail=detail, detail_epoch=turn.at)


def read_node_storages(turn: Turn, node: str) -> None:
    """Read the storages as the node probed them."""
    found = turn.ask(backups.node_storages, node, longest_seconds=LISTING_SECONDS)
    turn.facts.set_node(node, storages=found, storages_epoch=turn.at)


def read_node_version(turn: Turn, node: str) -> None:
    """Read the version of the node."""
    turn.keep_node(node, version=turn.ask(pve.node_version, node).version)


def read_node_time(turn: Turn, node: str) -> None:
    """Read in which time zone schedules are meant."""
    turn.keep_node(node, time_zone=turn.ask(backups.node_time, node).zone)


def read_certificates(turn: Turn, node: str) -> None:
    """Read the certificates and when they expire."""
    turn.keep_node(node, certificates=turn.ask(hardware.certificates, node))


def read_subscription(turn: Turn, node: str) -> None:
    """Read whether the node has a subscription."""
    turn.keep_node(node, subscription=turn.ask(hardware.subscription, node))


def read_updates(turn: Turn, node: str) -> None:
    """Read the pending updates; most accounts may not see them."""
    turn.keep_node(node, updates=turn.ask(hardware.pending_updates, node))


def read_history(turn: Turn, node: str) -> None:
    """Read the pressure on the node itself, and how much of its memory the cache of ZFS takes."""
    history = turn.ask(hardware.node_history_newest, node)
    turn.facts.set_node(node, history=history, history_epoch=turn.at)


def read_replication(turn: Turn, node: str) -> None:
    """Read the replication jobs whose source the node is."""
    found = turn.ask(cluster.node_replication, node)
    turn.keep_node(node, replications=found)
