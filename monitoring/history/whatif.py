"""When a threshold would have fired, had it been in force; pure. Source: alerts.md 2.1 to 2.3 and 2.10.

Of samples as they were taken this is what the rule does. Of buckets only the extremes are known: what they reached, they reached, but
not for how long; so it is asked whether it may have lasted for the delay, and told whether that is certain.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from monitoring.history.columns import Column, Grid

#: Samples are taken this far apart: a bucket of one sample has no duration.
SAMPLE_SECONDS = 10
#: A delay begins anew after so many buckets in which nothing is known, and so many seconds at least.
PENDING_GAP_BUCKETS, PENDING_GAP_SECONDS = 3, 60
#: An episode of which nothing is known for so long is over: the alert becomes stale.
STALE_SECONDS = 24 * 3600


class Rule(NamedTuple):
    """A threshold in the unit of its metric: fires at `trigger` or beyond for `delay_seconds`, is over at `clear` or short of it.

    `is_below`: beyond is downwards, and `clear` lies above.
    """

    trigger: float
    clear: float
    delay_seconds: int = 0
    is_below: bool = False


class Episode(NamedTuple):
    """One run from the first bucket at the trigger to the one at the clear level, which is not in it any more.

    `fired_epoch` is when the delay was over. `end_epoch` None: it was on at the end. `is_certain`: the delay was served for sure.
    `is_stale`: it was not seen to end, but nothing was known for a day.
    """

    start_epoch: int
    fired_epoch: int
    end_epoch: int | None
    peak: float
    is_certain: bool
    is_stale: bool = False


class Bucket(NamedTuple):
    """What is known of one bucket, upwards meaning beyond: how far it went at most and at least; exact unless it is its mean."""

    start_epoch: int
    furthest: float
    nearest: float
    is_exact: bool


class _Run:
    """What the rule remembers from bucket to bucket; `first` is where the trigger was first reached, `held` from where it held."""

    def __init__(self, rule: Rule, step_seconds: int) -> None:
        self.sign = -1.0 if rule.is_below else 1.0
        self.trigger, self.clear = rule.trigger * self.sign, rule.clear * self.sign
        self.delay, self.step = rule.delay_seconds, step_seconds
        self.first: int | None = None
        self.held: int | None = None
        self.fired: int | None = None
        self.peak = 0.0
        self.is_certain = False

    def see(self, bucket: Bucket) -> Episode | None:
        """Take the next known bucket; returns the episode that ended with it."""
        if bucket.furthest < self.trigger:
            self.held = None
            if self.fired is not None and bucket.nearest > self.clear:
                return None  # between the levels nothing changes
            return self.over(bucket.start_epoch)
        self.peak = bucket.furthest if self.first is None else max(self.peak, bucket.furthest)
        self.first = bucket.start_epoch if self.first is None else self.first
        if bucket.nearest < self.trigger or not bucket.is_exact:
            self.held = None
        elif self.held is None:
            self.held = bucket.start_epoch
        if self.fired is None and self._lasted(bucket, self.first) >= self.delay:
            self.fired = max(bucket.start_epoch, self.first + self.delay)
        if self.delay == 0 or (self.held is not None and self._lasted(bucket, self.held) >= self.delay):
            self.is_certain = True
        return None

    def over(self, end_epoch: int | None, *, is_stale: bool = False) -> Episode | None:
        """Begin anew; returns the episode that was on."""
        first, fired, peak, is_certain = self.first, self.fired, self.peak, self.is_certain
        self.first = self.held = self.fired = None
        self.is_certain = False
        if first is None or fired is None:
            return None
        return Episode(first, fired, end_epoch, peak * self.sign, is_certain, is_stale)

    def _lasted(self, bucket: Bucket, first_epoch: int) -> int:
        return bucket.start_epoch - first_epoch + max(self.step - SAMPLE_SECONDS, 0)


def fired(column: Column, grid: Grid, rule: Rule) -> list[Episode]:
    """Return the episodes that a rule would have had, the oldest first; those within one bucket are one.

    What is not known neither fires nor ends anything, until an episode is stale.
    """
    return list(_episodes(buckets_of(column, grid, is_below=rule.is_below), grid, rule))


def _episodes(buckets: Iterable[Bucket], grid: Grid, rule: Rule) -> Iterator[Episode]:
    run, step = _Run(rule, grid.step_seconds), grid.step_seconds
    longest = max(PENDING_GAP_BUCKETS * step, PENDING_GAP_SECONDS)
    known_until = grid.start_epoch
    for bucket in buckets:
        yield from _after_gap(run, known_until, bucket.start_epoch, longest)
        if (ended := run.see(bucket)) is not None:
            yield ended
        known_until = bucket.start_epoch + step
    yield from _after_gap(run, known_until, grid.end_epoch, longest)
    if (last := run.over(None)) is not None:
        yield last


def _after_gap(run: _Run, known_until: int, seen_epoch: int, longest: int) -> Iterator[Episode]:
    """Let the time pass in which nothing is known; yields the episode that it has ended."""
    gap = seen_epoch - known_until
    is_forgotten = gap >= STALE_SECONDS or (run.fired is None and gap > longest)
    if is_forgotten and (ended := run.over(known_until + STALE_SECONDS, is_stale=True)) is not None:
        yield ended


def buckets_of(column: Column, grid: Grid, *, is_below: bool) -> Iterator[Bucket]:
    """Yield the known buckets; where only a mean is known, it was reached, and how far it went otherwise is not certain."""
    for epoch, mean, low, high in zip(grid.epochs, column.means, column.lows, column.highs, strict=True):
        if mean is None:
            continue
        is_exact = low is not None and high is not None
        top, bottom = (mean if high is None else high), (mean if low is None else low)
        if is_below:
            yield Bucket(epoch, -bottom, -top, is_exact)
        else:
            yield Bucket(epoch, top, bottom, is_exact)
