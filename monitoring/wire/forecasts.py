"""When something is full, as it is told; pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from monitoring.figures.staleness import age_seconds
from monitoring.known.forecasts import COVERAGE, Forecast, State
from nodes.identity import ObjectKind


class ForecastDetails(msgspec.Struct, frozen=True):
    """When something is full if it goes on as it did in the last 90 days.

    `state`: `full` now; `growing`; `not_growing`; `too_uncertain` whether it grows, or when it is full; `too_little`: it was not seen for
    three days yet; `unknown` how full it is now. `fullAt` is the day in the middle and lies from `earliest` to `latest` in a share
    `coverage` of all cases, or more; null is not within two years. While it is too uncertain, `earliest` is told alone: it will
    hardly be full before. `bytesPerDay` is what it grows by now; `seenDays` are the days with figures since `seenFrom`. `ageSeconds`
    is how long ago this was computed.
    """

    state: State
    full_at_epoch: float | None
    earliest_epoch: float | None
    latest_epoch: float | None
    coverage: float
    bytes_per_day: int | None
    used: int | None
    total: int | None
    seen_from_epoch: float | None
    seen_days: float
    age_seconds: int | None


class ListedForecast(ForecastDetails, frozen=True, kw_only=True):
    """When a resource or a part of it is full; the rest is as in the details of the resource.

    `part` is empty, or one that has no id of its own: `pool:tank` of a node, `filesystem:/var` of a guest, `datastore:main` of a PBS, `node:mx1`
    of a mail gateway. `name` is that of the resource.
    """

    resource_id: str
    part: str
    kind: ObjectKind
    name: str
    instance: str


#: By the part of a resource, "" for itself.
PartForecasts = Mapping[str, ForecastDetails]
NO_PART_FORECASTS: PartForecasts = {}


def forecast_details(forecast: Forecast, *, at_epoch: float) -> ForecastDetails:
    """Return what is told of a forecast."""
    return ForecastDetails(
        state=forecast.state,
        full_at_epoch=forecast.full_epoch,
        earliest_epoch=forecast.earliest_epoch,
        latest_epoch=forecast.latest_epoch,
        coverage=COVERAGE,
        bytes_per_day=whole(forecast.bytes_per_day),
        used=whole(forecast.used_bytes),
        total=whole(forecast.total_bytes),
        seen_from_epoch=forecast.seen_from_epoch,
        seen_days=round(forecast.seen_days, 2),
        age_seconds=whole(age_seconds(forecast.made_epoch, at_epoch=at_epoch)),
    )


def listed_forecast(
    forecast: Forecast,
    *,
    resource_id: str,
    part: str,
    kind: ObjectKind,
    name: str,
    instance: str,
    at_epoch: float,
) -> ListedForecast:
    """Return what is told of a forecast in a list."""
    details = msgspec.structs.asdict(forecast_details(forecast, at_epoch=at_epoch))
    return ListedForecast(
        **details, resource_id=resource_id, part=part, kind=kind, name=name, instance=instance
    )


def whole(value: float | None) -> int | None:
    """Return a whole number, None for None."""
    return None if value is None else round(value)
