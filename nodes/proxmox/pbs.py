"""The calls to a Proxmox Backup Server, one function each, and beside it the pure reader of its answer.

Readers raise BadAnswer only. Source: api-facts.md section 11.
"""

from __future__ import annotations

import re

from nodes.addresses import normalise_fingerprint
from nodes.proxmox.client import Client
from nodes.proxmox.properties import properties
from nodes.proxmox.pve import kernel_version, read_version
from nodes.proxmox.readings import DatastoreReading, DatastoreStateReading, PbsStatusReading, VersionReading
from nodes.proxmox.rows import Row, fields_of, name, read_rows
from nodes.proxmox.tasks import read_upid
from nodes.proxmox.values import epoch, fields, ratio, reals, size, text, truth, whole

ERROR_LIMIT = 300
WORD_LIMIT = 32
#: A month in half hours, and some.
HISTORY_LIMIT = 2000

#: "offline maintenance mode: disks are being replaced"
MAINTENANCE = re.compile(r"\b([a-z0-9-]{1,30}) maintenance mode\b")


def version(client: Client, *, timeout_seconds: float | None = None) -> VersionReading:
    """Return the version of the server; any user may ask."""
    return read_version(client.get("/version", timeout_seconds=timeout_seconds).data)


def node_status(client: Client, *, timeout_seconds: float | None = None) -> PbsStatusReading:
    """Return the figures of the server itself. Needs Sys.Audit on /system/status."""
    return read_node_status(client.get("/nodes/localhost/status", timeout_seconds=timeout_seconds).data)


def datastore_usage(
    client: Client, *, at: float | None = None, timeout_seconds: float | None = None
) -> tuple[DatastoreReading, ...]:
    """Return all datastores the user may see with their sizes, in one call; `at` as of its reader."""
    answer = client.get("/status/datastore-usage", timeout_seconds=timeout_seconds)
    return read_datastore_usage(answer.data, at=at)


def datastore_states(
    client: Client, *, timeout_seconds: float | None = None
) -> tuple[DatastoreStateReading, ...]:
    """Return all datastores the user may see with their maintenance; costs the server nothing."""
    return read_datastore_states(client.get("/admin/datastore", timeout_seconds=timeout_seconds).data)


def datastores(client: Client) -> tuple[str, ...]:
    """Return the names of the datastores the user may see; cheaper than their usage."""
    return read_datastores(client.get("/admin/datastore").data)


def node_name(client: Client) -> str:
    """Return the server's own name, "" when it tells none. Most servers let only root@pam ask."""
    return read_node_name(client.get("/nodes").data)


def read_node_status(data: object) -> PbsStatusReading:
    """Return the reading of GET /nodes/localhost/status."""
    row = fields_of(data, "the server's status")
    cpu, memory, swap, root, boot = (
        fields(row.get(key)) for key in ("cpuinfo", "memory", "swap", "root", "boot-info")
    )
    return PbsStatusReading(
        cpu_ratio=ratio(row.get("cpu")),
        memory_used_bytes=size(memory.get("used")),
        memory_total_bytes=size(memory.get("total")),
        load_average=reals(row.get("loadavg"), 3),
        uptime_seconds=size(row.get("uptime")),
        fingerprint=_fingerprint(fields(row.get("info")).get("fingerprint")),
        swap_used_bytes=size(swap.get("used")),
        swap_total_bytes=size(swap.get("total")),
        root_used_bytes=size(root.get("used")),
        root_total_bytes=size(root.get("total")),
        root_available_bytes=size(root.get("avail")),
        io_wait_ratio=ratio(row.get("wait")),
        kernel_version=kernel_version(row),
        cpu_model=text(cpu.get("model"), 200),
        cpu_count=size(cpu.get("cpus")),
        boot_mode=text(boot.get("mode"), WORD_LIMIT),
        is_secure_boot=truth(boot.get("secureboot")),
    )


def _fingerprint(value: object) -> str:
    try:
        return normalise_fingerprint(text(value))
    except ValueError:
        return ""


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
        mount_status=text(row.get("mount-status"), WORD_LIMIT),
        backend=text(row.get("backend-type"), WORD_LIMIT),
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


def read_datastore_states(data: object) -> tuple[DatastoreStateReading, ...]:
    """Return the reading of GET /admin/datastore.

    The maintenance is a property string ("type=read-only,message=..."), or just the type.
    """
    return read_rows(data, "the datastores", _datastore_state)


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


def read_datastores(data: object) -> tuple[str, ...]:
    """Return the reading of GET /admin/datastore."""
    return read_rows(data, "the datastores", lambda row: name(row.get("store")) or None)


def read_node_name(data: object) -> str:
    """Return the name of the only entry of GET /nodes."""
    names = read_rows(data, "the nodes", lambda row: name(row.get("node")) or None)
    return names[0] if names else ""
