"""What happened within a range: to one object, or everywhere; the newest first where not all of it is told."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import NamedTuple

from django.db.models import Q, QuerySet

from monitoring.choices import BlindCause, EventKind
from monitoring.history.metrics import Kind
from monitoring.known.facts import FACTS, Facts
from monitoring.models import BlindTime, HistoryEvent
from monitoring.store.current import store
from nodes.identity import ObjectKey, ObjectKind
from nodes.models import Guest, Storage
from nodes.proxmox.readings.backups import BackupVolumeReading

#: Of one object.
MOST_EVENTS = 500
#: What began earlier than this before a range has ended before it; a blind time may be longer.
LONGEST_SECONDS = 8 * 24 * 3600
#: The kind under which blind times are told.
BLIND = "blind"
#: A backup that lies in a storage was made by a task that ran then, or as near to it as can be told.
APART_SECONDS = 60


class Event(NamedTuple):
    """What happened. `kind` is one of `EventKind`, or `blind` with its cause as the code.

    `outcome` is ok, warning, failed, running, or "". Instants are epoch seconds; `end_epoch` None: it lasts, or has no length.
    """

    kind: str
    code: str
    text: str
    outcome: str
    start_epoch: int
    end_epoch: int | None


class Place(NamedTuple):
    """Where a page of the timeline ends: the instant of the last one, whether it was a blind time, and its row."""

    start_epoch: int
    is_blind: bool
    pk: int


class Noted(NamedTuple):
    """An event with the object that it is of, and where it stands in the timeline."""

    place: Place
    instance_id: int
    object: ObjectKey
    event: Event


# --- of one object ----------------------------------------------------------------------------------------------------


def events_of(kind: Kind, pk: int, instance_id: int, *, start_epoch: int, end_epoch: int) -> list[Event]:
    """Return what happened to an object within a range, with the blind times of its instance, the oldest first.

    Of more than are told the newest are. Beside what was recorded, the backups that are known to lie in a storage, or to be of
    a guest, tell when they were made.
    """
    rows = within(HistoryEvent.objects.all(), start_epoch, end_epoch)
    rows = rows.filter(object_kind=kind.object_kind, object_id=pk).order_by("-start_epoch", "-pk")
    recorded = [event_of(row) for row in rows[:MOST_EVENTS]]
    made = made_backups(kind, pk, instance_id, start_epoch, end_epoch)
    events = [*recorded, *(one for one in made if not is_recorded(one, recorded))]
    blind = BlindTime.objects.filter(
        instance=instance_id, start_epoch__lt=end_epoch, end_epoch__gt=start_epoch
    )
    events += [blind_event(row) for row in blind.order_by("-start_epoch")[:MOST_EVENTS]]
    events.sort(key=lambda one: (one.start_epoch, one.kind, one.code))
    return events[-MOST_EVENTS:]


def within(rows: QuerySet[HistoryEvent], start_epoch: int, end_epoch: int) -> QuerySet[HistoryEvent]:
    """Return what happened within a range, or lasted into it."""
    lasting = Q(end_epoch__gte=start_epoch) | Q(outcome="running")
    return rows.filter(
        Q(start_epoch__gte=start_epoch) | Q(start_epoch__gte=start_epoch - LONGEST_SECONDS) & lasting,
        start_epoch__gte=start_epoch - LONGEST_SECONDS,
        start_epoch__lt=end_epoch,
    )


def event_of(row: HistoryEvent) -> Event:
    """Return what a row tells."""
    return Event(row.kind, row.code, row.text, row.outcome, row.start_epoch, row.end_epoch)


def blind_event(row: BlindTime) -> Event:
    """Return what a blind time tells."""
    return Event(BLIND, row.cause, str(BlindCause(row.cause).label), "", row.start_epoch, row.end_epoch)


def is_recorded(made: Event, recorded: list[Event]) -> bool:
    """Return whether a task is recorded that has made a backup."""
    return any(
        one.kind == EventKind.BACKUP
        and one.start_epoch - APART_SECONDS <= made.start_epoch
        and (one.end_epoch is None or made.start_epoch <= one.end_epoch + APART_SECONDS)
        for one in recorded
    )


def made_backups(kind: Kind, pk: int, instance_id: int, start_epoch: int, end_epoch: int) -> Iterator[Event]:
    """Yield when the backups were made that are known to lie in a storage, or to be of a guest, the newest first and not too many."""
    found = [
        (volume.created_epoch, storage, volume)
        for storage, volume in known_volumes(kind, pk, store().load(FACTS, of=instance_id) or Facts())
        if volume.created_epoch is not None and start_epoch <= volume.created_epoch < end_epoch
    ]
    found.sort(key=lambda one: one[0], reverse=True)
    for created, storage, volume in found[:MOST_EVENTS]:
        text = f"in {storage}" if kind == Kind.GUEST else f"guest {volume.vmid}"
        yield Event(EventKind.BACKUP, "vzdump", text, "ok", created, None)


def known_volumes(kind: Kind, pk: int, facts: Facts) -> Iterator[tuple[str, BackupVolumeReading]]:
    """Yield (storage, backup) of those that were seen in a storage, or of a guest."""
    if kind == Kind.STORAGE:
        key = Storage.objects.filter(pk=pk).values_list("name", "node_name").first()
        if key is not None:
            yield from ((key[0], volume) for volume in facts.volumes.get(key, ()))
    elif kind == Kind.GUEST:
        vmid = Guest.objects.filter(pk=pk).values_list("vmid", flat=True).first()
        for (storage, _), volumes in facts.volumes.items():
            yield from ((storage, volume) for volume in volumes if volume.vmid == vmid)


# --- everywhere -------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """What is asked of the timeline; `object` None: of all, `kind` "": every kind. `before` is where the last page ended."""

    start_epoch: int
    end_epoch: int
    limit: int
    instance_id: int | None = None
    object: ObjectKey | None = None
    kind: str = ""
    before: Place | None = None


def page_of(asked: Asked) -> list[Noted]:
    """Return what began within a range, the newest first: so many, and one more where there is more.

    Blind times are those of the instances; those of an object those of its instance.
    """
    told = merge(recorded(asked), blind_times(asked), key=lambda one: one.place, reverse=True)
    return list(islice(told, asked.limit + 1))


def recorded(asked: Asked) -> Iterator[Noted]:
    """Yield the events that are asked for."""
    if asked.kind == BLIND:
        return
    rows = HistoryEvent.objects.filter(start_epoch__gte=asked.start_epoch, start_epoch__lt=asked.end_epoch)
    if asked.object is not None:
        rows = rows.filter(object_kind=asked.object.kind, object_id=asked.object.pk)
    elif asked.instance_id is not None:
        rows = rows.filter(instance=asked.instance_id)
    if asked.kind:
        rows = rows.filter(kind=asked.kind)
    if (place := asked.before) is not None:
        same = Q(start_epoch=place.start_epoch)
        # Blind times come first among those of one second.
        same &= Q() if place.is_blind else Q(pk__lt=place.pk)
        rows = rows.filter(Q(start_epoch__lt=place.start_epoch) | same, start_epoch__lte=place.start_epoch)
    for row in rows.order_by("-start_epoch", "-pk")[: asked.limit + 1]:
        key = ObjectKey(ObjectKind(row.object_kind), row.object_id)
        yield Noted(Place(row.start_epoch, False, row.pk), row.instance_id, key, event_of(row))


def blind_times(asked: Asked) -> Iterator[Noted]:
    """Yield the blind times that are asked for."""
    if asked.kind not in ("", BLIND):
        return
    rows = BlindTime.objects.filter(start_epoch__gte=asked.start_epoch, start_epoch__lt=asked.end_epoch)
    if asked.instance_id is not None:
        rows = rows.filter(instance=asked.instance_id)
    if (place := asked.before) is not None:
        rows = rows.filter(start_epoch__lte=place.start_epoch)
        if place.is_blind:
            rows = rows.exclude(start_epoch=place.start_epoch, pk__gte=place.pk)
        else:
            rows = rows.exclude(start_epoch=place.start_epoch)
    for row in rows.order_by("-start_epoch", "-pk")[: asked.limit + 1]:
        key = ObjectKey(ObjectKind.INSTANCE, row.instance_id)
        yield Noted(Place(row.start_epoch, True, row.pk), row.instance_id, key, blind_event(row))
