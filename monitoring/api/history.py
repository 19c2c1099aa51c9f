"""`/api/resources/<id>/history`: all series of one resource, as JSON or as CSV, with what happened meanwhile."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from django.http import HttpRequest, HttpResponse, QueryDict

from monitoring.api.answers_history import History, HistoryEvent
from monitoring.api.happened import events_of
from monitoring.api.parts import FORMS, part_of
from monitoring.api.series import NAMES_OF, array, column_of, form_of, kept_for
from monitoring.api.sheets import file_name, sheet
from monitoring.api.spans import END, RANGES, START, Span, metrics_of, points_of, span_of
from monitoring.api.subjects import Shown, Subject, chosen_subjects
from monitoring.history.columns import Column, Columns
from monitoring.history.metrics import Kind
from monitoring.history.reading import read
from monitoring.wire.metrics import WIRE_METRICS
from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, Parameter, PreparedEndpoint, Refusal, Tag
from pulse.lib.errors import ApiError
from pulse.lib.streams import whole_answer

USUAL_POINTS, HIGHEST_POINTS = 500, 10_000
FORMATS = ("json", "csv")


class Series(NamedTuple):
    """The series of an object by the names of the wire, and what they are of."""

    identity: str
    part: str
    columns: Columns
    by_name: Mapping[str, Column]


class HistoryView(PreparedEndpoint):
    """One resource over time."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: History},
        also_as="text/csv",
        refuses={
            400: Refusal(
                "validation_error", "A parameter is not valid; the text names it and what it may be."
            ),
            404: Refusal(
                "resource_not_found", "There is no resource with this id, or nothing is kept of the part."
            ),
        },
        parameters={
            "identity": Parameter("The id of a resource, as the state has it.", "lab-pve1-100"),
            "range": Parameter("How far back.", "24h", tuple(RANGES)),
            "start": START,
            "end": END,
            "metric": Parameter("Only these metrics, separated by commas.", "cpu,memory"),
            "points": Parameter(f"The most points of each series, up to {HIGHEST_POINTS}.", "500"),
            "part": Parameter(f"A part of the resource: {FORMS}.", "filesystem:/var"),
            "format": Parameter("`csv` for a table with one line for each point.", "json", FORMATS),
        },
    )
    def get(self, request: HttpRequest, identity: str) -> HttpResponse:
        """One resource over time, with what happened to it

        Mean, lowest and highest of each metric in steps of equal length, null where nothing is known: no outage becomes a line.
        Also `memoryUsed`, `diskTotal`, `load1`, the pressures and so on, as far as they are kept of it. The id that a guest had
        before it was migrated leads to it too, and its series go on.

        A table has the columns `time` (RFC 3339), `resource`, `part` and three for each metric: `cpu`, `cpu_low`, `cpu_high`.
        """
        query = request.GET
        if query.get("format", FORMATS[0]) not in FORMATS:
            raise ApiError(400, f"format must be one of {', '.join(FORMATS)}")
        span = span_of(query, at_epoch=int(time.time()))
        shown, subject = one_subject(identity)
        target = target_of(shown, subject, query.get("part", ""))
        series = read_series(shown, subject.identity, target, span, query)
        if query.get("format") == "csv":
            text = sheet(series.identity, series.part, series.columns.grid, series.by_name)
            response = whole_answer(request, text.encode(), "text/csv; charset=utf-8; header=present")
            name = file_name(series.identity, series.part)
            response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
            return response
        happened = events_of(*target, shown.instance_id, span)
        return whole_answer(request, msgspec.json.encode(told(series, happened)), "application/json")


def one_subject(identity: str) -> tuple[Shown, Subject]:
    """Return a resource with its instance; raises ApiError 404."""
    for shown, subjects in chosen_subjects([identity]):
        for subject in subjects:
            return shown, subject
    raise ApiError(404, f"there is no resource called {identity!r:.200}", code="resource_not_found")


def target_of(shown: Shown, subject: Subject, part: str) -> tuple[Kind, int]:
    """Return of which object the series are wanted."""
    if part:
        return part_of(subject, shown.instance_id, part)
    return subject.kind, subject.pk or 0


def read_series(
    shown: Shown, identity: str, target: tuple[Kind, int], span: Span, query: QueryDict
) -> Series:
    """Return the series that a query asks for: without a choice all of which anything is known."""
    kind, pk = target
    chosen = metrics_of(query, NAMES_OF[kind])
    names = chosen or NAMES_OF[kind]
    columns = read(
        shown.instance_id,
        {kind: ([pk], kept_for(names))},
        start_epoch=span.start_epoch,
        end_epoch=span.end_epoch,
        points=points_of(query, default=USUAL_POINTS, most=HIGHEST_POINTS),
        head=shown.memory.head,
    )
    kept = columns.series.get((kind, pk), {})
    found = {name: column_of(name, kept) or empty(columns.grid.size) for name in names}
    by_name = {name: one for name, one in found.items() if chosen or is_known(one)}
    return Series(identity, query.get("part", ""), columns, by_name)


def empty(size: int) -> Column:
    """Return a column of gaps."""
    return Column([None] * size, [None] * size, [None] * size)


def is_known(column: Column) -> bool:
    """Return whether anything is known in a column."""
    return column.means.count(None) < len(column.means)


def told(series: Series, happened: list[HistoryEvent]) -> dict[str, object]:
    """Return the answer."""
    grid = series.columns.grid
    return {
        "id": series.identity,
        "part": series.part,
        "start": grid.start_epoch * 1000,
        "step": grid.step_seconds,
        "count": grid.size,
        "resolution": series.columns.resolution_seconds,
        "told": [[start * 1000, end * 1000] for start, end in series.columns.told],
        "series": {name: series_text(name, column) for name, column in series.by_name.items()},
        "events": happened,
    }


def series_text(name: str, column: Column) -> dict[str, object]:
    """Return one metric, its numbers as text already."""
    form = form_of(WIRE_METRICS[name])
    arrays = {
        word: msgspec.Raw(array(values, form).encode())
        for word, values in zip(("mean", "low", "high"), column, strict=True)
    }
    return {"unit": WIRE_METRICS[name].unit, **arrays}
