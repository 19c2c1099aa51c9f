"""The calls of Proxmox Backup Server that look back: averages, and the samples of the last half hour.

The `time` of a row is its beginning, and the newest is still being filled.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from tests.fake_proxmox import averages, curves
from tests.fake_proxmox.averages import Span
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import BackupServer, Datastore
from tests.fake_proxmox.pbs import backup_server_of, call, used_bytes
from tests.fake_proxmox.pve_export import GAUGE, SET_SECONDS, SETS, TOTAL
from tests.fake_proxmox.pve_rrd import spans_of

#: timeframe -> (rows, seconds of each)
_FRAMES = {
    "hour": (1_440, 60),
    "day": (1_440, 60),
    "week": (1_440, 1_800),
    "month": (1_440, 1_800),
    "year": (1_440, 21_600),
    "decade": (570, 604_800),
}
_BOTH = ("timeframe", "cf")


def _spans(request: Call) -> Iterator[Span]:
    """Return the spans of the rows, the last one up to now."""
    for span in spans_of(request, _FRAMES):
        start = span.end
        yield Span(start, min(start + span.seconds, max(request.now, start + 1)), span.is_peak)


@call("GET", "/nodes/{node}/rrd", required=_BOTH, privilege=("/system/status", "Sys.Audit"))
def node_history(request: Call) -> list[Row]:
    """Averages of the host."""
    server = backup_server_of(request)
    return [_host_row(server, span) for span in _spans(request)]


def _host_row(server: BackupServer, span: Span) -> Row:
    row: Row = {"time": int(span.start)}
    known = averages.known_part(span, since=server.created_at, until=inf, off=())
    if known is None:
        return row
    load = server.load
    cpu = averages.cpu_ratio(load, known)
    busy, moved = averages.network_ratio(load, known), averages.disk_ratio(load, known)
    return row | {
        "cpu": cpu,
        "iowait": 0.004 * moved,
        "memtotal": server.memory_bytes,
        "memused": server.memory_bytes * averages.memory_ratio(load, known),
        "swaptotal": server.swap_bytes,
        "swapused": 0,
        "netin": busy * load.network_in_rate,
        "netout": busy * load.network_out_rate,
        "loadavg": cpu * server.cpus,
        "total": server.root_bytes,
        "used": int(server.root_bytes * 0.11),
        "read_ios": moved * 12,
        "read_bytes": moved * load.disk_read_rate,
        "write_ios": moved * 31,
        "write_bytes": moved * load.disk_write_rate,
        "io_ticks": 0.01 * moved,
    }


@call(
    "GET",
    "/admin/datastore/{store}/rrd",
    required=_BOTH,
    privilege=("/datastore/{store}", "Datastore.Audit", "Datastore.Backup"),
)
def datastore_history(request: Call) -> list[Row]:
    """Averages of a datastore."""
    store = backup_server_of(request).datastores.get(request.names["store"])
    if store is None:
        raise ApiFailure(400, f"no such datastore '{request.names['store']}'")
    return [_store_row(store, span) for span in _spans(request)]


def _store_row(store: Datastore, span: Span) -> Row:
    row: Row = {"time": int(span.start)}
    if averages.known_part(span, since=store.created_at, until=inf, off=()) is None:
        return row
    used = used_bytes(store, span.middle)
    return row | {
        "total": store.total_bytes,
        "used": used,
        "available": store.total_bytes - used,
        "read_ios": 1.5,
        "read_bytes": 210_000.0,
        "write_ios": 4.0,
        "write_bytes": 640_000.0,
        "io_ticks": 0.004,
    }


@call("GET", "/status/metrics", parameters=("history", "start-time"), since=(3, 3))
def metrics(request: Call) -> Row:
    """Samples of the host and of each datastore that the caller may see; `start-time` acts only with `history`."""
    server, newest = backup_server_of(request), int(request.now) // SET_SECONDS * SET_SECONDS
    is_history = request.flag("history")
    since = request.number("start-time", 0) if is_history else 0
    sees_host = request.may("/system/status", "Sys.Audit")
    stores = [
        store
        for store in server.datastores.values()
        if request.may(f"/datastore/{store.name}", "Datastore.Audit")
    ]
    rows: list[Row] = []
    for number in range(SETS, -1, -1) if is_history else (0,):
        at = newest - number * SET_SECONDS
        if at <= since or at < server.started_at:
            continue
        if sees_host:
            rows += _host_metrics(server, at)
        for store in stores:
            if store.created_at <= at and store.mount_status != "notmounted" and not store.closed_text:
                rows += _store_metrics(store, at)
    return {"data": rows}


def _host_metrics(server: BackupServer, at: int) -> Iterator[Row]:
    load = server.load
    cpu = curves.cpu_ratio(load, at)
    busy = curves.busy_seconds(load, at) - curves.busy_seconds(load, server.started_at)
    moved = curves.disk_seconds(load, at) - curves.disk_seconds(load, server.started_at)
    root_used = int(server.root_bytes * 0.11)
    yield from _rows(
        "host",
        at,
        {
            "cpu_current": cpu,
            "cpu_iowait": 0.004,
            **{f"cpu_avg{minutes}": cpu * server.cpus for minutes in (1, 5, 15)},
            "mem_total": server.memory_bytes,
            "mem_used": int(server.memory_bytes * curves.memory_ratio(load, at)),
            "swap_total": server.swap_bytes,
            "swap_used": 0,
            "disk_total": server.root_bytes,
            "disk_used": root_used,
            "disk_available": server.root_bytes - root_used,
        },
        {
            "net_in": int(busy * load.network_in_rate),
            "net_out": int(busy * load.network_out_rate),
            "disk_read": int(moved * load.disk_read_rate),
            "disk_write": int(moved * load.disk_write_rate),
        },
    )


def _store_metrics(store: Datastore, at: int) -> Iterator[Row]:
    used = used_bytes(store, at)
    yield from _rows(
        f"datastore/{store.name}",
        at,
        {
            "disk_total": store.total_bytes,
            "disk_used": used,
            "disk_available": store.total_bytes - used,
        },
        {"disk_read": at * 210, "disk_write": at * 640},
    )


def _rows(identity: str, at: int, gauges: dict[str, float], totals: dict[str, float]) -> Iterator[Row]:
    for kind, told in ((GAUGE, gauges), (TOTAL, totals)):
        for metric, value in told.items():
            yield {"id": identity, "metric": metric, "timestamp": at, "type": kind, "value": value}
