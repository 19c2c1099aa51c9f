"""How often the truth lies in the band of a forecast, by kind of series; against the straight line that PBS draws.

`.venv/bin/python -m benchmarks.forecast [series per kind] [first seed]`

The series are made, so that what comes is known: 90 days at six hours that a forecast sees, and two years and a half after them. The
settings of `monitoring.history.trend` were found with the seeds below 1,000,000; the default is another one.

`band` is how often it holds the truth, `early` how often the truth came after it, `late` before it. `told`, `never` and `unsure` are what was
said: growing, not growing, or neither. `soon` is how often a day within 60 days was named for what is not full in 120, by the
forecast and by the line; `error` by how much the day was off, of the days there were, by both; `wide` how many times as far away as
the early end the late end is. Errors and widths are medians.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import NamedTuple

from monitoring.history.columns import Column, Grid
from monitoring.history.forecast import HORIZON_DAYS, forecast
from monitoring.history.scales import SIZE

SEEN, AFTER, PER_DAY = 90, 910, 4
TOTAL = 1e12
START = 1_700_006_400
#: A date that makes somebody buy a disk.
SOON_DAYS = 60

Random = random.Random
Series = list[float]


class Made(NamedTuple):
    """A series as shares of the total: of all days, and of how many of them before now a forecast sees."""

    shares: Series
    seen_days: int = SEEN
    gaps: frozenset[int] = frozenset()


def days() -> Iterator[float]:
    """Yield the instants of a series, 0 is now."""
    return (step / PER_DAY - SEEN for step in range((SEEN + AFTER) * PER_DAY))


def line(rng: Random) -> tuple[float, float]:
    """Return where a line is now, and its slope per day: it was not empty before the first day, and is full in ten to 700."""
    level = rng.uniform(0.4, 0.95)
    slope = (1 - level) / math.exp(rng.uniform(math.log(10), math.log(700)))
    return level, min(slope, level / SEEN * 0.9)


def noisy(
    rng: Random, values: Iterator[float] | Series, least: float = 0.0003, most: float = 0.006
) -> Series:
    """Return a series with noise that hangs on for a while."""
    spread, tie = math.exp(rng.uniform(math.log(least), math.log(most))), rng.uniform(0, 0.9)
    state, result = 0.0, []
    for value in values:
        state = tie * state + math.sqrt(1 - tie * tie) * rng.gauss(0, spread)
        result.append(max(value + state, 0.0))
    return result


def linear(rng: Random) -> Made:
    """A line and noise."""
    level, slope = line(rng)
    return Made(noisy(rng, (level + slope * day for day in days())))


def weekly(rng: Random) -> Made:
    """A line with a wave of a week, on working days up and at the weekend down."""
    level, slope = line(rng)
    height, phase = rng.uniform(0.005, 0.03), rng.uniform(0, 7)
    shape = [0.0, 0.3, 0.6, 0.8, 1.0, 0.5, 0.2]
    return Made(
        noisy(rng, (level + slope * day + height * (shape[int(day + phase) % 7] - 0.5) for day in days()))
    )


def cleaned(rng: Random) -> Made:
    """A line; once or twice somebody has cleaned up."""
    level, slope = line(rng)
    drops = [(-rng.uniform(3, 87), rng.uniform(0.03, 0.3)) for _ in range(rng.choice((1, 1, 2)))]
    return Made(
        noisy(rng, (level + slope * day + sum(size for at, size in drops if day < at) for day in days()))
    )


def stepped(rng: Random) -> Made:
    """It grows by jumps only, every few days."""
    level, slope = line(rng)
    rate = rng.uniform(0.1, 1.5)
    value, values = level - slope * SEEN, []
    for _ in days():
        if rng.random() < rate / PER_DAY:
            value += slope / rate * rng.expovariate(1)
        values.append(value)
    return Made(noisy(rng, values, 0.0001, 0.001))


def pruned(rng: Random, *, grows: bool = True) -> Made:
    """Backups every night, and a prune job every so many days that takes most of them again."""
    level, slope = line(rng)
    slope = slope if grows else 0.0
    every, tooth = rng.choice((1, 7, 7, 14, 30)), rng.uniform(0.01, 0.12)
    phase = rng.uniform(0, every)
    return Made(
        noisy(
            rng,
            (level + slope * day + tooth * (math.floor((day + phase) % every) / every - 1) for day in days()),
            0.0001,
            0.003,
        )
    )


def exponential(rng: Random) -> Made:
    """What is added grows with what is there."""
    level, double = rng.uniform(0.3, 0.9), math.exp(rng.uniform(math.log(40), math.log(500)))
    return Made(noisy(rng, (min(level * 2 ** (day / double), 2.0) for day in days())))


def slowing(rng: Random) -> Made:
    """It grows less and less."""
    level, slope = line(rng)
    begun = rng.uniform(100, 300)
    return Made(
        noisy(
            rng, (level + slope * 2 * begun * (math.sqrt(max(day + begun, 0) / begun) - 1) for day in days())
        )
    )


def paced(rng: Random) -> Made:
    """A line that has become steeper or flatter within the days seen."""
    level, slope = line(rng)
    before, since = slope * math.exp(rng.uniform(-1.2, 1.2)), -rng.uniform(10, 80)
    return Made(
        noisy(rng, (level + slope * max(day, since) + before * min(day - since, 0) for day in days()))
    )


def wandering(rng: Random, *, grows: bool = True) -> Made:
    """Each day is another: a line that wanders away from itself."""
    level, slope = line(rng)
    slope = slope if grows else 0.0
    step = math.exp(rng.uniform(math.log(0.0005), math.log(0.006))) / math.sqrt(PER_DAY)
    value, values = 0.0, []
    for _ in days():
        value += slope / PER_DAY + rng.gauss(0, step)
        values.append(value)
    shift = level - values[SEEN * PER_DAY]
    return Made(noisy(rng, [value + shift for value in values], 0.0001, 0.001))


def short(rng: Random) -> Made:
    """Of a line with a small wave only a few days were seen."""
    made = rng.choice((linear, weekly, stepped))(rng)
    return made._replace(seen_days=rng.randint(3, 20))


def sparse(rng: Random) -> Made:
    """A line with holes: one of some weeks, and many of hours."""
    begin, length = rng.randint(0, 60), rng.randint(5, 25)
    hole = range(begin * PER_DAY, (begin + length) * PER_DAY)
    lost = {step for step in range(SEEN * PER_DAY) if step in hole or rng.random() < 0.2}
    return linear(rng)._replace(gaps=frozenset(lost))


def flat(rng: Random) -> Made:
    """Nothing happens, but for the last digits."""
    level = rng.uniform(0.3, 0.97)
    return Made(noisy(rng, (level for _ in days()), 0.00001, 0.0005))


def unquiet(rng: Random) -> Made:
    """It goes up and down for days, and nowhere."""
    level, spread, tie = rng.uniform(0.3, 0.9), rng.uniform(0.002, 0.015), rng.uniform(0.9, 0.99)
    state, values = 0.0, []
    for _ in days():
        state = tie * state + math.sqrt(1 - tie * tie) * rng.gauss(0, spread)
        values.append(level + state)
    return Made(values)


def flat_weekly(rng: Random) -> Made:
    """A wave of a week that goes nowhere."""
    made, level = weekly(rng), rng.uniform(0.3, 0.9)
    first, last = made.shares[0], made.shares[-1]
    slope = (last - first) / len(made.shares)
    return Made([share - first - slope * step + level for step, share in enumerate(made.shares)])


def flat_pruned(rng: Random) -> Made:
    """What the nights bring the prune job takes."""
    return pruned(rng, grows=False)


def flat_after(rng: Random) -> Made:
    """Flat, but once something large came or went."""
    level, at, size = rng.uniform(0.4, 0.9), -rng.uniform(3, 87), rng.uniform(-0.3, 0.3)
    return Made(noisy(rng, (level - (size if day < at else 0.0) for day in days()), 0.0001, 0.002))


def flat_wandering(rng: Random) -> Made:
    """It wanders, without a direction."""
    return wandering(rng, grows=False)


def flat_short(rng: Random) -> Made:
    """Of something flat only a few days were seen."""
    made = rng.choice((flat, unquiet, flat_weekly, flat_pruned))(rng)
    return made._replace(seen_days=rng.randint(3, 20))


GROWING = (linear, weekly, cleaned, stepped, pruned, exponential, slowing, paced, wandering, short, sparse)
FLAT = (flat, unquiet, flat_weekly, flat_pruned, flat_after, flat_wandering, flat_short)


class Case(NamedTuple):
    """What came of one series: days until it is full, None for not within the horizon."""

    state: str
    full: float | None
    earliest: float | None
    latest: float | None
    truth: float | None
    line: float | None
    seconds: float

    @property
    def is_told(self) -> bool:
        """Whether there is a band to hold."""
        return self.state == "growing"

    @property
    def is_covered(self) -> bool:
        """Whether the truth lies in it."""
        truth, last = self.truth or math.inf, self.latest or math.inf
        return (self.earliest or HORIZON_DAYS) - 0.25 <= truth <= last


def tried(made: Made) -> Case | None:
    """Return what comes of a series; None for one that is full already."""
    now = SEEN * PER_DAY
    figures = SIZE.figures
    kept: list[float | None] = [figures[SIZE.code(share * TOTAL)] for share in made.shares[:now]]
    first = now - made.seen_days * PER_DAY
    kept = [None if step < first or step in made.gaps else value for step, value in enumerate(kept)]
    if kept[-1] is None:
        kept[-1] = figures[SIZE.code(made.shares[now - 1] * TOTAL)]
    if max(value for value in kept[-PER_DAY:] if value is not None) >= TOTAL * 0.999:
        return None
    grid = Grid(START, 86400 // PER_DAY, now)
    totals: list[float | None] = [figures[SIZE.code(TOTAL)]] * now
    at = float(grid.end_epoch)
    begun = time.thread_time()
    result = forecast(Column(kept, [], []), Column(totals, [], []), grid, at_epoch=at)
    seconds = time.thread_time() - begun
    truth = next((step for step in range(now, len(made.shares)) if made.shares[step] >= 0.9995), None)

    def in_days(epoch: float | None) -> float | None:
        return None if epoch is None else (epoch - at) / 86400

    return Case(
        result.state,
        in_days(result.full_epoch),
        in_days(result.earliest_epoch),
        in_days(result.latest_epoch),
        None if truth is None or truth - now > HORIZON_DAYS * PER_DAY else (truth - now) / PER_DAY,
        straight_line(kept[-30 * PER_DAY :]),
        seconds,
    )


def straight_line(kept: list[float | None]) -> float | None:
    """Return in how many days a line by least squares through the last month is full, as PBS computes it; None: never."""
    points = [
        (step / PER_DAY - 30, value / TOTAL)
        for step, value in enumerate(kept, start=30 * PER_DAY - len(kept))
        if value is not None
    ]
    count = len(points)
    if count < 7:
        return None
    mean_day, mean = sum(day for day, _ in points) / count, sum(value for _, value in points) / count
    over = sum((day - mean_day) * (value - mean) for day, value in points)
    under = sum((day - mean_day) ** 2 for day, _ in points)
    slope = over / under if under else 0.0
    if slope <= 0:
        return None
    full = mean_day + (1 - mean) / slope
    return full if 0 < full <= HORIZON_DAYS else None


def error(told: float | None, truth: float | None) -> float:
    """Return how far a date is off, as a share of the days until the truth; what never comes counts as the horizon."""
    real = HORIZON_DAYS if truth is None else max(truth, 1.0)
    return abs((HORIZON_DAYS if told is None else told) - real) / real


def percent(count: int, of: int) -> str:
    """Return a share as text."""
    return f"{count / of:6.1%}" if of else "     -"


def main(series: int = 300, seed: int = 1_000_000) -> None:
    """Print a table of all kinds."""
    print(
        f"{'':16}{'band':>7}{'early':>7}{'late':>7}{'told':>7}{'never':>7}{'unsure':>7}{'soon':>7}{'line':>7}"
        f"{'error':>8}{'line':>8}{'wide':>7}"
    )
    groups: dict[str, list[Case]] = {"growing": [], "flat": []}
    for group, families in (("growing", GROWING), ("flat", FLAT)):
        for family in families:
            cases = list(filter(None, (tried(family(Random(seed + number))) for number in range(series))))
            groups[group] += cases
            report(family.__name__, cases)
        report(f"all {group}", groups[group])
    every = groups["growing"] + groups["flat"]
    report("all", every)
    seconds = sorted(case.seconds for case in every)
    print(
        f"CPU: median {median(seconds) * 1e3:.2f} ms, 99 % below {seconds[len(seconds) * 99 // 100] * 1e3:.2f} ms"
    )


def report(name: str, cases: list[Case]) -> None:
    """Print one line: coverage, how the rest misses, states, false alarms and errors."""
    told = [case for case in cases if case.is_told]
    missed = [case for case in told if not case.is_covered]
    early = sum((case.truth or math.inf) > (case.latest or math.inf) for case in missed)
    soon = [case for case in cases if (case.truth or math.inf) > 2 * SOON_DAYS]
    dated = [case for case in told if case.full is not None]
    widths = [case.latest / max(case.earliest, 1.0) for case in told if case.latest and case.earliest]
    print(
        f"{name:16}{percent(len(told) - len(missed), len(told)):>7}{percent(early, len(told)):>7}"
        f"{percent(len(missed) - early, len(told)):>7}{percent(len(told), len(cases)):>7}"
        f"{percent(sum(case.state == 'not_growing' for case in cases), len(cases)):>7}"
        f"{percent(sum(case.state in ('too_uncertain', 'too_little') for case in cases), len(cases)):>7}"
        f"{percent(sum(case.full is not None and case.full < SOON_DAYS for case in soon), len(soon)):>7}"
        f"{percent(sum(case.line is not None and case.line < SOON_DAYS for case in soon), len(soon)):>7}"
        f"{median(error(case.full, case.truth) for case in dated) if dated else math.nan:8.1%}"
        f"{median(error(case.line, case.truth) for case in dated) if dated else math.nan:8.1%}"
        f"{median(widths) if widths else math.nan:7.1f}"
    )


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
