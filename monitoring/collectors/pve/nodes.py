"""What is asked of each node: details of its guests, storages, disks, versions, certificates, pressure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial

from monitoring.collectors.pve.common import is_online, version_of, wanted_guests
from monitoring.collectors.turn import LISTING_SECONDS, Turn
from monitoring.errands import Errand
from monitoring.resources import NodeView
from nodes.proxmox import access, backups, cluster, guests, hardware
from nodes.proxmox.errors import NoZfs

GUEST_KINDS = ("qemu", "lxc")
#: From this version on pressure is told.
PRESSURE_SINCE = (9, 0)


def node_errands(turn: Turn, node: NodeView, running: Collection[str]) -> Iterator[Errand]:
    """Yield what is asked of each node, only while it is online; `running` are the kinds of guests that run there."""
    name, is_there = node.name, is_online(node)
    if is_there and node.uptime:  # it may have been started with another version
        turn.hasten([f"versions/{name}"], since=turn.at - node.uptime)
    audits = is_there and turn.may(f"/nodes/{name}", "Sys.Audit")
    sees_disks = is_there and turn.may("/", "Sys.Audit")

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
        done = partial(run, turn, name, *more)
        return Errand(lane, subject, period, done, rank, is_possible, name if answers_alone else "")

    for kind in GUEST_KINDS:
        yield errand("guest details", f"{kind} {name}", 120.0, read_guest_details, kind,
                     is_possible=is_there and kind in running)  # fmt: skip
    if turn.instance.monitor_storage:
        yield errand("storage", name, 300.0, read_node_storages, rank=2, answers_alone=False)
    for subject, run, period in (
        ("zfs", read_zfs, 300.0 if has_zfs(turn, name) else 3600.0),
        ("lvmthin", read_thin_pools, 1800.0),
        ("list", read_disks, 3600.0),
    ):
        yield errand("disks", f"{subject} {name}", period, run, rank=3, is_possible=sees_disks, answers_alone=False)  # fmt: skip
    yield errand("versions", name, 3600.0, read_node_version, rank=0)
    yield errand("time", name, 6 * 3600.0, read_node_time, rank=2, is_possible=audits)
    yield errand("certificates", name, 6 * 3600.0, read_certificates, rank=3)
    yield errand("subscription", name, 6 * 3600.0, read_subscription, rank=3)
    if turn.may(f"/nodes/{name}", "Sys.Modify"):
        yield errand("updates", name, 6 * 3600.0, read_updates, rank=3)
    if version_of(turn, name) >= PRESSURE_SINCE:
        yield errand("pressure", name, 120.0, read_pressure, rank=3, is_possible=audits)
    if name in turn.facts.replication_nodes:
        yield errand("replication", name, 60.0, read_replication)


def has_zfs(turn: Turn, node: str) -> bool:
    """Return whether a node has ZFS pools, as far as is known; one without answers with an error."""
    reading = turn.memory.reading
    storages = reading.storages if reading is not None else ()
    return bool(turn.facts.node(node).zfs_pools) or any(
        one.node == node and one.plugin == "zfspool" for one in storages
    )


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


def read_zfs(turn: Turn, node: str) -> None:
    """Read the ZFS pools; a node without ZFS has none."""
    try:
        pools = turn.ask(hardware.zfs_pools, node)
    except NoZfs:
        pools = ()
    turn.keep_node(node, zfs_pools=pools)


def read_thin_pools(turn: Turn, node: str) -> None:
    """Read the LVM thin pools."""
    turn.keep_node(node, thin_pools=turn.ask(hardware.thin_pools, node))


def read_disks(turn: Turn, node: str) -> None:
    """Read the disks without waking them."""
    turn.keep_node(node, disks=turn.ask(hardware.disks, node, longest_seconds=10.0), disks_at=turn.at)


def read_node_version(turn: Turn, node: str) -> None:
    """Read the version of the node."""
    turn.keep_node(node, version=turn.ask(access.node_version, node).version)


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


def read_pressure(turn: Turn, node: str) -> None:
    """Read the pressure on the node itself."""
    pressure = turn.ask(hardware.node_pressure, node)
    turn.facts.set_node(node, pressure=pressure, pressure_at=turn.at)


def read_replication(turn: Turn, node: str) -> None:
    """Read the replication jobs whose source the node is."""
    turn.keep_node(node, replications=turn.ask(cluster.node_replication, node))
