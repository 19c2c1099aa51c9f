"""What the slow lanes forget: facts about what is gone, what nobody wants to see, and what may not be seen any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from monitoring.backups import rights
from monitoring.collecting.pve.backups import is_read_from_server
from monitoring.collecting.pve.common import wanted_guests
from monitoring.collecting.visit import Visit
from monitoring.known.facts import StorageKey
from monitoring.known.wanted import wanted_jobs
from nodes.choices import InstanceKind

Key = TypeVar("Key")
Value = TypeVar("Value")


def forget(visit: Visit) -> None:
    """Forget all of it."""
    if visit.instance.kind == InstanceKind.PBS:
        forget_server(visit)
    else:
        forget_cluster(visit)
    if not visit.instance.reads_smart:
        forget_smart(visit)
    visit.facts.resting_nodes = {
        name: until for name, until in visit.facts.resting_nodes.items() if until > visit.epoch
    }


def only(known: Mapping[Key, Value], wanted: Collection[Key]) -> dict[Key, Value]:
    """Return the entries whose keys are wanted."""
    return {key: value for key, value in known.items() if key in wanted}


def shed(visit: Visit, name: str, wanted: Collection[Any]) -> None:
    """Keep only these entries of a dict of facts, and when they were read."""
    known, instants = getattr(visit.facts, name), f"{name}_epoch"
    if known.keys() - wanted:
        visit.change(**{name: only(known, wanted)})
        if hasattr(visit.facts, instants):
            setattr(visit.facts, instants, only(getattr(visit.facts, instants), wanted))


def forget_smart(visit: Visit) -> None:
    """Forget what disks told by SMART, which nobody wants to be asked any more."""
    for name, known in visit.facts.nodes.items():
        if known.smart:
            visit.keep_node(name, smart={})
    if visit.facts.host.smart:
        visit.keep_host(smart={})


def forget_cluster(visit: Visit) -> None:
    """Forget guests, nodes and storages of a PVE that are gone, and backups that nobody wants.

    Guests of a node that is away are still listed, so what is known of them stays. A list with rows that could not be read
    says of nothing that it is gone.
    """
    reading, facts = visit.memory.reading, visit.facts
    if reading is None or reading.skipped:
        return
    shed(visit, "guests", {guest.vmid for guest in wanted_guests(visit)})
    nodes = {node.name for node in reading.nodes}
    shed(visit, "nodes", nodes)
    if not visit.instance.monitor_backups:
        visit.change(volumes={}, backup_tasks={}, task_results={}, jobs=(), job_volumes={}, uncovered=())
        facts.volumes_epoch, facts.backup_tasks_epoch, facts.jobs_epoch, facts.uncovered_epoch = (
            {},
            {},
            0.0,
            0.0,
        )
        return
    shed(visit, "backup_tasks", nodes)
    if facts.storages_epoch:
        shed(visit, "volumes", wanted_volumes(visit, nodes))


def wanted_volumes(visit: Visit, nodes: Collection[str]) -> set[StorageKey]:
    """Return the keys of the storages whose backups are still to be shown."""
    held = visit.facts.permissions
    storages = {
        one.name
        for one in visit.facts.storages
        if not is_read_from_server(visit, one) and (held is None or rights.sees_backups(held, one.name))
    }
    return {
        (storage, node)
        for storage, node in visit.facts.volumes
        if storage in storages and (not node or node in nodes)
    }


def forget_server(visit: Visit) -> None:
    """Forget datastores of a PBS that are gone, and kinds of jobs that nobody wants."""
    instance, memory = visit.instance, visit.memory
    stores = {one.name for one in memory.datastores} | visit.facts.datastore_states.keys()
    if not instance.monitor_datastores:
        stores = set()
        visit.change(datastore_states={})
    if memory.datastores_epoch or not instance.monitor_datastores:
        shed(visit, "namespaces", stores)
        places = {
            (store, namespace.path) for store, known in visit.facts.namespaces.items() for namespace in known
        }
        shed(visit, "backups", places)
    shed(visit, "server_jobs", wanted_jobs(instance))
