"""What tells of backups: jobs, tasks and their logs, and one listing of each storage that holds some."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from monitoring.backups import attribution, rights
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import LISTING_SECONDS, Visit
from monitoring.known.facts import StorageKey
from monitoring.known.lanes import Lane
from nodes.proxmox import backups
from nodes.proxmox.readings.backups import StorageConfigReading, TaskReading
from nodes.proxmox.tasks import read_vzdump_log

#: What a PBS that Pulse knows holds is read from there.
BACKUP_SERVER_PLUGIN = "pbs"
#: The newest backup tasks of each node.
TASKS_PER_NODE = 100
#: Logs of jobs over several guests: how far back they are read, and how many are kept.
LOG_SECONDS = 3 * 24 * 3600
MOST_LOGS = 100
#: What vzdump says of any failure.
UNEXPLAINED = "job errors"


def backup_questions(visit: Visit, nodes: Collection[str], online: list[str]) -> Iterator[Question]:
    """Yield what tells of backups: jobs, tasks, and one listing of each storage that holds some."""
    audits = visit.may("/", "Sys.Audit")
    yield Question(Lane.BACKUP_JOBS, "", read_jobs, is_possible=audits)
    yield Question(Lane.UNCOVERED_GUESTS, "", read_uncovered, is_possible=audits)
    for job in visit.facts.jobs:
        yield Question(Lane.JOB_VOLUMES, job.id, read_job_volumes, (job.id,), audits)
    for node in nodes:
        yield Question(Lane.BACKUP_TASKS, node, read_backup_tasks, (node,), node in online, node)
    for task in unread_logs(visit):
        yield Question(Lane.BACKUP_LOGS, task.upid, read_log, (task,), task.node in online, task.node)
    for key, node in storages_to_list(visit, online):
        yield Question(Lane.BACKUP_VOLUMES, key, read_volumes, (key, node), bool(node))


def storages_to_list(visit: Visit, online: Collection[str]) -> Iterator[tuple[StorageKey, str]]:
    """Yield (key, node to ask) of each storage whose backups are read through PVE; a shared one once.

    The node is empty while none is online that sees the storage.
    """
    reading = visit.memory.reading
    definitions = {one.name: one for one in visit.facts.storages}
    askable: dict[StorageKey, str] = {}
    for storage in sorted(reading.storages if reading is not None else (), key=lambda one: one.node):
        config = definitions.get(storage.name)
        if "backup" not in storage.content or not may_list(visit, storage.name):
            continue
        if storage.plugin == BACKUP_SERVER_PLUGIN and (config is None or is_read_from_server(visit, config)):
            continue
        key = (storage.name, "" if storage.is_shared else storage.node)
        is_there = storage.node in online and storage.status == "available"
        if key not in askable or (is_there and not askable[key]):
            askable[key] = storage.node if is_there else ""
    yield from askable.items()


def may_list(visit: Visit, storage: str) -> bool:
    """Return whether to list the backups in a storage: an account that may not see them is told that there are none."""
    held = visit.facts.permissions
    return visit.rights_are_unreadable if held is None else rights.sees_backups(held, storage)


def is_read_from_server(visit: Visit, config: StorageConfigReading) -> bool:
    """Return whether a storage leads to a PBS that Pulse knows itself: what is there is read there, once."""
    told = attribution.pbs_storage(visit.instance.name, config)
    return told is not None and bool(attribution.estate((), [told], visit.servers).definitions)


def read_jobs(visit: Visit) -> None:
    """Read the backup jobs."""
    jobs = visit.ask(backups.backup_jobs)
    visit.facts.note_jobs(
        "backup", {job.id: f"{job.is_enabled} {job.schedule}" for job in jobs}, epoch=visit.epoch
    )
    visit.keep(jobs=jobs)
    known = {job.id for job in jobs}
    if visit.facts.job_volumes.keys() - known:
        visit.keep(job_volumes={key: one for key, one in visit.facts.job_volumes.items() if key in known})


def read_uncovered(visit: Visit) -> None:
    """Read which guests are in no backup job."""
    visit.keep(uncovered=visit.ask(backups.uncovered_guests))


def read_job_volumes(visit: Visit, job: str) -> None:
    """Read which disks a job takes."""
    visit.keep_entry("job_volumes", job, visit.ask(backups.job_volumes, job))


def read_backup_tasks(visit: Visit, node: str) -> None:
    """Read the newest backup tasks of a node, which the short list of the cluster may have lost."""
    tasks = visit.ask(backups.node_tasks, node, kind="vzdump", limit=TASKS_PER_NODE)
    visit.keep_entry("backup_tasks", node, tasks)


def failed_runs(visit: Visit) -> list[TaskReading]:
    """Return the tasks that ended lately and not well, and do not say why, the newest first, and not too many.

    Of those over several guests only their logs tell whose backup failed.
    """
    since = visit.epoch - LOG_SECONDS
    tasks = {task.upid: task for tasks in visit.facts.backup_tasks.values() for task in tasks}
    tasks |= {task.upid: task for task in visit.facts.tasks}
    failed = [
        task
        for task in tasks.values()
        if task.kind == "vzdump" and task.ended_epoch is not None
        if not task.subject or task.status == UNEXPLAINED
        if task.status != "OK" and (task.started_epoch or 0) > since
    ]
    failed.sort(key=lambda task: task.started_epoch or 0, reverse=True)
    return failed[:MOST_LOGS]


def unread_logs(visit: Visit) -> Iterator[TaskReading]:
    """Yield those whose log was not read yet."""
    return (task for task in failed_runs(visit) if task.upid not in visit.facts.task_results)


def read_log(visit: Visit, task: TaskReading) -> None:
    """Read the log of a job once; those of old jobs are forgotten."""
    results = read_vzdump_log(visit.ask(backups.task_log, task.node, task.upid, longest_seconds=10.0))
    wanted = {one.upid for one in failed_runs(visit)}
    known = {upid: one for upid, one in visit.facts.task_results.items() if upid in wanted}
    visit.keep(task_results={**known, task.upid: results})


def read_volumes(visit: Visit, key: StorageKey, node: str) -> None:
    """Read the backups in a storage."""
    found = visit.ask(backups.backup_volumes, node, key[0], longest_seconds=LISTING_SECONDS)
    visit.keep_entry("volumes", key, found)
