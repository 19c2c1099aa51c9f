"""Years of history, written as they lie once they are compacted; to be imported when Django is set up."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from monitoring.choices import Tier
from monitoring.history import sealing
from monitoring.history.blocks import Aspect, Series
from monitoring.history.compacting import month_of
from monitoring.history.metrics import CPU, DISK_WRITE, MEMORY_USED, METRICS, NETWORK_IN, NETWORK_OUT, Kind
from monitoring.history.sealing import Writer
from monitoring.history.tiers import DAY, DAYS, HOUR, STEPS
from nodes.models import Instance

NIGHT = 8 * HOUR
#: What there is of a virtual machine of which nothing else is read: no swap, no pressure.
CODES = [metric.code for metric in METRICS[Kind.GUEST][:9]]
#: Of them, what moves: sizes in all stay for months, and a virtual machine tells of its disk nothing that moves.
MOVING = [metric.code for metric in (CPU, MEMORY_USED, NETWORK_IN, NETWORK_OUT, DISK_WRITE)]
#: The longest span of each tier once it is compacted, in seconds; those of six hours are whole months.
SPANS = {Tier.TEN_SECONDS: HOUR, Tier.MINUTE: HOUR, Tier.FIVE_MINUTES: DAY, Tier.HOUR: DAY}


@cache
def walks(count: int, instants: int) -> list[list[int]]:
    """Return the codes of so many objects at each instant: half of them move a little each time."""
    codes = [random.randrange(50, 900) for _ in range(count)]
    every = [codes]
    while len(every) < instants:
        codes = [max(code + random.choice((-2, -1, 0, 0, 0, 0, 1, 2)), 0) for code in codes]
        every.append(codes)
    return every


def fill_years(instance: Instance, guests: Sequence[int], at_epoch: int) -> None:
    """Write two years as they are once they are compacted: spans of an hour, a day or a month of each tier as long as it stays."""
    midnight = at_epoch // DAY * DAY
    for tier in SPANS:
        days = min(int(DAYS[tier]), 730)
        whole = midnight - days * DAY
        for start in range(whole, midnight, SPANS[tier]):
            add_span(instance, guests, tier, start, start + SPANS[tier])
        if tier <= Tier.MINUTE:
            # The hours of today, up to the one that is written sample by sample.
            for start in range(midnight, at_epoch // HOUR * HOUR - HOUR, HOUR):
                add_span(instance, guests, tier, start, start + HOUR)
    start = midnight - 730 * DAY
    while start < midnight:
        month = month_of(start)
        # The month that is not over lies in days.
        ends = [month[1]] if month[1] <= midnight else range(start // DAY * DAY + DAY, midnight + DAY, DAY)
        for end in ends:
            add_span(instance, guests, Tier.SIX_HOURS, start, end)
            start = end


def add_span(instance: Instance, guests: Sequence[int], tier: Tier, start: int, end: int) -> None:
    """Write one span."""
    step = STEPS[tier]
    epochs = range(start, end, step)
    columns = list(zip(*walks(len(guests), len(epochs)), strict=True))
    deep = [place % 3 for place in range(len(epochs))]
    writer = Writer(epochs)
    for pk, codes in zip(guests, columns, strict=True):
        series: Series = {}
        for code in CODES:
            is_moving = code in MOVING
            series[code, Aspect.MEAN] = codes if is_moving else [1000] * len(codes)
            if tier != Tier.TEN_SECONDS:
                series[code, Aspect.LOW] = series[code, Aspect.HIGH] = deep if is_moving else [0] * len(codes)
                series[code, Aspect.COUNT] = [step // 10] * len(codes)
        writer.add(Kind.GUEST, pk, series)
    sealing.add(instance.pk, tier, start, end, writer.written())
