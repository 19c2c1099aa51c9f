"""What is asked of each node: details of its guests, storages, versions, certificates, history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from monitoring.collecting.disks import disk_errands
from monitoring.collecting.pve.common import is_online, version_of, wanted_guests
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import LISTING_SECONDS, Turn
from monitoring.figures.nodes import NodeFigures
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
        turn.hasten([f"versions/{name}", f"disks/list {name}"], since=turn.at - node.uptime_seconds)
    audits = is_there and turn.may(f"/nodes/{name}", "Sys.Audit")

    def errand(
        lane: str,
        subject: str,
        period: float,
        run: Callable[..., None],
        *more: str,
        rank: int = 1,
        is_possible: bool = is_there,
        answers_alone: bool = True,
    ) -> Errand:
        node = name if answers_alone else ""
        return Errand(lane, subject, period, run, (name, *more), rank, is_possible, node)

    for kind in GUEST_KINDS:
        yield errand("guest details", f"{kind} {name}", 120.0, read_guest_details, kind,
                     is_possible=is_there and kind in running)  # fmt: skip
    if turn.instance.monitor_storage:
        yield errand("storage", name, 300.0, read_node_storages, rank=2, answers_alone=False)
    yield from disk_errands(turn, name, is_possible=is_there and turn.may("/", "Sys.Audit"))
    yield errand("versions", name, 3600.0, read_node_version, rank=0)
    yield errand("time", name, 6 * 3600.0, read_node_time, rank=2, is_possible=audits)
    yield errand("certificates", name, 6 * 3600.0, read_certificates, rank=3)
    yield errand("subscription", name, 6 * 3600.0, read_subscription, rank=3)
    if turn.may(f"/nodes/{name}", "Sys.Modify"):
        yield errand("updates", name, 6 * 3600.0, read_updates, rank=3)
    if version_of(turn, name) >= HISTORY_SINCE:
        yield errand("node history", name, 120.0, read_history, rank=3, is_possible=audits)
    if replicates:
        yield errand("replication", name, 60.0, read_replication)


def read_guest_details(turn: Turn, node: str, kind: str) -> None:
    """Read balloon, swap and pressure of all guests of a node and kind; templates are among them, and not wanted."""
    wanted = {guest.vmid for guest in wanted_guests(turn)}
    for detail in turn.ask(guests.node_guests, node, kind, longest_seconds=10.0):
        if detail.vmid in wanted:
            turn.facts.set_guest(detail.vmid, detail=detail, detail_at=turn.at)


def read_node_storages(turn: Turn, node: str) -> None:
    """Read the storages as the node probed them."""
    found = turn.ask(backups.node_storages, node, longest_seconds=LISTING_SECONDS)
    turn.facts.set_node(node, storages=found, storages_at=turn.at)


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
    turn.facts.set_node(node, history=history, history_at=turn.at)


def read_replication(turn: Turn, node: str) -> None:
    """Read the replication jobs whose source the node is."""
    found = turn.ask(cluster.node_replication, node)
    turn.keep_node(node, replications=found, replications_at=turn.at)
