"""The labels of the objects of an instance, from their rows: samples carry keys only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

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
from monitoring.known.memory import MEMORY
from monitoring.models import HistoryPart
from monitoring.store.current import store
from nodes.models import Datastore, Guest, Instance, Node, Storage

Named = dict[tuple[Kind, int], Labels]


class Names(NamedTuple):
    """The labels of everything that has series, and those of the guests with their names and nodes."""

    labels: Named
    infos: Named


def names_of(instance: Instance, extra: Mapping[str, str]) -> Names:
    """Return the labels, with the extra ones; what is gone keeps its row for a while."""
    labels, memory = labels_of(instance), store().load(MEMORY, of=instance.pk)
    pools = {guest.vmid: guest.pool for guest in memory.figures.guests} if memory is not None else {}
    guests = Guest.objects.filter(instance=instance).values_list("pk", "vmid", "name", "node_name", "tags")
    infos = {
        (Kind.GUEST, pk): labels[Kind.GUEST, pk]
        | {"name": name, "node": node, "pool": pools.get(vmid, ""), "tags": tags}
        for pk, vmid, name, node, tags in guests
        if (Kind.GUEST, pk) in labels
    }
    if not extra:
        return Names(labels, infos)
    return Names(*({key: {**own, **extra} for key, own in some.items()} for some in (labels, infos)))


def labels_of(instance: Instance) -> Named:
    """Return the labels of everything that has series."""
    own = instance.wire_id
    names: Named = {(Kind.INSTANCE, instance.pk): instance_labels(own)}
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
    return names
