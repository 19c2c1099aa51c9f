"""From readings of records to points of the history; pure.

A host may tell what it likes: points of the future, from before its records can begin, and closer than any of its rounds are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from monitoring.figures.rates import HIGHEST, MOST_INTERVALS, REFRESH_SECONDS
from monitoring.history import metrics
from monitoring.history.metrics import METRICS, Kind, Metric
from monitoring.history.telling import ToldSeries
from nodes.proxmox.readings.records import ExportedReading, RecordsReading, SamplesReading

#: How often a host looks at its figures.
ROUND_SECONDS = 10

#: A figure of a reading as what it is kept, and by how much it is multiplied for that.
FIGURES: Mapping[str, tuple[Metric, float]] = {
    "cpu_ratio": (metrics.CPU, 100.0),
    "io_wait_ratio": (metrics.IO_WAIT, 100.0),
} | {
    metric.name: (metric, 1.0)
    for metric in metrics.BY_CODE.values()
    if metric not in (metrics.CPU, metrics.IO_WAIT)
}
#: A total, as the rate that follows from it.
RATES: Mapping[str, Metric] = {
    name.removesuffix("_per_second"): metric
    for name, (metric, _) in FIGURES.items()
    if name.endswith("_per_second")
}
#: What a VM tells of its disk is the size of the one it boots from.
DISK = (metrics.DISK_USED, metrics.DISK_TOTAL)


class Window(NamedTuple):
    """The time that is wanted; `now_epoch` is when it was asked for."""

    start_epoch: int
    end_epoch: int
    now_epoch: float

    def holds(self, start: int, width: int) -> bool:
        """Return whether any of a point is wanted, and all of it is over."""
        end = start + width
        return start < self.end_epoch and end > self.start_epoch and end <= self.now_epoch


def series_of(kind: Kind, pk: int, reading: RecordsReading, window: Window) -> ToldSeries | None:
    """Return what the rows tell of an object within a window, None when that is nothing."""
    spans = list(zip(reading.starts_epoch, reading.widths_seconds, strict=True))
    wanted = [
        number
        for number, (start, width) in enumerate(spans)
        if width >= ROUND_SECONDS and window.holds(start, width)
    ]
    values: dict[Metric, list[float | None]] = {}
    for figure, told in reading.series.items():
        metric, factor = FIGURES[figure]
        if metric in METRICS[kind]:
            column = list(told) if len(wanted) == len(told) else [told[number] for number in wanted]
            if column.count(None) < len(column):
                values[metric] = column if factor == 1 else multiplied(column, factor)
    if not values:
        return None
    epochs = [reading.starts_epoch[number] for number in wanted]
    return ToldSeries(kind, pk, epochs, [reading.widths_seconds[number] for number in wanted], values)


def multiplied(column: Sequence[float | None], factor: float) -> list[float | None]:
    """Return the figures of a column so many times as large."""
    return [None if value is None else value * factor for value in column]


def sampled_series(kind: Kind, pk: int, reading: ExportedReading, window: Window) -> ToldSeries | None:
    """Return what the samples tell of an object within a window, None when that is nothing.

    A sample is of the ten seconds in which it was taken; a rate of those up to its second sample.
    """
    found: dict[Metric, dict[int, float | None]] = {}
    for figure, samples in reading.samples.items():
        known = FIGURES.get(figure)
        if known is not None and not (reading.kind == "qemu" and known[0] in DISK):
            found[known[0]] = {
                at: value * known[1] for at, value in zip(samples.epochs, samples.values, strict=True)
            }
    uptimes = reading.samples.get("uptime_seconds")
    for figure, samples in reading.totals.items():
        if figure in RATES:
            found[RATES[figure]] = rates_of(samples, uptimes)
    values = {
        metric: {
            at // ROUND_SECONDS * ROUND_SECONDS: value
            for at, value in told.items()
            if window.holds(at // ROUND_SECONDS * ROUND_SECONDS, ROUND_SECONDS)
        }
        for metric, told in found.items()
        if metric in METRICS[kind]
    }
    epochs = sorted({at for told in values.values() for at in told})
    if not epochs:
        return None
    return ToldSeries(
        kind,
        pk,
        epochs,
        [ROUND_SECONDS] * len(epochs),
        {metric: [told.get(at) for at in epochs] for metric, told in values.items() if told},
    )


def rates_of(totals: SamplesReading, uptimes: SamplesReading | None) -> dict[int, float | None]:
    """Return the rates per second at each sample but the first, by the rules of `monitoring.figures.rates`.

    None over a gap, and where the total fell or the uptime did: it began anew. A total of 0 while the uptime goes on is one that was
    not told; the next rate is unknown as well.
    """
    up = dict(zip(uptimes.epochs, uptimes.values, strict=True)) if uptimes is not None else {}
    rates: dict[int, float | None] = {}
    told: Sequence[tuple[int, float]] = list(zip(totals.epochs, totals.values, strict=True))
    missing = False
    for (before_at, before), (at, now) in pairwise(told):
        is_restarted = up.get(at, 0.0) < up.get(before_at, 0.0)
        was_missing = missing
        missing = now == 0 and (before != 0 or was_missing) and not is_restarted and bool(up)
        if (
            missing
            or was_missing
            or is_restarted
            or now < before
            or at - before_at > MOST_INTERVALS * REFRESH_SECONDS
        ):
            rates[at] = None
        else:
            rates[at] = min((now - before) / (at - before_at), float(HIGHEST))
    return rates
