"""What is asked of each guest: configuration, snapshots, and what its agent tells."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from monitoring.collecting.pve.common import version_of
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import AGENT_SECONDS, Visit
from monitoring.figures.filesystems import summarise
from monitoring.figures.guest_disk import FAILURES
from monitoring.known.lanes import Lane
from nodes.proxmox import guests
from nodes.proxmox.errors import ProxmoxError
from nodes.proxmox.readings.guests import GuestConfigReading
from nodes.proxmox.readings.live import GuestReading

#: What the guest agent demands, by the version of the node.
AGENT_PRIVILEGES_SINCE = (9, 0)
AGENT_PRIVILEGES = ("VM.GuestAgent.Audit", "VM.GuestAgent.Unrestricted")
OLD_AGENT_PRIVILEGES = ("VM.Monitor",)
DENIED = "permission_denied"
#: The agent of a guest is up so long after its start.
AGENT_START_SECONDS = 90.0
#: What only a guest that runs can tell.
INSIDE = (Lane.AGENT_FILESYSTEMS, Lane.AGENT_ADDRESSES, Lane.AGENT_SYSTEM, Lane.CONTAINER_ADDRESSES)
#: From this version on containers tell their addresses.
ADDRESSES_SINCE = (8, 1)


class Whereabouts(NamedTuple):
    """Which guest, and where it is: all that is needed to ask for it."""

    vmid: int
    kind: str
    node: str


def guest_questions(visit: Visit, guest: GuestReading, *, is_there: bool) -> tuple[Question, ...]:
    """Return what is asked of each guest; only while its node is online."""
    known = visit.facts.guest(guest.vmid)
    config = known.config
    is_running = is_there and guest.status == "running"
    if is_running and guest.uptime_seconds:
        hasten_started(visit, guest.vmid, visit.epoch - guest.uptime_seconds)
    place = Whereabouts(guest.vmid, guest.kind, guest.node)
    if guest.kind == "qemu":
        has_agent = config is not None and config.agent_is_enabled
        may_ask = has_agent and is_running and may_ask_agent(visit, guest)
        answers = bool(known.disk_epoch) and not known.agent_code
        return questions_of(place, is_there, has_agent, may_ask, answers, lacks_snapshots(config))
    tells = version_of(visit, guest.node) >= ADDRESSES_SINCE
    return questions_of(place, is_there, tells, is_running, False, lacks_snapshots(config))


def lacks_snapshots(config: GuestConfigReading | None) -> bool:
    """Return whether a guest has no snapshots, as far as its configuration tells."""
    return config is not None and not config.has_snapshots


@lru_cache(maxsize=32768)
def questions_of(
    place: Whereabouts,
    is_there: bool,
    has_more: bool,
    may_ask: bool,
    answers: bool = False,
    lacks_snapshots: bool = False,
) -> tuple[Question, ...]:
    """Return the questions of a guest, kept because those of ten thousand are the same at every visit.

    `has_more`: it has an agent, or is a container that tells its addresses; `may_ask`: that can be asked now, `answers`: its agent did the last time.
    """
    vmid, where = place.vmid, (place,)
    always = (
        Question(Lane.GUEST_CONFIGURATION, vmid, read_config, where, is_there, place.node),
        Question(Lane.GUEST_SNAPSHOTS, vmid, read_snapshots, where, is_there, place.node, lacks_snapshots),
    )
    if not has_more:
        return always
    if place.kind == "lxc":
        return (*always, Question(Lane.CONTAINER_ADDRESSES, vmid, read_addresses, where, may_ask, place.node))
    return (
        *always,
        Question(Lane.AGENT_FILESYSTEMS, vmid, read_filesystems, where, may_ask),
        Question(Lane.AGENT_ADDRESSES, vmid, read_addresses, where, may_ask),
        Question(Lane.AGENT_SYSTEM, vmid, read_system, where, may_ask and answers),
    )


def hasten_started(visit: Visit, vmid: int, started_epoch: float) -> None:
    """Let a guest that was started be read again: what was changed in its options is in force, its agent may run now."""
    if visit.facts.guest(vmid).config_epoch > started_epoch + AGENT_START_SECONDS:
        return  # all of it has been looked at since
    visit.hasten([(Lane.GUEST_CONFIGURATION, vmid)], since=started_epoch)
    if visit.epoch - started_epoch >= AGENT_START_SECONDS:
        visit.hasten(((lane, vmid) for lane in INSIDE), since=started_epoch + AGENT_START_SECONDS)


def may_ask_agent(visit: Visit, guest: GuestReading) -> bool:
    """Return whether the agent of a guest is to be asked: not before it is known which privilege its node demands.

    Asking without it costs the host a refusal for each guest; that it is missing is noted at the guest instead.
    """
    version = version_of(visit, guest.node)
    privileges = AGENT_PRIVILEGES if version >= AGENT_PRIVILEGES_SINCE else OLD_AGENT_PRIVILEGES
    if not version or visit.may(f"/vms/{guest.vmid}", *privileges):
        return bool(version)
    if visit.facts.permissions is not None and visit.facts.guest(guest.vmid).agent_code != DENIED:
        visit.facts.set_guest(guest.vmid, agent_code=DENIED)
    return False


def read_config(visit: Visit, guest: Whereabouts) -> None:
    """Read the configuration."""
    config = visit.ask(guests.guest_config, guest.node, guest.kind, guest.vmid)
    if lacks_snapshots(visit.facts.guest(guest.vmid).config) and config.has_snapshots:
        visit.hasten([(Lane.GUEST_SNAPSHOTS, guest.vmid)])
    visit.keep_guest(guest.vmid, config=config)


def read_snapshots(visit: Visit, guest: Whereabouts) -> None:
    """Read the snapshots."""
    found = visit.ask(guests.guest_snapshots, guest.node, guest.kind, guest.vmid)
    visit.keep_guest(guest.vmid, snapshots=found)


def read_filesystems(visit: Visit, guest: Whereabouts) -> None:
    """Read the file systems from the agent; why it does not tell them is kept beside what it told before."""
    try:
        found = visit.ask(guests.agent_filesystems, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    except ProxmoxError as error:
        if error.code in FAILURES:  # else it is the host that did not answer
            visit.facts.set_guest(guest.vmid, agent_code=error.code)
        raise
    config = visit.facts.guest(guest.vmid).config
    configured = (
        [disk.size_bytes or 0 for disk in config.disks if not disk.key.startswith("unused")] if config else []
    )
    disk = summarise(found, configured_bytes=sum(configured) or None)
    visit.facts.set_guest(guest.vmid, disk=disk, disk_epoch=visit.epoch, agent_code="")


def read_addresses(visit: Visit, guest: Whereabouts) -> None:
    """Read the addresses of a guest."""
    if guest.kind == "qemu":
        found = visit.ask(guests.agent_addresses, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    else:
        found = visit.ask(guests.container_addresses, guest.node, guest.vmid)
    visit.facts.set_guest(guest.vmid, addresses=found, addresses_epoch=visit.epoch)


def read_system(visit: Visit, guest: Whereabouts) -> None:
    """Read which operating system a virtual machine runs."""
    found = visit.ask(guests.agent_system, guest.node, guest.vmid, longest_seconds=AGENT_SECONDS)
    visit.facts.set_guest(guest.vmid, system=found, system_epoch=visit.epoch)
