"""The rows of the inventory that objects have, which they are kept under."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from monitoring.concerns.shapes import About
from nodes.identity import ObjectKey, ObjectKind
from nodes.inventory import batched
from nodes.models import Datastore, Guest, Instance, Node, Storage

#: Objects of these kinds are the instance itself.
WHOLE = frozenset({"instance", "server", "gateway"})


def keys_by_object(instance: Instance, objects: Iterable[About]) -> dict[About, ObjectKey]:
    """Return the key of each of these objects that has a row, gone or not; a query for each kind."""
    by_kind: defaultdict[str, set[About]] = defaultdict(set)
    for one in objects:
        by_kind[one.kind].add(one)
    keys: dict[About, ObjectKey] = {}
    for kind, wanted in by_kind.items():
        if kind in WHOLE:
            keys |= {one: ObjectKey(ObjectKind.INSTANCE, instance.pk) for one in wanted}
            continue
        rows = rows_of(instance, kind, wanted)
        keys |= {one: ObjectKey(ObjectKind(kind), rows[one]) for one in wanted if one in rows}
    return keys


def rows_of(instance: Instance, kind: str, wanted: Iterable[About]) -> Mapping[About, int]:
    """Return the primary keys of the rows of a kind, by their object."""
    if kind == "guest":
        vmids = sorted({one.vmid for one in wanted})
        guests = Guest.objects.filter(instance=instance)
        return {
            About("guest", vmid=vmid): pk
            for some in batched(vmids)
            for vmid, pk in guests.filter(vmid__in=some).values_list("vmid", "pk")
        }
    names = {one.name for one in wanted}
    if kind == "node":
        nodes = Node.objects.filter(instance=instance, name__in=names)
        return {About("node", name): pk for name, pk in nodes.values_list("name", "pk")}
    if kind == "datastore":
        datastores = Datastore.objects.filter(instance=instance, name__in=names)
        return {About("datastore", name): pk for name, pk in datastores.values_list("name", "pk")}
    storages = Storage.objects.filter(instance=instance, name__in=names)
    rows = storages.values_list("name", "node_name", "pk")
    return {About("storage", name, node): pk for name, node, pk in rows}
