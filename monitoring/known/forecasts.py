"""When what has a size will be full, as it was last computed; kept so that nobody who asks has to compute."""

from __future__ import annotations

from typing import Literal

import msgspec

from monitoring.known.kinds import Kind, Outline
from nodes.identity import ObjectKey

#: `too_uncertain`: it may be growing or not; `too_little`: too few days were seen; `unknown`: use or size is not known now.
State = Literal["full", "growing", "not_growing", "too_uncertain", "too_little", "unknown"]
#: How often the truth lies from the earliest to the latest instant (benchmarks/forecast.py).
COVERAGE = 0.8


class Forecast(msgspec.Struct, frozen=True, gc=False):
    """When something is full if it goes on as it did.

    The three instants are those of the same day in the middle, on the early side and on the late side; None: not within two years
    of `made_epoch`. While it is too uncertain only the earliest is told: it will hardly be full before. `bytes_per_day`
    is what it grows by, below 0 where it shrinks. `seen_days` are the days with figures that went in, `seen_from_epoch` the first.
    """

    state: State
    made_epoch: float
    full_epoch: float | None = None
    earliest_epoch: float | None = None
    latest_epoch: float | None = None
    bytes_per_day: float | None = None
    used_bytes: float | None = None
    total_bytes: float | None = None
    seen_from_epoch: float | None = None
    seen_days: float = 0.0


class Forecasts(msgspec.Struct, frozen=True):
    """The forecasts of one instance, by the kind of the object and its primary key; `looked_epoch` is when they were last renewed."""

    looked_epoch: float = 0.0
    by_kind: dict[str, dict[int, Forecast]] = {}

    def of(self, key: ObjectKey) -> Forecast | None:
        """Return that of an object, None while there is none."""
        return self.by_kind.get(key.kind, {}).get(key.pk)


NO_FORECASTS = Forecasts()
#: Kept of each instance.
FORECASTS = Kind("forecasts", Forecasts, Outline)
