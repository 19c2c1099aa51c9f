"""Backup servers and mail gateways as the state sends them; pure. Source: state.md 2.5 of the contract."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from monitoring.figures.servers import NOT_MOUNTED, DatastoreFigures, GatewayFigures, ServerFigures
from monitoring.wire.ids import Label
from monitoring.wire.jobs import DatastoreShape, NamespaceShape
from monitoring.wire.server_jobs import server_jobs
from monitoring.wire.shapes import MailNodeShape, PbsShape, PmgShape, Usage
from monitoring.wire.spelling import camel
from monitoring.wire.usage import percent, usage
from nodes.proxmox.readings.live import PbsStatusReading
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading
from pulse.lib.instants import instant, instant_seen


def server_shape(server: ServerFigures, label: Label) -> PbsShape:
    """Return a PBS; CPU and memory are 0 when the token may not read them."""
    host = server.host or PbsStatusReading()
    used, total = host.memory_used_bytes or 0, host.memory_total_bytes or 0
    jobs = server_jobs(server.jobs, server.backup_jobs)
    return PbsShape(
        id=label.server_id,
        name=label.name,
        host=label.host,
        status=server.status,
        version="unknown" if server.version is None else server.version or "connected",
        cpu=host.cpu_ratio or 0.0,
        memory=percent(used, total),
        memoryUsed=used,
        memoryTotal=total,
        uptime=host.uptime_seconds or 0,
        datastores=tuple(datastore_shape(store) for store in server.datastores),
        backupJobs=jobs.backup,
        syncJobs=jobs.sync,
        verifyJobs=jobs.verify,
        pruneJobs=jobs.prune,
        garbageJobs=jobs.garbage,
        connectionHealth=server.health,
        lastSeen=instant_seen(server.seen_epoch),
        stale=server.is_stale,
    )


def datastore_shape(store: DatastoreFigures) -> DatastoreShape:
    """Return one datastore; the percentage is of used and available, as PBS's own history has it."""
    used, free = max(store.used_bytes or 0, 0), max(store.available_bytes or 0, 0)
    return DatastoreShape(
        name=store.name,
        total=max(store.total_bytes or 0, 0),
        used=used,
        free=free,
        usage=percent(used, used + free),
        status=store.status,
        error=error_of(store),
        namespaces=namespace_shapes(store.namespaces),
        maintenance=store.maintenance,
        maintenanceMessage=store.maintenance_message,
        comment=store.comment,
        mountStatus=store.mount_status,
        backend=store.backend,
        fullAt=instant(store.full_epoch) if store.full_epoch else "",
        deduplication=deduplication_of(store),
        stale=store.is_stale,
    )


def error_of(store: DatastoreFigures) -> str:
    """Return why nothing can be read in a datastore, apart from its maintenance."""
    return store.error or ("not mounted" if store.mount_status == NOT_MOUNTED else "")


def deduplication_of(store: DatastoreFigures) -> float | None:
    """Return how many times each stored byte is used, as exactly as it is shown."""
    return None if store.deduplication is None else round(store.deduplication, 2)


def namespace_shapes(paths: Iterable[str]) -> tuple[NamespaceShape, ...]:
    """Return the namespaces of a datastore."""
    return tuple(NamespaceShape(path, path.count("/"), path.rpartition("/")[0]) for path in paths)


def gateway_shape(gateway: GatewayFigures, label: Label) -> PmgShape:
    """Return a mail gateway; statistics that were not told are left out."""
    statistics = msgspec.structs.asdict(gateway.statistics) if gateway.statistics is not None else {}
    return PmgShape(
        id=label.gateway_id,
        name=label.name,
        host=label.host,
        status=gateway.status,
        nodes=tuple(mail_node_shape(node, gateway.queues.get(node.name, ())) for node in gateway.nodes),
        connectionHealth=gateway.health,
        lastSeen=instant_seen(gateway.seen_epoch),
        statistics={camel(key): value for key, value in statistics.items() if value is not None},
        stale=gateway.is_stale,
    )


def mail_node_shape(node: MailNodeReading, queues: Iterable[MailQueueReading]) -> MailNodeShape:
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
