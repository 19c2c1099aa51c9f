"""Samples of objects of one kind at common instants, as they are sent; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from monitoring.history.batches import Opened
from monitoring.history.blocks import Block as Sealed
from monitoring.history.metrics import BY_CODE, Kind, Metric

MINUTE = 60


class Block(NamedTuple):
    """The instants in order, the keys of the objects, and by metric a list of figures for each instant, one of each object.

    None is not known.
    """

    epochs: Sequence[int]
    pks: Sequence[int]
    columns: Mapping[Metric, Sequence[Sequence[float | None]]]

    @property
    def figure_count(self) -> int:
        """How many figures are known."""
        return sum(len(row) - row.count(None) for rows in self.columns.values() for row in rows)


def of_batch(opened: Opened) -> Iterator[tuple[Kind, Block]]:
    """Yield the kinds of a batch."""
    for kind in opened.kinds:
        pks = opened.pks(kind)
        columns: dict[Metric, list[list[float | None]]] = {}
        for code in opened.metrics(kind):
            metric, size = BY_CODE[code], len(pks)
            figures = metric.scale.figures
            every = [figures[one] for one in opened.plane(kind, code)]
            columns[metric] = [every[start : start + size] for start in range(0, len(every), size)]
        yield Kind(kind), Block(opened.epochs, pks, columns)


def of_sealed(sealed: Sealed, start_epoch: int, end_epoch: int) -> Block | None:
    """Return the part of a sealed block from an instant to before another, None for none."""
    places = [place for place, epoch in enumerate(sealed.epochs) if start_epoch <= epoch < end_epoch]
    if not places or not sealed.streams:
        return None
    first, last = places[0], places[-1] + 1
    series = {pk: sealed.series(pk) for pk in sealed.streams}
    nothing: list[float | None] = [None] * (last - first)
    columns: dict[Metric, list[tuple[float | None, ...]]] = {}
    for key in sorted({key for own in series.values() for key in own}):
        metric = BY_CODE[key[0]]
        figures = metric.scale.figures
        by_object = [
            [figures[code] for code in own[key][first:last]] if key in own else nothing
            for own in series.values()
        ]
        columns[metric] = list(zip(*by_object, strict=True))
    return Block(sealed.epochs[first:last], list(series), columns)


def between(block: Block, start_epoch: int, end_epoch: int) -> Block:
    """Return the instants of a block from one on and before another."""
    places = [place for place, epoch in enumerate(block.epochs) if start_epoch <= epoch < end_epoch]
    columns = {metric: [rows[place] for place in places] for metric, rows in block.columns.items()}
    return Block([block.epochs[place] for place in places], block.pks, columns)


def merged(blocks: Sequence[Block]) -> Block:
    """Return blocks of one kind as one, in the order of time; where an object or a metric is missing, its figures are None."""
    blocks = sorted(blocks, key=lambda one: one.epochs[0])
    metrics = dict.fromkeys(metric for one in blocks for metric in one.columns)
    pks = blocks[0].pks
    if any(one.pks != pks for one in blocks):
        pks = sorted({pk for one in blocks for pk in one.pks})
        blocks = [spread(one, pks) for one in blocks]
    nothing = [None] * len(pks)
    columns = {
        metric: [row for one in blocks for row in one.columns.get(metric, [nothing] * len(one.epochs))]
        for metric in metrics
    }
    return Block([epoch for one in blocks for epoch in one.epochs], pks, columns)


def spread(block: Block, pks: Sequence[int]) -> Block:
    """Return a block with these objects, which include its own."""
    places = {pk: place for place, pk in enumerate(block.pks)}
    wanted = [places.get(pk) for pk in pks]
    columns = {
        metric: [[None if place is None else row[place] for place in wanted] for row in rows]
        for metric, rows in block.columns.items()
    }
    return Block(block.epochs, pks, columns)


def means_of(block: Block) -> Block:
    """Return one sample for each series and minute, at the last instant of the minute: the mean of those that are known."""
    minutes = [
        list(places)
        for _, places in groupby(range(len(block.epochs)), lambda place: block.epochs[place] // MINUTE)
    ]
    columns = {
        metric: [list(map(mean, zip(*(rows[place] for place in places), strict=True))) for places in minutes]
        for metric, rows in block.columns.items()
    }
    return Block([block.epochs[places[-1]] for places in minutes], block.pks, columns)


def mean(figures: Sequence[float | None]) -> float | None:
    """Return the mean of the figures that are known."""
    found = [figure for figure in figures if figure is not None]
    return sum(found) / len(found) if found else None
