"""The calls about what hosts have kept of the past, and the pure readers of their answers.

Names that are totals in other calls are rates per second in `rrddata` and `rrd`. A row of PVE and PMG is named by the end of its span,
one of PBS by the beginning. Readers raise BadAnswer only.
Source: api-facts.md sections 5, 7 and 11.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from nodes.proxmox.calls import Call, Reading
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.limits import ROWS
from nodes.proxmox.readings.records import ExportedReading, RecordsReading, SamplesReading
from nodes.proxmox.record_rows import Column, RowsReader
from nodes.proxmox.rows import fields_of, rows_of
from nodes.proxmox.values import INT64_HIGHEST, amount, epoch, name, word

#: No rate above this is real: a terabyte per second. No ratio is either: a CPU that is a thousand times used.
RATE_HIGHEST = 10**12
RATIO_HIGHEST = 1_000.0
PERCENT_HIGHEST = 100.0
LOAD_HIGHEST = 1_000_000.0
#: Parts of an id such as `storage/pve1/local`; those with more are of what is inside of an object.
ID_LIMIT = 300


def _bytes(key: str) -> Column:
    return Column(key, float(INT64_HIGHEST))


def _rate(key: str) -> Column:
    return Column(key, RATE_HIGHEST)


def _percent(key: str) -> Column:
    return Column(key, PERCENT_HIGHEST)


def _ratio(key: str) -> Column:
    return Column(key, RATIO_HIGHEST)


_PRESSURES = {
    f"pressure_{what}_{who}_percent": _percent(f"pressure{what}{who}")
    for what in ("cpu", "io", "memory")
    for who in ("some", "full")
}
_TRAFFIC = {
    "network_in_bytes_per_second": _rate("netin"),
    "network_out_bytes_per_second": _rate("netout"),
}
_HOST = {
    "cpu_ratio": _ratio("cpu"),
    "io_wait_ratio": _ratio("iowait"),
    "load_1": Column("loadavg", LOAD_HIGHEST),
    "memory_used_bytes": _bytes("memused"),
    "memory_total_bytes": _bytes("memtotal"),
    "swap_used_bytes": _bytes("swapused"),
    "swap_total_bytes": _bytes("swaptotal"),
    **_TRAFFIC,
}
_ROOT = {"disk_used_bytes": _bytes("rootused"), "disk_total_bytes": _bytes("roottotal")}
_USE = {"disk_used_bytes": _bytes("used"), "disk_total_bytes": _bytes("total")}
_MAIL_NODE = {**_HOST, **_ROOT}
_NODE = {**_MAIL_NODE, "arc_bytes": _bytes("arcsize"), **_PRESSURES}
_MACHINE = {
    "cpu_ratio": _ratio("cpu"),
    "memory_used_bytes": _bytes("mem"),
    "memory_total_bytes": _bytes("maxmem"),
    "host_memory_bytes": _bytes("memhost"),
    **_TRAFFIC,
    "disk_read_bytes_per_second": _rate("diskread"),
    "disk_write_bytes_per_second": _rate("diskwrite"),
    **_PRESSURES,
}
#: What a VM tells of its disk is 0, and the size of the disk it boots from.
_CONTAINER = {**_MACHINE, "disk_used_bytes": _bytes("disk"), "disk_total_bytes": _bytes("maxdisk")}
_SERVER = {
    **_HOST,
    **_USE,
    "disk_read_bytes_per_second": _rate("read_bytes"),
    "disk_write_bytes_per_second": _rate("write_bytes"),
}


read_node_records = RowsReader(_NODE)
read_machine_records = RowsReader(_MACHINE, unknown_at_zero=("host_memory_bytes",))
read_container_records = RowsReader(
    _CONTAINER, unknown_at_zero=("host_memory_bytes", "disk_used_bytes", "disk_total_bytes")
)
#: A storage that is not active on its node has no size.
read_storage_records = RowsReader(_USE, unknown_at_zero=("disk_total_bytes",))
read_mail_node_records = RowsReader(_MAIL_NODE)
read_server_records = RowsReader(_SERVER, is_named_by_end=False)
_read_store = RowsReader(
    {**_USE, "available_bytes": _bytes("available")},
    is_named_by_end=False,
    unknown_at_zero=("disk_total_bytes",),
)


def read_datastore_records(data: object) -> RecordsReading:
    """Return the reading of GET /admin/datastore/{store}/rrd; the whole is what is used and what is available, where both are told."""
    reading = _read_store(data)
    series = dict(reading.series)
    available = series.pop("available_bytes", ())
    totals = series.get("disk_total_bytes", (None,) * len(available))
    if available and "disk_used_bytes" in series:
        series["disk_total_bytes"] = tuple(
            total if used is None or free is None else used + free
            for total, used, free in zip(totals, series["disk_used_bytes"], available, strict=True)
        )
    return msgspec.structs.replace(reading, series=series)


#: Of a node, also of one that is off; Sys.Audit on it.
NODE = Call("/nodes/{node}/rrddata", read_node_records, plain=read_node_records.plain)
MACHINE = Call("/nodes/{node}/qemu/{vmid}/rrddata", read_machine_records, plain=read_machine_records.plain)
CONTAINER = Call(
    "/nodes/{node}/lxc/{vmid}/rrddata", read_container_records, plain=read_container_records.plain
)
STORAGE = Call(
    "/nodes/{node}/storage/{storage}/rrddata", read_storage_records, plain=read_storage_records.plain
)
MAIL_NODE = Call("/nodes/{node}/rrddata", read_mail_node_records, plain=read_mail_node_records.plain)
SERVER = Call("/nodes/localhost/rrd", read_server_records, plain=read_server_records.plain)
DATASTORE = Call("/admin/datastore/{store}/rrd", read_datastore_records, plain=_read_store.plain)


def averages(
    client: Client,
    *names: str | int,
    call: Call[Reading],
    timeframe: str,
    timeout_seconds: float | None = None,
) -> Reading:
    """Return what one of these calls reads of a timeframe: hour, day, week, month, year or decade, as the version knows it."""
    params = {"timeframe": timeframe, "cf": "AVERAGE"}
    return call(client, *names, params=params, timeout_seconds=timeout_seconds)


# --- The last half hour -----------------------------------------------------------------------------------------------

#: metric -> figure
_GAUGES = {
    "uptime": "uptime_seconds",
    "cpu_current": "cpu_ratio",
    "cpu_iowait": "io_wait_ratio",
    "cpu_avg1": "load_1",
    "cpu_avg5": "load_5",
    "cpu_avg15": "load_15",
    "mem_total": "memory_total_bytes",
    "mem_used": "memory_used_bytes",
    "swap_total": "swap_total_bytes",
    "swap_used": "swap_used_bytes",
    "disk_total": "disk_total_bytes",
    "disk_used": "disk_used_bytes",
    "disk_available": "available_bytes",
}
_TOTALS = {
    "net_in": "network_in_bytes",
    "net_out": "network_out_bytes",
    "disk_read": "disk_read_bytes",
    "disk_write": "disk_write_bytes",
}
_TOTAL_TYPES = ("derive", "counter")
#: How many names stand in an id after its kind: `storage/pve1/local` has two, `host` none.
_NAMES = {"node": 1, "qemu": 1, "lxc": 1, "storage": 2, "host": 0, "datastore": 1}


def read_export(data: object) -> tuple[ExportedReading, ...]:
    """Return the reading of GET /cluster/metrics/export and of GET /status/metrics of a PBS.

    Samples are known by object, metric and time: one that is told twice counts once. A storage without a size is configured and not
    there.
    """
    what = "the samples"
    rows = rows_of(fields_of(data, what).get("data"), what)
    if len(rows) > ROWS[what]:
        raise BadAnswer(f"The answer about {what} has more than {ROWS[what]} entries")
    gauges: dict[str, dict[str, dict[int, float]]] = {}
    totals: dict[str, dict[str, dict[int, float]]] = {}
    readable = 0
    for row in rows:
        if not isinstance(row, dict):
            continue
        identity, metric = row.get("id"), row.get("metric")
        at, value = epoch(row.get("timestamp")), amount(row.get("value"))
        if not isinstance(identity, str) or not isinstance(metric, str) or at is None or value is None:
            continue
        readable += 1
        is_total = row.get("type") in _TOTAL_TYPES
        figure = (_TOTALS if is_total else _GAUGES).get(metric)
        if figure is not None and value <= INT64_HIGHEST:
            (totals if is_total else gauges).setdefault(identity, {}).setdefault(figure, {})[at] = value
    if rows and not readable:
        raise BadAnswer(f"No entry of the answer about {what} can be read")
    found = (_exported(identity, gauges.get(identity, {}), totals.get(identity, {})) for identity in gauges)
    return tuple(one for one in found if one is not None)


def _exported(
    identity: str, gauges: Mapping[str, dict[int, float]], totals: Mapping[str, dict[int, float]]
) -> ExportedReading | None:
    kind, *names = identity[:ID_LIMIT].split("/")
    if len(names) != _NAMES.get(kind, -1) or not all(names):
        return None
    sizes = gauges.get("disk_total_bytes", {})
    if kind in ("storage", "datastore") and not any(sizes.values()):
        return None
    if kind == "datastore":
        used, free = gauges.get("disk_used_bytes", {}), gauges.get("available_bytes", {})
        gauges = {
            **gauges,
            "disk_total_bytes": sizes | {at: used[at] + free[at] for at in used.keys() & free},
        }
    return ExportedReading(
        kind=word(kind),
        name=name(names[-1]) if names else "",
        node=name(names[0]) if len(names) > 1 else "",
        samples={figure: _samples(told) for figure, told in gauges.items() if figure != "available_bytes"},
        totals={figure: _samples(told) for figure, told in totals.items()},
    )


def _samples(told: Mapping[int, float]) -> SamplesReading:
    epochs = sorted(told)
    return SamplesReading(tuple(epochs), tuple(told[at] for at in epochs))


#: From 8.2.5; Sys.Audit on /.
EXPORT = Call("/cluster/metrics/export", read_export)
#: Of a PBS, from 3.2.8; of the host with Sys.Audit on /system/status, of a datastore with Datastore.Audit.
SERVER_METRICS = Call("/status/metrics", read_export)


def export(
    client: Client, *, since_epoch: int, nodes: Sequence[str] = (), timeout_seconds: float | None = None
) -> tuple[ExportedReading, ...]:
    """Return the samples of a cluster after an instant, those of some nodes only where the version can (from 9.0.8).

    A node that fails, or is too old, is missing without a word.
    """
    params: dict[str, str | int] = {"history": 1, "start-time": since_epoch}
    if nodes:
        params["node-list"] = ",".join(nodes)
    return EXPORT(client, params=params, timeout_seconds=timeout_seconds)


def server_metrics(
    client: Client, *, since_epoch: int, timeout_seconds: float | None = None
) -> tuple[ExportedReading, ...]:
    """Return the samples of a PBS after an instant."""
    params = {"history": 1, "start-time": since_epoch}
    return SERVER_METRICS(client, params=params, timeout_seconds=timeout_seconds)
