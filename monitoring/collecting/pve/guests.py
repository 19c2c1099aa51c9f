"""What is asked of each guest: configuration, snapshots, and what its agent tells."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from monitoring.collecting.pve.common import version_of
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import AGENT_SECONDS, Turn
from monitoring.figures.filesystems import FAILURES, summarise
from monitoring.known.lanes import Lane
from nodes.proxmox import guests
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.readings.live import GuestReading

#: What the guest agent demands, by the version of the node.
AGENT_PRIVILEGES_SINCE = (9, 0)
AGENT_PRIVILEGES = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
OLD_AGENT_PRIVILEGES = ("VM.Monitor",)
DENIED = "permission_denied"
#: The agent of a guest is up so long after its start.
AGENT_START_SECONDS = 90.0
#: What only a guest that runs can tell.
INSIDE = (Lane.AGENT_FILESYSTEMS, Lane.AGENT_ADDRESSES, Lane.CONTAINER_ADDRESSES)
#: From this version on containers tell their addresses.
ADDRESSES_SINCE = (8, 1)


class Place(NamedTuple):
    """Which guest, and where it is: all that is needed to ask for it."""

    vmid: int
    kind: str
    node: str


def guest_errands(turn: Turn, guest: GuestReading, *, is_there: bool) -> tuple[Errand, ...]:
    """Return what is asked of each guest; only while its node is online."""
    config = turn.facts.guest(guest.vmid).config
    is_running = is_there and guest.status == "running"
    if is_running and guest.uptime_seconds:
        hasten_started(turn, guest.vmid, turn.at - guest.uptime_seconds)
    place = Place(guest.vmid, guest.kind, guest.node)
    if guest.kind == "qemu":
        has_agent = config is not None and config.agent_is_enabled
        return errands_of(place, is_there, has_agent, has_agent and is_running and may_ask_agent(turn, guest))
    return errands_of(place, is_there, version_of(turn, guest.node) >= ADDRESSES_SINCE, is_running)


@lru_cache(maxsize=32768)
def errands_of(place: Place, is_there: bool, has_more: bool, may_ask: bool) -> tuple[Errand, ...]:
    """Return the errands of a guest, kept because those of ten thousand are the same at every turn.

    `has_more`: it has an agent, or is a container that tells its addresses; `may_ask`: that can be asked now.
    """
    vmid, where = place.vmid, (place,)
    always = (
        Errand(Lane.GUEST_CONFIGURATION, vmid, read_config, where, is_there, place.node),
        Errand(Lane.GUEST_SNAPSHOTS, vmid, read_snapshots, where, is_there, place.node),
    )
    if not has_more:
        return always
    if place.kind == "lxc":
        return (*always, Errand(Lane.CONTAINER_ADDRESSES, vmid, read_addresses, where, may_ask, place.node))
    return (
        *always,
        Errand(Lane.AGENT_FILESYSTEMS, vmid, read_filesystems, where, may_ask),
        Errand(Lane.AGENT_ADDRESSES, vmid, read_addresses, where, may_ask),
    )


def hasten_started(turn: Turn, vmid: int, started_at: float) -> None:
    """Let a guest that was started be read again: what was changed in its options is in force, its agent may run now."""
    if turn.facts.guest(vmid).config_epoch > started_at + AGENT_START_SECONDS:
        return  # all of it has been looked at since
    turn.hasten([(Lane.GUEST_CONFIGURATION, vmid)], since=started_at)
    if turn.at - started_at >= AGENT_START_SECONDS:
        turn.hasten(((lane, vmid) for lane in INSIDE), since=started_at + AGENT_START_SECONDS)


def may_ask_agent(turn: Turn, guest: GuestReading) -> bool:
    """Return whether the agent of a guest is to be asked: not before it is known which privilege its node demands.

    Asking without it costs the host a refusal for each guest; that it is missing is noted at the guest instead.
    """
    version = version_of(turn, guest.node)
    privileges = AGENT_PRIVILEGES if version >= AGENT_PRIVILEGES_SINCE else OLD_AGENT_PRIVILEGES
    if not version or turn.may(f"/vms/{guest.vmid}", *privileges):
        return bool(version)
    if turn.facts.permissions is not None and turn.facts.guest(guest.vmid).agent_code != DENIED:
        turn.facts.set_guest(guest.vmid, agent_code=DENIED)
    return False


def read_config(turn: Turn, guest: Place) -> None:
    """Read the configuration."""
    config = turn.ask(guests.guest_config, guest.node, guest.kind, guest.vmid)
    turn.keep_guest(guest.vmid, config=config)


def read_snapshots(turn: Turn, guest: Place) -> None:
    """Read the snapshots."""
    found = turn.ask(guests.guest_snapshots, guest.node, guest.kind, guest.vmid)
    turn.keep_guest(guest.vmid, snapshots=found)


def read_filesystems(turn: Turn, guest: Place) -> None:
    """Read the file systems from the agent; why it does not tell them is kept beside what it told before."""
    try:
        found = turn.ask(guests.agent_filesystems, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    except ProxmoxError as error:
        if error.code in FAILURES:  # else it is the host that did not answer
            turn.facts.set_guest(guest.vmid, agent_code=error.code)
        raise
    config = turn.facts.guest(guest.vmid).config
    configured = (
        [disk.size_bytes or 0 for disk in config.disks if not disk.key.startswith("unused")] if config else []
    )
    disk = summarise(found, configured_bytes=sum(configured) or None)
    turn.facts.set_guest(guest.vmid, disk=disk, disk_epoch=turn.at, agent_code="")


def read_addresses(turn: Turn, guest: Place) -> None:
    """Read the addresses of a guest."""
    if guest.kind == "qemu":
        found = turn.ask(guests.agent_addresses, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    else:
        found = turn.ask(guests.container_addresses, guest.node, guest.vmid)
    turn.facts.set_guest(guest.vmid, addresses=found, addresses_epoch=turn.at)
