"""Where the numbers of backup servers and mail gateways come from; pure. See monitoring.wire.numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from monitoring.figures.servers import DatastoreFigures, GatewayFigures, ServerFigures, is_cached
from monitoring.figures.staleness import GRACE_SECONDS, is_recent
from monitoring.known.datastores import known_datastores, states_now
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from monitoring.wire.numbers import Number, When, number
from monitoring.wire.servers import deduplication_of, error_of, known_usage
from monitoring.wire.spelling import camel
from monitoring.wire.usage import percent
from nodes.proxmox.readings.live import DatastoreReading, PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading
from pulse.lib.instants import instant

STATUS = "GET /nodes/localhost/status"
USAGE = "GET /status/datastore-usage"
LIST = "GET /admin/datastore"
GATEWAY = "GET /config/cluster/status?list_single_node=1"
STATISTICS = "GET /statistics/mail"

#: Statistics by the names of the wire, as Proxmox spells them; those that count no mails have a unit of their own.
MAIL_FIELDS = {
    "countIn": "count_in",
    "countOut": "count_out",
    "bytesIn": "bytes_in",
    "bytesOut": "bytes_out",
    "spamIn": "spamcount_in",
    "spamOut": "spamcount_out",
    "virusIn": "viruscount_in",
    "virusOut": "viruscount_out",
    "bouncesIn": "bounces_in",
    "bouncesOut": "bounces_out",
    "junkIn": "junk_in",
    "greylisted": "glcount",
    "spfRejects": "spfcount",
    "rblRejects": "rbl_rejects",
    "averageSeconds": "avptime",
}
MAIL_UNITS = {"bytesIn": "bytes", "bytesOut": "bytes", "averageSeconds": "seconds"}


def pbs_numbers(
    server: ServerFigures, memory: PollMemory, facts: Facts, *, at_epoch: float
) -> Iterator[Number]:
    """Yield the numbers of a backup server and its datastores."""
    yield from status_numbers(server, memory.pbs_status, When(memory.pbs_status_epoch, at_epoch))
    states = states_now(facts, at_epoch=at_epoch)
    listed_stores = {store.name: store for store in known_datastores(memory.datastores, states)}
    for store in server.datastores:
        reading = listed_stores.get(store.name) or DatastoreReading(store.name)
        listed = {"list read": instant(facts.datastore_states_epoch)} if store.name in states else {}
        yield from datastore_numbers(store, reading, listed, When(memory.datastores_epoch, at_epoch))


def status_numbers(server: ServerFigures, status: PbsStatusReading | None, when: When) -> Iterator[Number]:
    """Yield what the server tells of itself."""
    raw, host = status or PbsStatusReading(), server.host or PbsStatusReading()
    share = percent(host.memory_used_bytes or 0, host.memory_total_bytes or 0)
    is_late = bool(when.read_epoch) and not is_recent(
        when.read_epoch, at_epoch=when.at_epoch, seconds=GRACE_SECONDS
    )
    note = "it could not be renewed" if is_late else ""

    def figure(name: str, value: Any, unit: str, formula: str, fields: dict[str, Any]) -> Number:
        is_known = status is not None and not is_late
        return number(name, value if is_known else None, unit, formula, STATUS, fields, when, note=note)

    memory = {"memory.used": raw.memory_used_bytes, "memory.total": raw.memory_total_bytes}
    swap = {"swap.used": raw.swap_used_bytes, "swap.total": raw.swap_total_bytes}
    root = {
        "root.used": raw.root_used_bytes,
        "root.total": raw.root_total_bytes,
        "root.avail": raw.root_available_bytes,
    }
    yield figure("cpu", host.cpu_ratio or 0.0, "fraction", "cpu", {"cpu": raw.cpu_ratio})
    yield figure("memory", share, "percent", "memory.used of memory.total", memory)
    yield figure("swap", raw.swap_used_bytes, "bytes", "swap.used", swap)
    yield figure("disk", raw.root_used_bytes, "bytes", "root.used: the root file system", root)
    load = list(raw.load_average)
    unit = "processes over 1, 5 and 15 minutes"
    yield figure("loadAverage", load, unit, "loadavg", {"loadavg": load})
    yield figure("uptime", host.uptime_seconds or 0, "seconds", "uptime", {"uptime": raw.uptime_seconds})


def datastore_numbers(
    store: DatastoreFigures, reading: DatastoreReading, listed: dict[str, Any], when: When
) -> Iterator[Number]:
    """Yield the numbers of a datastore, with what keeps it from being used; `listed` is when the list was read."""
    name, is_told = f"datastores.{store.name}", reading.total_bytes is not None
    fields: dict[str, Any] = {
        "used": reading.used_bytes,
        "avail": reading.available_bytes,
        "total": reading.total_bytes,
    }
    if reading.error:
        fields["error"] = reading.error
    upkeep = {
        "maintenance": store.maintenance,
        "message": store.maintenance_message,
        "comment": store.comment,
    }
    fields |= {key: value for key, value in upkeep.items() if value}
    fields |= {"mount-status": reading.mount_status} if reading.mount_status else {}
    used, free = max(store.used_bytes or 0, 0), max(store.available_bytes or 0, 0)
    formula = "used of used + avail, as PBS itself has it"
    if is_cached(store.backend):
        formula += (
            ": of the local cache, which fills up on purpose; the object store has no end that PBS knows"
        )
    yield number(
        f"{name}.usage", percent(used, used + free) if is_told else None, "percent", formula,
        f"{USAGE}; {LIST}" if listed else USAGE, fields | listed, when, note=note_of(store, is_told=is_told),
    )  # fmt: skip
    if reading.deduplication is not None:
        yield number(
            f"{name}.deduplication", deduplication_of(store), "times",
            "index-data-bytes of disk-bytes of the last garbage collection", USAGE,
            {
                "gc-status.index-data-bytes": reading.index_bytes,
                "gc-status.disk-bytes": reading.disk_bytes,
                "gc-status.still-bad": reading.bad_chunk_count,
            },
            when,
        )  # fmt: skip
    if store.full_epoch:
        yield number(
            f"{name}.fullAt", instant(store.full_epoch), "instant",
            "estimated-full-date: a straight line through a month of use; left out while that does not rise", USAGE,
            {"estimated-full-date": reading.estimated_full_epoch}, when,
        )  # fmt: skip


def note_of(store: DatastoreFigures, *, is_told: bool) -> str:
    """Return why there are no figures of a datastore, or what holds for it although there are."""
    if store.maintenance:
        words = f"the datastore is in maintenance: {store.maintenance}"
        return f"{words} ({store.maintenance_message})" if store.maintenance_message else words
    if is_told:
        return "it could not be renewed" if store.is_stale else ""
    return (
        error_of(store)
        or "the server lists the datastore and tells no figures: the account may lack Datastore.Audit on it"
    )


def pmg_numbers(gateway: GatewayFigures, memory: PollMemory, *, at_epoch: float) -> Iterator[Number]:
    """Yield the numbers of a mail gateway and its nodes."""
    readings = {node.name: node for node in memory.mail_nodes}
    for node in gateway.nodes:
        raw = readings.get(node.name)
        if raw is not None and not raw.error:
            yield from mail_node_numbers(node, raw, When(memory.mail_nodes_epoch, at_epoch))
        yield from queue_numbers(node.name, memory, When(memory.mail_queues_epoch, at_epoch))
    when = When(memory.mail_statistics_epoch, at_epoch)
    totals = msgspec.structs.asdict(gateway.statistics) if gateway.statistics is not None else {}
    for name, value in ((camel(key), total) for key, total in totals.items() if total is not None):
        field = MAIL_FIELDS.get(name, name)
        formula = f"{field}, since midnight of the server, of all nodes together"
        unit = MAIL_UNITS.get(name, "mails")
        yield number(f"statistics.{name}", value, unit, formula, STATISTICS, {field: value}, when)


def mail_node_numbers(node: MailNodeReading, raw: MailNodeReading, when: When) -> Iterator[Number]:
    """Yield the figures of one node of a gateway."""

    def figure(name: str, value: Any, unit: str, formula: str, fields: dict[str, Any]) -> Number:
        return number(f"nodes.{node.name}.{name}", value, unit, formula, GATEWAY, fields, when)

    memory = {"memory.used": raw.memory_used_bytes, "memory.total": raw.memory_total_bytes}
    root = {"rootfs.used": raw.root_used_bytes, "rootfs.total": raw.root_total_bytes}
    yield figure("cpu", node.cpu_ratio, "fraction", "cpu", {"cpu": raw.cpu_ratio})
    used = told_of(node.memory_used_bytes, node.memory_total_bytes)
    yield figure("memory", used, "bytes", "memory.used of memory.total", memory)
    formula = "rootfs.used of rootfs.total: the root file system"
    disk = told_of(node.root_used_bytes, node.root_total_bytes)
    yield figure("disk", disk, "bytes", formula, root)
    load = list(raw.load_average)
    yield figure("loadAverage", load, "processes over 1, 5 and 15 minutes", "loadavg", {"loadavg": load})
    yield figure("uptime", node.uptime_seconds, "seconds", "uptime", {"uptime": raw.uptime_seconds})


def told_of(used: int | None, total: int | None) -> dict[str, Any] | None:
    """Return the four figures of memory or disk, None when they are not known."""
    figures = known_usage(used, total)
    return msgspec.structs.asdict(figures) if figures is not None else None


def queue_numbers(node: str, memory: PollMemory, when: When) -> Iterator[Number]:
    """Yield how many messages wait in each queue of a node, with their ages."""
    for queue in memory.mail_queues.get(node, ()):
        yield number(
            f"nodes.{node}.queues.{queue.queue}", queue.total, "mails", "total of the row TOTAL; the others count by age",
            f"GET /nodes/{node}/postfix/qshape?queue={queue.queue}", {"total": queue.total, **dict(queue.by_minutes)}, when,
        )  # fmt: skip
