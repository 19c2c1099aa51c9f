"""The tasks that the slow lanes have read, kept as events: each when it is first seen, and once more when it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.db import DatabaseError, IntegrityError

from monitoring.history import events
from monitoring.history.happened import Happened, by_log, by_task, key_of
from monitoring.known.facts import Facts
from nodes.choices import InstanceKind
from nodes.models import Instance
from nodes.proxmox.readings.backups import TaskReading
from pulse.lib import saving


class Kept(NamedTuple):
    """What this process has kept last of an instance: from what it was made, and of each task by its key whether it had ended."""

    made_from: tuple[Any, ...]
    ended: dict[str, bool]


_kept: dict[int, Kept] = {}


def record(instance: Instance, facts: Facts, *, at_epoch: float) -> None:
    """Keep what is new in the tasks that were read; one comparison while nothing is.

    What cannot be written now is written by the next visit. Raises DatabaseError, unless it is told already.
    """
    made_from = (facts.tasks, facts.backup_tasks, facts.task_results)
    last = _kept.get(instance.pk)
    if last is not None and last.made_from == made_from:
        return
    ended = last.ended if last is not None else {}
    told = {one.key: one for one in happened(instance, facts)}
    new = [one for one in told.values() if ended.get(one.key) is not (not one.is_running)]
    # A backup server tells the tasks of a day: one that runs for longer is not told any more.
    is_whole = instance.kind == InstanceKind.PVE and bool(facts.tasks_epoch)
    listed = {key_of(task.upid) for task in facts.tasks} if is_whole else None
    try:
        events.record_tasks(instance, new, still_listed=listed, at_epoch=at_epoch)
    except IntegrityError:
        return  # the instance was removed in this moment
    except DatabaseError as error:
        if saving.is_told(error):
            return
        raise
    _kept[instance.pk] = Kept(made_from, {key: not one.is_running for key, one in told.items()})


def happened(instance: Instance, facts: Facts) -> Iterator[Happened]:
    """Yield what all known tasks tell, and of backups over several guests their logs."""
    stores = None if instance.kind == InstanceKind.PVE else known_stores(facts)
    for task in tasks_of(facts).values():
        host = facts.node(task.node) if stores is None else facts.host
        told = by_task(task, ahead_seconds=host.clock_ahead_seconds, stores=stores)
        if told is None:
            continue
        yield told
        results = facts.task_results.get(task.upid)
        if results and not told.is_running and not task.subject:
            yield from by_log(task, results, ahead_seconds=host.clock_ahead_seconds)


def known_stores(facts: Facts) -> set[str]:
    """Return the names of the datastores that are known of a backup server."""
    return {store for store, _ in facts.backups} | facts.datastore_states.keys() | facts.namespaces.keys()


def tasks_of(facts: Facts) -> dict[str, TaskReading]:
    """Return the known tasks by UPID; what the list of the cluster tells counts, it is younger."""
    tasks = {task.upid: task for listed in facts.backup_tasks.values() for task in listed}
    return tasks | {task.upid: task for task in facts.tasks}


def forget(instance_id: int) -> None:
    """Drop what this process knows of a removed instance."""
    _kept.pop(instance_id, None)
