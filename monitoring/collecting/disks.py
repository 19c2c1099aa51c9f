"""Disks and pools of a host: a node of PVE, or a PBS itself.

The plain list wakes nothing. SMART is asked rarely, and only where it is wanted: the host runs smartctl on each disk, up to
10 s, and a sleeping disk may wake. What it told is kept beside the plain list, which says nothing about it.
Source: api-facts.md 4.1 (disks/list, disks/smart) and 11.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import LISTING_SECONDS, Turn
from monitoring.known.facts import NodeFacts, SmartFacts
from nodes.choices import InstanceKind
from nodes.proxmox import hardware
from nodes.proxmox.errors import NoZfs
from nodes.proxmox.readings import DiskReading, SmartReading

SMART_PERIOD_SECONDS = 12 * 3600.0
#: A disk that does not answer is left alone for this long: each try starts another smartctl.
SMART_RETRY_SECONDS = 3 * 3600.0
#: The host gives smartctl 10 s.
SMART_CALL_SECONDS = 12.0
#: Disks of one host that are asked; more than any has.
MOST_DISKS = 256
#: Kinds that can tell something, as far as is known before the list with SMART; a stick or a virtual disk cannot.
TELLING_KINDS = frozenset({"hdd", "ssd", "nvme"})
#: Words that the list has for disks of which smartctl learns nothing: behind a RAID controller, virtual, switched off.
TELLS_NOTHING = frozenset({"", "unknown", "smart disabled"})

NOT_ASKED = SmartFacts()


def disk_errands(turn: Turn, node: str, *, is_possible: bool) -> Iterator[Errand]:
    """Yield what is asked about the disks and pools of a host; `is_possible`: it can be asked, and the account may."""
    yield Errand("disks", f"zfs {node}", zfs_period(turn, node), read_zfs, (node,), 3, is_possible)
    if not is_server(turn):
        yield Errand("disks", f"lvmthin {node}", 1800.0, read_thin_pools, (node,), 3, is_possible)
    yield Errand("disks", f"list {node}", 3600.0, read_disks, (node,), 3, is_possible)
    if turn.instance.reads_smart:
        yield from smart_errands(turn, node, is_possible=is_possible)


def smart_errands(turn: Turn, node: str, *, is_possible: bool) -> Iterator[Errand]:
    """Yield the list with SMART, and once that was tried one call for each disk that can tell something."""

    def errand(subject: str, *args: str) -> Errand:
        run = read_smart if args else read_smart_list
        return Errand("smart", f"{subject} {node}", SMART_PERIOD_SECONDS, run, (node, *args), rank=5,
                      is_possible=is_possible, retry_seconds=SMART_RETRY_SECONDS)  # fmt: skip

    yield errand("list")
    if f"smart/list {node}" not in turn.facts.progress:
        return
    known = known_of(turn, node)
    for disk in known.disks[:MOST_DISKS]:
        if hardware.smart_name(turn.instance.kind, disk.device) and tells_smart(disk, smart_of(known, disk)):
            yield errand(short_name(disk.device), disk.device)


def tells_smart(disk: DiskReading, known: SmartFacts) -> bool:
    """Return whether a disk is worth asking: the list with SMART knew its health, or has not seen it and its kind has one."""
    if known.listed is not None:
        return known.listed.health.lower() not in TELLS_NOTHING
    return disk.kind in TELLING_KINDS


def zfs_period(turn: Turn, node: str) -> float:
    """Return how often pools are looked at: often where there are some, but not on a PBS."""
    return 300.0 if not is_server(turn) and has_zfs(turn, node) else 3600.0


def has_zfs(turn: Turn, node: str) -> bool:
    """Return whether a node has ZFS pools, as far as is known; one without answers with an error."""
    reading = turn.memory.reading
    storages = reading.storages if reading is not None else ()
    return bool(turn.facts.node(node).zfs_pools) or any(
        one.node == node and one.plugin == "zfspool" for one in storages
    )


def read_zfs(turn: Turn, node: str) -> None:
    """Read the ZFS pools; a host without ZFS has none."""
    try:
        pools = turn.ask(hardware.zfs_pools, node)
    except NoZfs:
        pools = ()
    keep(turn, node, zfs_pools=pools)


def read_thin_pools(turn: Turn, node: str) -> None:
    """Read the LVM thin pools."""
    keep(turn, node, thin_pools=turn.ask(hardware.thin_pools, node))


def read_disks(turn: Turn, node: str) -> None:
    """Read the disks without waking them; one that has the name of another now is asked anew."""
    found = turn.ask(hardware.disks, node, longest_seconds=10.0)
    smart = known_of(turn, node).smart
    keep(turn, node, disks=found, disks_at=turn.at)
    renamed = [disk.device for disk in found if smart.get(disk.device, NOT_ASKED).serial != disk.serial]
    if smart and renamed:
        names = (f"smart/{subject} {node}" for subject in ("list", *map(short_name, renamed)))
        turn.hasten(names, since=turn.at)  # what this very turn asks then is asked once


def read_smart_list(turn: Turn, node: str) -> None:
    """Read health and wear of all disks."""
    found = turn.ask(hardware.disks, node, with_smart=True, longest_seconds=LISTING_SECONDS)
    known = known_of(turn, node)
    smart = {
        disk.device: replace(
            smart_of(known, disk),
            serial=disk.serial,
            listed=SmartReading(health=disk.health, life_left_percent=disk.life_left_percent),
            listed_at=turn.at,
        )
        for disk in found[:MOST_DISKS]
    }
    keep(turn, node, smart=smart)


def read_smart(turn: Turn, node: str, device: str) -> None:
    """Read what one disk tells of itself."""
    known = known_of(turn, node)
    disk = next((one for one in known.disks if one.device == device), None)
    if disk is None:  # taken out, as this turn has just learnt
        return
    disk_name = hardware.smart_name(turn.instance.kind, device)
    reading = turn.ask(hardware.smart, node, disk_name, longest_seconds=SMART_CALL_SECONDS)
    told = replace(smart_of(known, disk), serial=disk.serial, own=reading, own_at=turn.at)
    keep(turn, node, smart={**known.smart, device: told})


def smart_of(known: NodeFacts, disk: DiskReading) -> SmartFacts:
    """Return what SMART told of a disk, nothing when it told it of another disk that had the name."""
    told = known.smart.get(disk.device, NOT_ASKED)
    return told if told.serial == disk.serial else NOT_ASKED


def short_name(device: str) -> str:
    """Return how a disk is called in the name of an errand: `sda`."""
    return device.removeprefix("/dev/")


def is_server(turn: Turn) -> bool:
    """Return whether the instance is a PBS, whose only host is itself."""
    return turn.instance.kind == InstanceKind.PBS


def known_of(turn: Turn, node: str) -> NodeFacts:
    """Return what is known of a host."""
    return turn.facts.host if is_server(turn) else turn.facts.node(node)


def keep(turn: Turn, node: str, **values: object) -> None:
    """Keep facts of a host."""
    if is_server(turn):
        turn.keep_host(**values)
    else:
        turn.keep_node(node, **values)
