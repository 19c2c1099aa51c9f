"""What the routes of the history answer; the API's description is derived from it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from monitoring.wire.metrics import Unit
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


class HistorySeries(msgspec.Struct):
    """One metric: mean, lowest and highest of each bucket.

    The extremes are null where only the mean is known, as in Proxmox's own records. Of a share in percent they are those of what is
    used, by the mean of the total.
    """

    unit: Unit
    mean: Values
    low: Values
    high: Values


class HistoryEvent(msgspec.Struct):
    """What happened; instants are in milliseconds, `end` is null while it goes on, and for what has no length.

    `kind` is one of backup, migration, restore, snapshot, power, configuration, task, and `blind` for a time in which Pulse saw
    nothing: `code` is then `stopped`, `unreachable` or `paused`. `outcome` is ok, warning, failed, running, or empty.
    """

    kind: str
    code: str
    text: str
    outcome: str
    start: int
    end: int | None


class History(msgspec.Struct):
    """Series of one resource, or of a part of it: value `i` of each is of the `step` seconds from `start` (ms) + `i` * `step` on.

    `resolution` is the distance in seconds of the coarsest samples behind them; 0: there are none. `told` lists, as
    [start, end] in milliseconds, the times of which Proxmox's own records tell, Pulse having no samples.
    """

    id: str
    start: int
    step: int
    count: int
    resolution: int
    told: list[tuple[int, int]]
    series: dict[str, HistorySeries]
    events: list[HistoryEvent]
    part: Annotated[str, msgspec.Meta(description="As it was asked for; empty: the resource itself.")] = ""
