"""Under which primary keys the objects of an instance have their series; looked up once and remembered.

A series belongs to a row: the same when the object is renamed, moves to another node, or has another wire id.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
from django.db import DatabaseError

from monitoring.choices import PartKind
from monitoring.models import HistoryPart
from nodes.models import Datastore, Guest, Instance, Node, Storage
from pulse.lib import saving

#: Rows may be deleted and made anew by another process: what is remembered is looked up again after this long,
REMEMBERED_SECONDS = 3600.0
#: and at once for what is not known, but not more often than this.
AGAIN_SECONDS = 30.0
#: Parts of one instance; a host that invents pools and file systems comes no further.
MOST_PARTS = 50_000
#: How often it is noted that a part is still there.
NOTED = timedelta(days=1)

#: Kind of the part, row of its owner, name.
PartKey = tuple[str, int, str]


class Rows(msgspec.Struct):
    """The primary keys of one instance, by what its figures call the objects."""

    read_epoch: float
    guests: dict[int, int] = {}
    nodes: dict[str, int] = {}
    storages: dict[tuple[str, str], int] = {}
    datastores: dict[str, int] = {}
    parts: dict[PartKey, int] = {}


_remembered: dict[int, Rows] = {}


def rows_of(
    instance: Instance, *, vmids: Iterable[int], nodes: Iterable[str], storages: Iterable[tuple[str, str]],
    datastores: Iterable[str], at_epoch: float,
) -> Rows:  # fmt: skip
    """Return the rows of an instance; an object that has none yet is not in them."""
    rows = _remembered.get(instance.pk)
    age = at_epoch - rows.read_epoch if rows is not None else REMEMBERED_SECONDS
    if rows is not None and 0 <= age < REMEMBERED_SECONDS:
        is_whole = (
            rows.guests.keys() >= set(vmids)
            and rows.nodes.keys() >= set(nodes)
            and rows.storages.keys() >= set(storages)
            and rows.datastores.keys() >= set(datastores)
        )
        if is_whole or age < AGAIN_SECONDS:
            return rows
    rows = _remembered[instance.pk] = looked_up(instance, at_epoch=at_epoch)
    return rows


def looked_up(instance: Instance, *, at_epoch: float) -> Rows:
    """Read the rows of what is there; four or five queries."""
    storages = Storage.there(instance).values_list("name", "node_name", "pk")
    parts = HistoryPart.objects.filter(instance=instance).values_list("kind", "owner_id", "name", "pk")
    return Rows(
        at_epoch,
        dict(Guest.there(instance).values_list("vmid", "pk")),
        dict(Node.there(instance).values_list("name", "pk")),
        {(name, node): pk for name, node, pk in storages},
        dict(Datastore.there(instance).values_list("name", "pk")),
        {(kind, owner, name): pk for kind, owner, name, pk in parts},
    )


def with_parts(
    instance: Instance, rows: Rows, wanted: Iterable[PartKey], *, at: datetime
) -> dict[PartKey, int]:
    """Return the keys of these parts; those that are new get a row, within the bounds, and as soon as one can be saved."""
    wanted = [(kind, owner, name[:256]) for kind, owner, name in wanted]
    new = [key for key in dict.fromkeys(wanted) if key not in rows.parts][: MOST_PARTS - len(rows.parts)]
    if new:
        try:
            add_parts(instance, rows, new, at=at)
        except DatabaseError as error:
            # All else is sampled on a full disk as well, and waits in memory.
            if not saving.is_told(error):
                raise
    return {key: rows.parts[key] for key in wanted if key in rows.parts}


def add_parts(instance: Instance, rows: Rows, new: Iterable[PartKey], *, at: datetime) -> None:
    """Make rows of parts, and remember them. Raises DatabaseError."""
    HistoryPart.objects.bulk_create(
        [
            HistoryPart(instance=instance, kind=PartKind(kind), owner_id=owner, name=name, last_seen_at=at)
            for kind, owner, name in new
        ],
        ignore_conflicts=True,  # another process has seen them in this moment
        batch_size=500,
    )
    parts = HistoryPart.objects.filter(instance=instance).values_list("kind", "owner_id", "name", "pk")
    rows.parts = {(kind, owner, name): pk for kind, owner, name, pk in parts}


def note_parts(instance: Instance, pks: Iterable[int], *, at: datetime) -> int:
    """Note that these parts are still there, once a day; returns of how many it was noted."""
    stale = HistoryPart.objects.filter(instance=instance, last_seen_at__lt=at - NOTED)
    seen = set(pks)
    noted = [pk for pk in stale.values_list("pk", flat=True) if pk in seen]
    for start in range(0, len(noted), 500):
        HistoryPart.objects.filter(pk__in=noted[start : start + 500]).update(last_seen_at=at)
    return len(noted)


def forget(instance_id: int) -> None:
    """Drop what this process remembers of an instance."""
    _remembered.pop(instance_id, None)


def forget_all() -> None:
    """Drop all that this process remembers."""
    _remembered.clear()
