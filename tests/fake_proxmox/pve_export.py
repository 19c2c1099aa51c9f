"""The newest samples of a whole cluster and those of the last half hour: GET /cluster/metrics/export."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tests.fake_proxmox import curves
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import (
    Row,
    node_memory_bytes,
    node_root_bytes,
    running_figures,
    storage_bytes,
)
from tests.fake_proxmox.model import Cluster, Guest, Node
from tests.fake_proxmox.pve import call, cluster_of
from tests.fake_proxmox.pve_rrd import Record, record_of

SET_SECONDS = 10
#: Kept by a node beside the newest, in memory.
SETS = 180
#: The call came with 8.2.5; calls are told apart by major and minor, and of 8.2 the fake has none.
SINCE = (8, 2)

_Told = tuple[str, str, float]  # metric, type, value
GAUGE, TOTAL = "gauge", "derive"


@call(
    "GET",
    "/cluster/metrics/export",
    parameters=("history", "start-time", "local-only"),
    newer_parameters={"node-list": (9, 1)},
    privilege=("/", "Sys.Audit"),
    since=SINCE,
)
def export(request: Call) -> Row:
    """Every value with its own time, the oldest first; a node that cannot be asked is missing without a word."""
    cluster, now = cluster_of(request), request.now
    since = request.number("start-time", 0)
    newest = int(now) // SET_SECONDS * SET_SECONDS
    sets = range(SETS, -1, -1) if request.flag("history") else (0,)
    asked = [
        node
        for node in _asked(request)
        if node.died_at is None and cluster.version_of(node.name).number >= SINCE
    ]
    rows = [
        row
        for number in sets
        if newest - number * SET_SECONDS > since
        for node in asked
        for row in _set(cluster, node, newest - number * SET_SECONDS)
    ]
    return {"data": sorted(rows, key=lambda row: row["timestamp"])}


def _asked(request: Call) -> list[Node]:
    cluster = cluster_of(request)
    if request.flag("local-only"):
        return [cluster.nodes[request.server.name]]
    if "node-list" not in request.parameters:
        return list(cluster.nodes.values())
    names = request.parameters["node-list"].split(",")
    for name in names:
        if name not in cluster.nodes:
            raise ApiFailure(500, f"no such cluster node '{name}'")
    return [cluster.nodes[name] for name in names]


def _set(cluster: Cluster, node: Node, at: int) -> Iterator[Row]:
    """Return what a node has kept of one round; nothing of before it was booted."""
    until = node.silent_since if node.silent_since is not None else inf
    if not node.started_at <= at <= until:
        return
    records = [record_of(cluster, guest) for guest in cluster.guests.values() if guest.node == node.name]
    running = [record.guest for record in records if _runs(record, at)]
    yield from _rows(f"node/{node.name}", at, _node(node, running, at))
    # The parts of a set are a moment apart.
    for record in records:
        if record.guest.created_at <= at:
            kind = record.guest.kind
            told = _guest(record.guest, at, is_running=_runs(record, at))
            yield from _rows(f"{kind}/{record.guest.vmid}", at + (kind == "lxc"), told)
    number = list(cluster.nodes).index(node.name)
    for storage in cluster.storages.values():
        is_there = not storage.is_disabled and (not storage.nodes or node.name in storage.nodes)
        is_there = is_there and node.name not in storage.inactive_on
        told = [
            ("disk_total", GAUGE, storage.total_bytes if is_there else 0),
            ("disk_used", GAUGE, storage_bytes(storage, number, at) if is_there else 0),
        ]
        yield from _rows(f"storage/{node.name}/{storage.name}", at + 1, told)


def _rows(identity: str, at: int, told: list[_Told]) -> Iterator[Row]:
    for metric, kind, value in told:
        yield {"id": identity, "metric": metric, "timestamp": at, "type": kind, "value": value}


def _runs(record: Record, at: int) -> bool:
    guest = record.guest
    return guest.started_at is not None and at >= guest.started_at


def _node(node: Node, guests: list[Guest], at: int) -> list[_Told]:
    load = node.load
    busy = sum(curves.cpu_ratio(guest.load, at) * guest.cpus for guest in guests if guest.status == "running")
    used = sum(int(guest.memory_bytes * curves.memory_ratio(guest.load, at)) for guest in guests)
    cpu = min(0.99, curves.cpu_ratio(load, at) + busy / node.cpus)
    moved = curves.busy_seconds(load, at) - curves.busy_seconds(load, node.started_at)
    return [
        ("uptime", GAUGE, int(at - node.started_at)),
        ("net_in", TOTAL, int(moved * load.network_in_rate)),
        ("net_out", TOTAL, int(moved * load.network_out_rate)),
        *((f"cpu_avg{minutes}", GAUGE, round(cpu * node.cpus * 1.15, 2)) for minutes in (1, 5, 15)),
        ("cpu_max", GAUGE, node.cpus),
        ("cpu_current", GAUGE, cpu),
        ("cpu_iowait", GAUGE, 0.002),
        ("mem_total", GAUGE, node.memory_bytes),
        ("mem_used", GAUGE, node_memory_bytes(node, used)),
        ("swap_total", GAUGE, node.swap_bytes),
        ("swap_used", GAUGE, int(node.swap_bytes * 0.03)),
        ("disk_total", GAUGE, node.root_bytes),
        ("disk_used", GAUGE, node_root_bytes(node, at)),
    ]


def _guest(guest: Guest, at: int, *, is_running: bool) -> list[_Told]:
    told: list[_Told] = [
        ("uptime", GAUGE, int(at - (guest.started_at or at)) if is_running else 0),
        ("cpu_max", GAUGE, guest.cpus),
        ("mem_total", GAUGE, guest.memory_bytes),
        ("disk_total", GAUGE, guest.disk_bytes),
    ]
    if not is_running:
        return told
    row = running_figures(guest, at)
    told += [
        ("cpu_current", GAUGE, row["cpu"]),
        ("mem_used", GAUGE, row["mem"]),
        ("disk_read", TOTAL, row["diskread"]),
        ("disk_write", TOTAL, row["diskwrite"]),
        ("net_in", TOTAL, row["netin"]),
        ("net_out", TOTAL, row["netout"]),
    ]
    if guest.kind == "lxc":
        told.append(("disk_used", GAUGE, row["disk"]))
    return told
