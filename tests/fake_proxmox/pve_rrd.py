"""The calls of Proxmox VE that look back: rows of averages, as RRD keeps them; `time` is the end of a row."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import NamedTuple

from tests.fake_proxmox import averages
from tests.fake_proxmox.averages import Span
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import (
    Row,
    node_memory_bytes,
    node_root_bytes,
    root_bytes_of,
    storage_bytes,
)
from tests.fake_proxmox.model import Cluster, Guest, Node
from tests.fake_proxmox.pve import call, cluster_of, node_of
from tests.fake_proxmox.pve_guests import guest_of

_GUEST = ("/vms/{vmid}", "VM.Audit")
#: timeframe -> (rows, seconds of each)
_OLD = {
    "hour": (70, 60),
    "day": (70, 1_800),
    "week": (70, 10_800),
    "month": (70, 43_200),
    "year": (70, 604_800),
}
_NEW = {
    "hour": (60, 60),
    "day": (1_440, 60),
    "week": (336, 1_800),
    "month": (1_440, 1_800),
    "year": (1_440, 21_600),
    "decade": (570, 604_800),
}
#: So many means of guests are computed one by one for the rows of a node; more are taken by what is to be expected of them.
_EXACT_MEANS = 12_000


def spans_of(
    request: Call, frames: dict[str, tuple[int, int]], *, functions: Sequence[str] = ("AVERAGE", "MAX")
) -> list[Span]:
    """Return the spans of the rows, the oldest first. Raises ApiFailure for a timeframe or function that is not known."""
    frame = request.parameters["timeframe"]
    if frame not in frames:
        text = f"value '{frame}' does not have a value in the enumeration '{', '.join(frames)}'"
        raise ApiFailure(400, "Parameter verification failed.", {"timeframe": text})
    function = request.parameters.get("cf", "AVERAGE")
    if function not in functions:
        raise ApiFailure(400, "Parameter verification failed.", {"cf": "value is not in the enumeration"})
    count, step = frames[frame]
    last = int(request.now) // step * step
    return [
        Span(last - step * (number + 1), last - step * number, function == "MAX")
        for number in range(count - 1, -1, -1)
    ]


def _frames(version: tuple[int, int], *, is_node: bool) -> dict[str, tuple[int, int]]:
    # Only the RRDs of nodes reach back ten years.
    frames = _NEW if version >= (9, 0) else _OLD
    return frames if is_node else {name: frame for name, frame in frames.items() if name != "decade"}


@call(
    "GET",
    "/nodes/{node}/rrddata",
    parameters=("cf",),
    required=("timeframe",),
    privilege=("/nodes/{node}", "Sys.Audit"),
)
def node_history(request: Call) -> list[Row]:
    """Averages of a node; any member answers, also for a dead one."""
    name = request.names["node"]
    cluster = cluster_of(request)
    if name not in cluster.nodes and name != "localhost":
        raise ApiFailure(500, f"no such cluster node '{name}'")
    node = node_of(request)
    version = cluster.version_of(node.name).number
    spans = spans_of(request, _frames(version, is_node=True))
    guests = [
        guest
        for guest in cluster.guests.values()
        if guest.node == node.name and guest.started_at is not None and not guest.is_template
    ]
    is_exact = len(guests) * len(spans) * (averages.PARTS if spans[0].is_peak else 1) <= _EXACT_MEANS
    return [_node_row(node, guests, span, version, is_exact=is_exact) for span in spans]


def _node_row(
    node: Node, guests: list[Guest], span: Span, version: tuple[int, int], *, is_exact: bool
) -> Row:
    row: Row = {"time": int(span.end)}
    until = node.silent_since if node.silent_since is not None else inf
    known = averages.known_part(span, since=node.created_at, until=until, off=node.off_spans)
    if known is None:
        return row
    use = [_use(guest, known, is_exact=is_exact) for guest in guests if guest.created_at < known.end]
    load = node.load
    cpu = min(0.99, averages.cpu_ratio(load, known) + sum(cpus for cpus, _ in use) / node.cpus)
    memory = node_memory_bytes(node, sum(memory for _, memory in use))
    activity = averages.network_ratio(load, known)
    row |= {
        "cpu": cpu,
        "maxcpu": node.cpus,
        "iowait": 0.002 * activity,
        "loadavg": cpu * node.cpus * 1.15,
        "memtotal": node.memory_bytes,
        "memused": memory,
        "swaptotal": node.swap_bytes,
        "swapused": int(node.swap_bytes * 0.03),
        "roottotal": node.root_bytes,
        "rootused": node_root_bytes(node, known.middle),
        "netin": load.network_in_rate * activity,
        "netout": load.network_out_rate * activity,
    }
    if version >= (9, 0):
        row |= {
            "memavailable": node.memory_bytes - memory,
            "arcsize": node.memory_bytes // 10,
            "pressurecpusome": cpu * 10,
            "pressureiosome": 0.4 * activity,
            "pressureiofull": 0.3 * activity,
            "pressurememorysome": 0.0,
            "pressurememoryfull": 0.0,
        }
    return row


def _use(guest: Guest, span: Span, *, is_exact: bool) -> tuple[float, float]:
    """Return the CPUs and the bytes that a guest has of its node."""
    load = guest.load
    if not is_exact:
        cpu = load.cpu_ratio + load.burst_chance * 0.275
        return cpu * guest.cpus, load.memory_ratio * guest.memory_bytes
    return (
        (averages.cpu_ratio(load, span) if guest.status == "running" else 0.0) * guest.cpus,
        averages.memory_ratio(load, span) * guest.memory_bytes,
    )


@call(
    "GET", "/nodes/{node}/qemu/{vmid}/rrddata", parameters=("cf",), required=("timeframe",), privilege=_GUEST
)
def machine_history(request: Call) -> list[Row]:
    """Averages of a virtual machine."""
    return _guest_history(request, guest_of(request, "qemu"))


@call(
    "GET", "/nodes/{node}/lxc/{vmid}/rrddata", parameters=("cf",), required=("timeframe",), privilege=_GUEST
)
def container_history(request: Call) -> list[Row]:
    """Averages of a container."""
    return _guest_history(request, guest_of(request, "lxc"))


def _guest_history(request: Call, guest: Guest) -> list[Row]:
    cluster = cluster_of(request)
    version = cluster.version_of(guest.node).number
    record = record_of(cluster, guest)
    return [_guest_row(record, span, version) for span in spans_of(request, _frames(version, is_node=False))]


class Record(NamedTuple):
    """When there is something to be told of a guest: since it was created, until its node fell silent, without what was off."""

    guest: Guest
    until: float
    off: list[tuple[float, float]]  # of its node
    stopped: list[tuple[float, float]]


def record_of(cluster: Cluster, guest: Guest) -> Record:
    """Return the record of a guest, as it is on its node now."""
    node = cluster.nodes[guest.node]
    until = node.silent_since if node.silent_since is not None else inf
    stopped = list(guest.off_spans)
    if guest.started_at is None:
        stopped.append((guest.stopped_at or 0.0, inf))
    return Record(guest, until, node.off_spans, stopped)


def _guest_row(record: Record, span: Span, version: tuple[int, int]) -> Row:
    guest = record.guest
    row: Row = {"time": int(span.end)}
    since, until = guest.created_at, record.until
    if averages.known_part(span, since=since, until=until, off=record.off) is None:
        return row
    row |= {"maxcpu": guest.cpus, "maxmem": guest.memory_bytes, "maxdisk": guest.disk_bytes, "disk": 0}
    known = averages.known_part(span, since=since, until=until, off=[*record.off, *record.stopped])
    if known is None:
        return row  # it is told how large it is, and no more: it did not run
    load = guest.load
    busy, moved = averages.network_ratio(load, known), averages.disk_ratio(load, known)
    memory = guest.memory_bytes * averages.memory_ratio(load, known)
    cpu = averages.cpu_ratio(load, known) if guest.status != "paused" else 0.0
    row |= {
        "cpu": cpu,
        "mem": memory,
        "netin": busy * load.network_in_rate,
        "netout": busy * load.network_out_rate,
        "diskread": moved * load.disk_read_rate,
        "diskwrite": moved * load.disk_write_rate,
    }
    if guest.kind == "lxc":
        row["disk"] = root_bytes_of(guest, known.middle)
    if version >= (9, 0):
        row |= {
            "pressurecpusome": cpu * 8,
            "pressurecpufull": cpu * 6.4,
            "pressureiosome": 0.4 * moved,
            "pressureiofull": 0.3 * moved,
            "pressurememorysome": 0.0,
            "pressurememoryfull": 0.0,
        }
        if guest.kind == "qemu":
            row["memhost"] = min(guest.memory_bytes, memory * 1.04) + 150_994_944
    return row


@call(
    "GET",
    "/nodes/{node}/storage/{storage}/rrddata",
    parameters=("cf",),
    required=("timeframe",),
    privilege=("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace"),
    is_proxied=True,
)
def storage_history(request: Call) -> list[Row]:
    """Averages of a storage as a node sees it."""
    node, name, cluster = node_of(request), request.names["storage"], cluster_of(request)
    storage = cluster.storages.get(name)
    if storage is None:
        raise ApiFailure(500, f"storage '{name}' does not exist")
    number = list(cluster.nodes).index(node.name)
    frames = _frames(cluster.version_of(node.name).number, is_node=False)
    rows: list[Row] = []
    for span in spans_of(request, frames):
        row: Row = {"time": int(span.end)}
        if averages.known_part(span, since=node.created_at, until=inf, off=node.off_spans) is not None:
            used = storage_bytes(storage, number, span.middle)
            row |= {"total": storage.total_bytes, "used": used}
        rows.append(row)
    return rows
