"""The long lists of an instance, encoded entry by entry; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from monitoring.wire.backups import Lists
from monitoring.wire.fragments import LISTS, Item

_encode = msgspec.json.encode
#: The field of each list that orders it.
INSTANTS = ("startTime", "time", "backupTime", "lastBackup")
#: What takes each digit of an instant from nine, so that the younger one is the smaller text.
NINES = str.maketrans("0123456789", "9876543210")


def items_of(lists: Lists) -> dict[str, tuple[Item, ...]]:
    """Return the encoded entries of each list, in the order of the state: the newest first."""
    return {name: encoded(getattr(lists, name)) for name in LISTS}


def encoded(shapes: Iterable[msgspec.Struct]) -> tuple[Item, ...]:
    """Return the entries in order; their place is their instant, turned around because it is a text."""
    items = [
        Item(shape.id, (newest_first(shape), shape.id), _encode(shape))  # type: ignore[attr-defined]
        for shape in unique(shapes)
    ]
    items.sort(key=lambda item: item.order)
    return tuple(items)


def unique(shapes: Iterable[msgspec.Struct]) -> Iterator[msgspec.Struct]:
    """Yield the entries, those with the id of another one under one of their own.

    The ids of the contract are names joined by dashes, and names hold dashes: backups in the namespace `b-c` of `a` and in
    `c` of `a-b` meet.
    """
    met: Counter[str] = Counter()
    for shape in shapes:
        identity: str = shape.id  # type: ignore[attr-defined]
        met[identity] += 1
        yield (
            shape if met[identity] == 1 else msgspec.structs.replace(shape, id=f"{identity}~{met[identity]}")
        )


def newest_first(shape: msgspec.Struct) -> str:
    """Return a text that is the smaller the younger the entry is: each digit of its instant taken from nine."""
    when = next(getattr(shape, name) for name in INSTANTS if hasattr(shape, name))
    return str(when).translate(NINES)
