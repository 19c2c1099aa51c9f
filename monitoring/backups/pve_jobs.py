"""The PVE jobs that write to a PBS, each with its newest run; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from monitoring.backups.attribution import Estate
from monitoring.backups.collected import Collected
from monitoring.backups.missed import is_near, last_due, may_be_run
from monitoring.backups.results import task_outcome
from monitoring.backups.tries import backup_tasks
from monitoring.figures.servers import BackupJob
from nodes.proxmox.readings.backups import BackupJobReading


def jobs_into(
    server: Collected,
    hosts: Iterable[Collected],
    evidence: Estate,
    missed: Mapping[int, Mapping[str, int]],
    *,
    at: datetime,
) -> Iterator[BackupJob]:
    """Yield the PVE jobs that write to a PBS, which itself knows none (state.md 2.5)."""
    for (name, datastore, _), definitions in evidence.definitions.items():
        if name != server.name:
            continue
        for host in hosts:
            definition = definitions.get(host.name)
            for job in host.facts.jobs if definition is not None else ():
                if definition is not None and job.storage in definition.storages:
                    missed_epoch = missed.get(host.instance_id, {}).get(f"backup {job.id}")
                    yield backup_job(job, host, datastore, missed_epoch, at=at)


#: How the tasks of one run went together: the worst counts.
WORST_FIRST = ("failed", "running", "unknown", "warning", "ok")


def backup_job(
    job: BackupJobReading, host: Collected, datastore: str, missed_epoch: int | None, *, at: datetime
) -> BackupJob:
    """Return one backup job with its newest run: the tasks that began when it was due, one on each node."""
    due = last_due(job, host.facts, at=at, tolerance=timedelta(0))
    tasks = [task for task in backup_tasks(host.facts) if may_be_run(task, job)]
    if due is not None and not any(is_near(task, due) for task in tasks):
        # It may begin any moment, or was missed: then the run before is the newest.
        before = datetime.fromtimestamp(due - 1, UTC)
        due = last_due(job, host.facts, at=before, tolerance=timedelta(0))
    run = [task for task in tasks if due is not None and is_near(task, due)]
    told = {task_outcome(task): task for task in run}
    status = next((one for one in WORST_FIRST if one in told), "unknown")
    ends = [task.ended_epoch for task in run if task.ended_epoch is not None]
    return BackupJob(
        host=host.name,
        id=job.id,
        datastore=datastore,
        status=status,
        covers="all" if job.covers_all else "pool" if job.pool else "guests",
        vmids=job.vmids,
        schedule=job.schedule,
        error=told["failed"].status if status == "failed" else "",
        last_run_ended_epoch=max(ends, default=None),
        next_run_epoch=job.next_run_epoch,
        missed_epoch=missed_epoch,
        is_disabled=not job.is_enabled,
    )
