"""Where each number of a resource comes from: value, formula, the fields of Proxmox, the call and its time; pure.

Values have the units of the state: bytes, bytes per second, fractions, percent, seconds. A field that was not told is null.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from monitoring.figures.rates import Sample
from monitoring.known.facts import Facts, GuestFacts, NodeFacts
from monitoring.known.memory import PollMemory
from monitoring.wire.shapes import GuestShape, NodeShape, StorageShape
from nodes.proxmox.readings import GuestReading, NodeReading, NodeStatusReading, StorageReading
from pulse.lib.instants import instant

RESOURCES = "GET /cluster/resources"
HISTORY = "GET /nodes/{node}/rrddata?timeframe=hour"

#: What a node takes for used, by `memorySource`; api-facts.md 3.2.
USED_MEMORY = {
    "available": "used is MemTotal - MemAvailable (from PVE 8.4 on), so the ZFS cache counts as used",
    "free": "used is MemTotal - MemFree - Buffers - Cached (before PVE 8.4), so the ZFS cache counts as used",
    "": "what counts as used depends on the version, which is not known yet; the ZFS cache does in all",
}

#: Why there is no figure, or why it is not to be trusted, in words.
REASONS = {
    "": "",
    "no_balloon": "the balloon driver of the guest does not report, so this is what the host has given it",
    "near_maximum": "it is the host's view and near the maximum, where caches of the guest count as used",
    "just_booted": "the guest has booted just now",
    "stopped": "the guest does not run",
    "not_told": "Proxmox did not tell it",
    "not_read_yet": "it has not been read yet",
    "agent_disabled": "the guest agent is not enabled in the guest's options",
    "agent_not_running": "the guest agent is enabled and does not answer: is it installed and running?",
    "agent_timeout": "the guest agent did not answer in time",
    "agent_refused": "the guest agent does not allow this call",
    "no_permission": "the account may not see it",
    "not_supported": "the guest tells no file system that can be counted",
}


class Number(msgspec.Struct, frozen=True):
    """One number. `raw` holds fields as Proxmox spells them; `formula` names them."""

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

    read_at: float
    at: float

    @property
    def age_seconds(self) -> int | None:
        """How old it is."""
        return max(0, int(self.at - self.read_at)) if self.read_at else None


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
        name, value, unit, formula, call, raw, instant(when.read_at), when.age_seconds, source, trust, note
    )


def guest_numbers(view: GuestShape, memory: PollMemory, facts: Facts, *, at: float) -> Iterator[Number]:
    """Yield the numbers of a guest."""
    readings = memory.reading.guests if memory.reading is not None else ()
    reading = next((one for one in readings if one.vmid == view.vmid), None)
    raw = reading or GuestReading(view.vmid, view.type, view.node, view.status)
    live = When(memory.read_at, at)
    known = facts.guest(view.vmid)
    yield number(
        "cpu", view.cpu, "fraction of the guest's CPUs", "cpu, 0 while it does not run", RESOURCES,
        {"cpu": raw.cpu_ratio, "maxcpu": raw.cpu_count, "status": raw.status}, live,
    )  # fmt: skip
    yield guest_memory_number(view, raw, known, live, at)
    yield disk_number(view, raw, known, live, at)
    yield from rate_numbers(view, raw, memory.samples.get(view.vmid), live)
    yield number("uptime", view.uptime, "seconds", "uptime", RESOURCES, {"uptime": raw.uptime_seconds}, live)


def guest_memory_number(
    view: GuestShape, raw: GuestReading, known: GuestFacts, live: When, at: float
) -> Number:
    """Return how the memory of a guest was found: see monitoring.figures.guest_memory."""
    fields: dict[str, Any] = {"mem": raw.memory_used_bytes, "maxmem": raw.memory_total_bytes}
    formula, call = "mem of maxmem", RESOURCES
    if view.type == "qemu" and known.detail is not None:
        fields |= {
            "ballooninfo.actual": known.detail.balloon_actual_bytes,
            "ballooninfo.free_mem": known.detail.guest_free_bytes,
            "memhost": known.detail.host_memory_bytes,
            "detail read": instant(known.detail_at),
        }
        call = f"{RESOURCES}; GET /nodes/{view.node}/qemu?full=1"
        formula = "mem of maxmem, or of ballooninfo.actual while that is less"
    return number(
        "memory", msgspec.structs.asdict(view.memory), "bytes", formula, call, fields, live,
        source=view.memorySource, trust=view.memoryTrust, note=REASONS.get(view.memoryReason, ""),
    )  # fmt: skip


def disk_number(view: GuestShape, raw: GuestReading, known: GuestFacts, live: When, at: float) -> Number:
    """Return how the use of a guest's disks was found: see monitoring.figures.filesystems."""
    note = REASONS.get(view.diskReason, view.diskReason)
    value = None if view.diskReason else msgspec.structs.asdict(view.disk)
    if view.type == "lxc":
        return number(
            "disk", value, "bytes", "disk of maxdisk: the root file system; mount points are not in it",
            RESOURCES if known.config is None else f"{RESOURCES}; GET /nodes/{view.node}/lxc/{view.vmid}/config",
            {"disk": raw.disk_used_bytes, "maxdisk": raw.disk_total_bytes} | mount_point_fields(known), live,
            source=view.diskSource, note=note,
        )  # fmt: skip
    files = [msgspec.structs.asdict(one) for one in known.disk.filesystems] if known.disk else []
    return number(
        "disk", value, "bytes", "the sum over the counted file systems; Proxmox itself tells 0 for every VM",
        f"GET /nodes/{view.node}/qemu/{view.vmid}/agent/get-fsinfo",
        {"filesystems": files, "maxdisk (boot disk only)": raw.disk_total_bytes}, When(known.disk_at, at),
        source=view.diskSource, note=note,
    )  # fmt: skip


def mount_point_fields(known: GuestFacts) -> dict[str, Any]:
    """Return the mount points of a container as its configuration has them; nobody tells how full they are."""
    disks = known.config.disks if known.config is not None else ()
    found = [
        {"key": disk.key, "mp": disk.mount_point, "size": disk.size_bytes, "used": None}
        for disk in disks
        if disk.key.startswith("mp")
    ]
    return {"mount points": found} if found else {}


def rate_numbers(view: GuestShape, raw: GuestReading, sample: Sample | None, live: When) -> Iterator[Number]:
    """Yield the four rates: differences of counters that Proxmox renews every ten seconds."""
    counters = {
        "networkIn": ("netin", raw.network_in_bytes),
        "networkOut": ("netout", raw.network_out_bytes),
        "diskRead": ("diskread", raw.disk_read_bytes),
        "diskWrite": ("diskwrite", raw.disk_write_bytes),
    }
    for name, (field, told) in counters.items():
        value = getattr(view, name)
        note = (
            "no rate yet: it takes two readings, and a guest that has moved begins anew" if value < 0 else ""
        )
        fields: dict[str, Any] = {field: told}
        if sample is not None:
            fields["counters moved at"] = instant(sample.at)
        yield number(
            name, None if value < 0 else value, "bytes per second",
            f"growth of {field} since it last moved, by the time in which it did", RESOURCES, fields, live, note=note,
        )  # fmt: skip


def node_numbers(view: NodeShape, memory: PollMemory, facts: Facts, *, at: float) -> Iterator[Number]:
    """Yield the numbers of a node."""
    readings = memory.reading.nodes if memory.reading is not None else ()
    raw = next((one for one in readings if one.name == view.name), None) or NodeReading(
        view.name, view.status
    )
    live = When(memory.read_at, at)
    status = When(memory.details_at.get(view.name, 0.0), at)
    detail = memory.details.get(view.name)
    call = f"GET /nodes/{view.name}/status"
    yield number(
        "cpu", None if view.cpuReason else view.cpu, "fraction of all CPUs", "cpu, 0 while the node is not online",
        RESOURCES, {"cpu": raw.cpu_ratio, "maxcpu": raw.cpu_count, "status": raw.status}, live,
        note=REASONS.get(view.cpuReason, ""),
    )  # fmt: skip
    yield node_memory_number(view, raw, detail, facts.node(view.name), live, status)
    root = {
        "rootfs.used": detail.root_used_bytes if detail else None,
        "rootfs.total": detail.root_total_bytes if detail else None,
        "rootfs.avail": detail.root_available_bytes if detail else None,
        "disk": raw.disk_used_bytes,
        "maxdisk": raw.disk_total_bytes,
    }
    yield number(
        "disk", msgspec.structs.asdict(view.disk), "bytes",
        "rootfs of the node's status, else disk of maxdisk of the list, else the storage `local`, else `local-lvm`",
        f"{call}; {RESOURCES}", root, status if detail is not None and detail.root_total_bytes else live,
    )  # fmt: skip
    load = list(detail.load_average) if detail else []
    yield number("loadAverage", list(view.loadAverage), "processes over 1, 5 and 15 minutes", "loadavg", call,
                 {"loadavg": load}, status)  # fmt: skip
    yield number("uptime", view.uptime, "seconds", "uptime", RESOURCES, {"uptime": raw.uptime_seconds}, live)
    history = facts.node(view.name).history
    if history is not None and history.pressure is not None:
        pressure = msgspec.structs.asdict(history.pressure)
        yield number(
            "pressure", pressure, "percent of the last 10 s", "the newest row with pressure columns",
            HISTORY.format(node=view.name), pressure, When(facts.node(view.name).history_at, at),
        )  # fmt: skip


def node_memory_number(
    view: NodeShape,
    raw: NodeReading,
    detail: NodeStatusReading | None,
    known: NodeFacts,
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
        calls.append(f"GET /nodes/{view.name}/status")
    if known.history is not None:
        fields |= {"arcsize": known.history.arc_bytes, "arcsize read": instant(known.history_at)}
        calls.append(HISTORY.format(node=view.name))
    return number(
        "memory", msgspec.structs.asdict(view.memory), "bytes", f"{formula}; {USED_MEMORY[view.memorySource]}",
        "; ".join(calls), fields, when, source=view.memorySource,
    )  # fmt: skip


def storage_numbers(view: StorageShape, memory: PollMemory, facts: Facts, *, at: float) -> Iterator[Number]:
    """Yield the numbers of a storage; of a shared one with the node whose figures are shown."""
    readings = memory.reading.storages if memory.reading is not None else ()
    fitting = sorted(
        (one for one in readings if one.name == view.name and (view.shared or one.node == view.node)),
        key=lambda one: (one.status != "available" or not one.total_bytes, one.node),
    )
    raw = fitting[0] if fitting else StorageReading(view.name, view.node, view.status)
    live = When(memory.read_at, at)
    fields: dict[str, Any] = {
        "disk": raw.used_bytes,
        "maxdisk": raw.total_bytes,
        "node": raw.node,
        "status": raw.status,
    }
    yield number("used", view.used, "bytes", "disk", RESOURCES, fields, live)
    yield number("total", view.total, "bytes", "maxdisk", RESOURCES, fields, live)
    yield number("usage", view.usage, "percent", "disk of maxdisk", RESOURCES, fields, live)
    known = facts.node(raw.node)
    probe = next((one for one in known.storages if one.name == view.name), None)
    yield number(
        "free", view.free, "bytes", "avail of the node's own list while its total agrees, else maxdisk - disk",
        f"GET /nodes/{raw.node}/storage", {"avail": probe.available_bytes if probe else None},
        When(known.storages_at, at),
    )  # fmt: skip
