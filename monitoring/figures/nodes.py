"""What is true of a PVE node now; pure.

There are two ways to come by it: the node has just been listed (`live_node`), or it is only remembered (`remembered_node`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from monitoring.figures.versions import numbers_of
from nodes.proxmox.readings.guests import PressureReading
from nodes.proxmox.readings.hardware import NodeHistoryReading
from nodes.proxmox.readings.live import NodeReading, NodeStatusReading, StorageReading

Health = Literal["healthy", "unhealthy", "error"]
#: What a node leaves out of its used memory: MemAvailable, or what is free, buffers and cached files.
MemorySource = Literal["", "available", "free"]

#: From this release on a node subtracts what is available from its memory, before what is free or a cache of files.
AVAILABLE_SINCE = (8, 4)


class RootDisk(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The root file system of a node, as its status tells it, else the list, else a storage that lies on it."""

    used_bytes: int | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None  # only where the node tells it: some of it may be reserved
    source: Literal["", "status", "list", "storage"] = ""


class NodeFigures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One node; a node that is not online has its facts and no figures. Epochs are seconds of our own clock.

    What has no instant of its own was told by the poll at `seen_epoch`. `is_stale`: it could not be looked at now, and all of
    it is as it was then. `health` says whether its instance answers, and can tell how the node is.
    """

    name: str
    status: str  # online, offline, unknown
    health: Health = "healthy"
    seen_epoch: float | None = None
    is_stale: bool = False
    ha_state: str = ""  # online, maintenance, fence, gone, unknown; only where HA is used
    cpu_ratio: float | None = None  # of all logical CPUs
    cpu_reason: Literal["", "no_permission", "not_told"] = ""  # why it is None though the node is online
    cpu_count: int | None = None  # logical
    cpu_sockets: int | None = None
    cpu_model: str = ""
    cpu_mhz: str = ""  # a text, as Proxmox has it
    uptime_seconds: int | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    memory_source: MemorySource = ""  # empty: its release is not known
    root: RootDisk = RootDisk()
    # As the node's own status told it, at `status_epoch`:
    load_average: tuple[float, ...] = ()  # processes over 1, 5 and 15 minutes
    io_wait_ratio: float | None = None  # since anybody's previous question: it jumps about
    swap_used_bytes: int | None = None
    swap_total_bytes: int | None = None
    kernel_version: str = ""
    pve_version: str = ""  # pve-manager/9.0.3/hash
    status_epoch: float | None = None
    # As its history told it, at `history_epoch`:
    arc_bytes: int | None = None  # of the used memory the cache of ZFS
    pressure: PressureReading | None = None
    network_in_bytes_per_second: float | None = None  # of the physical interfaces, over a minute
    network_out_bytes_per_second: float | None = None
    history_epoch: float | None = None


def live_node(
    reading: NodeReading,
    detail: NodeStatusReading | None,
    *,
    status: str,
    seen_epoch: float | None,
    status_epoch: float | None = None,
    release: str = "",
    root: StorageReading | None = None,
    history: NodeHistoryReading | None = None,
    history_epoch: float = 0.0,
    may_see: bool | None = None,
) -> NodeFigures:
    """Return a node that was listed just now.

    `status` is the list's, unless the membership knows better. `release` is its version when its status does not tell that,
    `root` the storage that stands for its root file system when nothing else tells of it, `history` None when what it told
    is too old, `may_see` whether the account has the right to its figures, None when that is not known.
    """
    known = detail or NodeStatusReading()
    facts = NodeFigures(
        name=reading.name,
        status=status,
        health="unhealthy" if status == "unknown" else "healthy",
        seen_epoch=seen_epoch,
        ha_state=reading.ha_state,
        cpu_count=reading.cpu_count or known.cpu_count,
        cpu_sockets=known.cpu_sockets,
        cpu_model=known.cpu_model,
        cpu_mhz=known.cpu_mhz,
        memory_source=memory_source(known.pve_version or release),
        kernel_version=known.kernel_version,
        pve_version=known.pve_version,
        status_epoch=status_epoch if detail is not None else None,
    )
    if status != "online":
        return facts
    used, total = memory_of(reading, known)
    return msgspec.structs.replace(
        facts,
        cpu_ratio=reading.cpu_ratio,
        cpu_reason=untold_reason(may_see) if reading.cpu_ratio is None else "",
        uptime_seconds=reading.uptime_seconds,
        memory_used_bytes=used,
        memory_total_bytes=total,
        root=root_disk(reading, known, root),
        load_average=known.load_average,
        io_wait_ratio=known.io_wait_ratio,
        swap_used_bytes=known.swap_used_bytes,
        swap_total_bytes=known.swap_total_bytes,
        arc_bytes=history.arc_bytes if history is not None else None,
        pressure=history.pressure if history is not None else None,
        network_in_bytes_per_second=history.network_in_bytes_per_second if history is not None else None,
        network_out_bytes_per_second=history.network_out_bytes_per_second if history is not None else None,
        history_epoch=history_epoch if history is not None else None,
    )


def remembered_node(node: NodeFigures, *, health: Health, is_down: bool = False) -> NodeFigures:
    """Return a node of an instance that does not answer; `is_down` once that has lasted, and the node counts as offline."""
    if is_down:
        return msgspec.structs.replace(
            node, status="offline", health="error", cpu_ratio=None, uptime_seconds=None, is_stale=True
        )
    return msgspec.structs.replace(node, health=health, is_stale=True)


def untold_reason(may_see: bool | None) -> Literal["no_permission", "not_told"]:
    """Return why a figure was not told: Proxmox leaves out what the account may not see."""
    return "no_permission" if may_see is False else "not_told"


def memory_source(version: str) -> MemorySource:
    """Return what a node of this release leaves out of its used memory, "" when the release is not known.

    `version` as 8.4.1 or pve-manager/8.4.1/hash. Source: api-facts.md 3.2.
    """
    numbers = numbers_of(version.removeprefix("pve-manager/").partition("/")[0])
    if not numbers:
        return ""
    return "available" if numbers >= AVAILABLE_SINCE else "free"


def memory_of(reading: NodeReading, detail: NodeStatusReading) -> tuple[int | None, int | None]:
    """Return the used and the whole memory from the list, else from the node's status, which a narrower privilege opens."""
    if reading.memory_total_bytes:
        return reading.memory_used_bytes, reading.memory_total_bytes
    return detail.memory_used_bytes, detail.memory_total_bytes


def root_disk(reading: NodeReading, detail: NodeStatusReading, root: StorageReading | None) -> RootDisk:
    """Return the root file system: from the node's status, else from the list, else from a local storage."""
    if detail.root_total_bytes:
        free = detail.root_available_bytes
        return RootDisk(detail.root_used_bytes, detail.root_total_bytes, free, "status")
    if reading.disk_total_bytes:
        return RootDisk(reading.disk_used_bytes, reading.disk_total_bytes, None, "list")
    if root is not None:
        return RootDisk(root.used_bytes, root.total_bytes, None, "storage")
    return RootDisk()


def root_storage(node: str, storages: Iterable[StorageReading]) -> StorageReading | None:
    """Return `local`, else `local-lvm`, of a node; None when neither tells its use (state.md 2.1)."""
    own = {storage.name: storage for storage in storages if storage.node == node and storage.total_bytes}
    return own.get("local") or own.get("local-lvm")
