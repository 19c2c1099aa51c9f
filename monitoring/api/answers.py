"""What the routes of monitoring answer, around the shapes of the wire; the API's description is derived from it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from rest_framework.response import Response

from monitoring.wire.backup_sources import SourceShape
from monitoring.wire.backups import BackupTaskShape, GuestSnapshotShape, PbsBackupShape, StorageBackupShape
from monitoring.wire.fragments import RESOURCES
from monitoring.wire.guest_details import GuestDetails, StorageDetails
from monitoring.wire.jobs import BackupJobShape
from monitoring.wire.node_details import NodeDetails
from monitoring.wire.numbers import Number
from monitoring.wire.server_details import GatewayDetails, ServerDetails
from monitoring.wire.shapes import ConcernShape, GuestShape, NodeShape, PbsShape, PmgShape, StorageShape
from monitoring.wire.spelling import spelled
from pulse.lib.instants import WireInstant


def any_of(*shapes: type[msgspec.Struct]) -> Any:
    """Return the type of a value that is one of these; msgspec itself describes no such union."""
    references = [{"$ref": f"#/components/schemas/{shape.__name__}"} for shape in shapes]
    return Annotated[Any, msgspec.Meta(extra_json_schema={"anyOf": references}, extra={"any_of": shapes})]


class PveBackups(msgspec.Struct, rename="camel"):
    """What the PVE hosts tell of backups and snapshots, each list with the newest first; no key for their jobs without any."""

    backup_tasks: list[BackupTaskShape]
    storage_backups: list[StorageBackupShape]
    guest_snapshots: list[GuestSnapshotShape]
    backup_jobs: list[BackupJobShape] | msgspec.UnsetType = msgspec.UNSET


class Performance(msgspec.Struct, rename="camel"):
    """How the last polls went; durations are in seconds, those of `apiCallDuration` by instance."""

    api_call_duration: dict[str, float]
    last_poll_duration: float
    polling_start_time: WireInstant
    total_api_calls: int
    failed_api_calls: int


class Statistics(msgspec.Struct, rename="camel"):
    """Pulse about itself; `uptime` is in seconds."""

    start_time: WireInstant
    uptime: int
    polling_cycles: int
    web_socket_clients: int
    version: str


class State(msgspec.Struct, rename="camel"):
    """Everything that is known now, of all instances.

    `connectionHealth` tells by instance whether it answers; what an instance that does not answer told last stays, marked
    `stale`. `concerns` lists what is wrong by Proxmox's own word, the critical first. `metrics`, `activeAlerts` and
    `recentlyResolved` are always empty in this release.
    """

    nodes: list[NodeShape]
    vms: list[GuestShape]
    containers: list[GuestShape]
    storage: list[StorageShape]
    pbs: list[PbsShape]
    pmg: list[PmgShape]
    concerns: list[ConcernShape]
    pbs_backups: list[PbsBackupShape]
    pve_backups: PveBackups
    metrics: list[Any]
    active_alerts: list[Any]
    recently_resolved: list[Any]
    performance: Performance
    connection_health: dict[str, bool]
    stats: Statistics
    last_update: WireInstant


class PublicConfig(msgspec.Struct, rename="camel"):
    """Settings that every client may know; `pollingInterval` is in seconds."""

    polling_interval: int
    csrf_protection: bool
    auto_update_enabled: bool
    update_channel: str


class StorageList(msgspec.Struct):
    """All storages; `timestamp` is now, in Unix seconds."""

    data: list[StorageShape]
    timestamp: int


class StorageFound(msgspec.Struct):
    """The storage with the id, or a list of those that the node sees; `timestamp` is now, in Unix seconds."""

    data: StorageShape | list[StorageShape]
    timestamp: int


class Sources(msgspec.Struct):
    """Where backups and snapshots may be, and how far each place was read."""

    sources: list[SourceShape]


class Backups(msgspec.Struct, rename="camel"):
    """All backups, tasks and snapshots, each list with the newest first, and the places that they are from.

    An empty list says something only about the places that were read: see `sources`.
    """

    backup_tasks: list[BackupTaskShape]
    storage_backups: list[StorageBackupShape]
    guest_snapshots: list[GuestSnapshotShape]
    pbs_backups: list[PbsBackupShape]
    sources: list[SourceShape]


class StorageBackups(msgspec.Struct):
    """The backups in the storages of PVE, the newest first."""

    backups: list[StorageBackupShape]


class ServerBackups(msgspec.Struct):
    """The Proxmox Backup Servers, and the backups on them, the newest first."""

    instances: list[PbsShape]
    backups: list[PbsBackupShape]


class Snapshots(msgspec.Struct):
    """The snapshots of all guests, the newest first."""

    snapshots: list[GuestSnapshotShape]


#: Which list of the state holds a resource.
Collection = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(RESOURCES)})]


class Resource(msgspec.Struct):
    """One resource: as the state has it, and beside it in `details` all else that was collected of it.

    `details` is of the kind of the resource; a key `...Read` says when the one before it was read, null that it never was.
    """

    id: str
    collection: Collection
    resource: any_of(NodeShape, GuestShape, StorageShape, PbsShape, PmgShape)  # type: ignore[valid-type]
    details: any_of(  # type: ignore[valid-type]
        *map(spelled, (GuestDetails, NodeDetails, StorageDetails, ServerDetails, GatewayDetails))
    )


class Explanation(msgspec.Struct):
    """Where each number of a resource comes from."""

    id: str
    collection: Collection
    numbers: list[Number]


def joined(parts: Mapping[str, bytes], *, is_stamped: bool = False) -> Response:
    """Return an object of encoded parts; `timestamp` is in Unix seconds."""
    body: dict[str, object] = {name: msgspec.Raw(part) for name, part in parts.items()}
    if is_stamped:
        body["timestamp"] = int(time.time())
    return Response(body)
