"""The labels of the objects of an instance, from their rows: samples carry keys only."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring.choices import PartKind
from monitoring.exporting.labels import (
    Labels,
    datastore_labels,
    filesystem_labels,
    guest_labels,
    instance_labels,
    node_labels,
    pool_labels,
    storage_labels,
)
from monitoring.history.metrics import Kind
from monitoring.models import HistoryPart
from nodes.models import Datastore, Guest, Instance, Node, Storage


def names_of(instance: Instance, extra: Mapping[str, str]) -> dict[tuple[Kind, int], Labels]:
    """Return the labels of everything that has series, with the extra ones; what is gone keeps its row for a while."""
    own = instance.wire_id
    names: dict[tuple[Kind, int], Labels] = {(Kind.INSTANCE, instance.pk): instance_labels(own)}
    nodes = dict(Node.objects.filter(instance=instance).values_list("pk", "name"))
    guests = {
        pk: (vmid, guest)
        for pk, vmid, guest in Guest.objects.filter(instance=instance).values_list("pk", "vmid", "kind")
    }
    names |= {(Kind.NODE, pk): node_labels(own, name) for pk, name in nodes.items()}
    names |= {(Kind.GUEST, pk): guest_labels(own, *guest) for pk, guest in guests.items()}
    for pk, name, node in Storage.objects.filter(instance=instance).values_list("pk", "name", "node_name"):
        names[Kind.STORAGE, pk] = storage_labels(own, name, node)
    for pk, name in Datastore.objects.filter(instance=instance).values_list("pk", "name"):
        names[Kind.DATASTORE, pk] = datastore_labels(own, name)
    for part in HistoryPart.objects.filter(instance=instance):
        match part.kind:
            case PartKind.POOL:
                names[Kind.POOL, part.pk] = pool_labels(own, nodes.get(part.owner_id, ""), part.name)
            case PartKind.FILESYSTEM if part.owner_id in guests:
                names[Kind.FILESYSTEM, part.pk] = filesystem_labels(own, *guests[part.owner_id], part.name)
            case PartKind.MAIL_NODE:
                names[Kind.MAIL_NODE, part.pk] = node_labels(own, part.name)
    return {key: {**labels, **extra} for key, labels in names.items()} if extra else names
