"""The resources of the state, each with the row under which its series are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from monitoring.backups.attribution import VMID
from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.storages import StorageFigures
from monitoring.history.metrics import Kind
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.store.current import store
from monitoring.wire.finding import Resource, figures_behind, resources_of
from monitoring.wire.fragments import FragmentKey, Fragments, Located, located_guest
from monitoring.wire.ids import Label
from nodes.models import Guest, Node, Storage


class Shown(NamedTuple):
    """An instance that is shown, with what it is called and all that is remembered of it."""

    instance_id: int
    version: int
    label: Label
    memory: PollMemory


class Subject(NamedTuple):
    """A resource with its figures and its row; without a row (`pk` None) it was seen for the first time in this moment."""

    identity: str
    kind: Kind
    pk: int | None
    figures: Resource


def shown_instances() -> Iterator[Shown]:
    """Yield the instances that are shown."""
    for key, fragment in store().fragments().items():
        if key.part == "resources":
            yield shown_of(key.instance_id, fragment.version, fragment.name)


def shown_of(instance_id: int, version: int, name: str) -> Shown:
    """Return one instance; `version` and `name` are those of its fragment."""
    memory = store().load(MEMORY, of=instance_id) or PollMemory()
    label = Label(name, storage_ids=memory.storage_ids, node_ids=memory.node_ids)
    return Shown(instance_id, version, label, memory)


def all_subjects() -> Iterator[tuple[Shown, list[Subject]]]:
    """Yield every instance with all its resources."""
    for shown in shown_instances():
        yield shown, with_rows(shown, list(resources_of(shown.memory.figures, shown.label)))


def chosen_subjects(identities: Iterable[str]) -> Iterator[tuple[Shown, list[Subject]]]:
    """Yield the resources with these ids, or that had them before they moved, by instance; those that are not there are left out."""
    found: dict[FragmentKey, dict[str, Located]] = defaultdict(dict)
    for identity in identities:
        located = located_resource(identity)
        if located is not None:
            found[located.fragment.key][located.item.id] = located
    for key, resources in found.items():
        fragment = next(iter(resources.values())).fragment
        shown = shown_of(key.instance_id, fragment.version, fragment.name)
        figures = [
            (identity, resource)
            for identity, located in resources.items()
            if (resource := figures_behind(located, shown.memory.figures, shown.label)) is not None
        ]
        yield shown, with_rows(shown, figures, is_all=False)


def located_resource(identity: str) -> Located | None:
    """Return where the resource stands that has this id, or the guest that had it before it moved."""
    return store().find(identity) or moved_guest(identity, store().fragments())


def moved_guest(identity: str, fragments: Fragments) -> Located | None:
    """Return where the guest is whose id of before its migration this is.

    Ids are never parsed, names hold dashes: each node that was ever there has its own in its row, and the guest's is that with its number.
    """
    head, _, number = identity.rpartition("-")
    if not VMID.fullmatch(number) or not head or "\0" in head:
        return None
    for instance_id in Node.objects.filter(wire_id=head).values_list("instance", flat=True):
        fragment = fragments.get(FragmentKey(instance_id, "resources"))
        located = located_guest(fragment, int(number)) if fragment is not None else None
        if located is not None:
            return located
    return None


def with_rows(shown: Shown, resources: list[tuple[str, Resource]], *, is_all: bool = True) -> list[Subject]:
    """Return the resources with their rows; `is_all` that they are all of the instance, whose rows are read at once."""
    keys = [key_of(resource, shown) for _, resource in resources]
    wanted: dict[Kind, list[Any]] = defaultdict(list)
    for kind, key in keys:
        wanted[kind].append(key)
    rows = {kind: rows_of(kind, shown.instance_id, None if is_all else keys) for kind, keys in wanted.items()}
    return [
        Subject(identity, kind, rows[kind].get(key), resource)
        for (identity, resource), (kind, key) in zip(resources, keys, strict=True)
    ]


def key_of(resource: Resource, shown: Shown) -> tuple[Kind, object]:
    """Return by what the row of a resource is known within its instance."""
    match resource:
        case GuestFigures():
            return Kind.GUEST, resource.vmid
        case NodeFigures():
            return Kind.NODE, resource.name
        case StorageFigures():
            return Kind.STORAGE, resource.key
    return Kind.INSTANCE, shown.instance_id


def rows_of(kind: Kind, instance_id: int, keys: list[Any] | None) -> Mapping[object, int]:
    """Return the primary keys of the rows of an instance by what they are known by; None for all of a kind."""
    match kind:
        case Kind.GUEST:
            guests = Guest.objects.filter(instance=instance_id)
            guests = guests if keys is None else guests.filter(vmid__in=keys)
            return dict(guests.values_list("vmid", "pk"))
        case Kind.NODE:
            return dict(Node.objects.filter(instance=instance_id).values_list("name", "pk"))
        case Kind.STORAGE:
            storages = Storage.objects.filter(instance=instance_id).values_list("name", "node_name", "pk")
            return {(name, node): pk for name, node, pk in storages}
    return {instance_id: instance_id}
