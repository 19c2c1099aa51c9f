"""What is wrong with the ZFS pools of a host, and with which of their disks; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.concerns.shapes import CRITICAL, WARNING, Concern, cut, listed
from monitoring.known.facts import PoolFacts
from nodes.proxmox.readings.hardware import ZfsDeviceReading, ZfsPoolDetailReading, ZfsPoolReading

STATES = {"UNAVAIL": "unavailable"}


def zfs(
    pools: Iterable[ZfsPoolReading], details: Mapping[str, PoolFacts], read_epoch: float
) -> Iterator[Concern]:
    """Yield the pools that are not ONLINE, degraded ones still work, with the disks because of which; and disks with errors."""
    for pool in pools:
        told = details.get(pool.name)
        if pool.health and pool.health != "ONLINE":
            is_degraded = pool.health == "DEGRADED"
            code, level = ("zfs_degraded", WARNING) if is_degraded else ("zfs_failed", CRITICAL)
            bad = bad_devices(told.detail) if told is not None else []
            why = f": {listed(bad)}" if bad else ""
            text = f"ZFS pool {pool.name} is {pool.health.lower()}{why}"
            yield Concern(code, level, pool.name, text, read_epoch)
        if told is not None:
            yield from errors(pool.name, told)


def errors(pool: str, told: PoolFacts) -> Iterator[Concern]:
    """Yield the data that a pool has lost, and its disks that work and have failed at something."""
    detail = told.detail
    if detail.has_data_errors:
        text = f"ZFS pool {pool} has lost data: {cut(detail.errors)}"
        yield Concern("zfs_data_errors", CRITICAL, pool, text.rstrip(".:"), told.read_epoch)
    counted = [f"{one.name} has {counts(one)}" for one in detail.devices if one.has_errors and not one.is_bad]
    if counted:
        text = f"Disks of ZFS pool {pool} have errors: {listed(counted)}"
        yield Concern("zfs_device_errors", WARNING, pool, text, told.read_epoch)


def bad_devices(detail: ZfsPoolDetailReading) -> list[str]:
    """Return what is the matter with each disk that a pool cannot use: `sdb is faulted (too many errors)`."""
    return [
        f"{one.name} is {STATES.get(one.state, one.state.lower())}{f' ({cut(one.message)})' if one.message else ''}"
        for one in detail.devices
        if one.is_bad
    ]


def counts(one: ZfsDeviceReading) -> str:
    """Return the errors of a disk by kind: `3 read and 2 checksum errors`."""
    kinds = (("read", one.read_errors), ("write", one.write_errors), ("checksum", one.checksum_errors))
    told = [f"{count} {kind}" for kind, count in kinds if count]
    return f"{listed(told)} error{'' if told[-1].startswith('1 ') else 's'}"
