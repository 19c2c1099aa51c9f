"""The verbs that keep what happened, each thing once.

A task of Proxmox is kept when it is first seen, and completed when it has ended. What polls see is kept unless a task tells of the
same: whichever comes first, one row remains.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db import DatabaseError, transaction

from monitoring.concerns.shapes import About
from monitoring.history.changes import Change
from monitoring.history.happened import SEEN, Happened, by_sight, worded
from monitoring.history.objects import keys_by_object
from monitoring.history.task_kinds import COVERED_BY, COVERING, kind_of
from monitoring.models import HistoryEvent
from nodes.identity import ObjectKey, ObjectKind
from nodes.inventory import batched
from nodes.models import Instance

#: A poll sees a change so late at most, and the clocks of two hosts differ by less.
APART_SECONDS = 60
#: What is still running was begun within this time.
LONGEST_SECONDS = 8 * 24 * 3600
#: Changes that could not be written are kept in memory until they can be, so many of an instance.
MOST_WAITING = 1000

#: Of each instance the changes that could not be written yet.
_waiting: dict[int, list[Happened]] = {}


def record_changes(instance: Instance, changes: Sequence[Change]) -> int:
    """Keep what was seen; returns how many rows were made. What cannot be written now is written with the next.

    Raises DatabaseError.
    """
    happened = [*_waiting.pop(instance.pk, ()), *map(by_sight, changes)]
    if not happened:
        return 0
    try:
        with transaction.atomic():
            return len(write(instance, happened))
    except DatabaseError:
        _waiting[instance.pk] = happened[-MOST_WAITING:]
        raise


def record_tasks(
    instance: Instance, happened: Sequence[Happened], *, still_listed: Collection[str] | None, at_epoch: float
) -> None:
    """Keep tasks that are new or have ended.

    `still_listed` are the keys of all tasks that are told now: one that was running and is not among them has ended, nobody
    knows how. None: a list from which running ones may be missing. Raises DatabaseError.
    """
    with transaction.atomic():
        for some in batched(happened):
            known = known_rows(instance, [one.key for one in some])
            write(instance, [one for one in some if one.key not in known])
            for one in some:
                row = known.get(one.key)
                if row is not None and row.end_epoch is None and one.end_epoch is not None:
                    complete(row, one)
        if still_listed is not None:
            end_lost(instance, still_listed, at_epoch=at_epoch)


def known_rows(instance: Instance, keys: Sequence[str]) -> dict[str, HistoryEvent]:
    """Return the rows that there are of these keys."""
    return {row.key: row for row in HistoryEvent.objects.filter(instance=instance, key__in=keys)}


def complete(row: HistoryEvent, ended: Happened) -> None:
    """Make a row say how its task ended."""
    if ended.outcome != "ok" or not row.text:
        row.text = ended.text
    row.outcome, row.end_epoch = ended.outcome, ended.end_epoch
    row.save(update_fields=("text", "outcome", "end_epoch"))


def end_lost(instance: Instance, listed: Collection[str], *, at_epoch: float) -> None:
    """End what was running and is not told any more: a node that went, or a list that was too short for it."""
    since = int(at_epoch) - LONGEST_SECONDS
    running = HistoryEvent.objects.filter(instance=instance, start_epoch__gte=since, outcome="running")
    lost = [pk for pk, key in running.values_list("pk", "key") if key not in listed]
    HistoryEvent.objects.filter(pk__in=lost[:500]).update(outcome="", end_epoch=int(at_epoch))


def write(instance: Instance, happened: Sequence[Happened]) -> list[HistoryEvent]:
    """Add rows for what is new, then take away what others tell better; returns the rows that were added.

    What is neither of an object with a row nor of another one in its place is of the instance. A key that is there already, from a
    worker at the same moment, stays as it is.
    """
    keys = keys_by_object(instance, {about for one in happened for about in (one.about, one.instead)})
    whole = ObjectKey(ObjectKind.INSTANCE, instance.pk)
    rows = [row_of(instance, one, keys, whole) for one in happened]
    HistoryEvent.objects.bulk_create(rows, batch_size=200, ignore_conflicts=True)
    merge_covered(instance, rows)
    return rows


def row_of(
    instance: Instance, one: Happened, keys: Mapping[About, ObjectKey], whole: ObjectKey
) -> HistoryEvent:
    """Return the row of what happened, of the nearest object that has one itself."""
    own = keys.get(one.about)
    place = own or keys.get(one.instead) or whole
    text = one.text if own or one.about.kind != "guest" else worded(f"guest {one.about.vmid}", one.text)
    return HistoryEvent(
        instance=instance,
        object_kind=place.kind,
        object_id=place.pk,
        kind=kind_of(one.code),
        code=one.code,
        text=text,
        outcome=one.outcome,
        key=one.key,
        start_epoch=one.start_epoch,
        end_epoch=one.end_epoch,
    )


# --- one thing, one row -----------------------------------------------------------------------------------------------


def merge_covered(instance: Instance, rows: Iterable[HistoryEvent]) -> None:
    """Delete what was only seen, or only asked for, where the row of a task tells of the same; it takes over where from and to."""
    touched = [row for row in rows if row.object_kind == ObjectKind.GUEST and is_mergeable(row)]
    if not touched:
        return
    since = min(row.start_epoch for row in touched) - LONGEST_SECONDS
    until = max(row.end_epoch or row.start_epoch for row in touched) + APART_SECONDS
    by_guest: defaultdict[int, list[HistoryEvent]] = defaultdict(list)
    for some in batched(sorted({row.object_id for row in touched})):
        near = HistoryEvent.objects.filter(
            object_kind=ObjectKind.GUEST, object_id__in=some, start_epoch__range=(since, until)
        )
        for row in near:
            by_guest[row.object_id].append(row)
    covered: list[int] = []
    for near_rows in by_guest.values():
        covered += merged(near_rows)
    for some in batched(covered):
        HistoryEvent.objects.filter(instance=instance, pk__in=some).delete()


def is_mergeable(row: HistoryEvent) -> bool:
    """Return whether a row may tell of the same as another one."""
    return row.code in COVERING or row.code in COVERED_BY


def merged(rows: Sequence[HistoryEvent]) -> list[int]:
    """Return the keys of the rows of one guest that others cover, after those have taken over what only these tell."""
    runs = [row for row in rows if not row.key.startswith(SEEN)]
    # What was only asked for comes last: the task that did it tells more.
    runs.sort(key=lambda row: row.code in COVERED_BY)
    covered: list[int] = []
    for row in rows:
        codes = COVERED_BY.get(row.code, frozenset())
        run = next((one for one in runs if one.code in codes and is_near(row, one)), None)
        if run is None:
            continue
        covered.append(row.pk)
        places = places_in(row)
        if places and places not in run.text:
            run.text = worded(places, run.text)
            run.save(update_fields=("text",))
    return covered


def places_in(row: HistoryEvent) -> str:
    """Return from where to where a guest was moved, "" where that is not told."""
    if row.code == "moved":
        return row.text
    # Of a request that has taken it over.
    return row.text.rpartition(", by ")[0] if row.text.startswith("from ") else ""


def is_near(row: HistoryEvent, run: HistoryEvent) -> bool:
    """Return whether something happened while a task ran, or as near to it as can be told."""
    has_begun = (row.end_epoch or row.start_epoch) + APART_SECONDS >= run.start_epoch
    return has_begun and (run.end_epoch is None or row.start_epoch - APART_SECONDS <= run.end_epoch)


def forget(instance_id: int) -> None:
    """Drop what this process has not written yet of a removed instance."""
    _waiting.pop(instance_id, None)
