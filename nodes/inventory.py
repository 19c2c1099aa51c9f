"""Keep the inventory rows true to what was read: identities stay, facts are written when they change.

A guest is instance and vmid, wherever it runs; a shared storage is one row. What a complete listing no longer has is
marked as gone, and deleted when it is gone for long: its history stays as long.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import blake2b
from operator import attrgetter
from typing import Any, TypeVar

from django.db import IntegrityError, transaction

from nodes.ids import FreeIds, numbered, spells
from nodes.models import Datastore, Guest, Instance, InventoryModel, Node, Storage
from nodes.proxmox import limits
from nodes.proxmox.readings.live import (
    DatastoreReading,
    GuestReading,
    NodeReading,
    NodeStatusReading,
    ResourcesReading,
    StorageReading,
)

Row = TypeVar("Row", bound=InventoryModel)
Facts = dict[str, Any]

#: What was written last, by model: a digest of the facts. Equal facts cost no query.
Written = dict[str, str]


#: What of a guest is in its row.
_identity = attrgetter("vmid", "kind", "node", "name", "tags", "is_template")
#: The guests that this process has written last, by instance, with the digest of their facts.
_listed: dict[int, tuple[tuple[Any, ...], str]] = {}


def apply(
    instance: Instance,
    resources: ResourcesReading,
    details: Mapping[str, NodeStatusReading],
    *,
    absent: Collection[str],
    written: Written,
    at: datetime,
) -> None:
    """Make the rows of nodes and guests say what the listing says; `absent` are the nodes that are not online.

    A listing of which rows could not be read marks nothing as gone: it may be among them.
    """
    is_whole = not resources.skipped
    nodes = {node.name: node_facts(node, details.get(node.name)) for node in resources.nodes}
    keep(instance, Node, nodes, written=written, is_whole=is_whole, at=at)
    keep_absence(instance, {name: name in absent for name in nodes}, written=written, at=at)
    prune_daily(instance, KEPT, written=written, at=at)
    identities = tuple(map(_identity, resources.guests))
    mark = written.get(Guest.__name__)
    if is_whole and mark and _listed.get(instance.pk) == (identities, mark):
        return  # as at nearly every poll: all that may differ are their figures, which are no part of a row
    guests = {guest.vmid: guest_facts(guest) for guest in resources.guests if not guest.is_template}
    keep(instance, Guest, guests, written=written, is_whole=is_whole, at=at)
    _listed[instance.pk] = (identities, written[Guest.__name__])
    _looked_at.pop((instance.pk, Guest.__name__), None)  # the same once more, and larger


def prune_daily(
    instance: Instance, models: Iterable[type[InventoryModel]], *, written: Written, at: datetime
) -> None:
    """Delete what is gone for long, once a day and after a start: also where nothing else is ever written."""
    day = at.date().isoformat()
    if written.get("pruned") != day:
        for model in models:
            prune(instance, model, at=at)
        written["pruned"] = day


def keep_absence(instance: Instance, absent: Mapping[str, bool], *, written: Written, at: datetime) -> None:
    """Note of each listed node since when it is not online, and that it is again; written when one goes or returns."""
    mark = digest({name: {"is_absent": is_absent} for name, is_absent in absent.items()})
    if written.get("absence") == mark:
        return
    rows = Node.objects.filter(instance=instance)
    away = [name for name, is_absent in absent.items() if is_absent]
    rows.filter(name__in=away, absent_since=None).update(absent_since=at)
    here = [name for name, is_absent in absent.items() if not is_absent]
    rows.filter(name__in=here).exclude(absent_since=None).update(absent_since=None)
    written["absence"] = mark


def known_absence(instance: Instance) -> dict[str, float]:
    """Return since when nodes were not online when they were last looked at, in epoch seconds."""
    rows = Node.there(instance).exclude(absent_since=None)
    return {name: at.timestamp() for name, at in rows.values_list("name", "absent_since") if at is not None}


def apply_datastores(
    instance: Instance, datastores: Iterable[DatastoreReading], *, written: Written, at: datetime
) -> None:
    """Make the rows of a PBS's datastores say what was read."""
    facts: dict[Hashable, Facts] = {reading.name: {"name": reading.name} for reading in datastores}
    keep(instance, Datastore, facts, written=written, at=at)
    prune_daily(instance, [Datastore], written=written, at=at)


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
    *,
    written: Written,
    at: datetime,
    is_whole: bool = True,
) -> None:
    """Create, change and mark rows so that they hold these facts; one short transaction, bulk writes.

    Raises IntegrityError when another process wrote the same at the same moment, or removed the instance.
    """
    mark = mark_of(instance, model, facts) if is_whole else ""
    if mark and written.get(model.__name__) == mark:
        return
    with transaction.atomic():
        has_gone = write(instance, model, facts, is_whole=is_whole, at=at)
    if has_gone:
        # Not within: so many rows may have to go that others would wait for seconds.
        prune(instance, model, at=at)
    written[model.__name__] = mark


#: The models of what a PVE has.
KEPT: tuple[type[InventoryModel], ...] = (Node, Guest, Storage)
#: How many rows of each may be there at most, as many as the readings have.
LIMITS: Mapping[str, int] = {
    "Node": limits.NODES,
    "Guest": limits.GUESTS,
    "Storage": limits.STORAGES,
    "Datastore": limits.ROWS["the datastores"],
}
#: A guest that comes back has the same row, and what hangs on it, unless it was gone for so long: as long as history is kept,
GONE_FOR = timedelta(days=731)
#: or so many times what may be there at once has gone since.
GONE_FACTOR = 2

#: The facts that this process looked at last, by instance and model, with their digest: comparing is cheaper than digesting.
_looked_at: dict[tuple[int, str], tuple[Mapping[Any, Facts], str]] = {}


def mark_of(instance: Instance, model: type[Row], facts: Mapping[Any, Facts]) -> str:
    """Return the digest of these facts, the one of last time when they are the same."""
    key = (instance.pk, model.__name__)
    remembered = _looked_at.get(key)
    if remembered is not None and remembered[0] == facts:
        return remembered[1]
    mark = digest(facts)
    _looked_at[key] = (facts, mark)
    return mark


def forget(instance_id: int) -> None:
    """Drop what this process knows of a removed instance."""
    _listed.pop(instance_id, None)
    for key in [key for key in list(_looked_at) if key[0] == instance_id]:
        _looked_at.pop(key, None)


def digest(facts: Mapping[Any, Facts]) -> str:
    """Return what tells these facts from others, in whatever order they were listed."""
    return blake2b(repr(sorted(facts.items())).encode(errors="replace"), digest_size=12).hexdigest()


def write(
    instance: Instance,
    model: type[Row],
    facts: Mapping[Any, Facts],
    *,
    is_whole: bool,
    at: datetime,
) -> bool:
    """Compare the rows with the facts and write the difference; returns whether any has gone.

    Of those that were gone, only those that return are looked at.
    """
    rows = {row.key: row for row in model.there(instance)}
    rows |= gone_rows(instance, model, facts.keys() - rows.keys())
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
    # A list that is never whole would keep for ever whatever it has named once.
    is_believed = is_whole or len(rows) > LIMITS[model.__name__]
    gone = [row.pk for row in rows.values()] if is_believed else []
    for some in batched(gone):
        model._default_manager.filter(pk__in=some).update(gone_at=at)
    return bool(gone)


def gone_rows(instance: Instance, model: type[Row], keys: Collection[Any]) -> dict[object, Row]:
    """Return those of the rows with these keys that are gone, by key."""
    first = model.key_fields[0]
    values = sorted({key[0] if isinstance(key, tuple) else key for key in keys})
    gone = model._default_manager.filter(instance=instance, gone_at__isnull=False)
    rows = (row for some in batched(values) for row in gone.filter(**{f"{first}__in": some}))
    return {row.key: row for row in rows if row.key in keys}


def prune(instance: Instance, model: type[Row], *, at: datetime) -> int:
    """Delete the rows that are gone for long, and the oldest of more than are kept; returns how many.

    Called outside of a transaction: each part is one of its own, and others write in between.
    """
    gone = model._default_manager.filter(instance=instance, gone_at__isnull=False)
    old = list(gone.filter(gone_at__lt=at - GONE_FOR).values_list("pk", flat=True))
    excess = gone.count() - len(old) - GONE_FACTOR * LIMITS[model.__name__]
    if excess > 0:
        fresh = gone.exclude(gone_at__lt=at - GONE_FOR).order_by("gone_at", "pk")
        old += fresh.values_list("pk", flat=True)[:excess]
    for some in batched(old):
        model._default_manager.filter(pk__in=some).delete()
    return len(old)


def batched(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the values in parts that fit into one query."""
    yield from (values[start : start + 500] for start in range(0, len(values), 500))


def claim_storage_ids(
    instance: Instance,
    storages: Iterable[StorageReading],
    *,
    known: Mapping[str, str],
    written: Written,
    at: datetime,
) -> dict[str, str]:
    """Return the wire id of each storage under `<name>/<node, empty when shared>`, and keep the rows.

    The first owner of a shared name keeps the plain id; the same name in another cluster gets the instance's name into
    its id (state.md 4.3). Raises DatabaseError.
    """
    storages = tuple(storages)
    try:
        return claim(instance, storages, known=known, written=written, at=at)
    except IntegrityError:  # another instance has claimed one of the ids in this moment: now it is seen
        return claim(instance, storages, known={}, written=written, at=at)


def claim(
    instance: Instance,
    storages: Iterable[StorageReading],
    *,
    known: Mapping[str, str],
    written: Written,
    at: datetime,
) -> dict[str, str]:
    """Do as `claim_storage_ids`; raises IntegrityError when another instance was faster."""
    by_key: dict[str, StorageReading] = {}
    for reading in storages:
        by_key.setdefault(f"{reading.name}/{owning_node(reading)}", reading)
    new = {key: reading for key, reading in by_key.items() if key not in known}
    ids = {key: known.get(key, "") for key in by_key} | free_wire_ids(instance, new)
    facts: dict[Hashable, Facts] = {
        (reading.name, owning_node(reading)): {
            "name": reading.name,
            "node_name": owning_node(reading),
            "plugin": reading.plugin[:32],
            "content": ",".join(reading.content)[:200],
            "wire_id": ids[key],
        }
        for key, reading in by_key.items()
    }
    keep(instance, Storage, facts, written=written, at=at)
    return ids


def claim_node_ids(
    instance: Instance, nodes: Iterable[str], *, known: Mapping[str, str], at: datetime
) -> dict[str, str]:
    """Return the wire id of each node, and keep it in its row; costs nothing while all are known.

    The first that spells an id keeps it. Raises DatabaseError.
    """
    new = [name for name in dict.fromkeys(nodes) if name not in known]
    if not new:
        return dict(known)
    try:
        return dict(known) | claim_nodes(instance, new, at=at)
    except IntegrityError:  # another instance has claimed one of the ids in this moment: now it is seen
        return dict(known) | claim_nodes(instance, new, at=at)


def claim_nodes(instance: Instance, names: Sequence[str], *, at: datetime) -> dict[str, str]:
    """Do as `claim_node_ids` for nodes that are new; raises IntegrityError when another instance was faster."""
    with transaction.atomic():
        rows = {row.name: row for row in Node.objects.filter(instance=instance, name__in=names)}
        wanted = {name: f"{instance.name}-{name}" for name in names}
        # Those that were away have what they had.
        claimed = {name: row.wire_id for name, row in rows.items() if spells(row.wire_id, wanted[name])}
        free = FreeIds.beside(instance, nodes=[row.pk for name, row in rows.items() if name not in claimed])
        for name in names:
            if name not in claimed:
                claimed[name] = free.claim_node(
                    numbered(wanted[name]), kept=set(wanted.values()) - {wanted[name]}
                )
        for name, wire_id in claimed.items():
            if name not in rows:
                Node.objects.create(instance=instance, name=name, wire_id=wire_id, first_seen_at=at)
            elif rows[name].wire_id != wire_id:
                Node.objects.filter(pk=rows[name].pk).update(wire_id=wire_id)
    return claimed


def known_node_ids(instance: Instance) -> dict[str, str]:
    """Return the wire ids of nodes that the rows remember, of those that were made of the name that the instance has now."""
    rows = Node.objects.filter(instance=instance).values_list("name", "wire_id")
    return {name: wire_id for name, wire_id in rows if spells(wire_id, f"{instance.name}-{name}")}


def owning_node(reading: StorageReading) -> str:
    """Return the node that a storage belongs to, empty for a shared one."""
    return "" if reading.is_shared else reading.node[:128]


def free_wire_ids(instance: Instance, storages: Mapping[str, StorageReading]) -> dict[str, str]:
    """Return an id for each storage seen for the first time by this poller, one that no other storage has.

    A shared storage that has a row keeps its id, whatever the instance is called now.
    """
    if not storages:
        return {}
    own = known_storage_ids(instance)
    free = FreeIds.beside(instance, storages=[own[key] for key in storages if key in own])
    ids: dict[str, str] = {}
    for key, reading in storages.items():
        is_kept = reading.is_shared and key in own
        candidates = spellings(instance.name, reading.name, owning_node(reading))
        ids[key] = own[key] if is_kept else free.claim(candidates)
    return ids


def spellings(instance: str, name: str, node: str) -> Iterator[str]:
    """Yield the ids that a storage may have, the contract's first.

    Names hold dashes, so two places may spell the same: `a-b` on node `c` is `a-b-c`, and so is `a` on `b-c`.
    """
    if not node:
        yield f"shared-{name}"
    last = f"{instance}-{node}-{name}" if node else f"shared-{instance}-{name}"
    yield from numbered(last)


def known_storage_ids(instance: Instance) -> dict[str, str]:
    """Return the wire ids that the rows remember."""
    rows = Storage.objects.filter(instance=instance).values_list("name", "node_name", "wire_id")
    return {f"{name}/{node}": wire_id for name, node, wire_id in rows}
