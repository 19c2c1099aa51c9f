"""`/api/forecasts`: when what has a size is full, as it was computed last (monitoring.history.outlook)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from math import inf
from typing import NamedTuple, get_args

import msgspec
from django.http import HttpRequest, HttpResponse

from monitoring.api.answers_forecasts import Forecasts
from monitoring.api.parts import PARTS
from monitoring.api.subjects import Shown, Subject, all_subjects
from monitoring.history.metrics import Kind
from monitoring.known.forecasts import FORECASTS, NO_FORECASTS, Forecast, State
from monitoring.models import HistoryPart
from monitoring.store.current import store
from monitoring.wire.forecasts import PartForecasts, forecast_details, listed_forecast
from monitoring.wire.spelling import spell
from nodes.identity import ObjectKind
from nodes.models import Datastore
from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, Parameter, PreparedEndpoint, Refusal, Tag
from pulse.lib.errors import ApiError

STATES: tuple[str, ...] = get_args(State)
USUAL_COUNT, HIGHEST_COUNT = 1_000, 20_000
_WHOLE = re.compile(r"[0-9]{1,6}", re.ASCII)
#: By kind of a part: what it is called on the wire.
WORDS: Mapping[ObjectKind, str] = {
    kind.object_kind: word for parts in PARTS.values() for word, kind in parts.items()
}

#: And of what it is a part.
OWNERS: Mapping[ObjectKind, ObjectKind] = {
    kind.object_kind: owner.object_kind for owner, parts in PARTS.items() for kind in parts.values()
}


class Found(NamedTuple):
    """A forecast with the resource that it is of."""

    shown: Shown
    subject: Subject
    kind: ObjectKind
    part: str
    forecast: Forecast


class ForecastsView(PreparedEndpoint):
    """When everything is full."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: Forecasts},
        refuses={400: Refusal("validation_error", "A parameter is not valid; the text says what it may be.")},
        parameters={
            "state": Parameter("Only these states, separated by commas.", "full,growing"),
            "limit": Parameter(f"How many at most, up to {HIGHEST_COUNT}.", str(USUAL_COUNT)),
        },
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """When storages, datastores, pools and disks are full

        One for each storage, datastore, ZFS pool, root file system of a host, disk of a container and file system that the guest agent
        tells of, by the day: what is full comes first, what has no day last. They are computed every six hours, those of
        disks of guests that cannot be full within a month once a day. Single clean-ups and restores, the rhythm of a week and the teeth
        of a prune job do not count as growth.
        """
        states, limit = states_of(request.GET.get("state", "")), limit_of(request.GET.get("limit", ""))
        at_epoch = time.time()
        every = sorted((one for one in known_forecasts() if one.forecast.state in states), key=order)
        body = Forecasts([told(one, at_epoch=at_epoch) for one in every[:limit]], len(every), int(at_epoch))
        return HttpResponse(msgspec.json.encode(body), content_type="application/json")


def states_of(text: str) -> set[str]:
    """Return the states that are asked for, all without a choice; raises ApiError 400."""
    states = {name for name in text.split(",") if name} or set(STATES)
    if not states <= set(STATES):
        raise ApiError(400, f"state must be some of {', '.join(STATES)}")
    return states


def limit_of(text: str) -> int:
    """Return how many are asked for; raises ApiError 400."""
    if not text:
        return USUAL_COUNT
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= HIGHEST_COUNT:
        raise ApiError(400, f"limit must be a whole number from 1 to {HIGHEST_COUNT}")
    return int(text)


def known_forecasts() -> Iterator[Found]:
    """Yield every forecast of what is shown."""
    for shown, subjects in all_subjects():
        kept = store().load(FORECASTS, of=shown.instance_id) or NO_FORECASTS
        if not kept.by_kind:
            continue
        owners = {(one.kind.object_kind, one.pk): one for one in subjects}
        parts = parts_of(shown.instance_id)
        for word, forecasts in kept.by_kind.items():
            kind = ObjectKind(word)
            for pk, forecast in forecasts.items():
                owner, part = parts.get((kind, pk), ((kind, pk), ""))
                if (subject := owners.get(owner)) is not None:
                    yield Found(shown, subject, kind, part, forecast)


#: Kind and row of an object.
Row = tuple[ObjectKind, int]


def parts_of(instance_id: int, owner: Row | None = None) -> dict[Row, tuple[Row, str]]:
    """Return the parts of an instance, or of one owner in it: by kind and row, whose they are and what they are called."""
    found: dict[Row, tuple[Row, str]] = {}
    parts = HistoryPart.objects.filter(instance=instance_id)
    if owner is not None:
        words = PARTS.get(Kind[owner[0].name], {})
        parts = parts.filter(owner_id=owner[1], kind__in=[kind.object_kind.value for kind in words.values()])
    for pk, word, owner_id, name in parts.values_list("pk", "kind", "owner_id", "name"):
        kind = ObjectKind(word)
        found[kind, pk] = ((OWNERS[kind], owner_id), f"{WORDS[kind]}:{name}")
    if owner is None or owner[0] is ObjectKind.INSTANCE:
        for pk, name in Datastore.objects.filter(instance=instance_id).values_list("pk", "name"):
            found[ObjectKind.DATASTORE, pk] = ((ObjectKind.INSTANCE, instance_id), f"datastore:{name}")
    return found


def forecasts_of(instance_id: int, kind: Kind, pk: int | None, *, at_epoch: float) -> PartForecasts:
    """Return the forecasts of one resource and its parts."""
    kept = store().load(FORECASTS, of=instance_id) or NO_FORECASTS
    if not kept.by_kind or pk is None:
        return {}
    own = (kind.object_kind, pk)
    places = {own: ""} | {
        row: part for row, (owner, part) in parts_of(instance_id, own).items() if owner == own
    }
    known = {part: kept.by_kind.get(row[0], {}).get(row[1]) for row, part in places.items()}
    return {
        part: forecast_details(forecast, at_epoch=at_epoch)
        for part, forecast in sorted(known.items(), key=lambda one: one[0])
        if forecast is not None
    }


def order(found: Found) -> tuple[float, float, str, str]:
    """Return the place in the list: by the day, then by the earliest, then by what it is."""
    forecast = found.forecast
    return (
        inf if forecast.full_epoch is None else forecast.full_epoch,
        inf if forecast.earliest_epoch is None else forecast.earliest_epoch,
        found.subject.identity,
        found.part,
    )


def told(found: Found, *, at_epoch: float) -> msgspec.Struct:
    """Return one forecast as it is sent."""
    figures, instance = found.subject.figures, found.shown.label.name
    return spell(
        listed_forecast(
            found.forecast,
            resource_id=found.subject.identity,
            part=found.part,
            kind=found.kind,
            name=getattr(figures, "name", instance),
            instance=instance,
            at_epoch=at_epoch,
        )
    )
