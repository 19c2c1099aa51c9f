"""The rows of the objects that something is wrong with; they are looked up once and remembered while it is."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from monitoring.concerns.shapes import About
from monitoring.history.objects import WHOLE, rows_of
from monitoring.known.memory import PollMemory
from nodes.identity import ObjectKey, ObjectKind
from nodes.models import Instance


def keys_of(instance: Instance, memory: PollMemory, objects: Collection[About]) -> dict[About, ObjectKey]:
    """Return the keys of these objects; one that has no row yet has none."""
    whole = ObjectKey(ObjectKind.INSTANCE, instance.pk)
    parts = [one for one in objects if one.kind not in WHOLE]
    known = {one: memory.row_keys[str(one)] for one in parts if str(one) in memory.row_keys}
    known |= looked_up(instance, [one for one in parts if one not in known])
    memory.row_keys = {str(one): pk for one, pk in known.items()}
    keys = {one: whole for one in objects if one.kind in WHOLE}
    return keys | {one: ObjectKey(ObjectKind(one.kind), pk) for one, pk in known.items()}


def looked_up(instance: Instance, objects: Iterable[About]) -> dict[About, int]:
    """Return the primary keys of the rows of these objects, at most one query for each kind."""
    by_kind: dict[str, list[About]] = {}
    for one in objects:
        by_kind.setdefault(one.kind, []).append(one)
    found: dict[About, int] = {}
    for kind, wanted in by_kind.items():
        rows = rows_of(instance, kind, wanted)
        found |= {one: rows[one] for one in wanted if one in rows}
    return found
