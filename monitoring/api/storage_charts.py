"""`/api/storage-charts`: what each storage held over time. Source: http-api.md 4.3 of the contract."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from monitoring.api.answers_history import StorageCharts
from monitoring.api.charting import Asked, Instances, points_of_a_tier, text_of, wanted_of
from monitoring.api.charts import usual_points
from monitoring.api.series import FOUR_DIGITS, WHOLE, PointWriter, Values, means_of, spelled
from monitoring.api.spans import RANGES, Span
from monitoring.api.subjects import all_subjects
from monitoring.history.columns import Columns, Grid
from monitoring.history.metrics import DISK_TOTAL, DISK_USED, Kind
from monitoring.history.reading import read
from monitoring.store.current import store
from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, Parameter, PreparedEndpoint, Tag
from pulse.lib.instants import instant_seen
from pulse.lib.streams import json_answer

#: Whole minutes: at most what the longest range has.
_MINUTES = re.compile(r"[1-9][0-9]{0,6}", re.ASCII)
NAMES = {Kind.STORAGE: ("disk", "diskUsed", "diskTotal")}


class StorageChartsView(PreparedEndpoint):
    """The use of storages over time."""

    @Operation(
        Access.MONITORING_READ,
        Tag.MONITORING,
        {200: StorageCharts},
        parameters={
            "range": Parameter(
                f"How far back: whole minutes, or one of {', '.join(RANGES)}. Anything else counts as 60 minutes.",
                "60",
            )
        },
    )
    def get(self, request: HttpRequest) -> HttpResponseBase:
        """Use of all storages

        By the id of the storage: how full it was in percent, and what was used, in all and available, in bytes. The oldest point first;
        a time of which nothing is known has no point.
        """
        at_epoch = int(time.time())
        span = Span(max(at_epoch - seconds_of(request.GET.get("range", "")), 0), at_epoch)
        points = points_of_a_tier(span, usual_points(storage_count()))
        asked = Asked(span, points, NAMES, at_epoch * 1000)
        return json_answer(request, texts_of(all_subjects(), asked))


def seconds_of(text: str) -> int:
    """Return how far back a `range` reaches: a plain number is meant in minutes."""
    if _MINUTES.fullmatch(text):
        return min(int(text) * 60, max(RANGES.values()))
    return RANGES.get(text, 3600)


def storage_count() -> int:
    """Return how many storages the state has."""
    return sum(len(fragment.items.get("storage", ())) for fragment in store().fragments().values())


def texts_of(instances: Instances, asked: Asked) -> Iterator[str]:
    """Yield the object piece by piece."""
    separator = "{"
    for shown, subjects in instances:
        storages = [one for one in subjects if one.kind is Kind.STORAGE]
        if not storages:
            continue
        columns = read(
            shown.instance_id,
            wanted_of(storages, asked),
            start_epoch=asked.span.start_epoch,
            end_epoch=asked.span.end_epoch,
            points=asked.points,
            head=shown.memory.head,
        )
        points = PointWriter(storage_points(columns.grid))
        for one in storages:
            yield f"{separator}{text_of(one.identity)}:{storage_text(one.pk or 0, columns, points)}"
            separator = ","
    yield "{}" if separator == "{" else "}"


def storage_text(pk: int, columns: Columns, points: PointWriter) -> str:
    """Return the four series of a storage."""
    kept = columns.series.get((Kind.STORAGE, pk), {})
    used, total = kept.get(DISK_USED), kept.get(DISK_TOTAL)
    if used is None or total is None:
        return '{"usage":[],"used":[],"total":[],"avail":[]}'
    usage = points.text(spelled(means_of("disk", kept) or (), FOUR_DIGITS))
    free = available(used.means, total.means)
    in_bytes = [points.text(spelled(values, WHOLE)) for values in (used.means, total.means, free)]
    return '{{"usage":{},"used":{},"total":{},"avail":{}}}'.format(usage, *in_bytes)


def available(used: Values, total: Values) -> list[float | None]:
    """Return what is not used of each total."""
    return [
        None if one is None or whole is None else max(whole - one, 0)
        for one, whole in zip(used, total, strict=True)
    ]


def storage_points(grid: Grid) -> list[str]:
    """Return the templates of the points of a storage."""
    return [f'{{"value":%s,"timestamp":"{instant_seen(epoch)}"}}' for epoch in grid.epochs]
