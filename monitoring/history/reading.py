"""Series of any range on a grid: from the tier that fits, and from the others where that has nothing.

The newest samples are not sealed yet, and the oldest are left in coarse tiers alone, so a range is filled in turns: the tier that
fits, finer ones, coarser ones, and then what Proxmox itself has told. What is filled is not filled again, so that nothing counts twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from monitoring.choices import SpanSource, Tier
from monitoring.history.blocks import Aspect
from monitoring.history.columns import Column, Columns, Grid, Lines, Wanted
from monitoring.history.filling import filled, is_unknown
from monitoring.history.lines import lines_of, means_of
from monitoring.history.pages import Page
from monitoring.history.sealed_pages import sealed, spans_in
from monitoring.history.tiers import STEPS, tier_for
from monitoring.history.unsealed_pages import FEW, Minutes, of_head, unsealed
from monitoring.known.head import NO_HEAD, Head

#: Most buckets that are answered, whatever was asked for.
MOST_POINTS = 10_000


class Range(NamedTuple):
    """From an instant to before another, in epoch seconds."""

    start: int
    end: int


def grid_of(start_epoch: int, end_epoch: int, points: int) -> Grid:
    """Return a grid of this range with at most so many buckets and about that many, in whole buckets of the tier that fits."""
    length = max(end_epoch - start_epoch, 1)
    points = min(max(points, 1), MOST_POINTS)
    unit = STEPS[tier_for(length / points)]
    step = max(-(-length // (points * unit)), 1) * unit
    start = start_epoch // step * step
    return Grid(start, step, -(-(end_epoch - start) // step))


def read(
    instance_id: int,
    wanted: Wanted,
    *,
    start_epoch: int,
    end_epoch: int,
    points: int = 600,
    head: Head = NO_HEAD,
) -> Columns:
    """Return the series of what is wanted of one instance; an object of which nothing is known in the range is left out.

    `head` is that of the memory of its poll: the minute that is not saved yet. Where more than a few objects are wanted, their means
    are all that is told: who looks at ten thousand of them sees no extremes.
    """
    grid = grid_of(start_epoch, end_epoch, points)
    # Ten thousand objects are never asked for in steps finer than a minute.
    if not are_few(wanted) and grid.step_seconds >= STEPS[Tier.MINUTE]:
        return columns_of(
            read_lines(
                instance_id,
                wanted,
                start_epoch=start_epoch,
                end_epoch=end_epoch,
                points=points,
                head=head,
            )
        )
    found = [page for page in pages_of(instance_id, wanted, grid, head, has_samples=True) if page.kept]
    return Columns(grid, filled(found, grid), resolution_in(found), told_by(found))


def read_lines(
    instance_id: int,
    wanted: Wanted,
    *,
    start_epoch: int,
    end_epoch: int,
    points: int = 600,
    head: Head = NO_HEAD,
    minutes: Minutes | None = None,
) -> Lines:
    """Return the means of many objects, as `read` does, as codes.

    `minutes` are to be the same for several readings of one range, of other objects each.
    """
    grid = grid_of(start_epoch, end_epoch, points)
    unit = STEPS[tier_for(grid.step_seconds)]
    width = grid.step_seconds // unit
    has_samples = unit < STEPS[Tier.MINUTE]
    pages = pages_of(
        instance_id, wanted, grid, head, has_samples=has_samples, minutes=minutes, has_extremes=False
    )
    found = [page for page in pages if page.kept]
    lines = lines_of(found, Grid(grid.start_epoch, unit, grid.size * width))
    return Lines(grid, width, lines, resolution_in(found), told_by(found))


def columns_of(lines: Lines) -> Columns:
    """Return lines as columns."""
    nothing: list[float | None] = [None] * lines.grid.size
    series = {
        key: {
            metric: Column(means_of(line, lines.width, metric.scale.figures), nothing, nothing)
            for metric, line in own.items()
            if not is_unknown(line)
        }
        for key, own in lines.series.items()
    }
    return Columns(
        lines.grid, {key: own for key, own in series.items() if own}, lines.resolution_seconds, lines.told
    )


def resolution_in(found: Sequence[Page]) -> int:
    """Return the distance of the coarsest points of pages."""
    return max((page.resolution for page in found), default=0)


def told_by(found: Sequence[Page]) -> tuple[tuple[int, int], ...]:
    """Return of which time Proxmox has told."""
    return tuple(
        merged([Range(*span) for page in found if page.source == SpanSource.PROXMOX for span in page.kept])
    )


def are_few(wanted: Wanted) -> bool:
    """Return whether it is few enough objects for all that is known of them to be read."""
    return all(pks is not None and len(pks) <= FEW for pks, _ in wanted.values())


def pages_of(
    instance_id: int,
    wanted: Wanted,
    grid: Grid,
    head: Head,
    *,
    has_samples: bool,
    minutes: Minutes | None = None,
    has_extremes: bool = True,
) -> Iterator[Page]:
    """Yield the pages that fill the grid, each with the parts of it that it fills.

    A gap within a span of our own is a gap: a coarser tier, whose buckets hide it, fills only what has no span. What Proxmox has told
    fills every gap.
    """
    fitting = tier_for(grid.step_seconds)
    order = [
        fitting,
        *reversed([tier for tier in Tier if tier < fitting]),
        *[tier for tier in Tier if tier > fitting],
    ]
    whole = [Range(grid.start_epoch, grid.end_epoch)]
    unread, unknown = whole, whole
    spans = spans_in(instance_id, whole, only=fitting)
    for tier in order:
        aspects = aspects_of(tier, fitting, has_extremes=has_extremes)
        found = sealed(instance_id, spans, wanted, tier, SpanSource.OWN, unread, aspects=aspects)
        if tier == fitting:
            found += unsealed(instance_id, wanted, unread, has_samples=has_samples, minutes=minutes)
            found += of_head(head, wanted, has_samples=has_samples)
        for page in found:
            page.kept = shared(page.covered, unread)
            unread, unknown = without(unread, page.span or page.kept), without(unknown, page.kept)
            yield page
        if tier == fitting:
            spans = spans_in(instance_id, worth([Range(*one) for one in merged([*unread, *unknown])]))
    for tier in order:
        for page in sealed(instance_id, spans, wanted, tier, SpanSource.PROXMOX, worth(unknown)):
            page.kept = shared(page.covered, unknown)
            unknown = without(unknown, page.kept)
            yield page


def aspects_of(tier: Tier, fitting: Tier, *, has_extremes: bool) -> tuple[Aspect, ...]:
    """Return what is looked at: how many samples there were only where several points may meet."""
    if has_extremes:
        return tuple(Aspect)
    return (Aspect.MEAN,) if tier >= fitting else (Aspect.MEAN, Aspect.COUNT)


def worth(ranges: list[Range]) -> list[Range]:
    """Return those of the ranges that are long enough for anybody to have taken a sample in between."""
    return [one for one in ranges if one.end - one.start >= STEPS[Tier.TEN_SECONDS]]


def shared(some: Sequence[tuple[int, int]], others: Sequence[Range]) -> list[tuple[int, int]]:
    """Return what both have; each is in order."""
    return [
        (max(start, one.start), min(end, one.end))
        for start, end in some
        for one in others
        if start < one.end and one.start < end
    ]


def without(missing: list[Range], filled: Sequence[tuple[int, int]]) -> list[Range]:
    """Return what is left of ranges without others; both are in order."""
    left = missing
    for start, end in filled:
        left = [
            part
            for one in left
            for part in (Range(one.start, min(one.end, start)), Range(max(one.start, end), one.end))
            if part.start < part.end
        ]
    return left


def merged(ranges: list[Range]) -> list[tuple[int, int]]:
    """Return the same with those that touch made one, in order."""
    every: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if every and start <= every[-1][1]:
            every[-1] = (every[-1][0], max(end, every[-1][1]))
        else:
            every.append((start, end))
    return every
