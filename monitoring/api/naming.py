"""What the objects behind rows are called, and the ids under which the state has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store.current import store
from monitoring.wire.ids import Label
from nodes.choices import InstanceKind
from nodes.identity import ObjectKey, ObjectKind
from nodes.models import Datastore, Guest, Instance, Node, Storage

#: An object with its instance.
Owned = tuple[int, ObjectKey]


class Called(NamedTuple):
    """What an object is called, and its instance; `resource_id` "" when the state does not have it any more, or by itself."""

    instance: str
    name: str
    resource_id: str


def names_of(objects: Iterable[Owned]) -> dict[Owned, Called]:
    """Return what each of these objects is called; a query for each kind, and nothing for what is forgotten."""
    wanted = list(objects)
    keys: defaultdict[ObjectKind, set[int]] = defaultdict(set)
    for instance_id, one in wanted:
        keys[ObjectKind.INSTANCE].add(instance_id)
        keys[one.kind].add(one.pk)
    instances = Instance.objects.in_bulk(keys[ObjectKind.INSTANCE])
    labels = {pk: label_of(instance) for pk, instance in instances.items()}
    rows: dict[ObjectKey, Any] = {
        ObjectKey(kind, row.pk): row
        for kind, model in MODELS.items()
        if keys[kind]
        for row in model._default_manager.filter(pk__in=keys[kind]).order_by()
    }
    rows |= {ObjectKey(ObjectKind.INSTANCE, pk): row for pk, row in instances.items()}
    return {
        (instance_id, one): called(instances.get(instance_id), labels.get(instance_id), rows.get(one))
        for instance_id, one in wanted
    }


MODELS: dict[ObjectKind, type[Guest] | type[Node] | type[Storage] | type[Datastore]] = {
    ObjectKind.GUEST: Guest,
    ObjectKind.NODE: Node,
    ObjectKind.STORAGE: Storage,
    ObjectKind.DATASTORE: Datastore,
}


def label_of(instance: Instance) -> Label:
    """Return what an instance is called on the wire."""
    memory = store().load(MEMORY, of=instance.pk) or PollMemory()
    return Label(instance.name, storage_ids=memory.storage_ids, node_ids=memory.node_ids)


def called(instance: Instance | None, label: Label | None, row: Any) -> Called:
    """Return what the object of a row is called."""
    if instance is None or label is None:  # removed in this moment
        return Called("", "", "")
    is_gone = getattr(row, "gone_at", None) is not None
    match row:
        case Guest():
            identity = label.guest_id(row.node_name, row.vmid)
            return Called(instance.name, row.name or f"{row.kind} {row.vmid}", "" if is_gone else identity)
        case Node():
            return Called(instance.name, row.name, "" if is_gone else label.node_id(row.name))
        case Storage():
            identity = label.storage_id(row.name, row.node_name)
            return Called(instance.name, row.name, "" if is_gone else identity)
        case Datastore():
            return Called(instance.name, row.name, label.server_id)
        case Instance():
            return Called(instance.name, instance.name, whole_id(instance, label))
    return Called(instance.name, "", "")


def whole_id(instance: Instance, label: Label) -> str:
    """Return the id of an instance that is one resource as a whole."""
    ids = {InstanceKind.PBS.value: label.server_id, InstanceKind.PMG.value: label.gateway_id}
    return ids.get(instance.kind, "")
