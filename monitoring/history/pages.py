"""What lies in the database of a range, as pages: spans of blocks, or the samples that are not sealed yet; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from monitoring.choices import SpanSource, Tier
from monitoring.history.metrics import Kind, Metric
from monitoring.history.tiers import STEPS

#: A sample stands for the time until the next one, unless that comes later than so many usual distances: then there is a gap.
MOST_DISTANCES = 2.5


class Codes(NamedTuple):
    """One series of a page, a code for each point. Without extremes each point is one sample, or only its mean is known."""

    means: Sequence[int]
    below: Sequence[int] | None = None  # how far the lowest lies below the mean
    above: Sequence[int] | None = None
    counts: Sequence[int] | None = None


Objects = Callable[[], Iterator[tuple[int, dict[Metric, Codes]]]]


@dataclass(slots=True)
class Strip:
    """Objects of one kind with a common line of time: starts and widths of the points, in order."""

    kind: Kind
    epochs: Sequence[int]
    widths: Sequence[int]
    objects: Objects


@dataclass(slots=True)
class Page:
    """Strips of one source. `covered` is the time of which it tells, `kept` the part that is taken from it, both in epoch seconds."""

    source: SpanSource
    resolution: int
    covered: list[tuple[int, int]]
    strips: list[Strip]
    has_extremes: bool = False  # a sample is its own lowest and highest
    span: list[tuple[int, int]] = field(
        default_factory=list
    )  # all of the time of which there is nothing else
    kept: list[tuple[int, int]] = field(default_factory=list)


def widths_of(epochs: Sequence[int]) -> list[int]:
    """Return for how long each sample stands: until the next one, or for the usual distance before a gap and at the end."""
    distances = [after - before for before, after in pairwise(epochs)]
    usual = max(int(median(distances)), STEPS[Tier.TEN_SECONDS]) if distances else STEPS[Tier.TEN_SECONDS]
    longest = MOST_DISTANCES * usual
    return [one if one <= longest else usual for one in distances] + [usual] * (len(epochs) > 0)


def covered_by(strips: Sequence[Strip]) -> list[tuple[int, int]]:
    """Return the time of which strips tell."""
    spans = sorted(
        {span for one in {id(strip.epochs): strip for strip in strips}.values() for span in stretches(one)}
    )
    every: list[tuple[int, int]] = []
    for start, end in spans:
        if every and start <= every[-1][1]:
            every[-1] = (every[-1][0], max(end, every[-1][1]))
        else:
            every.append((start, end))
    return every


def stretches(strip: Strip) -> list[tuple[int, int]]:
    """Return the time of which a strip tells, points that touch made one."""
    found: list[tuple[int, int]] = []
    for epoch, width in zip(strip.epochs, strip.widths, strict=True):
        if found and epoch <= found[-1][1]:
            found[-1] = (found[-1][0], max(epoch + width, found[-1][1]))
        else:
            found.append((epoch, epoch + width))
    return found


def resolution_of(strip: Strip) -> int:
    """Return the usual distance of the points, in seconds."""
    return int(median(strip.widths)) if strip.widths else 0
