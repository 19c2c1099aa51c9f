"""From the fragments that the delta clients know to the newest ones, one change for each instance; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from monitoring.wire.fragments import POLLED, Fragment, Fragments, Item, whole_change
from monitoring.wire.state import groups_in, items_in

#: Collections in the order in which their instances were created.
BY_CREATION = tuple(name for name, collection in POLLED.items() if collection.order is None)


def changes_by_instance(before: Fragments, now: Fragments) -> Iterator[tuple[str, bytes]]:
    """Yield (name, encoded `collections`) of each instance that differs, those that are gone first.

    Resources are known by their id alone. What one instance has lost while another has it (two instances changed
    their names) is not taken away, but told once more at the end, under an empty name.
    """
    moved = moved_items(before, now)
    kept = {name: frozenset(items) for name, items in moved.items()}
    for key, old in before.items():
        if key not in now:
            yield old.name, whole_change(old, None, kept=kept)
    for key, new in now.items():
        last = before.get(key)
        if last is None or last.version != new.version:
            is_ready = not moved and follows(last, new)
            yield new.name, new.changes if is_ready else whole_change(last, new, kept=kept)
    mending = mending_between(before, now, moved)
    if mending:
        yield "", msgspec.json.encode(mending)


def follows(old: Fragment | None, new: Fragment) -> bool:
    """Return whether the changes that a fragment carries begin at the old one."""
    return old is not None and old.version == new.based_on


def moved_items(before: Fragments, now: Fragments) -> dict[str, dict[str, Item]]:
    """Return the items, by collection and id, that an instance has lost and another one has now."""
    moved: dict[str, dict[str, Item]] = {}
    for collection, lost in lost_ids(before, now).items():
        arrived = {item.id: item for items in groups_in(now, collection) for item in items if item.id in lost}
        if arrived:
            moved[collection] = arrived
    return moved


def lost_ids(before: Fragments, now: Fragments) -> dict[str, set[str]]:
    """Return the ids, by collection, that an instance had and has no more; looked for only where there may be any."""
    lost: dict[str, set[str]] = {}
    for key, old in before.items():
        new = now.get(key)
        if new is not None and (new.version == old.version or loses_nothing(old, new)):
            continue
        for collection, items in old.items.items():
            left = {item.id for item in new.items.get(collection, ())} if new else set()
            gone = {item.id for item in items} - left
            if gone:
                lost.setdefault(collection, set()).update(gone)
    return lost


def loses_nothing(old: Fragment, new: Fragment) -> bool:
    """Return whether a fragment says itself that nothing is gone."""
    return follows(old, new) and b'"gone"' not in new.changes


def mending_between(
    before: Fragments, now: Fragments, moved: Mapping[str, Mapping[str, Item]]
) -> dict[str, Any]:
    """Return what a client lacks after the changes of all instances: items that moved, and the order of PBS and PMG.

    What orders these is not on the wire; clients keep them as they came, new ones last.
    """
    mending: dict[str, Any] = {name: {"set": bodies(items)} for name, items in moved.items()}
    for collection in BY_CREATION:
        old, wanted = items_by_id(before, collection), items_by_id(now, collection)
        came = [item.id for items in groups_in(now, collection) for item in items]
        shown = [identity for identity in old if identity in wanted]
        shown += [identity for identity in dict.fromkeys(came) if identity not in old]
        if shown != list(wanted):
            mending[collection] = {"gone": list(wanted), "set": bodies(wanted)}
    return mending


def items_by_id(fragments: Fragments, collection: str) -> dict[str, Item]:
    """Return the items of a collection by id, in the order of the state."""
    return {item.id: item for item in items_in(fragments, collection)}


def bodies(items: Mapping[str, Item]) -> list[msgspec.Raw]:
    """Return the items' encoded objects."""
    return [msgspec.Raw(item.body) for item in items.values()]
