"""How backup servers and mail gateways are built from readings; pure. Source: state.md 2.5 of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from monitoring.known.datastores import NOT_MOUNTED, status_of
from monitoring.wire.jobs import NO_JOBS, DatastoreShape, NamespaceShape, ServerJobs
from monitoring.wire.shapes import MailNodeShape, PbsShape, PmgShape, Usage
from monitoring.wire.usage import percent, usage
from nodes.proxmox.readings import (
    DatastoreReading,
    DatastoreStateReading,
    MailNodeReading,
    MailQueueReading,
    MailStatisticsReading,
    PbsStatusReading,
)
from pulse.lib.instants import instant


def datastore_view(
    reading: DatastoreReading,
    namespaces: tuple[NamespaceShape, ...] = (),
    *,
    state: DatastoreStateReading | None = None,
    is_stale: bool = False,
) -> DatastoreShape:
    """Return one datastore; the percentage is of used and available, as PBS's own history has it.

    The reading is one of monitoring.datastores.known_datastores, `state` what the list tells beside it.
    """
    used, free = max(reading.used_bytes or 0, 0), max(reading.available_bytes or 0, 0)
    is_unmounted = reading.mount_status == NOT_MOUNTED
    return DatastoreShape(
        name=reading.name,
        total=max(reading.total_bytes or 0, 0),
        used=used,
        free=free,
        usage=percent(used, used + free),
        status=status_of(reading),
        error=reading.error or ("not mounted" if is_unmounted else ""),
        namespaces=namespaces,
        maintenance=reading.maintenance,
        maintenanceMessage=state.maintenance_message if state is not None else "",
        comment=state.comment if state is not None else "",
        mountStatus=reading.mount_status,
        backend=reading.backend,
        fullAt=instant(reading.estimated_full_at) if reading.estimated_full_at else "",
        deduplication=None if reading.deduplication is None else round(reading.deduplication, 2),
        stale=is_stale,
    )


def pbs_view(
    *,
    name: str,
    host: str,
    version: str,
    status: PbsStatusReading | None,
    datastores: Iterable[DatastoreShape],
    seen: str,
    jobs: ServerJobs = NO_JOBS,
    is_stale: bool = False,
) -> PbsShape:
    """Return a PBS that answers; CPU and memory stay 0 when the token may not read them."""
    known = status or PbsStatusReading()
    used, total = known.memory_used_bytes or 0, known.memory_total_bytes or 0
    return PbsShape(
        id=f"pbs-{name}",
        name=name,
        host=host,
        status="online",
        version=version or "connected",
        cpu=known.cpu_ratio or 0.0,
        memory=percent(used, total),
        memoryUsed=used,
        memoryTotal=total,
        uptime=known.uptime_seconds or 0,
        datastores=tuple(datastores),
        backupJobs=jobs.backup,
        syncJobs=jobs.sync,
        verifyJobs=jobs.verify,
        pruneJobs=jobs.prune,
        garbageJobs=jobs.garbage,
        connectionHealth="healthy",
        lastSeen=seen,
        stale=is_stale,
    )


def pbs_without_answer(
    *, name: str, host: str, seen: str, health: str, jobs: ServerJobs = NO_JOBS
) -> PbsShape:
    """Return a PBS that has not answered since Pulse knows it, or since the start, with the jobs that are known."""
    view = pbs_view(name=name, host=host, version="unknown", status=None, datastores=(), seen=seen, jobs=jobs)
    return msgspec.structs.replace(view, status="offline", connectionHealth=health)


def pmg_view(
    *,
    name: str,
    host: str,
    nodes: Iterable[MailNodeReading],
    queues: Mapping[str, Iterable[MailQueueReading]],
    statistics: MailStatisticsReading | None,
    seen: str,
    is_stale: bool = False,
) -> PmgShape:
    """Return a mail gateway that answers; statistics that were not told are left out."""
    told = msgspec.structs.asdict(statistics) if statistics is not None else {}
    return PmgShape(
        id=f"pmg-{name}",
        name=name,
        host=host,
        status="online",
        nodes=tuple(mail_node_view(node, queues.get(node.name, ())) for node in nodes),
        connectionHealth="healthy",
        lastSeen=seen,
        statistics={camel(key): value for key, value in told.items() if value is not None},
        stale=is_stale,
    )


def mail_node_view(node: MailNodeReading, queues: Iterable[MailQueueReading]) -> MailNodeShape:
    """Return one node; one that the asked node cannot reach has no figures."""
    return MailNodeShape(
        name=node.name,
        status="offline" if node.error else "online",
        role=node.role,
        cpu=node.cpu_ratio,
        memory=known_usage(node.memory_used_bytes, node.memory_total_bytes),
        disk=known_usage(node.root_used_bytes, node.root_total_bytes),
        uptime=node.uptime_seconds,
        version=node.version,
        queues={queue.queue: queue.total for queue in queues},
        inSync=node.is_in_sync,
        error=node.error,
    )


def known_usage(used: int | None, total: int | None) -> Usage | None:
    """Return the four figures, None when one of the two is not known."""
    return None if used is None or not total else usage(used, total)


def camel(name: str) -> str:
    """Return a name of ours as the wire spells names."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def pmg_without_answer(*, name: str, host: str, seen: str, health: str) -> PmgShape:
    """Return a mail gateway that has not answered since Pulse knows it."""
    view = pmg_view(name=name, host=host, nodes=(), queues={}, statistics=None, seen=seen)
    return msgspec.structs.replace(view, status="offline", connectionHealth=health)
