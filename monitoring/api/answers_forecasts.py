"""What the routes about forecasts and thresholds answer; the API's description is derived from it."""

from __future__ import annotations

from typing import Literal

import msgspec

from monitoring.wire.forecasts import ListedForecast
from monitoring.wire.metrics import Unit
from monitoring.wire.spelling import spelled


class Forecasts(msgspec.Struct, rename="camel"):
    """Forecasts, what is full first; `count` is how many there are of what was asked for, `timestamp` is now, in Unix seconds."""

    forecasts: list[spelled(ListedForecast)]  # type: ignore[valid-type]
    count: int
    timestamp: int


class Episode(msgspec.Struct, rename="camel"):
    """Once that the threshold would have fired: from when it was first reached to when the value was at the clear level, in milliseconds.

    `fired` is when the delay was over. `end` is null while it is on at the end of the time. `isCertain`: the delay was served for sure; else
    the value may have been short of the trigger in between. `isStale`: it was not seen to end, but nothing was known for a day.
    """

    start: int
    fired: int
    end: int | None
    peak: float
    is_certain: bool
    is_stale: bool


class FiredResource(msgspec.Struct, rename="camel"):
    """The episodes of one resource, the newest at most; `count` are all. `seconds` is how long it was on in all.

    `known` is the share of the time in which the metric is known.
    """

    id: str
    count: int
    certain_count: int
    seconds: int
    known: float
    episodes: list[Episode]


class FiredTotals(msgspec.Struct, rename="camel"):
    """How many resources were looked at, how many of them would have fired, and how often."""

    resources: int
    fired: int
    episodes: int
    certain_episodes: int
    seconds: int


class Limitation(msgspec.Struct, rename="camel"):
    """What the kept figures cannot tell."""

    code: Literal["delay", "episodes", "peaks", "gaps"]
    text: str


class WhatIf(msgspec.Struct, rename="camel"):
    """When a threshold would have fired. `start` and `end` are in milliseconds, `step` and `resolution` in seconds.

    `step` is the width of the buckets that were looked at, `resolution` that of the coarsest figures in them. `told` are
    the times, as [start, end), of which only Proxmox's own records tell: their means. `missing` are the ids that are not there. The
    resources that would have fired most often come first.
    """

    metric: str
    unit: Unit
    trigger: float
    clear: float
    delay_seconds: int
    is_below: bool
    start: int
    end: int
    step: int
    resolution: int
    told: list[tuple[int, int]]
    totals: FiredTotals
    resources: list[FiredResource]
    missing: list[str]
    limitations: list[Limitation]
