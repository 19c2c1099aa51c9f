"""What a host has kept of the past by itself: averages of each object, and the samples of the last half hour."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

#: One value for each row or sample; None is not told.
Series = tuple[float | None, ...]


class RecordsReading(msgspec.Struct, frozen=True):
    """The rows of one answer of `rrddata` or `rrd` as columns of equal length, the oldest first.

    `starts_epoch` is when the span of a row begins and `widths_seconds` how long it is: rows of several widths may follow one another.
    `series` holds the columns by the name of the figure; a row of which nothing is told is a row of None.
    """

    starts_epoch: tuple[int, ...] = ()
    widths_seconds: tuple[int, ...] = ()
    series: Mapping[str, Series] = {}


class SamplesReading(msgspec.Struct, frozen=True, gc=False):
    """The samples of one figure: equal lengths, the oldest first, at most one of each second."""

    epochs: tuple[int, ...]
    values: tuple[float, ...]


class ExportedReading(msgspec.Struct, frozen=True):
    """One object of an export. `kind` is node, qemu, lxc, storage, host or datastore; `node` only that of a storage.

    `samples` holds gauges, `totals` what only rises until it begins anew, each by the name of the figure.
    """

    kind: str
    name: str
    node: str = ""
    samples: Mapping[str, SamplesReading] = {}
    totals: Mapping[str, SamplesReading] = {}
