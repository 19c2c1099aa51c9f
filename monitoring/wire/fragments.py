"""What an instance adds to the state, encoded once: its resources with what changed at the last poll, and its long lists."""

from __future__ import annotations

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

#: The keys of the state that hold resources, in the order of the document.
RESOURCES = ("nodes", "vms", "containers", "storage", "pbs", "pmg")
#: What is made anew by every poll: the resources, and what is wrong with them.
POLLED = (*RESOURCES, "concerns")
#: The long lists, which seldom change; all but the last stand under `pveBackups` in the state.
LISTS = ("backupTasks", "storageBackups", "guestSnapshots", "pbsBackups")
COLLECTIONS = (*POLLED, *LISTS)

_GUEST_FIGURES = (
    "cpu", "memory.used", "memory.free", "memory.usage", "disk.used", "disk.free", "disk.usage",
    "networkIn", "networkOut", "diskRead", "diskWrite", "uptime", "lastSeen",
)  # fmt: skip

#: Fields whose changes travel as figures, as dotted paths; any other change sends the whole resource.
FIGURES = {
    "nodes": (
        "cpu", "memory.used", "memory.free", "memory.usage", "disk.used", "disk.free", "disk.usage", "uptime",
        "loadAverage", "lastSeen",
    ),
    "vms": _GUEST_FIGURES,
    "containers": _GUEST_FIGURES,
    "storage": ("used", "free", "usage"),
    "pbs": ("cpu", "memory", "memoryUsed", "uptime", "lastSeen"),
    "pmg": ("nodes", "statistics", "lastSeen"),
    "concerns": ("readAt",),
}  # fmt: skip

_encode = msgspec.json.encode


class Item(msgspec.Struct, frozen=True, gc=False):
    """One resource of the state: its wire id, its place in the documented order, and its JSON object."""

    id: str
    order: tuple[int | str, ...]
    body: bytes


class FragmentKey(NamedTuple):
    """Which fragment it is. The lists are one apart: twenty thousand backups are not to be encoded every ten seconds."""

    instance_id: int
    part: Literal["resources", "lists"]


class Fragment(msgspec.Struct, frozen=True):
    """The resources of one instance, or its lists; replaced whole, never edited.

    `version` rises strictly, also over restarts of the poller. `changes` is the encoded `collections` object
    of the live feed that leads from version `based_on` to this one; `based_on` 0 says that it is not known.
    Times are epoch seconds.
    """

    key: FragmentKey
    version: int
    name: str
    health_key: str
    is_healthy: bool
    items: dict[str, tuple[Item, ...]]
    changes: bytes = b"{}"
    based_on: int = 0
    polled_at: float = 0.0
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


def items_of(views: Shapes, *, number: int) -> dict[str, tuple[Item, ...]]:
    """Return the encoded resources in the documented order (state.md 2); `number` orders PBS by creation.

    Concerns are ordered by level, which begins with the critical ones.
    """
    return {
        "nodes": _sorted(Item(view.id, (view.name, view.instance), _encode(view)) for view in views.nodes),
        "vms": _sorted(
            Item(view.id, (view.vmid, view.instance, view.id), _encode(view)) for view in views.vms
        ),
        "containers": _sorted(
            Item(view.id, (view.vmid, view.instance, view.id), _encode(view)) for view in views.containers
        ),
        "storage": _sorted(
            Item(view.id, (view.instance, view.name, view.node), _encode(view)) for view in views.storage
        ),
        "pbs": _sorted(Item(view.id, (number, view.id), _encode(view)) for view in views.pbs),
        "pmg": _sorted(Item(view.id, (number, view.id), _encode(view)) for view in views.pmg),
        "concerns": _sorted(
            Item(view.id, (view.level, view.instance, view.id), _encode(view)) for view in views.concerns
        ),
    }


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.order))


def changes_between(before: Shapes, after: Shapes) -> bytes:
    """Return the encoded `collections` object that turns one set of resources into the other.

    Shape: collection -> `set` (whole resources), `gone` (ids), `cols` (dotted paths) and `rows` (id, then one value
    per column); keys without content are left out.
    """
    parts: dict[str, Any] = {}
    for collection in POLLED:
        change = _collection_change(
            SPLITS[collection], getattr(before, collection), getattr(after, collection)
        )
        if change:
            parts[collection] = change
    return _encode(parts)


def whole_change(
    before: Fragment | None, after: Fragment | None, *, kept: Mapping[str, Container[str]] | None = None
) -> bytes:
    """Return the encoded `collections` object between two fragments whose connecting changes are not known.

    Ids that are `kept`, by collection, belong to another instance by now: they are not gone.
    """
    parts: dict[str, Any] = {}
    for collection in COLLECTIONS:
        old = {item.id: item.body for item in before.items.get(collection, ())} if before else {}
        new = after.items.get(collection, ()) if after else ()
        changed = [msgspec.Raw(item.body) for item in new if old.get(item.id) != item.body]
        present, others = {item.id for item in new}, (kept or {}).get(collection, ())
        gone = [identity for identity in old if identity not in present and identity not in others]
        change: dict[str, Any] = {}
        if changed:
            change["set"] = changed
        if gone:
            change["gone"] = gone
        if change:
            parts[collection] = change
    return _encode(parts)


class Split:
    """How the resources of a collection fall into figures and facts; getters in C, for thousands of them per poll."""

    def __init__(self, view_type: type[msgspec.Struct], figures: tuple[str, ...]) -> None:
        facts = [path for path in leaves(view_type) if path not in figures]
        self.columns = figures
        self.figures: Callable[[Any], tuple[Any, ...]] = getter(*figures)
        self.facts: Callable[[Any], tuple[Any, ...]] = attrgetter(*facts)


def getter(*paths: str) -> Callable[[Any], tuple[Any, ...]]:
    """Return what reads these paths of a resource as a tuple, also a single one."""
    if len(paths) > 1:
        return attrgetter(*paths)
    only = attrgetter(*paths)
    return lambda view: (only(view),)


def leaves(view_type: type[msgspec.Struct]) -> list[str]:
    """Return the paths of all values of a resource; those of `memory` and `disk` one by one."""
    paths: list[str] = []
    for field in msgspec.structs.fields(view_type):
        inner = Usage.__struct_fields__ if field.type is Usage else ()
        paths += [f"{field.name}.{part}" for part in inner] or [field.name]
    return paths


SHAPES: Mapping[str, type[msgspec.Struct]] = {
    "nodes": NodeShape,
    "vms": GuestShape,
    "containers": GuestShape,
    "storage": StorageShape,
    "pbs": PbsShape,
    "pmg": PmgShape,
    "concerns": ConcernShape,
}
SPLITS = {name: Split(shape, FIGURES[name]) for name, shape in SHAPES.items()}
_decode = {name: msgspec.json.Decoder(shape).decode for name, shape in SHAPES.items()}


def shapes_in(fragment: Fragment) -> Shapes:
    """Return the resources that a fragment holds; raises MsgspecError when they are none of this release."""
    told: dict[str, Any] = {
        name: tuple(decode(item.body) for item in fragment.items.get(name, ()))
        for name, decode in _decode.items()
    }
    return Shapes(**told)


def _collection_change(split: Split, before: Sequence[Any], after: Sequence[Any]) -> dict[str, Any]:
    old = {view.id: view for view in before}
    facts, figures = split.facts, split.figures
    whole: list[Any] = []
    moved: list[tuple[str, tuple[Any, ...], tuple[Any, ...]]] = []
    for view in after:
        known = old.pop(view.id, None)
        if known is view:
            continue
        if known is None or facts(known) != facts(view):
            whole.append(view)
            continue
        was, now = figures(known), figures(view)
        if was != now:
            moved.append((view.id, was, now))
    change: dict[str, Any] = {}
    if whole:
        change["set"] = whole
    if old:
        change["gone"] = list(old)
    if moved:
        columns = [
            column
            for column in range(len(split.columns))
            if any(was[column] != now[column] for _, was, now in moved)
        ]
        change["cols"] = [split.columns[column] for column in columns]
        change["rows"] = [[identity, *[now[column] for column in columns]] for identity, _, now in moved]
    return change
