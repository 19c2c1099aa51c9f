"""What is asked of each guest: configuration, snapshots, and what its agent tells."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from monitoring.collectors.pve.common import version_of
from monitoring.collectors.turn import AGENT_SECONDS, Turn
from monitoring.errands import Errand
from monitoring.filesystems import FAILURES, summarise
from nodes.proxmox import guests
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.readings import GuestReading

#: What the guest agent demands, by the version of the node.
AGENT_PRIVILEGES_SINCE = (9, 0)
AGENT_PRIVILEGES = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
OLD_AGENT_PRIVILEGES = ("VM.Monitor",)
DENIED = "permission_denied"
#: The agent of a guest is up so long after its start.
AGENT_START_SECONDS = 90.0
#: From this version on containers tell their addresses.
ADDRESSES_SINCE = (8, 1)


def guest_errands(turn: Turn, guest: GuestReading, *, is_there: bool) -> Iterator[Errand]:
    """Yield what is asked of each guest; only while its node is online."""
    vmid, kind = guest.vmid, guest.kind
    known = turn.facts.guest(vmid)
    config = known.config
    is_running = is_there and guest.status == "running"
    if is_running and guest.uptime_seconds:
        started_at = turn.at - guest.uptime_seconds
        if known.config_at <= started_at + AGENT_START_SECONDS:  # else all of it has been looked at since
            hasten_started(turn, vmid, started_at)
    yield Errand("guest configuration", str(vmid), 7200.0, partial(read_config, turn, guest), 2, is_there, guest.node)  # fmt: skip
    yield Errand("guest snapshots", str(vmid), 3600.0, partial(read_snapshots, turn, guest), 4, is_there, guest.node)  # fmt: skip
    addresses = partial(read_addresses, turn, guest)
    if kind == "qemu" and config is not None and config.agent_is_enabled:
        may_ask = is_running and may_ask_agent(turn, guest)
        files = partial(read_filesystems, turn, guest)
        yield Errand("guest agent", f"filesystems {vmid}", 360.0, files, 2, may_ask)
        yield Errand("guest agent", f"addresses {vmid}", 3600.0, addresses, 4, may_ask)
    elif kind == "lxc" and version_of(turn, guest.node) >= ADDRESSES_SINCE:
        yield Errand("guest addresses", str(vmid), 3600.0, addresses, 4, is_running, guest.node)


def hasten_started(turn: Turn, vmid: int, started_at: float) -> None:
    """Let a guest that was started be read again: what was changed in its options is in force, its agent may run now."""
    turn.hasten([f"guest configuration/{vmid}"], since=started_at)
    if turn.at - started_at >= AGENT_START_SECONDS:
        names = [
            f"guest agent/filesystems {vmid}",
            f"guest agent/addresses {vmid}",
            f"guest addresses/{vmid}",
        ]
        turn.hasten(names, since=started_at + AGENT_START_SECONDS)


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


def read_config(turn: Turn, guest: GuestReading) -> None:
    """Read the configuration."""
    config = turn.ask(guests.guest_config, guest.node, guest.kind, guest.vmid)
    turn.keep_guest(guest.vmid, config=config, config_at=turn.at)


def read_snapshots(turn: Turn, guest: GuestReading) -> None:
    """Read the snapshots."""
    found = turn.ask(guests.guest_snapshots, guest.node, guest.kind, guest.vmid)
    turn.keep_guest(guest.vmid, snapshots=found, snapshots_at=turn.at)


def read_filesystems(turn: Turn, guest: GuestReading) -> None:
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
    turn.facts.set_guest(guest.vmid, disk=disk, disk_at=turn.at, agent_code="")


def read_addresses(turn: Turn, guest: GuestReading) -> None:
    """Read the addresses of a guest."""
    if guest.kind == "qemu":
        found = turn.ask(guests.agent_addresses, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    else:
        found = turn.ask(guests.container_addresses, guest.node, guest.vmid)
    turn.facts.set_guest(guest.vmid, addresses=found, addresses_at=turn.at)
