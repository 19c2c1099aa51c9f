"""What an instance adds to the state, encoded once: its resources with what changed at the last poll, and its long lists."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec

from monitoring.wire.shapes import (
    ConcernShape,
    GuestShape,
    NodeShape,
    PbsShape,
    PmgShape,
    Shapes,
    StorageShape,
    Usage,
)

_encode = msgspec.json.encode
_concern_of = msgspec.json.Decoder(ConcernShape).decode


class Item(msgspec.Struct, frozen=True, gc=False):
    """One resource of the state: its wire id, its place in the documented order, and its JSON object."""

    id: str
    order: tuple[int | str, ...]
    body: bytes


class Located(NamedTuple):
    """A resource where it stands: in which collection of which fragment."""

    fragment: Fragment
    collection: str
    item: Item


class FragmentKey(NamedTuple):
    """Which fragment it is. The lists are one apart: twenty thousand backups are not to be encoded every ten seconds."""

    instance_id: int
    part: Literal["resources", "lists"]


class Fragment(msgspec.Struct, frozen=True):
    """The resources of one instance, or its lists; replaced whole, never edited.

    `version` rises strictly, also over restarts of the poller. `changes` is the encoded `collections` object
    of the live feed that leads from version `based_on` to this one; `based_on` 0 says that it is not known.
    """

    key: FragmentKey
    version: int
    name: str
    health_key: str
    is_healthy: bool
    items: dict[str, tuple[Item, ...]]
    changes: bytes = b"{}"
    based_on: int = 0
    polled_epoch: float = 0.0
    poll_seconds: float = 0.0
    calls: int = 0
    failed_calls: int = 0
    cycles: int = 0


Fragments = Mapping[FragmentKey, Fragment]


def keys_of(instance_id: int) -> tuple[FragmentKey, FragmentKey]:
    """Return the keys of all fragments of an instance."""
    return FragmentKey(instance_id, "resources"), FragmentKey(instance_id, "lists")


def next_version(previous: int, epoch_seconds: float) -> int:
    """Return a version above the previous one that also lies above those of an earlier process."""
    return max(previous + 1, int(epoch_seconds * 1000))


class Collection:
    """How resources are told: in which order, and what of them are figures, which travel alone when nothing else has changed.

    The order is that of state.md 2, by creation of the instance where None is given. Getters are in C, for thousands of
    resources per poll.
    """

    def __init__(
        self, struct: type[msgspec.Struct], order: Sequence[str] | None, figures: Sequence[str]
    ) -> None:
        self.decode = msgspec.json.Decoder(struct).decode
        self.order: Callable[[Any], tuple[Any, ...]] | None = attrgetter(*order) if order else None
        self.columns = figures
        self.figures = getter(*figures)
        self.facts = getter(*(path for path in leaves(struct) if path not in figures))

    def items(self, shapes: Iterable[Any], *, number: int) -> tuple[Item, ...]:
        """Return the encoded resources in order; `number` is that of their instance by creation."""
        order = self.order or (lambda shape: (number, shape.id))
        items = [Item(shape.id, order(shape), _encode(shape)) for shape in shapes]
        items.sort(key=attrgetter("order"))
        return tuple(items)

    def change(self, before: Sequence[Any], after: Sequence[Any]) -> dict[str, Any]:
        """Return what turns these resources into the others, empty when nothing does."""
        old = {shape.id: shape for shape in before}
        facts, figures = self.facts, self.figures
        whole: list[Any] = []
        moved: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = []
        for shape in after:
            last = old.pop(shape.id, None)
            if last is shape:
                continue
            if last is None or facts(last) != facts(shape):
                whole.append(shape)
                continue
            was, now = figures(last), figures(shape)
            if was != now:
                moved.append((shape.id, was, now))
        columns = [
            column
            for column in range(len(self.columns))
            if any(was[column] != now[column] for _, was, now in moved)
        ]
        return filled(
            set=whole,
            gone=list(old),
            cols=[self.columns[column] for column in columns],
            rows=[[identity, *[now[column] for column in columns]] for identity, _, now in moved],
        )


def filled(**lists: list[Any]) -> dict[str, Any]:
    """Return those of these lists that hold anything."""
    return {name: values for name, values in lists.items() if values}


def getter(*paths: str) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads these paths of a resource as a tuple, also a single one."""
    if len(paths) > 1:
        return attrgetter(*paths)
    only = attrgetter(*paths)
    return lambda shape: (only(shape),)


def leaves(struct: type[msgspec.Struct]) -> list[str]:
    """Return the paths of all values of a resource; those of `memory` and `disk` one by one."""
    paths: list[str] = []
    for field in msgspec.structs.fields(struct):
        inner = Usage.__struct_fields__ if field.type is Usage else ()
        paths += [f"{field.name}.{name}" for name in inner] or [field.name]
    return paths


_USE = ("cpu", "memory.used", "memory.free", "memory.usage", "disk.used", "disk.free", "disk.usage")
_GUESTS = Collection(
    GuestShape,
    ("vmid", "instance", "id"),
    (*_USE, "networkIn", "networkOut", "diskRead", "diskWrite", "uptime", "lastSeen"),
)

#: What is made anew by every poll: the resources, and what is wrong with them, the critical first; as the document has them.
POLLED = {
    "nodes": Collection(NodeShape, ("name", "instance"), (*_USE, "uptime", "loadAverage", "lastSeen")),
    "vms": _GUESTS,
    "containers": _GUESTS,
    "storage": Collection(StorageShape, ("instance", "name", "node"), ("used", "free", "usage")),
    "pbs": Collection(PbsShape, None, ("cpu", "memory", "memoryUsed", "uptime", "lastSeen")),
    "pmg": Collection(PmgShape, None, ("nodes", "statistics", "lastSeen")),
    "concerns": Collection(ConcernShape, ("level", "instance", "id", "resourceId"), ("readAt",)),
}
RESOURCES = tuple(name for name in POLLED if name != "concerns")
#: The long lists, which seldom change; all but the last stand under `pveBackups` in the state.
LISTS = ("backupTasks", "storageBackups", "guestSnapshots", "backupJobs", "pbsBackups")
COLLECTIONS = (*POLLED, *LISTS)


def items_of(shapes: Shapes, *, number: int) -> dict[str, tuple[Item, ...]]:
    """Return the encoded resources of an instance; `number` is its place by creation."""
    return {
        name: collection.items(getattr(shapes, name), number=number) for name, collection in POLLED.items()
    }


def indexed(fragment: Fragment) -> dict[str, dict[str, Item]]:
    """Return the resources of a fragment by collection and id."""
    return {name: {item.id: item for item in fragment.items.get(name, ())} for name in RESOURCES}


def located_guest(fragment: Fragment, vmid: int) -> Located | None:
    """Return the guest with this number, whatever its node."""
    for collection in ("vms", "containers"):
        items = fragment.items.get(collection, ())
        place = bisect_left(items, (vmid,), key=attrgetter("order"))
        if place < len(items) and items[place].order[0] == vmid:
            return Located(fragment, collection, items[place])
    return None


def concerns_in(fragment: Fragment, about: Container[str]) -> list[ConcernShape]:
    """Return what is wrong with the resources of these ids, the critical first; "" stands for the whole instance."""
    concerns = fragment.items.get("concerns", ())
    return [_concern_of(item.body) for item in concerns if item.order[-1] in about]


def shapes_in(fragment: Fragment) -> Shapes:
    """Return the resources that a fragment holds; raises MsgspecError when they are none of this release."""
    shapes: dict[str, Any] = {
        name: tuple(collection.decode(item.body) for item in fragment.items.get(name, ()))
        for name, collection in POLLED.items()
    }
    return Shapes(**shapes)


def changes_between(before: Shapes, after: Shapes) -> bytes:
    """Return the encoded `collections` object that turns one set of resources into the other.

    Shape: collection -> `set` (whole resources), `gone` (ids), `cols` (dotted paths) and `rows` (id, then one value
    per column); keys without content are left out.
    """
    changes: dict[str, Any] = {}
    for name, collection in POLLED.items():
        change = collection.change(getattr(before, name), getattr(after, name))
        if change:
            changes[name] = change
    return _encode(changes)


def whole_change(
    before: Fragment | None, after: Fragment | None, *, kept: Mapping[str, Container[str]] | None = None
) -> bytes:
    """Return the encoded `collections` object between two fragments whose connecting changes are not known.

    Ids that are `kept`, by collection, belong to another instance by now: they are not gone.
    """
    changes: dict[str, Any] = {}
    for collection in COLLECTIONS:
        old = {item.id: item.body for item in before.items.get(collection, ())} if before else {}
        new = after.items.get(collection, ()) if after else ()
        changed = [msgspec.Raw(item.body) for item in new if old.get(item.id) != item.body]
        present, others = {item.id for item in new}, (kept or {}).get(collection, ())
        gone = [identity for identity in old if identity not in present and identity not in others]
        if changed or gone:
            changes[collection] = filled(set=changed, gone=gone)
    return _encode(changes)
