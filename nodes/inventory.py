"""Keep the inventory rows true to what was read: identities stay, facts are written when they change.

A guest is instance and vmid, wherever it runs; a shared storage is one row. What a complete listing no longer has is
marked as gone, not deleted: its history stays.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from nodes.models import Datastore, Guest, Instance, InventoryModel, Node, Storage
from nodes.proxmox.readings import (
    DatastoreReading,
    GuestReading,
    NodeReading,
    NodeStatusReading,
    ResourcesReading,
    StorageReading,
)

Row = TypeVar("Row", bound=InventoryModel)
Facts = dict[str, Any]

#: Facts as this process wrote them last, by instance and kind of row: equal facts cost no query.
_written: dict[tuple[int, str], dict[Hashable, Facts]] = {}
_lock = threading.Lock()


def apply(
    instance: Instance, resources: ResourcesReading, details: Mapping[str, NodeStatusReading], *, at: datetime
) -> None:
    """Make the rows of nodes, guests and storages say what the complete listing says."""
    nodes = {node.name: node_facts(node, details.get(node.name)) for node in resources.nodes}
    keep(instance, Node, nodes, lambda row: row.name, at=at)
    guests = {guest.vmid: guest_facts(guest) for guest in resources.guests if not guest.is_template}
    keep(instance, Guest, guests, lambda row: row.vmid, at=at)


def apply_datastores(instance: Instance, datastores: Iterable[DatastoreReading], *, at: datetime) -> None:
    """Make the rows of a PBS's datastores say what was read."""
    facts: dict[Hashable, Facts] = {reading.name: {"name": reading.name} for reading in datastores}
    keep(instance, Datastore, facts, lambda row: row.name, at=at)


def node_facts(reading: NodeReading, detail: NodeStatusReading | None) -> Facts:
    """Return what is stored of a node; what is not told now is left as it was."""
    facts: Facts = {"name": reading.name}
    if reading.cpu_count is not None:
        facts["cpu_count"] = reading.cpu_count
    if reading.memory_total_bytes is not None:
        facts["memory_total_bytes"] = reading.memory_total_bytes
    if detail is not None:
        facts |= {
            "cpu_model": detail.cpu_model[:200],
            "kernel_version": detail.kernel_version[:200],
            "pve_version": detail.pve_version[:100],
        }
    return facts


def guest_facts(reading: GuestReading) -> Facts:
    """Return what is stored of a guest; a guest that is not known just now keeps its name."""
    facts: Facts = {"vmid": reading.vmid, "kind": reading.kind, "node_name": reading.node[:128]}
    if reading.name:
        facts |= {"name": reading.name[:256], "tags": ";".join(reading.tags)[:512]}
    return facts


def keep(
    instance: Instance,
    model: type[Row],
    facts: Mapping[Any, Facts],
    key_of: Callable[[Row], Hashable],
    *,
    at: datetime,
) -> None:
    """Create, change and mark rows so that they hold exactly these facts; one short transaction, bulk writes."""
    place = (instance.pk, model.__name__)
    with _lock:
        if _written.get(place) == facts:
            return
    try:
        with transaction.atomic():
            write(instance, model, facts, key_of, at=at)
    except IntegrityError:
        return  # removed, or written by another process, just now: the next poll compares again
    with _lock:
        _written[place] = dict(facts)


def write(
    instance: Instance,
    model: type[Row],
    facts: Mapping[Any, Facts],
    key_of: Callable[[Row], Hashable],
    *,
    at: datetime,
) -> None:
    """Compare the rows with the facts and write the difference."""
    rows = {key_of(row): row for row in model._default_manager.filter(instance=instance)}
    new = [
        model(instance=instance, first_seen_at=at, **values)
        for key, values in facts.items()
        if key not in rows
    ]
    changed: list[Row] = []
    names: set[str] = {"gone_at"}
    for key, values in facts.items():
        row = rows.pop(key, None)
        if row is None:
            continue
        differing = {name: value for name, value in values.items() if getattr(row, name) != value}
        if differing or row.gone_at is not None:
            for name, value in differing.items():
                setattr(row, name, value)
            row.gone_at = None
            names |= differing.keys()
            changed.append(row)
    model._default_manager.bulk_create(new, batch_size=500)
    model._default_manager.bulk_update(changed, sorted(names), batch_size=200)
    gone = [row.pk for row in rows.values() if row.gone_at is None]
    for start in range(0, len(gone), 500):
        model._default_manager.filter(pk__in=gone[start : start + 500]).update(gone_at=at)


def storage_wire_ids(
    instance: Instance, storages: Iterable[StorageReading], *, known: Mapping[str, str], at: datetime
) -> dict[str, str]:
    """Return the wire id of each storage under `<name>/<node, empty when shared>`, and keep the rows.

    The first owner of a shared name keeps the plain id; the same name in another cluster gets the instance's name into
    its id (state.md 4.3).
    """
    facts: dict[Hashable, Facts] = {}
    ids: dict[str, str] = {}
    for reading in storages:
        node = "" if reading.is_shared else reading.node[:128]
        key = f"{reading.name}/{node}"
        if key in ids:
            continue
        ids[key] = known.get(key) or free_wire_id(instance, reading.name, node)
        facts[(reading.name, node)] = {
            "name": reading.name,
            "node_name": node,
            "plugin": reading.plugin[:32],
            "content": ",".join(reading.content)[:200],
            "wire_id": ids[key],
        }
    keep(instance, Storage, facts, lambda row: (row.name, row.node_name), at=at)
    return ids


def free_wire_id(instance: Instance, name: str, node: str) -> str:
    """Return the id of a storage seen for the first time; of a shared one the plain id when nobody has it."""
    own = Storage.objects.filter(instance=instance, name=name, node_name=node).first()
    if node:
        return f"{instance.name}-{node}-{name}"
    if own is not None:
        return own.wire_id
    plain = f"shared-{name}"
    return plain if not Storage.objects.filter(wire_id=plain).exists() else f"shared-{instance.name}-{name}"


def known_storage_ids(instance: Instance) -> dict[str, str]:
    """Return the wire ids that the rows remember."""
    rows = Storage.objects.filter(instance=instance).values_list("name", "node_name", "wire_id")
    return {f"{name}/{node}": wire_id for name, node, wire_id in rows}


def forget(instance_id: int) -> None:
    """Drop what this process knows of a removed instance."""
    with _lock:
        for place in [place for place in _written if place[0] == instance_id]:
            del _written[place]
