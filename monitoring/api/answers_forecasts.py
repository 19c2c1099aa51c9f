"""What the routes about forecasts answer; the API's description is derived from it."""

from __future__ import annotations

import msgspec

from monitoring.wire.forecasts import ListedForecast
from monitoring.wire.spelling import spelled


class Forecasts(msgspec.Struct, rename="camel"):
    """Forecasts, what is full first; `count` is how many there are of what was asked for, `timestamp` is now, in Unix seconds."""

    forecasts: list[spelled(ListedForecast)]  # type: ignore[valid-type]
    count: int
    timestamp: int
