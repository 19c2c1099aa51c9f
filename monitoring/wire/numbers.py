"""Where each number of a resource comes from: value, formula, the fields of Proxmox, the call and its time; pure.

Values have the units of the state: bytes, bytes per second, fractions, percent, seconds. A field that was not told is null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures, RootDisk
from monitoring.figures.rates import Sample
from monitoring.figures.staleness import age_seconds
from monitoring.figures.storages import StorageFigures
from monitoring.known.facts import Facts, GuestFacts, NodeFacts
from monitoring.known.memory import PollMemory
from monitoring.wire.guests import NO_RATES, rates_of
from monitoring.wire.reasons import REASONS
from monitoring.wire.shapes import Usage
from monitoring.wire.spelling import spell
from monitoring.wire.usage import usage
from nodes.proxmox.readings.live import GuestReading, NodeReading, NodeStatusReading, StorageReading
from pulse.lib.instants import instant

RESOURCES = "GET /cluster/resources"
HISTORY = "GET /nodes/{node}/rrddata?timeframe=hour"

#: What a node takes for used, by `memorySource`; api-facts.md 3.2.
USED_MEMORY = {
    "available": "used is MemTotal - MemAvailable (from PVE 8.4 on), so the ZFS cache counts as used",
    "free": "used is MemTotal - MemFree - Buffers - Cached (before PVE 8.4), so the ZFS cache counts as used",
    "": "what counts as used depends on the version, which is not known yet; the ZFS cache does in all",
}


class Number(msgspec.Struct, frozen=True):
    """One number with its unit, the `formula` for it, and under `raw` the fields of Proxmox that the formula names."""

    name: str
    value: Any
    unit: str
    formula: str
    call: str
    raw: dict[str, Any]
    readAt: str
    ageSeconds: int | None
    source: str = ""
    trust: str = ""
    note: str = ""


class When(msgspec.Struct, frozen=True):
    """When something was read, against now; epoch seconds."""

    read_epoch: float
    at_epoch: float

    @property
    def age_seconds(self) -> int | None:
        """How old it is; None while that is not known."""
        age = age_seconds(self.read_epoch, at_epoch=self.at_epoch)
        return int(age) if age is not None else None


def number(
    name: str,
    value: Any,
    unit: str,
    formula: str,
    call: str,
    raw: dict[str, Any],
    when: When,
    *,
    source: str = "",
    trust: str = "",
    note: str = "",
) -> Number:
    """Return one explained number."""
    return Number(
        name, value, unit, formula, call, raw, instant(when.read_epoch), when.age_seconds, source, trust, note
    )


def told_usage(figures: Usage) -> dict[str, Any]:
    """Return the four figures of memory or disk as the state has them."""
    return msgspec.structs.asdict(figures)


def guest_numbers(
    guest: GuestFigures, memory: PollMemory, facts: Facts, *, at_epoch: float
) -> Iterator[Number]:
    """Yield the numbers of a guest."""
    readings = memory.reading.guests if memory.reading is not None else ()
    reading = next((reading for reading in readings if reading.vmid == guest.vmid), None)
    raw = reading or GuestReading(guest.vmid, guest.kind, guest.node, guest.status)
    live = When(memory.read_epoch, at_epoch)
    guest_facts = facts.guest(guest.vmid)
    is_off = guest.status == "stopped"
    yield number(
        "cpu", 0.0 if is_off else guest.cpu_ratio, "fraction of the guest's CPUs", "cpu, 0 while it does not run",
        RESOURCES, {"cpu": raw.cpu_ratio, "maxcpu": raw.cpu_count, "status": raw.status}, live,
        note=untold(is_told=is_off or guest.cpu_ratio is not None),
    )  # fmt: skip
    yield guest_memory_number(guest, raw, guest_facts, live)
    yield disk_number(guest, raw, guest_facts, live, at_epoch)
    yield from rate_numbers(guest, raw, memory.samples.get(guest.vmid), live)
    yield number(
        "uptime", 0 if is_off else guest.uptime_seconds, "seconds", "uptime", RESOURCES,
        {"uptime": raw.uptime_seconds}, live, note=untold(is_told=is_off or guest.uptime_seconds is not None),
    )  # fmt: skip


def guest_memory_number(guest: GuestFigures, raw: GuestReading, facts: GuestFacts, live: When) -> Number:
    """Return how the memory of a guest was found: see monitoring.figures.guest_memory."""
    memory = guest.memory
    fields: dict[str, Any] = {"mem": raw.memory_used_bytes, "maxmem": raw.memory_total_bytes}
    formula, call = "mem of maxmem", RESOURCES
    if guest.kind == "qemu" and facts.detail is not None:
        fields |= {
            "ballooninfo.actual": facts.detail.balloon_actual_bytes,
            "ballooninfo.free_mem": facts.detail.guest_free_bytes,
            "memhost": facts.detail.host_memory_bytes,
            "detail read": instant(facts.detail_epoch),
        }
        call = f"{RESOURCES}; GET /nodes/{guest.node}/qemu?full=1"
        formula = "mem of maxmem, or of ballooninfo.actual while that is less"
    is_told = bool(memory.total_bytes)
    return number(
        "memory", told_usage(usage(memory.used_bytes, memory.total_bytes)) if is_told else None, "bytes",
        formula, call, fields, live,
        source=memory.source, trust=memory.trust, note=REASONS.get(memory.reason) or untold(is_told=is_told),
    )  # fmt: skip


def disk_number(
    guest: GuestFigures, raw: GuestReading, facts: GuestFacts, live: When, at_epoch: float
) -> Number:
    """Return how the use of a guest's disks was found: see monitoring.figures.guest_disk."""
    disk = guest.disk
    note = REASONS.get(disk.reason, disk.reason)
    value = None if disk.reason else told_usage(usage(disk.used_bytes, disk.total_bytes))
    if guest.kind == "lxc":
        return number(
            "disk", value, "bytes", "disk of maxdisk: the root file system; mount points are not in it",
            RESOURCES if facts.config is None else f"{RESOURCES}; GET /nodes/{guest.node}/lxc/{guest.vmid}/config",
            {"disk": raw.disk_used_bytes, "maxdisk": raw.disk_total_bytes} | mount_point_fields(facts), live,
            source=disk.source, note=note,
        )  # fmt: skip
    files = [spell(filesystem) for filesystem in facts.disk.filesystems] if facts.disk else []
    return number(
        "disk", value, "bytes", "the sum over the counted file systems; Proxmox itself tells 0 for every VM",
        f"GET /nodes/{guest.node}/qemu/{guest.vmid}/agent/get-fsinfo",
        {"filesystems": files, "maxdisk (boot disk only)": raw.disk_total_bytes}, When(facts.disk_epoch, at_epoch),
        source=disk.source, note=note,
    )  # fmt: skip


def mount_point_fields(facts: GuestFacts) -> dict[str, Any]:
    """Return the mount points of a container as its configuration has them; nobody tells how full they are."""
    disks = facts.config.disks if facts.config is not None else ()
    mount_points = [
        {"key": disk.key, "mp": disk.mount_point, "size": disk.size_bytes, "used": None}
        for disk in disks
        if disk.key.startswith("mp")
    ]
    return {"mount points": mount_points} if mount_points else {}


def rate_numbers(
    guest: GuestFigures, raw: GuestReading, sample: Sample | None, live: When
) -> Iterator[Number]:
    """Yield the four rates: differences of counters that Proxmox renews every ten seconds."""
    counters = {
        "networkIn": ("netin", raw.network_in_bytes),
        "networkOut": ("netout", raw.network_out_bytes),
        "diskRead": ("diskread", raw.disk_read_bytes),
        "diskWrite": ("diskwrite", raw.disk_write_bytes),
    }
    is_known = guest.rates is not None
    note = "" if is_known else "no rate yet: it takes two readings, and a guest that has moved begins anew"
    rates = rates_of(guest.rates) if is_known else (None,) * len(NO_RATES)
    for (name, (field, counter)), rate in zip(counters.items(), rates, strict=True):
        fields: dict[str, Any] = {field: counter}
        if sample is not None:
            fields["counters moved at"] = instant(sample.told_epoch)
        yield number(
            name, rate, "bytes per second", f"growth of {field} since it last moved, by the time in which it did",
            RESOURCES, fields, live, note=note,
        )  # fmt: skip


def node_numbers(node: NodeFigures, memory: PollMemory, facts: Facts, *, at_epoch: float) -> Iterator[Number]:
    """Yield the numbers of a node."""
    readings = memory.reading.nodes if memory.reading is not None else ()
    raw = next((reading for reading in readings if reading.name == node.name), None) or NodeReading(
        node.name, node.status
    )
    live = When(memory.read_epoch, at_epoch)
    status = When(memory.details_epoch.get(node.name, 0.0), at_epoch)
    detail = memory.details.get(node.name)
    call = f"GET /nodes/{node.name}/status"
    yield number(
        "cpu", None if node.cpu_reason else node.cpu_ratio or 0.0, "fraction of all CPUs",
        "cpu, 0 while the node is not online", RESOURCES,
        {"cpu": raw.cpu_ratio, "maxcpu": raw.cpu_count, "status": raw.status}, live,
        note=REASONS.get(node.cpu_reason, ""),
    )  # fmt: skip
    yield node_memory_number(node, raw, detail, facts.node(node.name), live, status)
    fields = {
        "rootfs.used": detail.root_used_bytes if detail else None,
        "rootfs.total": detail.root_total_bytes if detail else None,
        "rootfs.avail": detail.root_available_bytes if detail else None,
        "disk": raw.disk_used_bytes,
        "maxdisk": raw.disk_total_bytes,
    }
    yield number(
        "disk", told_usage(root_usage(node.root)) if node.root.total_bytes else None, "bytes",
        "rootfs of the node's status, else disk of maxdisk of the list, else the storage `local`, else `local-lvm`",
        f"{call}; {RESOURCES}", fields, status if detail is not None and detail.root_total_bytes else live,
        note=untold(is_told=bool(node.root.total_bytes)),
    )  # fmt: skip
    load = list(detail.load_average) if detail else []
    yield number("loadAverage", list(node.load_average), "processes over 1, 5 and 15 minutes", "loadavg", call,
                 {"loadavg": load}, status)  # fmt: skip
    is_off = node.status != "online"
    yield number(
        "uptime", 0 if is_off else node.uptime_seconds, "seconds", "uptime", RESOURCES,
        {"uptime": raw.uptime_seconds}, live, note=untold(is_told=is_off or node.uptime_seconds is not None),
    )  # fmt: skip
    history = facts.node(node.name).history
    if history is not None and history.pressure is not None:
        pressure = msgspec.to_builtins(spell(history.pressure))
        yield number(
            "pressure", pressure, "percent of the last 10 s", "the newest row with pressure columns",
            HISTORY.format(node=node.name), pressure, When(facts.node(node.name).history_epoch, at_epoch),
        )  # fmt: skip


def untold(*, is_told: bool) -> str:
    """Return why there is no value, "" where there is one."""
    return "" if is_told else REASONS["not_told"]


def root_usage(root: RootDisk) -> Usage:
    """Return the root file system of a node."""
    return usage(root.used_bytes, root.total_bytes, root.free_bytes)


def node_memory_number(
    node: NodeFigures,
    raw: NodeReading,
    detail: NodeStatusReading | None,
    facts: NodeFacts,
    live: When,
    status: When,
) -> Number:
    """Return how the memory of a node was found, with the cache of ZFS, which is a part of it."""
    fields: dict[str, Any]
    if raw.memory_total_bytes or detail is None:
        formula, calls, when = "mem of maxmem", [RESOURCES], live
        fields = {"mem": raw.memory_used_bytes, "maxmem": raw.memory_total_bytes}
    else:
        formula, calls, when = "memory.used of memory.total, because the list tells none", [], status
        fields = {"memory.used": detail.memory_used_bytes, "memory.total": detail.memory_total_bytes}
    if detail is not None:
        fields["memory.available"] = detail.memory_available_bytes
        calls.append(f"GET /nodes/{node.name}/status")
    if facts.history is not None:
        fields |= {"arcsize": facts.history.arc_bytes, "arcsize read": instant(facts.history_epoch)}
        calls.append(HISTORY.format(node=node.name))
    return number(
        "memory",
        told_usage(usage(node.memory_used_bytes, node.memory_total_bytes)) if node.memory_total_bytes else None, "bytes",
        f"{formula}; {USED_MEMORY[node.memory_source]}", "; ".join(calls), fields, when, source=node.memory_source,
        note=untold(is_told=bool(node.memory_total_bytes)),
    )  # fmt: skip


def storage_numbers(
    storage: StorageFigures, memory: PollMemory, facts: Facts, *, at_epoch: float
) -> Iterator[Number]:
    """Yield the numbers of a storage; of a shared one with the node whose figures are shown."""
    readings = memory.reading.storages if memory.reading is not None else ()
    fitting = sorted(
        (
            reading
            for reading in readings
            if reading.name == storage.name and (storage.is_shared or reading.node == storage.node)
        ),
        key=lambda reading: (reading.status != "available" or not reading.total_bytes, reading.node),
    )
    raw = fitting[0] if fitting else StorageReading(storage.name, storage.node or "shared", storage.status)
    live = When(memory.read_epoch, at_epoch)
    fields: dict[str, Any] = {
        "disk": raw.used_bytes,
        "maxdisk": raw.total_bytes,
        "node": raw.node,
        "status": raw.status,
    }
    use = usage(storage.used_bytes, storage.total_bytes, storage.free_bytes)
    reason = "" if storage.total_bytes else "not_read_yet" if not memory.read_epoch else "not_told"
    note = REASONS[reason]

    def shown(value: float) -> float | None:
        return None if reason else value

    yield number("used", shown(use.used), "bytes", "disk", RESOURCES, fields, live, note=note)
    yield number("total", shown(use.total), "bytes", "maxdisk", RESOURCES, fields, live, note=note)
    yield number("usage", shown(use.usage), "percent", "disk of maxdisk", RESOURCES, fields, live, note=note)
    node = facts.node(raw.node)
    probe = next((probe for probe in node.storages if probe.name == storage.name), None)
    if storage.free_bytes is None or probe is None:
        yield number("free", shown(use.free), "bytes", "maxdisk - disk", RESOURCES, fields, live, note=note)
        return
    told = {"total": probe.total_bytes, "used": probe.used_bytes, "avail": probe.available_bytes}
    yield number(
        "free", shown(use.free), "bytes",
        "maxdisk - disk - what the node keeps back, which is total - used - avail of its own list",
        f"{RESOURCES}; GET /nodes/{raw.node}/storage",
        fields | told | {"kept back read": instant(node.storages_epoch)}, live, note=note,
    )  # fmt: skip
