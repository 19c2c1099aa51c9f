"""When something with a size is full, from what was used of it in the last months; pure.

A trend (monitoring.history.trend) reaches the size on the early side, in the middle and on the late side of what it may be off by.
How often the truth lies between is measured by benchmarks/forecast.py.
"""

from __future__ import annotations

from math import inf, log, sqrt
from statistics import median_low

from msgspec.structs import replace

from monitoring.history.columns import Column, Grid
from monitoring.history.jumps import Points
from monitoring.history.trend import Trend, trend_of
from monitoring.known.forecasts import Forecast

DAY_SECONDS = 86400
#: What is further away is told as "not within two years".
HORIZON_DAYS = 730.0
#: Whose newest figure is further away from now is not known now.
KNOWN_SECONDS = 2 * DAY_SECONDS
#: With figures of fewer days nothing is said.
LEAST_DAYS = 3.0
#: From so many days on a day is one point.
DAILY_FROM_DAYS = 28.0
#: So full is full: the steps in which sizes are kept are a thousandth wide.
FULL_SHARE = 0.999
#: A size that changes by this share at once was changed by somebody. By less: others take from the same space, as on a pool.
RESIZE_SHARE = 0.02
#: How far ahead figures of so many days are good for, as multiples of them: (fewer days than, multiple).
REACHES = ((14.0, 2.0), (28.0, 6.0))
#: A band says nothing any more whose late end is so many times as far away as its early end.
WIDEST = 6.0
#: How many deviations of the trend the ends of the band are away.
DEVIATIONS = 0.8
#: Which part of the swing comes on top at the early end, in the middle and at the late end.
SWINGS = (1.0, 0.7, 0.4)
#: Which part of the turn goes on: at the early end, where it quickens, in the middle, and at the late end, where it slows down.
TURNS = (2.2, 0.5, 1.8)


def forecast(used: Column, totals: Column, grid: Grid, *, at_epoch: float) -> Forecast:
    """Return when it is full. `used` and `totals` are of one grid, whose steps divide a day; the newest total counts."""
    spent = spent_of(used.means, totals.means)
    places = [place for place, value in enumerate(spent) if value is not None]
    if not places:
        return Forecast("unknown", at_epoch)
    until_epoch = grid.epochs[places[-1]] + grid.step_seconds
    if abs(at_epoch - until_epoch) > KNOWN_SECONDS:
        return Forecast("unknown", at_epoch)
    points, per_day = spent[places[0] : places[-1] + 1], DAY_SECONDS // grid.step_seconds
    now, total = points[-1] or 0.0, next(value for value in reversed(totals.means) if value is not None)
    seen = Forecast(
        "unknown",
        at_epoch,
        used_bytes=now,
        total_bytes=total,
        seen_from_epoch=float(grid.epochs[places[0]]),
        seen_days=len(places) / per_day,
    )
    if total <= 0:
        return seen
    if now >= total * FULL_SHARE:
        return replace(seen, state="full", full_epoch=at_epoch)
    is_long = len(points) >= DAILY_FROM_DAYS * per_day
    trend = trend_of(daily(points, per_day), per_day=1) if is_long else trend_of(points, per_day=per_day)
    if seen.seen_days < LEAST_DAYS or trend is None:
        return replace(seen, state="too_little")
    # What the trend calls now is the middle of its last point.
    lag = 0.5 - 0.5 / per_day if is_long else 0.0
    origin_epoch = until_epoch - grid.step_seconds / 2 - lag * DAY_SECONDS
    seen = replace(seen, bytes_per_day=trend.slope)
    now_there = now - lag * trend.slope
    return judged(seen, trend, now_there, origin_epoch=origin_epoch, days=len(points) / per_day)


def spent_of(used: Points, totals: Points) -> list[float | None]:
    """Return what is used of the newest total; what others have taken from it since counts as used."""
    later: float | None = None
    taken, spent = 0.0, list[float | None]()
    for value, total in zip(reversed(used), reversed(totals), strict=True):
        if total is not None:
            if later is not None and abs(total - later) < RESIZE_SHARE * later:
                taken += later - total
            later = total
        spent.append(None if value is None or later is None else value + taken)
    spent.reverse()
    return spent


def daily(points: Points, per_day: int) -> list[float | None]:
    """Return the medians of the days that end with the last point, None of a day without any."""
    days = (points[place : place + per_day] for place in range(len(points) % per_day, len(points), per_day))
    known = ([value for value in day if value is not None] for day in days)
    return [median_low(values) if values else None for values in known]


def judged(seen: Forecast, trend: Trend, now: float, *, origin_epoch: float, days: float) -> Forecast:
    """Return the forecast that a trend gives, which begins at `origin_epoch` and was seen for so many days."""
    early, middle, late = instants_of(trend, now, seen.total_bytes or 0.0)
    first, full, last = (_epoch_in(one, origin_epoch, seen.made_epoch) for one in (early, middle, late))
    told = replace(seen, earliest_epoch=first)
    if late == inf and first is None:  # it may as well be shrinking
        return replace(told, state="not_growing")
    reach = next((multiple * days for fewer, multiple in REACHES if days < fewer), inf)
    is_wide = first is not None and late > WIDEST * max(early, 1.0)
    if late == inf or is_wide or middle > reach:
        return replace(told, state="too_uncertain")
    return replace(told, state="growing", full_epoch=full, latest_epoch=last)


def instants_of(trend: Trend, now: float, total: float) -> tuple[float, float, float]:
    """Return after how many days it is full: at the earliest, in the middle, at the latest; infinite for never."""
    level = max(trend.level, now - trend.swing)
    most, medium, least = (max(total - level - share * trend.swing, 0.0) for share in SWINGS)
    early, late = edges_of(trend, most)[0], edges_of(trend, least)[1]
    middle = medium / trend.slope if trend.slope > 0 else inf
    if trend.turn > 0:
        early = turned(early, trend.turn * TURNS[0])
    elif trend.turn < 0:
        late = turned(late, trend.turn * TURNS[2])
    middle = max(turned(middle, trend.turn * TURNS[1]), early)
    return early, middle, max(late, middle)


def edges_of(trend: Trend, room: float) -> tuple[float, float]:
    """Return after how many days the early and the late edge of the band have used up the room; infinite for never.

    That is where the distance of the line from the end of the room is `DEVIATIONS` deviations: a quadratic equation.
    """
    wide = DEVIATIONS * DEVIATIONS
    square = trend.slope**2 - wide * trend.slope_variance
    linear = 2 * room * trend.slope + wide * trend.walk_variance
    constant = room**2 - wide * trend.level_variance
    within = linear * linear - 4 * square * constant
    roots = list[float]()
    if square and within >= 0:
        roots = [(linear + sign * sqrt(within)) / (2 * square) for sign in (-1, 1)]
    ahead = sorted(root for root in roots if root >= 0)
    early = 0.0 if constant <= 0 else ahead[0] if ahead else inf
    is_sure = square > 0 and trend.slope > 0
    return early, ahead[-1] if is_sure and ahead else inf


def turned(days: float, turn: float) -> float:
    """Return in how many days the same is used up by a slope that grows by the share `turn` with each day."""
    if not turn or days == inf:
        return days
    inner = 1 + turn * days
    return log(inner) / turn if inner > 0 else inf


def _epoch_in(days: float, origin_epoch: float, at_epoch: float) -> float | None:
    """Return the instant so many days after the origin, now at the earliest; None beyond the horizon."""
    return max(at_epoch, origin_epoch + days * DAY_SECONDS) if days <= HORIZON_DAYS else None
