"""The calls to a Proxmox Backup Server about itself and its datastores, and the pure readers of their answers.

Readers raise BadAnswer only. Source: api-facts.md section 11.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from nodes.proxmox.calls import Call
from nodes.proxmox.properties import properties
from nodes.proxmox.pve import kernel_version, read_version
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading, PbsStatusReading
from nodes.proxmox.rows import Row, Rows, Thing, read_rows, row_of
from nodes.proxmox.tasks import read_upid
from nodes.proxmox.values import epoch, name, ratio, text, whole

ERROR_LIMIT = 300
WORD_LIMIT = 32
#: A month in half hours, and some.
HISTORY_LIMIT = 2000

#: "offline maintenance mode: disks are being replaced"
MAINTENANCE = re.compile(r"\b([a-z0-9-]{1,30}) maintenance mode\b")

read_node_status = Thing("the server's status", row_of(PbsStatusReading, kernel_version=kernel_version))


def read_datastore_usage(data: object, *, at_epoch: float | None = None) -> tuple[DatastoreReading, ...]:
    """Return the reading of GET /status/datastore-usage; a store that is not mounted has no sizes.

    The server's line through a month of use may meet the full store in the past, which means that it shrinks: this is
    judged by the end of the history, or by `at` (epoch seconds) where there is none.
    """
    return read_rows(data, "the datastores", lambda row: _datastore(row, at_epoch))


def _datastore(row: Row, at_epoch: float | None) -> DatastoreReading | None:
    reading = _plain_datastore(row)
    if reading is None:
        return None
    start, step = reading.history_start_epoch, reading.history_step_seconds
    now = float(start + step * len(reading.history)) if start and step and reading.history else at_epoch
    full_epoch = row.get("estimated-full-date")
    is_growing = _is_growing(full_epoch, now)
    return msgspec.structs.replace(
        reading, is_growing=is_growing, estimated_full_epoch=epoch(full_epoch) if is_growing else None
    )


def _history(points: object) -> tuple[float | None, ...]:
    return tuple(ratio(point) for point in points[:HISTORY_LIMIT]) if isinstance(points, list) else ()


def _maintenance(error: object) -> str:
    match = MAINTENANCE.search(text(error, ERROR_LIMIT))
    return match[1] if match else ""


def _collected_at(upid: object) -> int | None:
    collection = read_upid(upid)
    return collection.started_epoch if collection else None


_plain_datastore = row_of(
    DatastoreReading,
    maintenance=(_maintenance, "error"),
    history=(_history, "history"),
    collected_epoch=(_collected_at, "gc-status", "upid"),
)


def _is_growing(full_epoch: object, now: float | None) -> bool | None:
    """Return whether an estimate is one: 0, -1 (of old versions) and the past stand for a store that does not grow."""
    estimate = whole(full_epoch)
    if estimate is None:
        return None
    return estimate > 0 and (now is None or estimate > now)


def _maintenance_text(key: str, limit: int) -> Callable[[object], str]:
    """Return what reads a part of a maintenance: a property string ("type=read-only,message=..."), or just the type."""
    return lambda value: properties(value, first="type").get(key, "").strip('"')[:limit]


#: The names of the datastores alone.
read_datastores = Rows("the datastores", lambda row: name(row.get("store")) or None)
read_datastore_states = Rows(
    "the datastores",
    row_of(
        DatastoreStateReading,
        maintenance=(_maintenance_text("type", WORD_LIMIT), "maintenance"),
        maintenance_message=(_maintenance_text("message", ERROR_LIMIT), "maintenance"),
    ),
)


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
