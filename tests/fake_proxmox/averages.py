"""Means of the curves over a span of time, as RRD keeps them; pure.

In closed form where there is one: a row of a year costs no more than one of a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import cos, pi, sin
from typing import NamedTuple

from tests.fake_proxmox import curves
from tests.fake_proxmox.curves import DAY_SECONDS, Load

HALF_HOUR = 1_800
#: Over a longer span the jitter of each ten seconds is nothing, and so are single bursts over a much longer one.
JITTER_SECONDS = 120
BURSTS_SECONDS = 21_600
#: In so many parts of a row its highest mean is looked for.
PARTS = 6
#: A row of which less is known tells nothing.
KNOWN_RATIO = 0.5


class Span(NamedTuple):
    """From one instant to a later one, in epoch seconds; `is_peak` asks for the highest mean within it instead of the mean."""

    start: float
    end: float
    is_peak: bool = False

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """The instant in the middle."""
        return (self.start + self.end) / 2

    def of(self, mean: Callable[[Span], float]) -> float:
        """Return a mean over the span, or the highest of its parts."""
        if not self.is_peak:
            return mean(self)
        width = self.seconds / PARTS
        return max(
            mean(Span(self.start + width * part, self.start + width * (part + 1))) for part in range(PARTS)
        )


def known_part(span: Span, *, since: float, until: float, off: Iterable[tuple[float, float]]) -> Span | None:
    """Return the part of a span in which something was there, None when that is too little of it."""
    start, end = max(span.start, since), min(span.end, until)
    missing = sum(max(0.0, min(end, up) - max(start, down)) for down, up in off)
    if end - start - missing < span.seconds * KNOWN_RATIO:
        return None
    return Span(start, end, span.is_peak)


def cpu_ratio(load: Load, span: Span) -> float:
    """Return the CPU use over a span, 0 to 1."""
    return min(0.995, span.of(lambda part: _cpu(load, part)))


def memory_ratio(load: Load, span: Span) -> float:
    """Return the memory use over a span, 0 to 1."""
    return min(0.99, span.of(lambda part: _memory(load, part)))


def network_ratio(load: Load, span: Span) -> float:
    """Return the activity of the network over a span: 1 is its mean."""
    return span.of(lambda part: _growth(curves.busy_seconds, load, part))


def disk_ratio(load: Load, span: Span) -> float:
    """Return the activity of the disks over a span: 1 is its mean."""
    return span.of(lambda part: _growth(curves.disk_seconds, load, part))


def _cpu(load: Load, span: Span) -> float:
    jitter = _jitter(load.seed, span)
    return load.cpu_ratio * (
        1.0
        + 0.45 * _swell(DAY_SECONDS, load.day_phase, span)
        + 0.22 * _swell(load.wave_seconds, load.wave_phase, span)
        + 0.16 * jitter
    ) + _bursts(load, span)


def _memory(load: Load, span: Span) -> float:
    return load.memory_ratio * (
        1.0
        + 0.05 * _swell(DAY_SECONDS, load.day_phase, span)
        + 0.012 * _swell(load.wave_seconds, load.wave_phase, span)
    )


def _growth(total: Callable[[Load, float], float], load: Load, span: Span) -> float:
    return (total(load, span.end) - total(load, span.start)) / span.seconds


def _swell(period: float, phase: float, span: Span) -> float:
    """Return the mean of a sine of a period in seconds."""
    turn = 2 * pi / period
    return (cos(span.start * turn + phase) - cos(span.end * turn + phase)) / (turn * span.seconds)


def _jitter(seed: int, span: Span) -> float:
    if span.seconds > JITTER_SECONDS:
        return 0.0
    first, last = int(span.start * 0.1), max(int(span.start * 0.1) + 1, int(span.end * 0.1))
    return sum(curves.noise(seed, step) for step in range(first, last)) / (last - first)


def _bursts(load: Load, span: Span) -> float:
    """Return what bursts add: of a long span what is to be expected, else each by its own shape."""
    if load.burst_chance <= 0:
        return 0.0
    if span.seconds > BURSTS_SECONDS:
        return load.burst_chance * 0.55 / 2
    total = 0.0
    for number in range(int(span.start // HALF_HOUR), int(span.end / HALF_HOUR) + 1):
        draw = curves.noise(load.seed + 1, number) * 0.5 + 0.5
        if draw < load.burst_chance:
            height = 0.25 + 0.6 * draw / load.burst_chance
            begin = min(1.0, max(0.0, span.start / HALF_HOUR - number))
            end = min(1.0, max(0.0, span.end / HALF_HOUR - number))
            total += height * (_bump(end) - _bump(begin)) * HALF_HOUR
    return total / span.seconds


def _bump(part: float) -> float:
    """Return the integral of a burst over the first part of its half hour, 0 to 1."""
    return part / 2 - sin(2 * pi * part) / (4 * pi)
