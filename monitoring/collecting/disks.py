"""Disks and pools of a host: a node of PVE, or a PBS itself.

The plain list wakes nothing. SMART is asked rarely, and only where it is wanted: the host runs smartctl on each disk, up to
10 s, and a sleeping disk may wake. What it told is kept beside the plain list, which says nothing about it.
Source: api-facts.md 4.1 (disks/list, disks/smart) and 11.2.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import LISTING_SECONDS, Visit
from monitoring.known.facts import NodeFacts, PoolFacts, SmartFacts
from monitoring.known.freshness import is_troubled
from monitoring.known.lanes import Key, Lane
from nodes.choices import InstanceKind
from nodes.proxmox import hardware
from nodes.proxmox.errors import NoZfs
from nodes.proxmox.readings.hardware import DiskReading, SmartReading

#: The host gives smartctl 10 s.
SMART_CALL_SECONDS = 12.0
#: Disks of one host that are asked; more than any has.
MOST_DISKS = 256
#: The same of its ZFS pools.
MOST_POOLS = 32
#: Kinds that can tell something, as far as is known before the list with SMART; a stick or a virtual disk cannot.
TELLING_KINDS = frozenset({"hdd", "ssd", "nvme"})
#: Words that the list has for disks of which smartctl learns nothing: behind a RAID controller, virtual, switched off.
TELLS_NOTHING = frozenset({"", "unknown", "smart disabled"})

NOT_ASKED = SmartFacts()


def disk_questions(visit: Visit, node: str, *, is_possible: bool) -> Iterator[Question]:
    """Yield what is asked about the disks and pools of a host; `is_possible`: it can be asked, and the account may."""
    # Pools are looked at often where there are some, but not on a PBS.
    is_idle = is_server(visit) or not has_zfs(visit, node)
    yield Question(Lane.ZFS_POOLS, node, read_zfs, (node,), is_possible, is_idle=is_idle)
    known = known_of(visit, node)
    for pool in known.zfs_pools[:MOST_POOLS]:
        is_well = not is_troubled(pool.name, known)
        key = (node, pool.name)
        yield Question(Lane.ZFS_POOL, key, read_zfs_pool, key, is_possible, is_idle=is_well)
    if not is_server(visit):
        yield Question(Lane.THIN_POOLS, node, read_thin_pools, (node,), is_possible)
    yield Question(Lane.DISKS, node, read_disks, (node,), is_possible)
    if visit.instance.reads_smart:
        yield from smart_questions(visit, node, is_possible=is_possible)


def smart_questions(visit: Visit, node: str, *, is_possible: bool) -> Iterator[Question]:
    """Yield the list with SMART, and once that was tried one call for each disk that can tell something."""
    yield Question(Lane.SMART_LIST, node, read_smart_list, (node,), is_possible)
    if not visit.facts.progress_of(Lane.SMART_LIST, node).tried_epoch:
        return
    known = known_of(visit, node)
    for disk in known.disks[:MOST_DISKS]:
        if hardware.smart_name(visit.instance.kind, disk.device) and tells_smart(disk, smart_of(known, disk)):
            yield Question(*smart_key(node, disk.device), read_smart, (node, disk.device), is_possible)


def tells_smart(disk: DiskReading, known: SmartFacts) -> bool:
    """Return whether a disk is worth asking: the list with SMART knew its health, or has not seen it and its kind has one."""
    if known.listed is not None:
        return known.listed.health.lower() not in TELLS_NOTHING
    return disk.kind in TELLING_KINDS


def smart_key(node: str, device: str) -> Key:
    """Return what the progress with a disk is kept under; its device in short, `sda`."""
    return Lane.SMART, (node, device.removeprefix("/dev/"))


def has_zfs(visit: Visit, node: str) -> bool:
    """Return whether a node has ZFS pools, as far as is known; one without answers with an error."""
    reading = visit.memory.reading
    storages = reading.storages if reading is not None else ()
    return bool(visit.facts.node(node).zfs_pools) or any(
        one.node == node and one.plugin == "zfspool" for one in storages
    )


def read_zfs(visit: Visit, node: str) -> None:
    """Read the ZFS pools; a host without ZFS has none."""
    try:
        pools = visit.ask(hardware.zfs_pools, node)
    except NoZfs:
        pools = ()
    known = known_of(visit, node)
    before = {one.name: one.health for one in known.zfs_pools}
    changed = [one.name for one in pools if before.get(one.name, one.health) != one.health]
    visit.hasten([(Lane.ZFS_POOL, (node, name)) for name in changed], since=visit.epoch)
    names = {one.name for one in pools}
    details = {name: one for name, one in known.zfs_details.items() if name in names}
    keep(visit, node, zfs_pools=pools, zfs_details=details)


def read_zfs_pool(visit: Visit, node: str, pool: str) -> None:
    """Read what a pool tells of its devices, its scrubs and its data."""
    details = known_of(visit, node).zfs_details
    told = PoolFacts(visit.ask(hardware.zfs_pool, node, pool), visit.epoch)
    keep(visit, node, zfs_details={**details, pool: told})
    was_troubled = pool in details and details[pool].detail.is_troubled
    if told.detail.is_troubled and not was_troubled:
        visit.hasten([(Lane.ZFS_POOL, (node, pool))])  # from now on it is asked often


def read_thin_pools(visit: Visit, node: str) -> None:
    """Read the LVM thin pools."""
    keep(visit, node, thin_pools=visit.ask(hardware.thin_pools, node))


def read_disks(visit: Visit, node: str) -> None:
    """Read the disks without waking them; one that has the name of another now is asked anew."""
    found = visit.ask(hardware.disks, node, longest_seconds=10.0)
    smart = known_of(visit, node).smart
    keep(visit, node, disks=found)
    renamed = [disk.device for disk in found if smart.get(disk.device, NOT_ASKED).serial != disk.serial]
    if smart and renamed:
        keys = [(Lane.SMART_LIST, node), *(smart_key(node, device) for device in renamed)]
        visit.hasten(keys, since=visit.epoch)  # what this very visit asks then is asked once


def read_smart_list(visit: Visit, node: str) -> None:
    """Read health and wear of all disks."""
    found = visit.ask(hardware.disks, node, with_smart=True, longest_seconds=LISTING_SECONDS)
    known = known_of(visit, node)
    smart = {
        disk.device: replace(
            smart_of(known, disk),
            serial=disk.serial,
            listed=SmartReading(health=disk.health, life_left_percent=disk.life_left_percent),
            listed_epoch=visit.epoch,
        )
        for disk in found[:MOST_DISKS]
    }
    keep(visit, node, smart=smart)


def read_smart(visit: Visit, node: str, device: str) -> None:
    """Read what one disk tells of itself."""
    known = known_of(visit, node)
    disk = next((one for one in known.disks if one.device == device), None)
    if disk is None:  # taken out, as this visit has just learnt
        return
    disk_name = hardware.smart_name(visit.instance.kind, device)
    reading = visit.ask(hardware.smart, node, disk_name, longest_seconds=SMART_CALL_SECONDS)
    told = replace(smart_of(known, disk), serial=disk.serial, own=reading, own_epoch=visit.epoch)
    keep(visit, node, smart={**known.smart, device: told})


def smart_of(known: NodeFacts, disk: DiskReading) -> SmartFacts:
    """Return what SMART told of a disk, nothing when it told it of another disk that had the name."""
    told = known.smart.get(disk.device, NOT_ASKED)
    return told if told.serial == disk.serial else NOT_ASKED


def is_server(visit: Visit) -> bool:
    """Return whether the instance is a PBS, whose only host is itself."""
    return visit.instance.kind == InstanceKind.PBS


def known_of(visit: Visit, node: str) -> NodeFacts:
    """Return what is known of a host."""
    return visit.facts.host if is_server(visit) else visit.facts.node(node)


def keep(visit: Visit, node: str, **values: object) -> None:
    """Keep facts of a host."""
    if is_server(visit):
        visit.keep_host(**values)
    else:
        visit.keep_node(node, **values)
