"""The calls to a Proxmox Backup Server about itself and its datastores, and the pure readers of their answers.

Readers raise BadAnswer only. Source: api-facts.md section 11.
"""

from __future__ import annotations

import re

from nodes.proxmox.calls import Call
from nodes.proxmox.properties import properties
from nodes.proxmox.pve import kernel_version, read_version
from nodes.proxmox.readings import DatastoreReading, DatastoreStateReading, PbsStatusReading
from nodes.proxmox.rows import Row, Rows, Thing, read_rows, row_of
from nodes.proxmox.tasks import read_upid
from nodes.proxmox.values import (
    epoch,
    fields,
    fingerprint,
    loads,
    name,
    ratio,
    size,
    text,
    text_of,
    truth,
    whole,
    word,
)

ERROR_LIMIT = 300
WORD_LIMIT = 32
#: A month in half hours, and some.
HISTORY_LIMIT = 2000

#: "offline maintenance mode: disks are being replaced"
MAINTENANCE = re.compile(r"\b([a-z0-9-]{1,30}) maintenance mode\b")

read_node_status = Thing(
    "the server's status",
    row_of(
        PbsStatusReading,
        cpu_ratio=(ratio, "cpu"),
        memory_used_bytes=(size, "memory", "used"),
        memory_total_bytes=(size, "memory", "total"),
        load_average=(loads, "loadavg"),
        uptime_seconds=(size, "uptime"),
        fingerprint=(fingerprint, "info", "fingerprint"),
        swap_used_bytes=(size, "swap", "used"),
        swap_total_bytes=(size, "swap", "total"),
        root_used_bytes=(size, "root", "used"),
        root_total_bytes=(size, "root", "total"),
        root_available_bytes=(size, "root", "avail"),
        io_wait_ratio=(ratio, "wait"),
        kernel_version=kernel_version,
        cpu_model=(text_of(200), "cpuinfo", "model"),
        cpu_count=(size, "cpuinfo", "cpus"),
        boot_mode=(word, "boot-info", "mode"),
        is_secure_boot=(truth, "boot-info", "secureboot"),
    ),
)


def read_datastore_usage(data: object, *, at: float | None = None) -> tuple[DatastoreReading, ...]:
    """Return the reading of GET /status/datastore-usage; a store that is not mounted has no sizes.

    The server's line through a month of use may meet the full store in the past, which means that it shrinks: this is
    judged by the end of the history, or by `at` (epoch seconds) where there is none.
    """
    return read_rows(data, "the datastores", lambda row: _datastore(row, at))


def _datastore(row: Row, at: float | None) -> DatastoreReading | None:
    store = name(row.get("store"))
    if not store:
        return None
    told = row.get("history")
    history = tuple(ratio(point) for point in told[:HISTORY_LIMIT]) if isinstance(told, list) else ()
    start, step = epoch(row.get("history-start")), size(row.get("history-delta"))
    now = float(start + step * len(history)) if start and step and history else at
    full_at = row.get("estimated-full-date")
    is_growing = _is_growing(full_at, now)
    error = text(row.get("error"), ERROR_LIMIT)
    maintenance = MAINTENANCE.search(error)
    garbage = fields(row.get("gc-status"))
    collection = read_upid(garbage.get("upid"))
    return DatastoreReading(
        name=store,
        total_bytes=size(row.get("total")),
        used_bytes=size(row.get("used")),
        available_bytes=size(row.get("avail")),
        error=error,
        mount_status=word(row.get("mount-status")),
        backend=word(row.get("backend-type")),
        maintenance=maintenance[1] if maintenance else "",
        estimated_full_at=epoch(full_at) if is_growing else None,
        is_growing=is_growing,
        history=history,
        history_start_at=start,
        history_step_seconds=step,
        disk_bytes=size(garbage.get("disk-bytes")),
        index_bytes=size(garbage.get("index-data-bytes")),
        pending_bytes=size(garbage.get("pending-bytes")),
        removed_bytes=size(garbage.get("removed-bytes")),
        bad_chunk_count=size(garbage.get("still-bad")),
        collected_at=collection.started_at if collection else None,
    )


def _is_growing(full_at: object, now: float | None) -> bool | None:
    """Return whether an estimate is one: 0, -1 (of old versions) and the past stand for a store that does not grow."""
    estimate = whole(full_at)
    if estimate is None:
        return None
    return estimate > 0 and (now is None or estimate > now)


def _datastore_state(row: Row) -> DatastoreStateReading | None:
    store = name(row.get("store"))
    if not store:
        return None
    maintenance = properties(row.get("maintenance"), first="type")
    return DatastoreStateReading(
        name=store,
        comment=text(row.get("comment"), ERROR_LIMIT),
        maintenance=maintenance.get("type", "")[:WORD_LIMIT],
        maintenance_message=maintenance.get("message", "").strip('"')[:ERROR_LIMIT],
        mount_status=text(row.get("mount-status"), WORD_LIMIT),
        backend=text(row.get("backend-type"), WORD_LIMIT),
    )


#: The names of the datastores alone.
read_datastores = Rows("the datastores", lambda row: name(row.get("store")) or None)
read_datastore_states = Rows("the datastores", _datastore_state)


def read_node_name(data: object) -> str:
    """Return the name of the only entry of GET /nodes, "" when there is none."""
    names = read_rows(data, "the nodes", lambda row: name(row.get("node")) or None)
    return names[0] if names else ""


version = Call("/version", read_version)
#: The figures of the server itself.
node_status = Call("/nodes/localhost/status", read_node_status)
#: All datastores that the user may see with their sizes, in one call.
datastore_usage = Call("/status/datastore-usage", read_datastore_usage)
#: The datastores with their maintenance; costs the server nothing.
datastore_states = Call("/admin/datastore", read_datastore_states)
#: Cheaper than their usage.
datastores = Call("/admin/datastore", read_datastores)
#: The server's own name, "" when it tells none. Most servers let only root@pam ask.
node_name = Call("/nodes", read_node_name)
