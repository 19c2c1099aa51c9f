"""The calls of Proxmox VE that look back: rows of averages, as RRD keeps them."""

from __future__ import annotations

from math import pi, sin
from typing import Any

from tests.fake_proxmox import curves
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import GIB, Guest, Node
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


def _steps(request: Call, version: tuple[int, int]) -> tuple[list[int], int]:
    """Return the times of the rows and their distance."""
    frames = _NEW if version >= (9, 0) else _OLD
    frame = request.parameters["timeframe"]
    # Only the RRDs of nodes reach back ten years.
    if frame not in frames or (frame == "decade" and "vmid" in request.names):
        text = f"value '{frame}' does not have a value in the enumeration '{', '.join(frames)}'"
        raise ApiFailure(400, "Parameter verification failed.", {"timeframe": text})
    if request.parameters.get("cf", "AVERAGE") not in ("AVERAGE", "MAX"):
        raise ApiFailure(400, "Parameter verification failed.", {"cf": "value is not in the enumeration"})
    count, step = frames[frame]
    last = int(request.now) // step * step
    return [last - step * number for number in range(count - 1, -1, -1)], step


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
    times, step = _steps(request, version)
    guests = [
        row for row in request.site.rows(request.now).guests if row["node"] == node.name and "cpu" in row
    ]
    busy = sum(row["cpu"] * row["maxcpu"] for row in guests) / node.cpus
    used = min(int(node.memory_bytes * 0.97), sum(row["mem"] for row in guests) + int(1.4 * GIB))
    return [_node_row(node, at, step, busy, used, version) for at in times]


def _node_row(node: Node, at: int, step: int, busy: float, used: int, version: tuple[int, int]) -> Row:
    if at < node.started_at or (node.died_at is not None and at > node.died_at):
        return {"time": at}
    load = node.load
    swell = 1 + 0.45 * sin(at * (2 * pi / curves.DAY_SECONDS) + load.day_phase)
    rate = (curves.busy_seconds(load, at) - curves.busy_seconds(load, at - step)) / step
    cpu = min(0.99, curves.cpu_ratio(load, at) + busy * swell)
    memory = int(used * (0.98 + 0.02 * swell))
    row: Row = {
        "time": at,
        "cpu": cpu,
        "maxcpu": node.cpus,
        "iowait": 0.002 * swell,
        "loadavg": cpu * node.cpus * 1.15,
        "memtotal": node.memory_bytes,
        "memused": memory,
        "swaptotal": node.swap_bytes,
        "swapused": int(node.swap_bytes * 0.03),
        "roottotal": node.root_bytes,
        "rootused": int(node.root_bytes * (node.root_ratio + 0.01 * (at / 86_400 % 7))),
        "netin": load.network_in_rate * rate,
        "netout": load.network_out_rate * rate,
    }
    if version >= (9, 0):
        row |= {
            "memavailable": node.memory_bytes - memory,
            "arcsize": node.memory_bytes // 10,
            "pressurecpusome": cpu * 10,
            "pressureiosome": 0.4 * swell,
            "pressureiofull": 0.3 * swell,
            "pressurememorysome": 0.0,
            "pressurememoryfull": 0.0,
        }
    return row


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
    version = cluster_of(request).version_of(guest.node).number
    times, step = _steps(request, version)
    return [_guest_row(guest, at, step, version) for at in times]


def _guest_row(guest: Guest, at: int, step: int, version: tuple[int, int]) -> Row:
    if guest.started_at is None or at < guest.started_at:
        return {"time": at}
    load = guest.load
    busy = (curves.busy_seconds(load, at) - curves.busy_seconds(load, at - step)) / step
    moved = (curves.disk_seconds(load, at) - curves.disk_seconds(load, at - step)) / step
    memory = guest.memory_bytes * curves.memory_ratio(load, at)
    row: dict[str, Any] = {
        "time": at,
        "cpu": curves.cpu_ratio(load, at),
        "maxcpu": guest.cpus,
        "mem": memory,
        "maxmem": guest.memory_bytes,
        "disk": guest.disk_bytes * guest.disk_ratio,
        "maxdisk": guest.disk_bytes,
        "netin": busy * load.network_in_rate,
        "netout": busy * load.network_out_rate,
        "diskread": moved * load.disk_read_rate,
        "diskwrite": moved * load.disk_write_rate,
    }
    if version >= (9, 0):
        pressure = row["cpu"] * 8
        row |= {
            "pressurecpusome": pressure,
            "pressurecpufull": pressure * 0.8,
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
    node, name = node_of(request), request.names["storage"]
    storage = cluster_of(request).storages.get(name)
    if storage is None:
        raise ApiFailure(500, f"storage '{name}' does not exist")
    times, _ = _steps(request, cluster_of(request).version_of(node.name).number)
    return [
        {
            "time": at,
            "total": storage.total_bytes,
            "used": int(storage.total_bytes * min(1, storage.used_ratio + 0.02 * (at / 604_800 % 1))),
        }
        for at in times
    ]
