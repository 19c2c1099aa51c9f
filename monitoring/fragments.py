"""What one poll of one instance publishes: its resources, encoded once, and what changed since the last one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from monitoring.resources import Usage, Views

#: The keys of the state that hold resources, in the order of the document.
COLLECTIONS = ("nodes", "vms", "containers", "storage", "pbs")

#: Fields whose changes travel as figures; any other change sends the whole resource. Dotted paths.
FIGURES = frozenset(
    {
        "cpu", "memory", "memory.used", "memory.free", "memory.usage", "memoryUsed", "disk.used", "disk.free",
        "disk.usage", "networkIn", "networkOut", "diskRead", "diskWrite", "uptime", "loadAverage", "lastSeen",
        "used", "free", "usage",
    }
)  # fmt: skip

_encode = msgspec.json.encode


class Item(msgspec.Struct, frozen=True, gc=False):
    """One resource of the state: its wire id, its place in the documented order, and its JSON object."""

    id: str
    order: tuple[int | str, ...]
    body: bytes


class Fragment(msgspec.Struct, frozen=True):
    """Everything that one instance adds to the state; replaced whole, never edited.

    `version` rises strictly, also over restarts of the poller. `changes` is the encoded `collections` object
    of the live feed that leads from version `based_on` to this one; `based_on` 0 says that it is not known.
    Times are epoch seconds.
    """

    instance_id: int
    version: int
    kind: str
    name: str
    health_key: str
    is_healthy: bool
    items: dict[str, tuple[Item, ...]]
    changes: bytes = b"{}"
    based_on: int = 0
    polled_at: float = 0.0
    succeeded_at: float | None = None
    poll_seconds: float = 0.0
    calls: int = 0
    failed_calls: int = 0
    cycles: int = 0
    interval_seconds: float = 10.0


def next_version(previous: int, epoch_seconds: float) -> int:
    """Return a version above the previous one that also lies above those of an earlier process."""
    return max(previous + 1, int(epoch_seconds * 1000))


def items_of(views: Views, *, number: int) -> dict[str, tuple[Item, ...]]:
    """Return the encoded resources in the documented order (state.md 2); `number` orders PBS by creation."""
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
    }


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.order))


def changes_between(before: Views, after: Views) -> bytes:
    """Return the encoded `collections` object that turns one set of resources into the other.

    Shape: collection -> `set` (whole resources), `gone` (ids), `cols` (dotted paths) and `rows` (id, then one value
    per column); keys without content are left out.
    """
    parts: dict[str, Any] = {}
    for collection in COLLECTIONS:
        change = _collection_change(getattr(before, collection), getattr(after, collection))
        if change:
            parts[collection] = change
    return _encode(parts)


def whole_change(before: Fragment | None, after: Fragment | None) -> bytes:
    """Return the encoded `collections` object between two fragments whose connecting changes are not known."""
    parts: dict[str, Any] = {}
    for collection in COLLECTIONS:
        old = {item.id: item.body for item in before.items.get(collection, ())} if before else {}
        new = after.items.get(collection, ()) if after else ()
        changed = [msgspec.Raw(item.body) for item in new if old.get(item.id) != item.body]
        present = {item.id for item in new}
        gone = [identity for identity in old if identity not in present]
        change: dict[str, Any] = {}
        if changed:
            change["set"] = changed
        if gone:
            change["gone"] = gone
        if change:
            parts[collection] = change
    return _encode(parts)


def _collection_change(before: Sequence[Any], after: Sequence[Any]) -> dict[str, Any]:
    old = {view.id: view for view in before}
    whole: list[Any] = []
    figures: list[tuple[Any, dict[str, Any]]] = []
    columns: dict[str, None] = {}
    for view in after:
        known = old.pop(view.id, None)
        changed = None if known is None else changed_figures(known, view)
        if changed is None:
            whole.append(view)
        elif changed:
            figures.append((view, changed))
            columns.update(dict.fromkeys(changed))
    change: dict[str, Any] = {}
    if whole:
        change["set"] = whole
    if old:
        change["gone"] = list(old)
    if figures:
        names = list(columns)
        change["cols"] = names
        change["rows"] = [
            [view.id, *(changed[name] if name in changed else value_at(view, name) for name in names)]
            for view, changed in figures
        ]
    return change


def changed_figures(before: Any, after: Any) -> dict[str, Any] | None:
    """Return the changed figures of a resource by dotted path; None when something else than figures changed."""
    changed: dict[str, Any] = {}
    for name in after.__struct_fields__:
        value, was = getattr(after, name), getattr(before, name)
        if value is was or value == was:
            continue
        if isinstance(value, Usage):
            for part in value.__struct_fields__:
                inner = getattr(value, part)
                if inner != getattr(was, part):
                    changed[f"{name}.{part}"] = inner
        else:
            changed[name] = value
    return changed if changed.keys() <= FIGURES else None


def value_at(view: Any, path: str) -> Any:
    """Return the value at a dotted path of a resource."""
    for part in path.split("."):
        view = getattr(view, part)
    return view
