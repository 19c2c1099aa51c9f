"""The calls to a Proxmox Backup Server, one function each, and beside it the pure reader of its answer.

Readers raise BadAnswer only. Source: api-facts.md section 11.
"""

from __future__ import annotations

from nodes.addresses import normalise_fingerprint
from nodes.proxmox.client import Client
from nodes.proxmox.pve import read_version
from nodes.proxmox.readings import DatastoreReading, PbsStatusReading, VersionReading
from nodes.proxmox.rows import Row, fields_of, name, read_rows
from nodes.proxmox.values import fields, ratio, reals, size, text

ERROR_LIMIT = 300
WORD_LIMIT = 32


def version(client: Client) -> VersionReading:
    """Return the version of the server; any user may ask."""
    return read_version(client.get("/version").data)


def node_status(client: Client) -> PbsStatusReading:
    """Return the figures of the server itself. Needs Sys.Audit on /system/status."""
    return read_node_status(client.get("/nodes/localhost/status").data)


def datastore_usage(client: Client) -> tuple[DatastoreReading, ...]:
    """Return all datastores the user may see with their sizes, in one call."""
    return read_datastore_usage(client.get("/status/datastore-usage").data)


def datastores(client: Client) -> tuple[str, ...]:
    """Return the names of the datastores the user may see; cheaper than their usage."""
    return read_datastores(client.get("/admin/datastore").data)


def node_name(client: Client) -> str:
    """Return the server's own name, "" when it tells none. Most servers let only root@pam ask."""
    return read_node_name(client.get("/nodes").data)


def read_node_status(data: object) -> PbsStatusReading:
    """Return the reading of GET /nodes/localhost/status."""
    row = fields_of(data, "the server's status")
    memory = fields(row.get("memory"))
    return PbsStatusReading(
        cpu_ratio=ratio(row.get("cpu")),
        memory_used_bytes=size(memory.get("used")),
        memory_total_bytes=size(memory.get("total")),
        load_average=reals(row.get("loadavg"), 3),
        uptime_seconds=size(row.get("uptime")),
        fingerprint=_fingerprint(fields(row.get("info")).get("fingerprint")),
    )


def _fingerprint(value: object) -> str:
    try:
        return normalise_fingerprint(text(value))
    except ValueError:
        return ""


def read_datastore_usage(data: object) -> tuple[DatastoreReading, ...]:
    """Return the reading of GET /status/datastore-usage; a store that is not mounted has no sizes."""
    return read_rows(data, "the datastores", _datastore)


def _datastore(row: Row) -> DatastoreReading | None:
    store = name(row.get("store"))
    if not store:
        return None
    return DatastoreReading(
        name=store,
        total_bytes=size(row.get("total")),
        used_bytes=size(row.get("used")),
        available_bytes=size(row.get("avail")),
        error=text(row.get("error"), ERROR_LIMIT),
        mount_status=text(row.get("mount-status"), WORD_LIMIT),
    )


def read_datastores(data: object) -> tuple[str, ...]:
    """Return the reading of GET /admin/datastore."""
    return read_rows(data, "the datastores", lambda row: name(row.get("store")) or None)


def read_node_name(data: object) -> str:
    """Return the name of the only entry of GET /nodes."""
    names = read_rows(data, "the nodes", lambda row: name(row.get("node")) or None)
    return names[0] if names else ""
