"""The forecasts of everything that has a size: computed anew now and then, some at a time, and kept in the store.

A new point comes every six hours. With the reading of its series a forecast takes some 3 ms, which for the disks of ten thousand guests
is half a minute: those that are not full for long are looked at once a day. What most depends on comes first.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import timedelta

from django.db import DatabaseError

from monitoring.choices import PartKind
from monitoring.history.forecast import forecast
from monitoring.history.metrics import DISK_TOTAL, DISK_USED, Kind
from monitoring.history.reading import read
from monitoring.known.forecasts import FORECASTS, NO_FORECASTS, Forecast, Forecasts
from monitoring.known.head import NO_HEAD
from monitoring.known.memory import MEMORY
from monitoring.models import HistoryPart
from monitoring.store.current import store
from monitoring.store.leases import lease
from nodes.choices import GuestKind, InstanceKind
from nodes.models import Datastore, Guest, Instance, Node, Storage
from pulse.lib import saving
from pulse.lib.instants import from_epoch

logger = logging.getLogger(__name__)

DAY_SECONDS = 86_400
STEP_SECONDS = 6 * 3600
#: What a forecast looks back on.
SEEN_DAYS = 90
#: A forecast is computed anew after this long,
RENEWED_SECONDS = float(STEP_SECONDS)
#: that of a disk in a guest after this long, when it cannot be full before so many days.
RENEWED_SELDOM_SECONDS, FAR_DAYS = float(DAY_SECONDS), 30
#: One round computes so many at most, and begins nothing more after so many seconds: the next one goes on.
MOST_AT_ONCE, BUDGET_SECONDS = 2_000, 5.0
#: Objects that are read together: their series are in memory at the same time.
SLICE = 256
LEASE_SECONDS = 120
#: A pool or file system that was not seen for so long is gone; it is noted once a day (monitoring.history.rows).
GONE = timedelta(days=3)
#: Of these there are thousands.
MANY = (Kind.FILESYSTEM, Kind.GUEST)
#: In the order in which they are computed.
KINDS = (
    Kind.DATASTORE, Kind.STORAGE, Kind.POOL, Kind.NODE, Kind.INSTANCE, Kind.MAIL_NODE, Kind.FILESYSTEM, Kind.GUEST,
)  # fmt: skip


def look_ahead(*, at_epoch: float) -> int:
    """Compute forecasts that are missing or old; returns how many."""
    until, done = time.monotonic() + BUDGET_SECONDS, 0
    for instance in Instance.objects.polled().order_by("pk"):
        if time.monotonic() >= until or done >= MOST_AT_ONCE:
            break
        with lease(f"forecasts:{instance.pk}", LEASE_SECONDS) as held:
            if not held:
                continue
            try:
                done += look_at(instance, at_epoch=at_epoch, most=MOST_AT_ONCE - done, until=until)
            except DatabaseError as error:
                if not saving.is_told(error):
                    logger.exception("%s: nothing could be forecast", instance)
    return done


def look_at(instance: Instance, *, at_epoch: float, most: int, until: float) -> int:
    """Compute the forecasts of an instance that are missing or old, and drop those of what is gone; returns how many."""
    known = store().load(FORECASTS, of=instance.pk) or NO_FORECASTS
    there = {kind: rows_of(kind, instance, at_epoch=at_epoch) for kind in KINDS}
    kept = {
        kind.object_kind.value: {
            pk: one for pk, one in known.by_kind.get(kind.object_kind.value, {}).items() if pk in pks
        }
        for kind, pks in there.items()
    }
    done = 0
    for kind, pks in there.items():
        made = kept[kind.object_kind.value]
        due = [pk for pk in sorted(pks) if is_due(kind, made.get(pk), at_epoch=at_epoch)][: most - done]
        for start in range(0, len(due), SLICE):
            if time.monotonic() >= until:
                break
            some = due[start : start + SLICE]
            made.update(forecasts_of(instance.pk, kind, some, at_epoch=at_epoch))
            done += len(some)
    found = Forecasts(at_epoch, {kind: made for kind, made in kept.items() if made})
    if done or found.by_kind != known.by_kind:
        store().save(FORECASTS, found, of=instance.pk)
    return done


def is_due(kind: Kind, made: Forecast | None, *, at_epoch: float) -> bool:
    """Return whether a forecast is to be computed: there is none, it is old, or it was made by a clock that was ahead."""
    if made is None:
        return True
    earliest = made.full_epoch if made.state == "full" else made.earliest_epoch
    is_far = earliest is None or earliest > at_epoch + FAR_DAYS * DAY_SECONDS
    is_seldom = kind in MANY and is_far and made.state not in ("unknown", "too_little")
    seconds = RENEWED_SELDOM_SECONDS if is_seldom else RENEWED_SECONDS
    return not 0 <= at_epoch - made.made_epoch < seconds


def rows_of(kind: Kind, instance: Instance, *, at_epoch: float) -> set[int]:
    """Return the keys of what there is of a kind. Of guests only containers: the file systems of a VM stand for themselves."""
    there = {"instance": instance, "gone_at": None}
    match kind:
        case Kind.DATASTORE:
            rows: Iterable[int] = Datastore.objects.filter(**there).values_list("pk", flat=True)
        case Kind.STORAGE:
            rows = Storage.objects.filter(**there).values_list("pk", flat=True)
        case Kind.NODE:
            rows = Node.objects.filter(**there).values_list("pk", flat=True)
        case Kind.GUEST:
            rows = Guest.objects.filter(**there, kind=GuestKind.LXC).values_list("pk", flat=True)
        case Kind.INSTANCE:
            rows = [instance.pk] if instance.kind == InstanceKind.PBS else []
        case _:
            seen = from_epoch(at_epoch) - GONE
            parts = HistoryPart.objects.filter(
                instance=instance, kind=PartKind(kind.object_kind.value), last_seen_at__gte=seen
            )
            rows = parts.values_list("pk", flat=True)
    return set(rows)


def forecasts_of(
    instance_id: int, kind: Kind, pks: list[int], *, at_epoch: float
) -> Iterator[tuple[int, Forecast]]:
    """Yield the forecasts of some objects of a kind, `unknown` where nothing is kept."""
    memory = store().load(MEMORY, of=instance_id)
    end = int(at_epoch)
    columns = read(
        instance_id,
        {kind: (pks, (DISK_USED, DISK_TOTAL))},
        start_epoch=(end // STEP_SECONDS + 1) * STEP_SECONDS - SEEN_DAYS * DAY_SECONDS,
        end_epoch=end,
        points=SEEN_DAYS * DAY_SECONDS // STEP_SECONDS,
        head=memory.head if memory is not None else NO_HEAD,
    )
    for pk in pks:
        found = columns.series.get((kind, pk), {})
        used, totals = found.get(DISK_USED), found.get(DISK_TOTAL)
        if used is None or totals is None:
            yield pk, Forecast("unknown", at_epoch)
        else:
            yield pk, forecast(used, totals, columns.grid, at_epoch=at_epoch)
