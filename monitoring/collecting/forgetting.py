"""What the slow lanes forget: facts about what is gone, what nobody wants to see, and what may not be seen any more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from monitoring.backups import rights
from monitoring.collecting.pve.backups import is_read_from_server
from monitoring.collecting.pve.common import wanted_guests
from monitoring.collecting.turn import Turn
from monitoring.known.facts import StorageKey
from monitoring.known.wanted import wanted_jobs
from nodes.choices import InstanceKind

Key = TypeVar("Key")
Value = TypeVar("Value")


def forget(turn: Turn) -> None:
    """Forget all of it."""
    if turn.instance.kind == InstanceKind.PBS:
        forget_server(turn)
    else:
        forget_cluster(turn)
    if not turn.instance.reads_smart:
        forget_smart(turn)
    turn.facts.resting_nodes = {
        name: until for name, until in turn.facts.resting_nodes.items() if until > turn.at
    }


def only(known: Mapping[Key, Value], wanted: Collection[Key]) -> dict[Key, Value]:
    """Return the entries whose keys are wanted."""
    return {key: value for key, value in known.items() if key in wanted}


def shed(turn: Turn, name: str, wanted: Collection[Any]) -> None:
    """Keep only these entries of a dict of facts, and when they were read."""
    known, instants = getattr(turn.facts, name), f"{name}_epoch"
    if known.keys() - wanted:
        turn.change(**{name: only(known, wanted)})
        if hasattr(turn.facts, instants):
            setattr(turn.facts, instants, only(getattr(turn.facts, instants), wanted))


def forget_smart(turn: Turn) -> None:
    """Forget what disks told by SMART, which nobody wants to be asked any more."""
    for name, known in turn.facts.nodes.items():
        if known.smart:
            turn.keep_node(name, smart={})
    if turn.facts.host.smart:
        turn.keep_host(smart={})


def forget_cluster(turn: Turn) -> None:
    """Forget guests, nodes and storages of a PVE that are gone, and backups that nobody wants.

    Guests of a node that is away are still listed, so what is known of them stays. A list with rows that could not be read
    says of nothing that it is gone.
    """
    reading, facts = turn.memory.reading, turn.facts
    if reading is None or reading.skipped:
        return
    shed(turn, "guests", {guest.vmid for guest in wanted_guests(turn)})
    nodes = {node.name for node in reading.nodes}
    shed(turn, "nodes", nodes)
    if not turn.instance.monitor_backups:
        turn.change(volumes={}, backup_tasks={}, task_results={}, jobs=(), job_volumes={}, uncovered=())
        facts.volumes_epoch, facts.backup_tasks_epoch, facts.jobs_epoch, facts.uncovered_epoch = (
            {},
            {},
            0.0,
            0.0,
        )
        return
    shed(turn, "backup_tasks", nodes)
    if facts.storages_epoch:
        shed(turn, "volumes", wanted_volumes(turn, nodes))


def wanted_volumes(turn: Turn, nodes: Collection[str]) -> set[StorageKey]:
    """Return the keys of the storages whose backups are still to be shown."""
    held = turn.facts.permissions
    storages = {
        one.name
        for one in turn.facts.storages
        if not is_read_from_server(turn, one) and (held is None or rights.sees_backups(held, one.name))
    }
    return {
        (storage, node)
        for storage, node in turn.facts.volumes
        if storage in storages and (not node or node in nodes)
    }


def forget_server(turn: Turn) -> None:
    """Forget datastores of a PBS that are gone, and kinds of jobs that nobody wants."""
    instance, memory = turn.instance, turn.memory
    stores = {one.name for one in memory.datastores} | turn.facts.datastore_states.keys()
    if not instance.monitor_datastores:
        stores = set()
        turn.change(datastore_states={})
    if memory.datastores_at or not instance.monitor_datastores:
        shed(turn, "namespaces", stores)
        places = {
            (store, namespace.path) for store, known in turn.facts.namespaces.items() for namespace in known
        }
        shed(turn, "places", places)
    shed(turn, "server_jobs", wanted_jobs(instance))
