"""How nodes and guests are built from readings; pure. Source: state.md 2.1, 2.2 and 3 of the contract."""

from __future__ import annotations

import msgspec

from monitoring.figures.guest_memory import GuestMemory, guest_memory
from monitoring.figures.rates import Rates
from monitoring.figures.versions import numbers_of
from monitoring.wire.shapes import NO_EXTRAS, CpuInfo, GuestExtras, GuestShape, NodeShape, Usage
from monitoring.wire.usage import NOTHING, usage
from nodes.proxmox.readings import (
    GuestReading,
    NodeReading,
    NodeStatusReading,
)

#: From this release on a node subtracts what is available from its memory, before what is free or a cache of files.
AVAILABLE_SINCE = (8, 4)


def node_view(
    reading: NodeReading,
    detail: NodeStatusReading | None,
    *,
    instance: str,
    seen: str,
    health: str,
    root: Usage | None = None,
    version: str = "",
    arc_bytes: int | None = None,
    may_see: bool | None = None,
) -> NodeShape:
    """Return the node; one that is not online keeps its facts and has no figures.

    `root` is the file system to show when neither the node's status nor the list tells one, `version` its release when its
    status does not tell that, `arc_bytes` what its history told of the cache of ZFS not long ago, `may_see` whether the account has the right to its figures, None
    when that is not known.
    """
    known = detail or NodeStatusReading()
    online = reading.status == "online"
    return NodeShape(
        id=f"{instance}-{reading.name}",
        name=reading.name,
        instance=instance,
        status=reading.status,
        type="node",
        cpu=(reading.cpu_ratio or 0.0) if online else 0.0,
        cpuReason=untold_reason(may_see) if online and reading.cpu_ratio is None else "",
        memory=node_memory(reading, known) if online else NOTHING,
        disk=node_disk(reading, known, root) if online else NOTHING,
        uptime=(reading.uptime_seconds or 0) if online else 0,
        loadAverage=known.load_average if online else (),
        kernelVersion=known.kernel_version,
        pveVersion=known.pve_version,
        cpuInfo=CpuInfo(
            known.cpu_model, reading.cpu_count or known.cpu_count or 0, known.cpu_sockets or 0, known.cpu_mhz
        ),
        lastSeen=seen,
        connectionHealth=health,
        memorySource=memory_source(known.pve_version or version),
        arcBytes=arc_bytes if online else None,
    )


def untold_reason(may_see: bool | None) -> str:
    """Return why a figure was not told: Proxmox leaves out what the account may not see."""
    return "no_permission" if may_see is False else "not_told"


def memory_source(version: str) -> str:
    """Return what a node of this release leaves out of its used memory, "" when the release is not known.

    `version` as 8.4.1 or pve-manager/8.4.1/hash. Source: api-facts.md 3.2.
    """
    numbers = numbers_of(version.removeprefix("pve-manager/").partition("/")[0])
    if not numbers:
        return ""
    return "available" if numbers >= AVAILABLE_SINCE else "free"


def node_memory(reading: NodeReading, detail: NodeStatusReading) -> Usage:
    """Return the memory from the list, else from the node's status, which a narrower privilege opens."""
    if reading.memory_total_bytes:
        return usage(reading.memory_used_bytes, reading.memory_total_bytes)
    return usage(detail.memory_used_bytes, detail.memory_total_bytes)


def node_disk(reading: NodeReading, detail: NodeStatusReading, root: Usage | None) -> Usage:
    """Return the root file system: from the node's status, else from the list, else from a local storage."""
    if detail.root_total_bytes:
        return usage(detail.root_used_bytes, detail.root_total_bytes, detail.root_available_bytes)
    if reading.disk_total_bytes:
        return usage(reading.disk_used_bytes, reading.disk_total_bytes)
    return root or NOTHING


def guest_view(
    reading: GuestReading,
    rates: Rates,
    *,
    instance: str,
    seen: str,
    memory: GuestMemory | None = None,
    extras: GuestExtras = NO_EXTRAS,
) -> GuestShape:
    """Return the guest with figures that are 0 while it does not run; `memory` by the list alone when it is not given."""
    running = reading.status == "running"
    memory = guest_memory(reading) if memory is None else memory
    disk: Usage | None
    if reading.kind == "lxc":
        disk, source = usage(reading.disk_used_bytes, reading.disk_total_bytes), "host"
        reason = "" if reading.disk_used_bytes else "not_told" if running else "stopped"
    else:
        disk, source, reason = extras.disk, "agent", extras.disk_reason
    if disk is None or reason:
        disk, source = usage(0, reading.disk_total_bytes), ""
    return GuestShape(
        id=f"{instance}-{reading.node}-{reading.vmid}",
        vmid=reading.vmid,
        name=reading.name,
        node=reading.node,
        instance=instance,
        status=reading.status,
        type=reading.kind,
        cpu=(reading.cpu_ratio or 0.0) if running else 0.0,
        cpus=reading.cpu_count or 0,
        memory=usage(memory.used_bytes, memory.total_bytes),
        disk=disk,
        networkIn=rates.network_in,
        networkOut=rates.network_out,
        diskRead=rates.disk_read,
        diskWrite=rates.disk_write,
        uptime=(reading.uptime_seconds or 0) if running else 0,
        template=False,
        lastBackup=extras.last_backup,
        lastSeen=seen,
        tags=reading.tags,
        lock=reading.lock,
        pool=reading.pool,
        haState=reading.ha_state,
        memorySource=memory.source,
        memoryTrust=memory.trust,
        memoryReason=memory.reason,
        diskSource=source,
        diskReason=reason,
        ipAddresses=extras.addresses,
        backupState=extras.backup_state,
        backupReason=extras.backup_reason,
    )


def placeholder_node(*, instance: str, seen: str) -> NodeShape:
    """Return what stands for a PVE instance whose login fails for good (state.md 6)."""
    reading = NodeReading(name=instance, status="offline")
    view = node_view(reading, None, instance=instance, seen=seen, health="error")
    return msgspec.structs.replace(view, id=f"{instance}-failed")
