"""The jobs of a PBS as the state sends them; pure. Source: state.md 2.5, api-facts.md 11."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from monitoring.backups.results import job_error, job_outcome
from monitoring.wire.jobs import (
    BackupJobShape,
    GarbageJobShape,
    NamespaceShape,
    PruneJobShape,
    ServerJobs,
    SyncJobShape,
    VerifyJobShape,
)
from nodes.proxmox.readings import NamespaceReading, ServerJobReading
from pulse.lib.instants import instant

#: Job to the instant of the run that did not happen, None when none was missed.
Missed = Callable[[ServerJobReading], int | None]


def server_jobs(
    jobs: Mapping[str, Iterable[ServerJobReading]], backups: Iterable[BackupJobShape], missed: Missed
) -> ServerJobs:
    """Return the five lists; `backups` are the PVE jobs that write to this server."""
    return ServerJobs(
        backup=tuple(backups),
        sync=tuple(sync_view(job, missed(job)) for job in jobs.get("sync", ())),
        verify=tuple(verify_view(job, missed(job)) for job in jobs.get("verify", ())),
        prune=tuple(prune_view(job, missed(job)) for job in jobs.get("prune", ())),
        garbage=tuple(garbage_view(job, missed(job)) for job in jobs.get("garbage", ())),
    )


def shared_fields(job: ServerJobReading, missed_at: int | None) -> dict[str, Any]:
    """Return what the views of all kinds have in common."""
    return {
        "id": job.id,
        "store": job.store,
        "status": job_outcome(job),
        "nextRun": instant(job.next_run_at),
        "error": job_error(job),
        "schedule": job.schedule,
        "missedAt": instant(missed_at) if missed_at else "",
        "disabled": job.is_disabled,
    }


def sync_view(job: ServerJobReading, missed_at: int | None) -> SyncJobShape:
    """Return one sync job."""
    return SyncJobShape(
        remote=job.remote,
        lastSync=instant(job.last_run_ended_at),
        direction=job.direction,
        **shared_fields(job, missed_at),
    )


def verify_view(job: ServerJobReading, missed_at: int | None) -> VerifyJobShape:
    """Return one verify job."""
    return VerifyJobShape(lastVerify=instant(job.last_run_ended_at), **shared_fields(job, missed_at))


def prune_view(job: ServerJobReading, missed_at: int | None) -> PruneJobShape:
    """Return one prune job."""
    return PruneJobShape(lastPrune=instant(job.last_run_ended_at), **shared_fields(job, missed_at))


def garbage_view(job: ServerJobReading, missed_at: int | None) -> GarbageJobShape:
    """Return the garbage collection of a datastore."""
    return GarbageJobShape(
        lastGarbage=instant(job.last_run_ended_at),
        removedBytes=job.removed_bytes or 0,
        pendingBytes=job.pending_bytes or 0,
        **shared_fields(job, missed_at),
    )


def namespace_views(namespaces: Iterable[NamespaceReading]) -> tuple[NamespaceShape, ...]:
    """Return the namespaces of a datastore, the root first, then by path."""
    return tuple(
        NamespaceShape(one.path, one.path.count("/"), one.path.rpartition("/")[0])
        for one in sorted(namespaces, key=lambda namespace: namespace.path)
    )
