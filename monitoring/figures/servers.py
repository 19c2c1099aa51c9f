"""What is true of a backup server or a mail gateway now; pure. Source: state.md 2.5 of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from monitoring.figures.nodes import Health
from nodes.proxmox.readings.backup_server import NamespaceReading, ServerJobReading
from nodes.proxmox.readings.live import DatastoreReading, DatastoreStateReading, PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading, MailStatisticsReading

Status = Literal["online", "offline", "unknown"]
DatastoreStatus = Literal["available", "unavailable", "unknown"]

#: Kinds of maintenance in which nothing can be read; in all others, such as read-only, it can.
CLOSED = frozenset({"offline", "unmount", "delete", "s3-refresh"})
NOT_MOUNTED = "notmounted"
#: The backend whose sizes are those of a local cache; how much lies in the object store PBS does not tell.
OBJECT_STORE = "s3"


def is_cached(backend: str) -> bool:
    """Return whether the sizes of a datastore are those of a cache and not its own."""
    return backend == OBJECT_STORE


class DatastoreFigures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One datastore; `status` is `unavailable` when nothing can be read in it, `unknown` when its use was not told.

    `is_stale`: its use could not be read now, and is as it was last told.
    """

    name: str
    status: DatastoreStatus
    is_stale: bool = False
    used_bytes: int | None = None
    available_bytes: int | None = None
    total_bytes: int | None = None
    error: str = ""
    maintenance: str = ""  # read-only, offline, unmount, delete, ...
    maintenance_message: str = ""
    comment: str = ""
    mount_status: str = ""  # mounted, notmounted, nonremovable
    backend: str = ""  # filesystem, s3
    namespaces: tuple[str, ...] = ()  # their paths, the root "" first
    full_epoch: int | None = None  # when it will be full if it goes on growing as in the last month
    deduplication: float | None = None  # how many times each stored byte is used
    bad_chunk_count: int | None = None
    pending_bytes: int | None = None


class ServerJob(msgspec.Struct, frozen=True, omit_defaults=True):
    """A job of a backup server as it tells of it, and when it should have run last and did not."""

    told: ServerJobReading
    missed_epoch: int | None = None


class BackupJob(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A backup job of a PVE, whose name is `host`; `datastore` is that of the backup server at which it is told, or empty.

    `storage` is what the PVE calls the place that it writes to.
    """

    host: str
    id: str
    datastore: str
    status: str  # of its newest run: ok, warning, failed, running, unknown
    covers: Literal["all", "pool", "guests"]
    vmids: tuple[int, ...] = ()
    schedule: str = ""
    error: str = ""  # of a run that failed
    last_run_ended_epoch: int | None = None
    next_run_epoch: int | None = None
    missed_epoch: int | None = None
    is_disabled: bool = False
    storage: str = ""


class ServerFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """A backup server. Epochs are seconds of our own clock.

    `host` is what it told of itself at `host_epoch`, None when it does not, or not for a while; of the datastores at
    `datastores_epoch`. `is_stale`: something of it could not be read now.
    """

    status: Status
    health: Health
    seen_epoch: float | None = None
    is_stale: bool = False
    version: str | None = None  # None: it has never answered; empty: it does not tell
    host: PbsStatusReading | None = None
    host_epoch: float | None = None
    datastores: tuple[DatastoreFigures, ...] = ()
    datastores_epoch: float | None = None
    jobs: tuple[ServerJob, ...] = ()
    backup_jobs: tuple[BackupJob, ...] = ()


class GatewayFigures(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mail gateway: its nodes as they tell of themselves, the mails that wait by node, and the totals since its midnight."""

    status: Status
    health: Health
    seen_epoch: float | None = None
    is_stale: bool = False
    nodes: tuple[MailNodeReading, ...] = ()
    nodes_epoch: float | None = None
    queues: dict[str, tuple[MailQueueReading, ...]] = {}
    queues_epoch: float | None = None
    statistics: MailStatisticsReading | None = None
    statistics_epoch: float | None = None


def datastore_figures(
    reading: DatastoreReading,
    state: DatastoreStateReading | None,
    namespaces: Iterable[NamespaceReading],
    *,
    is_stale: bool,
) -> DatastoreFigures:
    """Return one datastore; `reading` is completed by the list already, `state` what the list alone tells."""
    return DatastoreFigures(
        name=reading.name,
        status=status_of(reading),
        is_stale=is_stale,
        used_bytes=reading.used_bytes,
        available_bytes=reading.available_bytes,
        total_bytes=reading.total_bytes,
        error=reading.error,
        maintenance=reading.maintenance,
        maintenance_message=state.maintenance_message if state is not None else "",
        comment=state.comment if state is not None else "",
        mount_status=reading.mount_status,
        backend=reading.backend,
        namespaces=paths_of(namespaces),
        full_epoch=reading.estimated_full_epoch,
        deduplication=reading.deduplication,
        bad_chunk_count=reading.bad_chunk_count,
        pending_bytes=reading.pending_bytes,
    )


def status_of(reading: DatastoreReading) -> DatastoreStatus:
    """Return `available`, `unavailable` (nothing can be read in it), or `unknown`: its use was not told."""
    if reading.error or reading.mount_status == NOT_MOUNTED or reading.maintenance in CLOSED:
        return "unavailable"
    return "unknown" if reading.total_bytes is None else "available"


def paths_of(namespaces: Iterable[NamespaceReading]) -> tuple[str, ...]:
    """Return the paths of the namespaces of a datastore, the root first."""
    return tuple(sorted(namespace.path for namespace in namespaces))
