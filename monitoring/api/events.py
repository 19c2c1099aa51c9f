"""`/api/history/events`: what happened within a range, to one resource or everywhere, in pages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers_events import Timeline, TimelineEvent
from monitoring.api.happened import in_ms
from monitoring.api.naming import names_of
from monitoring.api.spans import END, RANGES, START, span_of
from monitoring.api.subjects import chosen_subjects
from monitoring.choices import EventKind
from monitoring.history.metrics import Kind
from monitoring.history.timeline import BLIND, Asked, Noted, Place, page_of
from nodes.identity import ObjectKey
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, Parameter, Refusal, Tag
from pulse.lib.errors import ApiError

KINDS = (*EventKind.values, BLIND)
USUAL_LIMIT, HIGHEST_LIMIT = 100, 500
USUAL_RANGE = "24h"
_LIMIT = re.compile(r"[0-9]{1,3}", re.ASCII)
#: The instant at which a page ended, whether it did with a blind time, and the row.
_CURSOR = re.compile(r"([0-9]{1,12})-([be])-([0-9]{1,18})", re.ASCII)


class EventsView(Endpoint):
    """What happened."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: Timeline},
        refuses={
            400: Refusal("validation_error", "A parameter is not valid; the text names it and what it may be."),
            404: Refusal("resource_not_found", "There is no resource with this id."),
        },
        parameters={
            "range": Parameter(f"How far back; {USUAL_RANGE} without it.", "7d", tuple(RANGES)),
            "start": START,
            "end": END,
            "resource": Parameter("Only what happened to the resource with this id.", "lab-pve1-100"),
            "kind": Parameter("Only what is of this kind.", "migration", KINDS),
            "limit": Parameter(f"The most events of a page, up to {HIGHEST_LIMIT}.", "100"),
            "cursor": Parameter("`next` of the page before: the one after it.", "1767268800-e-4711"),
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What happened, the newest first

        Tasks of Proxmox (backups, migrations, restores, snapshots, power and others), what was seen to have changed, and the times in
        which nothing was seen. It is told where it began within the range. With `resource` only what happened to that, with the blind
        times of its instance; of a PBS also what happened to its datastores.

        A page stays where it is while something happens: the same `cursor` gives the same events, unless they are deleted.
        """
        return Response(page(request.query_params, at_epoch=int(timezone.now().timestamp())))


def page(query: Mapping[str, str], *, at_epoch: int) -> Timeline:
    """Return the page that a query asks for; raises ApiError 400 and 404."""
    asked = asked_by(query, at_epoch=at_epoch)
    noted = page_of(asked)
    told = noted[: asked.limit]
    return Timeline(
        events=list(shapes_of(told)), next=cursor_of(told[-1].place) if len(noted) > asked.limit else None
    )


def asked_by(query: Mapping[str, str], *, at_epoch: int) -> Asked:
    """Return what a query asks of the timeline; raises ApiError 400 and 404."""
    is_open = not query.get("range") and not query.get("start")
    # What has happened within this second is told as well.
    span = span_of(
        {"end": query.get("end", ""), "range": USUAL_RANGE} if is_open else query, at_epoch=at_epoch + 1
    )
    kind = query.get("kind", "")
    if kind and kind not in KINDS:
        raise ApiError(400, f"kind must be one of {', '.join(KINDS)}")
    asked = Asked(span.start_epoch, span.end_epoch, limit_of(query), kind=kind, before=place_of(query))
    identity = query.get("resource", "")
    if not identity:
        return asked
    for shown, subjects in chosen_subjects([identity]):
        for subject in subjects:
            is_whole = subject.kind == Kind.INSTANCE
            key = None if is_whole else ObjectKey(subject.kind.object_kind, subject.pk or 0)
            return asked._replace(instance_id=shown.instance_id, object=key)
    raise ApiError(404, f"there is no resource called {identity!r:.200}", code="resource_not_found")


def limit_of(query: Mapping[str, str]) -> int:
    """Return how many events a page may have; raises ApiError 400."""
    text = query.get("limit") or str(USUAL_LIMIT)
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise ApiError(400, f"limit must be a whole number from 1 to {HIGHEST_LIMIT}")
    return int(text)


def place_of(query: Mapping[str, str]) -> Place | None:
    """Return where the page before ended, None for the first one; raises ApiError 400."""
    text = query.get("cursor", "")
    if not text:
        return None
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise ApiError(400, "cursor must be the next of an earlier page")
    return Place(int(match[1]), match[2] == "b", int(match[3]))


def cursor_of(place: Place) -> str:
    """Return a place as the text of a cursor, which is the id of its event as well."""
    return f"{place.start_epoch}-{'b' if place.is_blind else 'e'}-{place.pk}"


def shapes_of(noted: list[Noted]) -> list[TimelineEvent]:
    """Return the events as they are sent, with what their objects are called."""
    names = names_of({(one.instance_id, one.object) for one in noted})
    return [
        TimelineEvent(
            id=cursor_of(one.place),
            kind=one.event.kind,
            code=one.event.code,
            text=one.event.text,
            outcome=one.event.outcome,
            start=one.event.start_epoch * 1000,
            end=in_ms(one.event.end_epoch),
            instance=names[one.instance_id, one.object].instance,
            object_kind=str(one.object.kind),
            object_name=names[one.instance_id, one.object].name,
            resource_id=names[one.instance_id, one.object].resource_id,
        )
        for one in noted
    ]
