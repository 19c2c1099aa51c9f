"""Which tries to back up guests are known: by their tasks, and of jobs over several guests by their logs; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitoring.backups import coverage
from monitoring.backups.coverage import Backup, GuestRun
from monitoring.known.facts import Facts
from nodes.proxmox.readings.backups import TaskReading


def backup_tasks(facts: Facts) -> Iterator[TaskReading]:
    """Yield the known backup tasks, each once: the cluster's list is the newer one, the nodes' lists go further back."""
    recent = {task.upid: task for task in facts.tasks if task.kind == "vzdump"}
    yield from recent.values()
    for tasks in facts.backup_tasks.values():
        yield from (task for task in tasks if task.kind == "vzdump" and task.upid not in recent)


def newest_runs(facts: Facts, *, latest_epoch: float) -> dict[int, GuestRun]:
    """Return the newest try to back up each guest, also those that only the log of a job tells of; none of the future."""
    tasks = [one for one in backup_tasks(facts) if (one.started_epoch or 0) <= latest_epoch]
    runs = coverage.runs_of(tasks)
    started = {task.upid: task.started_epoch for task in tasks}
    for upid, results in facts.task_results.items():
        begun = started.get(upid)
        for result in results:
            if begun is None or result.is_ok is None:
                continue
            known = runs.get(result.vmid)
            if known is None or begun >= known.started_epoch:
                runs[result.vmid] = GuestRun(
                    result.vmid, begun, "OK" if result.is_ok else result.error or "failed"
                )
    return runs


def is_outdated(run: GuestRun, backups: Iterable[Backup], *, latest_epoch: float) -> bool:
    """Return whether a later run must have gone well: a backup tells so, where the logs of good jobs are not read."""
    return run.outcome != "ok" and any(
        not one.fault and run.started_epoch < one.taken_epoch <= latest_epoch for one in backups
    )
