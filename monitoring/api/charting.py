"""The series of many resources as text, made group by group: of ten thousand guests no more than a few hundred are at hand at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from monitoring.api.current import current_values
from monitoring.api.series import (
    FOUR_DIGITS,
    NAMES_OF,
    WHOLE,
    PointWriter,
    Values,
    array,
    first_known,
    form_of,
    kept_for,
    means_of,
)
from monitoring.api.spans import Span
from monitoring.api.subjects import Shown, Subject
from monitoring.history.columns import Columns, Grid, Wanted
from monitoring.history.metrics import Kind
from monitoring.history.reading import grid_of, read
from monitoring.history.tiers import STEPS
from monitoring.wire.metrics import GUEST_CHARTS, NODE_CHARTS, STORAGE_CHARTS, WIRE_METRICS

#: Guests that are read and written at once.
GROUP = 1000
#: The points of each series of ten thousand guests, and which share of the points that there may be is enough when they cost less.
FEWEST_POINTS, LEAST_SHARE = 24, 0.45
#: Where the series of each kind stand in an answer, and those of them that are told when nobody chooses.
PLACES: Mapping[Kind, str] = {Kind.GUEST: "data", Kind.NODE: "nodeData", Kind.STORAGE: "storageData"}
CONTRACT: Mapping[Kind, tuple[str, ...]] = {
    Kind.GUEST: GUEST_CHARTS, Kind.NODE: NODE_CHARTS, Kind.STORAGE: STORAGE_CHARTS,
}  # fmt: skip
Instances = Iterable[tuple[Shown, list[Subject]]]


class Asked(NamedTuple):
    """What is asked for: of which time, how many points, and which metrics of each kind by their names on the wire."""

    span: Span
    points: int
    names: Mapping[Kind, tuple[str, ...]]
    at_ms: int


class Group(NamedTuple):
    """Some resources of one instance with their series."""

    subjects: list[Subject]
    columns: Columns


def names_of(chosen: Iterable[str]) -> Mapping[Kind, tuple[str, ...]]:
    """Return which of the chosen metrics there are of each kind; without a choice those of the contract."""
    chosen = tuple(chosen)
    if not chosen:
        return CONTRACT
    return {kind: tuple(name for name in chosen if name in NAMES_OF[kind]) for kind in PLACES}


def points_of_a_tier(span: Span, points: int) -> int:
    """Return about so many points, but so that each is a bucket that is kept as it is, where there are such.

    They need not be computed from several: that is half of what a long range costs.
    """
    length = span.end_epoch - span.start_epoch
    kept = [-(-length // step) for step in STEPS.values()]
    enough = max(points * LEAST_SHARE, min(points, FEWEST_POINTS))
    return next((one for one in kept if enough <= one <= points), points)


def groups_of(instances: Instances, asked: Asked) -> Iterator[Group]:
    """Yield the resources with their series; nodes and storages with the first guests of their instance."""
    for shown, subjects in instances:
        guests = [one for one in subjects if one.kind is Kind.GUEST]
        # By row: a few that lie together are found together.
        guests.sort(key=lambda one: one.pk or 0)
        first = [one for one in subjects if one.kind in (Kind.NODE, Kind.STORAGE)]
        for start in range(0, max(len(guests), 1), GROUP):
            group = guests[start : start + GROUP] + (first if start == 0 else [])
            yield Group(group, series_of(shown, group, asked))


def series_of(shown: Shown, subjects: list[Subject], asked: Asked) -> Columns:
    """Return what is kept of some resources of an instance."""
    rows: dict[Kind, list[int]] = {}
    for one in subjects:
        if one.pk is not None:
            rows.setdefault(one.kind, []).append(one.pk)
    wanted: Wanted = {kind: (pks, kept_for(asked.names[kind])) for kind, pks in rows.items()}
    return read(
        shown.instance_id,
        wanted,
        start_epoch=asked.span.start_epoch,
        end_epoch=asked.span.end_epoch,
        points=asked.points,
        head=shown.memory.head,
    )


class ChartWriter:
    """Writes the charts object; `oldest_ms` is that of the oldest point that was written."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.oldest_ms = asked.at_ms
        self._grid: Grid | None = None

    def text(self, instances: Instances) -> Iterator[str]:
        """Yield the object piece by piece."""
        later: dict[Kind, list[str]] = {Kind.NODE: [], Kind.STORAGE: []}
        separator = ""
        is_begun = False
        for group in groups_of(instances, self.asked):
            if not is_begun:
                yield self.opening(group.columns)
                is_begun = True
            self.turn_to(group.columns.grid)
            for subject in group.subjects:
                text = f"{text_of(subject.identity)}:{self.resource(subject, group.columns)}"
                if subject.kind is Kind.GUEST:
                    yield separator + text
                    separator = ","
                else:
                    later[subject.kind].append(text)
        if not is_begun:
            yield self.opening(None)
        for kind, texts in later.items():
            yield f'}},"{PLACES[kind]}":{{{",".join(texts)}'
        yield (f'}},"timestamp":{self.asked.at_ms},"stats":{{"oldestDataTimestamp":{self.oldest_ms}}}}}')

    def opening(self, columns: Columns | None) -> str:
        """Return how the object begins."""
        return '{"data":{'

    def turn_to(self, grid: Grid) -> None:
        """Be ready for series of another grid."""
        if grid != self._grid:
            self._grid = grid
            self._writers = {form: PointWriter(chart_points(grid), form) for form in (FOUR_DIGITS, WHOLE)}
            self._is_kept = grid.step_seconds in STEPS.values()

    def resource(self, subject: Subject, columns: Columns) -> str:
        """Return the series of one resource: arrays of points; one with the value of now where there is none in the range."""
        kept = columns.series.get((subject.kind, subject.pk or 0), {})
        texts, now = [], None
        for name in self.asked.names[subject.kind]:
            metric, values = WIRE_METRICS[name], means_of(name, kept)
            text = "[]"
            if values is not None:
                is_kept = self._is_kept and not metric.is_share
                text = self._writers[form_of(metric)].text(values, is_kept=is_kept)
            if text == "[]":
                now = current_values(subject.figures) if now is None else now
                text = self.point_of_now(now.get(name), form_of(metric))
            elif values is not None:
                self.note_oldest(values, columns.grid)
            texts.append(f'"{name}":{text}')
        return f"{{{','.join(texts)}}}"

    def point_of_now(self, value: float | None, form: str) -> str:
        """Return an array of what is true now; empty where that is not known."""
        return "[]" if value is None else f'[{{"timestamp":{self.asked.at_ms},"value":{form % value}}}]'

    def note_oldest(self, values: Values, grid: Grid) -> None:
        """Note when the series begins, if no other has begun earlier."""
        place = first_known(values)
        if place is not None:
            self.oldest_ms = min(self.oldest_ms, (grid.start_epoch + place * grid.step_seconds) * 1000)


class ColumnWriter(ChartWriter):
    """Writes the same as columns: the start and the step of all series once, then their values, null for a gap."""

    def opening(self, columns: Columns | None) -> str:
        """Return how the object begins: with the grid, and the distance of the coarsest samples in seconds."""
        grid = grid_of(*self.asked.span, self.asked.points)
        resolution = columns.resolution_seconds if columns is not None else 0
        return (
            f'{{"start":{grid.start_epoch * 1000},"step":{grid.step_seconds},"count":{grid.size},'
            f'"resolution":{resolution},"data":{{'
        )

    def resource(self, subject: Subject, columns: Columns) -> str:
        """Return the series of one resource: arrays of means; what is not kept of it is left out."""
        kept = columns.series.get((subject.kind, subject.pk or 0), {})
        texts = []
        for name in self.asked.names[subject.kind]:
            metric, values = WIRE_METRICS[name], means_of(name, kept)
            if values is not None and values.count(None) < len(values):
                self.note_oldest(values, columns.grid)
                is_kept = self._is_kept and not metric.is_share
                texts.append(f'"{name}":{array(values, form_of(metric), is_kept=is_kept)}')
        return f"{{{','.join(texts)}}}"


def chart_points(grid: Grid) -> list[str]:
    """Return the templates of the points of a chart; times are in milliseconds."""
    return [f'{{"timestamp":{epoch}000,"value":%s}}' for epoch in grid.epochs]


def text_of(identity: str) -> str:
    """Return an id as JSON."""
    return msgspec.json.encode(identity).decode()
