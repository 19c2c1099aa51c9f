"""`/api/charts`: the series of all guests, nodes and storages. Source: http-api.md 4.1 of the contract."""

from __future__ import annotations

import time
from collections.abc import Iterable
from hashlib import blake2b
from math import sqrt

from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase

from monitoring.api.answers import any_of
from monitoring.api.answers_history import ChartColumns, Charts
from monitoring.api.charting import (
    FEWEST_POINTS,
    Asked,
    ChartWriter,
    ColumnWriter,
    names_of,
    points_of_a_tier,
)
from monitoring.api.spans import END, RANGES, START, metrics_of, points_of, span_of
from monitoring.api.state import names_etag
from monitoring.api.subjects import all_subjects, chosen_subjects
from monitoring.models import HistorySpan
from monitoring.store.current import store
from monitoring.wire.metrics import WIRE_METRICS
from pulse.lib.auth import Access, caller_of
from pulse.lib.endpoints import Operation, Parameter, PreparedEndpoint, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.streams import json_answer

#: Points of each series when nobody says how many: so many up to two hundred guests, then fewer by the square root of their number.
MOST_POINTS, FEW_GUESTS = 180, 200
#: What may be asked for, of each series and of all guests together.
HIGHEST_POINTS, ALL_POINTS = 2000, 300_000
FORMATS = ("points", "columns")
#: What is answered, by format.
ANSWER = any_of(Charts, ChartColumns)


class ChartsView(PreparedEndpoint):
    """Points over time."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: ANSWER, 304: None},
        refuses={
            400: Refusal(
                "validation_error", "A parameter is not valid; the text names it and what it may be."
            )
        },
        parameters={
            "range": Parameter("How far back. Anything else counts as `1h`.", "24h", tuple(RANGES)),
            "start": START,
            "end": END,
            "resource": Parameter(
                "Only the resources with these ids: separated by commas, or the parameter several times.",
                "lab-pve1-100",
            ),
            "metric": Parameter("Only these metrics, separated by commas.", "cpu,memory"),
            "points": Parameter(f"The most points of each series, up to {HIGHEST_POINTS}.", "120"),
            "format": Parameter("`columns` tells the times of all series once.", "columns", FORMATS),
        },
    )
    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Charts of all guests, nodes and storages

        Means over time, the oldest first. Where nothing is known there is no point; a series without a point in the range has one
        with its value now, if that is known. Points are as many as their number allows: up to 180 of each series
        for up to 200 guests, 80 for 1,000, 24 from 11,250 on; ask for fewer resources to get more.

        With `format=columns` each series is a list of values: number `i` is of the `step` seconds from `start + i * step` on,
        null where nothing is known. It is a sixth of the length.

        A long answer is sent while it is made, without a `Content-Length`.
        """
        asked, identities = asked_of(request.GET, at_epoch=int(time.time()))
        etag = etag_of(request.GET, asked)
        if names_etag(request.headers.get("If-None-Match", ""), etag):
            response: HttpResponseBase = HttpResponse(status=304)
            del response.headers["Content-Type"]
        else:
            writer = ColumnWriter(asked) if request.GET.get("format") == "columns" else ChartWriter(asked)
            instances = all_subjects() if identities is None else chosen_subjects(identities)
            response = json_answer(request, writer.text(instances))
        # Weak: `timestamp` is another one each time.
        response.headers["ETag"] = f'W/"{etag}"'
        if caller_of(request).kind == "token":
            response.headers["Cache-Control"] = "private, no-cache"
        return response


def asked_of(query: QueryDict, *, at_epoch: int) -> tuple[Asked, list[str] | None]:
    """Return what a query asks for, and the ids of the resources, None for all; raises ApiError 400."""
    if query.get("format", FORMATS[0]) not in FORMATS:
        raise ApiError(400, f"format must be one of {', '.join(FORMATS)}")
    identities = identities_of(query.getlist("resource")) if "resource" in query else None
    count = guest_count() if identities is None else len(identities)
    span = span_of(query, at_epoch=at_epoch, is_lenient=True)
    usual = points_of_a_tier(span, usual_points(count))
    points = points_of(query, default=usual, most=HIGHEST_POINTS)
    return (
        Asked(
            span,
            min(points, max(ALL_POINTS // max(count, 1), FEWEST_POINTS)),
            names_of(metrics_of(query, WIRE_METRICS)),
            at_epoch * 1000,
        ),
        identities,
    )


def usual_points(guests: int) -> int:
    """Return how many points a series has when so many guests are told of."""
    return min(MOST_POINTS, max(FEWEST_POINTS, int(MOST_POINTS * sqrt(FEW_GUESTS / max(guests, 1)))))


def guest_count() -> int:
    """Return how many guests the state has."""
    return sum(
        len(fragment.items.get(collection, ()))
        for fragment in store().fragments().values()
        for collection in ("vms", "containers")
    )


def identities_of(texts: Iterable[str]) -> list[str]:
    """Return the ids that are asked for; names may hold commas, so a text that is an id as a whole is one."""
    found: dict[str, None] = {}
    for text in texts:
        is_one = "," not in text or store().find(text) is not None
        found.update(dict.fromkeys([text] if is_one else text.split(",")))
    return list(found)


def etag_of(query: QueryDict, asked: Asked) -> str:
    """Return what is another one as soon as there is a new sample, a new reading of Proxmox's own records, or a new bucket."""
    step = max((asked.span.end_epoch - asked.span.start_epoch) // asked.points, 10)
    versions = sorted((key.instance_id, one.version) for key, one in store().fragments().items())
    newest = HistorySpan.objects.order_by("-pk").values_list("pk", flat=True).first()
    parts = (sorted(query.lists()), asked.span.end_epoch // step, versions, newest)
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()
