"""The series of many resources as text, made group by group: of ten thousand guests no more than a few hundred are at hand at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from monitoring.api.current import current_values
from monitoring.api.series import NAMES_OF, PointWriter, array_of, kept_for
from monitoring.api.spans import Span
from monitoring.api.spelling import Spelled, Speller
from monitoring.api.subjects import Shown, Subject
from monitoring.history.columns import Grid, Lines, Wanted
from monitoring.history.lines import Line
from monitoring.history.metrics import Kind, Metric
from monitoring.history.reading import grid_of, read_lines
from monitoring.history.tiers import STEPS, tier_for
from monitoring.history.unsealed_pages import Minutes
from monitoring.wire.metrics import GUEST_CHARTS, NODE_CHARTS, STORAGE_CHARTS

#: Guests that are read and written at once: as many as have so many codes of each metric.
GROUP, SMALLEST_GROUP, GROUP_CODES = 500, 32, 100_000
NO_LINES: Mapping[Metric, Line] = {}
#: The points of each series of ten thousand guests, and which share of the points that there may be is enough when they cost less.
FEWEST_POINTS, LEAST_SHARE = 24, 1 / 3
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
    lines: Lines


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
    size = group_size(asked)
    for shown, subjects in instances:
        guests = [one for one in subjects if one.kind is Kind.GUEST]
        # By row: a few that lie together are found together.
        guests.sort(key=lambda one: one.pk or 0)
        first = [one for one in subjects if one.kind in (Kind.NODE, Kind.STORAGE)]
        minutes = Minutes()
        for start in range(0, max(len(guests), 1), size):
            group = guests[start : start + size] + (first if start == 0 else [])
            yield Group(group, lines_of(shown, group, asked, minutes))


def group_size(asked: Asked) -> int:
    """Return how many guests are at hand at once: the fewer the longer their series."""
    grid = grid_of(*asked.span, asked.points)
    length = grid.size * grid.step_seconds // STEPS[tier_for(grid.step_seconds)]
    return min(max(GROUP_CODES // length, SMALLEST_GROUP), GROUP)


def lines_of(shown: Shown, subjects: list[Subject], asked: Asked, minutes: Minutes) -> Lines:
    """Return what is kept of some resources of an instance."""
    return read_lines(
        shown.instance_id,
        wanted_of(subjects, asked),
        start_epoch=asked.span.start_epoch,
        end_epoch=asked.span.end_epoch,
        points=asked.points,
        head=shown.memory.head,
        minutes=minutes,
    )


def wanted_of(subjects: Iterable[Subject], asked: Asked) -> Wanted:
    """Return what has to be read of some resources."""
    rows: dict[Kind, list[int]] = {}
    for one in subjects:
        if one.pk is not None:
            rows.setdefault(one.kind, []).append(one.pk)
    return {kind: (pks, kept_for(asked.names[kind])) for kind, pks in rows.items()}


class ChartWriter:
    """Writes the charts object; `oldest_ms` is that of the oldest point that was written."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.oldest_ms = asked.at_ms
        self.grid = grid_of(*asked.span, asked.points)
        width = self.grid.step_seconds // STEPS[tier_for(self.grid.step_seconds)]
        self.spellers = {
            kind: [Speller(name, width) for name in names] for kind, names in asked.names.items()
        }
        self.points = PointWriter(chart_points(self.grid))

    def text(self, instances: Instances) -> Iterator[str]:
        """Yield the object piece by piece."""
        later: dict[Kind, list[str]] = {Kind.NODE: [], Kind.STORAGE: []}
        separator = ""
        is_begun = False
        for group in groups_of(instances, self.asked):
            if not is_begun:
                yield self.opening(group.lines)
                is_begun = True
            for subject in group.subjects:
                lines = group.lines.series.get((subject.kind, subject.pk or 0), NO_LINES)
                text = f"{text_of(subject.identity)}:{self.resource(subject, lines)}"
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

    def opening(self, lines: Lines | None) -> str:
        """Return how the object begins."""
        return '{"data":{'

    def resource(self, subject: Subject, lines: Mapping[Metric, Line]) -> str:
        """Return the series of one resource: arrays of points; one with the value of now where there is none in the range."""
        written, now = [], None
        for speller in self.spellers[subject.kind]:
            series = speller.series(lines)
            if series is None:
                now = current_values(subject.figures) if now is None else now
                text = self.point_of_now(now.get(speller.name), speller.form)
            else:
                self.note_oldest(series)
                text = self.points.text(series.values, series.form)
            written.append(f'"{speller.name}":{text}')
        return f"{{{','.join(written)}}}"

    def point_of_now(self, value: float | None, form: str) -> str:
        """Return an array of what is true now; empty where that is not known."""
        return "[]" if value is None else f'[{{"timestamp":{self.asked.at_ms},"value":{form % value}}}]'

    def note_oldest(self, series: Spelled) -> None:
        """Note when the series begins, if no other has begun earlier."""
        start, step = self.grid.start_epoch * 1000, self.grid.step_seconds * 1000
        if self.oldest_ms > start:
            self.oldest_ms = min(self.oldest_ms, start + series.first_known() * step)


class ColumnWriter(ChartWriter):
    """Writes the same as columns: the start and the step of all series once, then their values, null for a gap."""

    def opening(self, lines: Lines | None) -> str:
        """Return how the object begins: with the grid, and the distance of the coarsest samples in seconds."""
        grid, resolution = self.grid, lines.resolution_seconds if lines is not None else 0
        return (
            f'{{"start":{grid.start_epoch * 1000},"step":{grid.step_seconds},"count":{grid.size},'
            f'"resolution":{resolution},"data":{{'
        )

    def resource(self, subject: Subject, lines: Mapping[Metric, Line]) -> str:
        """Return the series of one resource: arrays of means; what is not kept of it is left out."""
        written = []
        for speller in self.spellers[subject.kind]:
            series = speller.series(lines)
            if series is not None:
                self.note_oldest(series)
                text = array_of(series.form, len(series.values)) % tuple(series.values)
                written.append(f'"{speller.name}":{text}')
        return f"{{{','.join(written)}}}"


def chart_points(grid: Grid) -> list[str]:
    """Return the templates of the points of a chart; times are in milliseconds."""
    return [f'{{"timestamp":{epoch}000,"value":%s}}' for epoch in grid.epochs]


def text_of(identity: str) -> str:
    """Return an id as JSON."""
    return msgspec.json.encode(identity).decode()
