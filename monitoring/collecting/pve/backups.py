"""What tells of backups: jobs, tasks and their logs, and one listing of each storage that holds some."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from monitoring.backups import attribution, rights
from monitoring.collecting.schedule import Errand
from monitoring.collecting.turn import LISTING_SECONDS, Turn
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


def backup_errands(turn: Turn, nodes: Collection[str], online: list[str]) -> Iterator[Errand]:
    """Yield what tells of backups: jobs, tasks, and one listing of each storage that holds some."""
    audits = turn.may("/", "Sys.Audit")
    yield Errand(Lane.BACKUP_JOBS, "", read_jobs, is_possible=audits)
    yield Errand(Lane.UNCOVERED_GUESTS, "", read_uncovered, is_possible=audits)
    for job in turn.facts.jobs:
        yield Errand(Lane.JOB_VOLUMES, job.id, read_job_volumes, (job.id,), audits)
    for node in nodes:
        yield Errand(Lane.BACKUP_TASKS, node, read_backup_tasks, (node,), node in online, node)
    for task in unread_logs(turn):
        yield Errand(Lane.BACKUP_LOGS, task.upid, read_log, (task,), task.node in online, task.node)
    for key, node in listed_storages(turn, online):
        yield Errand(Lane.BACKUP_VOLUMES, key, read_volumes, (key, node), bool(node))


def listed_storages(turn: Turn, online: Collection[str]) -> Iterator[tuple[StorageKey, str]]:
    """Yield (key, node to ask) of each storage whose backups are read through PVE; a shared one once.

    The node is empty while none is online that sees the storage.
    """
    reading = turn.memory.reading
    definitions = {one.name: one for one in turn.facts.storages}
    askable: dict[StorageKey, str] = {}
    for storage in sorted(reading.storages if reading is not None else (), key=lambda one: one.node):
        config = definitions.get(storage.name)
        if "backup" not in storage.content or not may_list(turn, storage.name):
            continue
        if storage.plugin == BACKUP_SERVER_PLUGIN and (config is None or is_read_from_server(turn, config)):
            continue
        key = (storage.name, "" if storage.is_shared else storage.node)
        is_there = storage.node in online and storage.status == "available"
        if key not in askable or (is_there and not askable[key]):
            askable[key] = storage.node if is_there else ""
    yield from askable.items()


def may_list(turn: Turn, storage: str) -> bool:
    """Return whether to list the backups in a storage: an account that may not see them is told that there are none."""
    held = turn.facts.permissions
    return turn.rights_are_unreadable if held is None else rights.sees_backups(held, storage)


def is_read_from_server(turn: Turn, config: StorageConfigReading) -> bool:
    """Return whether a storage leads to a PBS that Pulse knows itself: what is there is read there, once."""
    told = attribution.pbs_storage(turn.instance.name, config)
    return told is not None and bool(attribution.estate((), [told], turn.servers).definitions)


def read_jobs(turn: Turn) -> None:
    """Read the backup jobs."""
    jobs = turn.ask(backups.backup_jobs)
    turn.facts.see_jobs("backup", {job.id: f"{job.is_enabled} {job.schedule}" for job in jobs}, at=turn.at)
    turn.keep(jobs=jobs)
    known = {job.id for job in jobs}
    if turn.facts.job_volumes.keys() - known:
        turn.keep(job_volumes={key: one for key, one in turn.facts.job_volumes.items() if key in known})


def read_uncovered(turn: Turn) -> None:
    """Read which guests are in no backup job."""
    turn.keep(uncovered=turn.ask(backups.uncovered_guests))


def read_job_volumes(turn: Turn, job: str) -> None:
    """Read which disks a job takes."""
    turn.keep_entry("job_volumes", job, turn.ask(backups.job_volumes, job))


def read_backup_tasks(turn: Turn, node: str) -> None:
    """Read the newest backup tasks of a node, which the short list of the cluster may have lost."""
    tasks = turn.ask(backups.node_tasks, node, kind="vzdump", limit=TASKS_PER_NODE)
    turn.keep_entry("backup_tasks", node, tasks)


def told_logs(turn: Turn) -> list[TaskReading]:
    """Return the tasks over several guests that ended lately and not well, the newest first, and not too many.

    Only their logs tell whose backup failed.
    """
    since = turn.at - LOG_SECONDS
    tasks = {task.upid: task for tasks in turn.facts.backup_tasks.values() for task in tasks}
    tasks |= {task.upid: task for task in turn.facts.tasks}
    failed = [
        task
        for task in tasks.values()
        if task.kind == "vzdump" and not task.subject and task.ended_at is not None
        if task.status != "OK" and (task.started_at or 0) > since
    ]
    failed.sort(key=lambda task: task.started_at or 0, reverse=True)
    return failed[:MOST_LOGS]


def unread_logs(turn: Turn) -> Iterator[TaskReading]:
    """Yield those whose log was not read yet."""
    return (task for task in told_logs(turn) if task.upid not in turn.facts.task_results)


def read_log(turn: Turn, task: TaskReading) -> None:
    """Read the log of a job once; those of old jobs are forgotten."""
    results = read_vzdump_log(turn.ask(backups.task_log, task.node, task.upid, longest_seconds=10.0))
    wanted = {one.upid for one in told_logs(turn)}
    known = {upid: one for upid, one in turn.facts.task_results.items() if upid in wanted}
    turn.keep(task_results={**known, task.upid: results})


def read_volumes(turn: Turn, key: StorageKey, node: str) -> None:
    """Read the backups in a storage."""
    found = turn.ask(backups.backup_volumes, node, key[0], longest_seconds=LISTING_SECONDS)
    turn.keep_entry("volumes", key, found)
