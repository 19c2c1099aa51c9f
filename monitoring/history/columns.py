"""What is asked of the history, and what comes back; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from monitoring.history.metrics import Kind, Metric

#: The objects wanted of each kind by primary key, None for all; and which metrics.
Wanted = Mapping[Kind, tuple[Collection[int] | None, Collection[Metric]]]


class Grid(NamedTuple):
    """Buckets of one width: number i begins at `start_epoch + i * step_seconds`; the start is a multiple of the step."""

    start_epoch: int
    step_seconds: int
    size: int

    @property
    def end_epoch(self) -> int:
        """The first second after the last bucket."""
        return self.start_epoch + self.size * self.step_seconds

    @property
    def epochs(self) -> range:
        """The starts of the buckets."""
        return range(self.start_epoch, self.end_epoch, self.step_seconds)


class Column(NamedTuple):
    """One series on a grid: a value of each bucket, None where nothing is known (a gap, never zero).

    `lows` and `highs` are the extremes within each bucket, so that no peak is lost by a mean; None where only the mean is known,
    as in Proxmox's own records.
    """

    means: list[float | None]
    lows: list[float | None]
    highs: list[float | None]


class Columns(NamedTuple):
    """Series on a common grid, by object.

    `resolution_seconds` is the distance of the coarsest samples that went in; 0: there are none. What Proxmox's own records
    told instead of samples of our own is in `told`, as (first second, first second after) in order.
    """

    grid: Grid
    series: dict[tuple[Kind, int], dict[Metric, Column]]
    resolution_seconds: int
    told: tuple[tuple[int, int], ...] = ()


class Lines(NamedTuple):
    """The means of many objects, as codes on a grid as fine as a tier: each `width` neighbours are one bucket of `grid`.

    The rest is as with Columns.
    """

    grid: Grid
    width: int
    series: dict[tuple[Kind, int], dict[Metric, list[int]]]
    resolution_seconds: int
    told: tuple[tuple[int, int], ...] = ()
