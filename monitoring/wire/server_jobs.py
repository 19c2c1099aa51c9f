"""The jobs of a PBS as the state sends them; pure. Source: state.md 2.5, api-facts.md 11."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from monitoring.backups.results import job_error, job_outcome
from monitoring.figures.servers import BackupJob, ServerJob
from monitoring.wire.jobs import (
    BackupJobShape,
    GarbageJobShape,
    PruneJobShape,
    ServerJobs,
    SyncJobShape,
    VerifyJobShape,
)
from pulse.lib.instants import instant


def server_jobs(jobs: Iterable[ServerJob], backup_jobs: Iterable[BackupJob]) -> ServerJobs:
    """Return the five lists; `backup_jobs` are the PVE jobs that write to this server."""
    by_kind: dict[str, list[ServerJob]] = {}
    for job in jobs:
        by_kind.setdefault(job.told.kind, []).append(job)
    return ServerJobs(
        backup=tuple(backup_shape(job) for job in backup_jobs),
        sync=tuple(sync_shape(job) for job in by_kind.get("sync", ())),
        verify=tuple(verify_shape(job) for job in by_kind.get("verify", ())),
        prune=tuple(prune_shape(job) for job in by_kind.get("prune", ())),
        garbage=tuple(garbage_shape(job) for job in by_kind.get("garbage", ())),
    )


def backup_shape(job: BackupJob) -> BackupJobShape:
    """Return one job of a PVE; among those of a PBS its place is the datastore, among those of PVE the storage."""
    return BackupJobShape(
        id=f"{job.host}-{job.id}",
        store=job.datastore or job.storage,
        status=job.status,
        type=job.covers,
        lastBackup=instant(job.last_run_ended_epoch),
        nextRun=instant(job.next_run_epoch),
        vmid=",".join(str(vmid) for vmid in job.vmids),
        error=job.error,
        instance=job.host,
        schedule=job.schedule,
        missedAt=told_instant(job.missed_epoch),
        disabled=job.is_disabled,
    )


def shared_fields(job: ServerJob) -> dict[str, Any]:
    """Return what the shapes of all other kinds have in common."""
    reading = job.told
    return {
        "id": reading.id,
        "store": reading.store,
        "status": job_outcome(reading),
        "nextRun": instant(reading.next_run_epoch),
        "error": job_error(reading),
        "schedule": reading.schedule,
        "missedAt": told_instant(job.missed_epoch),
        "disabled": reading.is_disabled,
    }


def sync_shape(job: ServerJob) -> SyncJobShape:
    """Return one sync job."""
    return SyncJobShape(
        remote=job.told.remote,
        remoteStore=job.told.remote_store,
        lastSync=instant(job.told.last_run_ended_epoch),
        direction=job.told.direction,
        **shared_fields(job),
    )


def verify_shape(job: ServerJob) -> VerifyJobShape:
    """Return one verify job."""
    return VerifyJobShape(lastVerify=instant(job.told.last_run_ended_epoch), **shared_fields(job))


def prune_shape(job: ServerJob) -> PruneJobShape:
    """Return one prune job."""
    return PruneJobShape(lastPrune=instant(job.told.last_run_ended_epoch), **shared_fields(job))


def garbage_shape(job: ServerJob) -> GarbageJobShape:
    """Return the garbage collection of a datastore."""
    return GarbageJobShape(
        lastGarbage=instant(job.told.last_run_ended_epoch),
        removedBytes=job.told.removed_bytes or 0,
        pendingBytes=job.told.pending_bytes or 0,
        **shared_fields(job),
    )


def told_instant(epoch_seconds: int | None) -> str:
    """Return an instant, "" for none."""
    return instant(epoch_seconds) if epoch_seconds else ""
