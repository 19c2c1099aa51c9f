"""What the routes of the history answer; the API's description is derived from it."""

from __future__ import annotations

import msgspec

from pulse.lib.instants import WireInstant

#: One value of each bucket, null where nothing is known.
Values = list[float | None]


class Point(msgspec.Struct):
    """One value of a series; `timestamp` is in milliseconds."""

    timestamp: int
    value: float


class ChartStatistics(msgspec.Struct, rename="camel"):
    """How far the points go back, in milliseconds."""

    oldest_data_timestamp: int


class Charts(msgspec.Struct, rename="camel"):
    """Series by resource id and name of the metric, each with the oldest point first.

    `data` holds the guests: `cpu`, `memory`, `disk` in percent, `diskread`, `diskwrite`, `netin`, `netout` in bytes per
    second; `nodeData` the nodes: `cpu`, `memory`, `disk`; `storageData` the storages: `disk`. A series without a point is
    one of which nothing is known, neither in the range nor now.
    """

    data: dict[str, dict[str, list[Point]]]
    node_data: dict[str, dict[str, list[Point]]]
    storage_data: dict[str, dict[str, list[Point]]]
    timestamp: int
    stats: ChartStatistics


class ChartColumns(msgspec.Struct, rename="camel"):
    """The same series as columns: value `i` of each is the mean of the `step` seconds from `start` (ms) + `i` * `step` on.

    All have `count` values, null where nothing is known. `resolution` is the distance in seconds of the coarsest samples behind
    them; 0: there are none. A metric of which nothing is known in this time is left out.
    """

    start: int
    step: int
    count: int
    resolution: int
    data: dict[str, dict[str, Values]]
    node_data: dict[str, dict[str, Values]]
    storage_data: dict[str, dict[str, Values]]
    timestamp: int
    stats: ChartStatistics


class StoragePoint(msgspec.Struct):
    """One value of a series of a storage."""

    value: float
    timestamp: WireInstant


class StorageSeries(msgspec.Struct):
    """The use of one storage: `usage` in percent, the others in bytes; empty where nothing is known."""

    usage: list[StoragePoint]
    used: list[StoragePoint]
    total: list[StoragePoint]
    avail: list[StoragePoint]


StorageCharts = dict[str, StorageSeries]
