"""The backup jobs of PVE, each with its newest run, and which of them write to a PBS; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from monitoring.backups.attribution import Estate
from monitoring.backups.collected import Collected
from monitoring.backups.missed import host_now, last_due, runs_at
from monitoring.backups.results import task_outcome
from monitoring.backups.tries import backup_tasks
from monitoring.figures.servers import BackupJob
from nodes.proxmox.readings.backups import BackupJobReading
from nodes.proxmox.readings.live import GuestReading

#: How the tasks of one run went together: the worst counts.
WORST_FIRST = ("failed", "running", "unknown", "warning", "ok")


def jobs_of(host: Collected, missed: Mapping[str, int], *, at: datetime) -> tuple[BackupJob, ...]:
    """Return the backup jobs of a PVE, wherever they write to."""
    guests = host.guests_by_vmid
    return tuple(
        backup_job(job, host, guests, missed.get(f"backup {job.id}"), at=at) for job in host.facts.jobs
    )


def jobs_into(server: str, jobs: Iterable[BackupJob], evidence: Estate) -> Iterator[BackupJob]:
    """Yield those of these jobs that write to a PBS, which itself knows none (state.md 2.5)."""
    for (name, datastore, _), definitions in evidence.definitions.items():
        if name == server:
            for job in jobs:
                definition = definitions.get(job.host)
                if definition is not None and job.storage in definition.storages:
                    yield msgspec.structs.replace(job, datastore=datastore)


def backup_job(
    job: BackupJobReading,
    host: Collected,
    guests: Mapping[int, GuestReading],
    missed_epoch: int | None,
    *,
    at: datetime,
) -> BackupJob:
    """Return one backup job with its newest run: the tasks that began when it was due, one on each node."""
    facts, tasks = host.facts, list(backup_tasks(host.facts))
    due = last_due(job, facts, at=host_now(facts, job.node, at=at), tolerance=timedelta(0))
    run = runs_at(due, job, facts, tasks, guests) if due is not None else []
    if due is not None and not run:
        # It may begin any moment, or was missed: then the run before is the newest.
        before = datetime.fromtimestamp(due - 1, UTC)
        due = last_due(job, facts, at=before, tolerance=timedelta(0))
        run = runs_at(due, job, facts, tasks, guests) if due is not None else []
    told = {task_outcome(task): task for task in run}
    status = next((one for one in WORST_FIRST if one in told), "unknown")
    ends = [task.ended_epoch for task in run if task.ended_epoch is not None]
    return BackupJob(
        host=host.name,
        id=job.id,
        datastore="",
        status=status,
        covers="all" if job.covers_all else "pool" if job.pool else "guests",
        vmids=job.vmids,
        schedule=job.schedule,
        error=told["failed"].status if status == "failed" else "",
        last_run_ended_epoch=max(ends, default=None),
        next_run_epoch=job.next_run_epoch,
        missed_epoch=missed_epoch,
        is_disabled=not job.is_enabled,
        storage=job.storage,
    )
