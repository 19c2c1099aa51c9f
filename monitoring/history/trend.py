"""Which way a series goes, and how sure that is: robust against single jumps and against rhythms of days and weeks; pure.

Nothing here knows what the values mean. The numbers below that no reason gives were found with series whose future is known
(benchmarks/forecast.py).
"""

from __future__ import annotations

from math import log
from statistics import median
from typing import NamedTuple

from monitoring.history.jumps import Points, without_jumps

WEEK_DAYS = 7
#: With fewer days the rhythm of a week cannot be told from growth, nor the growth of their last third from that of all.
LEAST_WEEKS = 2
#: Noise hangs on: so many days of it are worth one.
TIED_DAYS = 3.0
#: By how much a walk is wider than it looks within the thirds of a series, which follow it, and within all of it.
WALK_IN_THIRDS, WALK_IN_ALL = 1.5, 4.0
#: What of the change of the growth may be gone tomorrow, as a deviation.
BEND_SHARE = 0.3
#: No growth is surer than this share of it; in a short series more, as if this were of so many days.
SURE_SHARE, SURE_DAYS = 0.02, 30.0
#: With fewer days one jump may be the first tooth of many.
ONE_TOOTH_DAYS = 28.0
#: How often the series may be above its swing.
SWING_SHARE = 0.95


class Trend(NamedTuple):
    """Where a series is now and how it goes on, in units and days.

    `swing` is how far above its level it comes now and then. After h days it is off by a variance of
    `level_variance + walk_variance * h + slope_variance * h * h`. `turn` is by which share the slope itself grows in a day.
    """

    level: float
    slope: float
    swing: float
    level_variance: float
    walk_variance: float
    slope_variance: float
    turn: float


class Pace(NamedTuple):
    """The slopes of a series, per point: of all, and of its thirds."""

    whole: float
    thirds: tuple[float, float, float]
    size: int

    def fitted(self) -> list[float]:
        """Return the line of the thirds; it begins at 0."""
        third, height, heights = self.size // 3, 0.0, []
        for place in range(self.size):
            heights.append(height)
            height += self.thirds[(place >= third) + (place >= self.size - third)]
        return heights


class Spread(NamedTuple):
    """How a series is spread around a line: noise, which stays, and a walk, whose variance grows with each point."""

    noise: float
    walk: float

    def of_slope(self, size: int, per_day: int) -> float:
        """Return the variance of a slope through so many points, per point."""
        return self.walk / size + 12 * self.noise * TIED_DAYS * per_day / size**3


def trend_of(values: Points, *, per_day: int) -> Trend | None:
    """Return the trend of points of which the last is now; None where they are too few."""
    days = len(values) / per_day
    rhythm = per_day * WEEK_DAYS if days >= LEAST_WEEKS * WEEK_DAYS else per_day
    raw = slope_of(values, rhythm)
    if raw is None:
        return None
    even = without_jumps(values, raw, per_day=per_day)
    pace = pace_of(even, raw if even is values else slope_of(even, rhythm) or 0.0, rhythm, per_day)
    fitted = pace.fitted()
    rests = [None if value is None else value - fit for value, fit in zip(even, fitted, strict=True)]
    third = pace.size // 3
    recent = sorted(rest for rest in rests[-max(rhythm, third) :] if rest is not None)
    if not recent:
        recent = sorted(rest for rest in rests if rest is not None)
    offset = median(recent)
    near = spread_of(rests, rhythm)
    far = walk_of(even, pace.whole, rhythm, per_day, least=near.walk)
    of_all, of_last = near.of_slope(pace.size, per_day), near.of_slope(third, per_day)
    bend = pace.thirds[2] - pace.whole
    trust = bend * bend / (bend * bend + of_all + of_last) if bend else 0.0
    slope = pace.whole + trust * bend
    variance = (
        (1 - trust) * of_all
        + trust * of_last
        + (far - near.walk) / pace.size
        + (BEND_SHARE * bend) ** 2
        + (SURE_SHARE * (1 + SURE_DAYS / days) * slope) ** 2
        # Whether it goes on with the jumps or without is the less sure the fewer days there are to compare.
        + (2 * (pace.whole - raw) * min(1.0, ONE_TOOTH_DAYS / days) ** 2) ** 2
    )
    return Trend(
        level=offset + fitted[-1],
        slope=slope * per_day,
        swing=max(0.0, recent[min(int(len(recent) * SWING_SHARE), len(recent) - 1)] - offset),
        level_variance=near.noise,
        walk_variance=far * per_day,
        slope_variance=variance * per_day * per_day,
        turn=turn_of(pace, trust) * per_day,
    )


def slope_of(values: Points, lag: int) -> float | None:
    """Return the median slope of all pairs that are multiples of `lag` points apart, per point; None without pairs.

    Theil and Sen took all pairs. Those whole rhythms apart have the same phase of it, so that it cannot look like a slope.
    """
    slopes = [
        (later - earlier) / distance
        for distance in range(lag, len(values), lag)
        for earlier, later in zip(values, values[distance:], strict=False)
        if earlier is not None and later is not None
    ]
    if not slopes:
        return None
    slopes.sort()
    return slopes[len(slopes) // 2]


def pace_of(values: Points, whole: float, rhythm: int, per_day: int) -> Pace:
    """Return the slopes of a series whose slope over all is known; those of its thirds where it is long enough."""
    size, third = len(values), len(values) // 3
    if rhythm == per_day:
        return Pace(whole, (whole, whole, whole), size)
    lag = rhythm if third > 1.4 * rhythm else min(per_day, third // 2)
    pieces = (values[:third], values[third : size - third], values[size - third :])
    first, second, last = (whole if (slope := slope_of(piece, lag)) is None else slope for piece in pieces)
    return Pace(whole, (first, second, last), size)


def turn_of(pace: Pace, trust: float) -> float:
    """Return by which share the slope grows with each point; 0 unless it does so from third to third."""
    if min(pace.thirds) <= 0 or trust <= 0.5:
        return 0.0
    first, second, last = pace.thirds
    early, late = log(second / first), log(last / second)
    return min(early, late, key=abs) * trust / (pace.size // 3) if early * late > 0 else 0.0


def spread_of(rests: Points, rhythm: int) -> Spread:
    """Return noise and walk around the line: noise is the same a rhythm later and two, a walk is further away."""
    once, twice = mean_square(rests, rhythm) or 0.0, mean_square(rests, 2 * rhythm)
    if twice is None:
        return Spread(once / 2, once / rhythm / 2)
    return Spread(once / 2, WALK_IN_THIRDS * max(twice - once, 0.0) / rhythm)


def walk_of(values: Points, slope: float, rhythm: int, per_day: int, *, least: float) -> float:
    """Return the walk around one line through all, from differences over a day, a rhythm and two."""
    rests = [None if value is None else value - slope * place for place, value in enumerate(values)]
    day, once, twice = (mean_square(rests, lag) for lag in (per_day, rhythm, 2 * rhythm))
    if twice is None:
        return least
    within = max((once or 0.0) - (day or 0.0), 0.0) / (rhythm - per_day) if rhythm > per_day else 0.0
    beyond = max(twice - (once or 0.0), 0.0) / rhythm
    return max(WALK_IN_ALL * (within + beyond) / 2, least)


def mean_square(values: Points, lag: int) -> float | None:
    """Return the mean square of the differences of values so many points apart; None without any."""
    squares = [
        (later - earlier) ** 2
        for earlier, later in zip(values, values[lag:], strict=False)
        if earlier is not None and later is not None
    ]
    return sum(squares) / len(squares) if squares else None
