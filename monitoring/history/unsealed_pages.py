"""What is not sealed yet, or not even saved, as pages."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence

from monitoring.choices import SpanSource
from monitoring.history import batches
from monitoring.history.batches import Opened, codes_of
from monitoring.history.columns import Wanted
from monitoring.history.metrics import Kind, Metric
from monitoring.history.pages import Codes, Objects, Page, Strip, covered_by, widths_of
from monitoring.history.scales import UNKNOWN
from monitoring.known.head import Head, Shot
from monitoring.models import HistoryBatch

logger = logging.getLogger(__name__)

LONGEST_BATCH_SECONDS = 60
#: What is wanted of more objects than this is read for all of them at once.
FEW = 8


class Minutes:
    """What was read of the minutes that are not sealed, for several readings of one time."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._opened: dict[tuple[object, ...], dict[int, list[Opened]]] = {}
        self._planes: dict[tuple[int, Kind], Planes] = {}

    def opened(
        self, instance_id: int, ranges: Sequence[tuple[int, int]], *, has_samples: bool
    ) -> dict[int, list[Opened]]:
        """Return the batches that touch these ranges, by source."""
        key = (instance_id, has_samples, *ranges)
        if key not in self._opened:
            self._planes.clear()
            self._opened = {key: opened_batches(instance_id, ranges, has_samples=has_samples)}
        return self._opened[key]

    def planes(self, opened: Sequence[Opened], kind: Kind) -> Planes:
        """Return the series of a kind in some batches."""
        key = (id(opened), kind)
        if key not in self._planes:
            self._planes[key] = Planes(opened, kind)
        return self._planes[key]


class Planes:
    """The series of all objects of a kind over several batches, those of a metric when it is asked for."""

    def __init__(self, opened: Sequence[Opened], kind: Kind) -> None:
        """Begin with none."""
        self._opened, self._kind = opened, kind
        self.pks = sorted({pk for one in opened for pk in one.pks(kind)})
        self.places = {pk: place for place, pk in enumerate(self.pks)}
        self._metrics = {metric for one in opened for metric in one.metrics(kind)}
        self._planes: dict[int, array[int]] = {}

    def of(self, metric: Metric) -> array[int] | None:
        """Return the codes of a metric, instant after instant; None when there are none."""
        if metric.code not in self._metrics:
            return None
        plane = self._planes.get(metric.code)
        if plane is None:
            plane = batches.joined_planes(self._opened, self._kind, metric.code, self.pks)
            self._planes[metric.code] = plane
        return plane


def unsealed(
    instance_id: int,
    wanted: Wanted,
    ranges: Sequence[tuple[int, int]],
    *,
    has_samples: bool,
    minutes: Minutes | None = None,
) -> list[Page]:
    """Return the batches that touch these ranges.

    `has_samples`: with each of their samples, not only the means of the minutes.
    """
    if not ranges:
        return []
    minutes = minutes or Minutes()
    opened = minutes.opened(instance_id, ranges, has_samples=has_samples)
    return [
        page_of(SpanSource(source), some, wanted, minutes, has_samples=has_samples)
        for source, some in sorted(opened.items())
    ]


def opened_batches(
    instance_id: int, ranges: Sequence[tuple[int, int]], *, has_samples: bool
) -> dict[int, list[Opened]]:
    """Read the batches that touch these ranges, by source."""
    rows = HistoryBatch.objects.filter(
        instance_id=instance_id,
        start_epoch__gt=ranges[0][0] - LONGEST_BATCH_SECONDS,
        start_epoch__lt=ranges[-1][1],
    ).order_by("start_epoch")
    bodies = rows.values_list("source", "body" if has_samples else "means")
    opened: dict[int, list[Opened]] = {}
    for source, body in bodies.iterator(chunk_size=50):
        try:
            opened.setdefault(source, []).append(Opened(bytes(body)))
        except batches.BadBatch:
            logger.error("a minute of samples of instance %s cannot be read", instance_id)
    return opened


def page_of(
    source: SpanSource, opened: Sequence[Opened], wanted: Wanted, minutes: Minutes, *, has_samples: bool
) -> Page:
    """Return batches as one page."""
    epochs = [epoch for one in opened for epoch in one.epochs]
    if has_samples:
        widths = widths_of(epochs)
    else:
        epochs = [epoch // 60 * 60 for epoch in epochs]
        widths = [60] * len(epochs)
    strips = [
        Strip(
            kind,
            epochs,
            widths,
            few(opened, kind, pks, metrics)
            if has_samples and pks is not None and len(pks) <= FEW
            else many(minutes.planes(opened, kind), pks, metrics),
        )
        for kind, (pks, metrics) in wanted.items()
    ]
    return Page(source, 10 if has_samples else 60, covered_by(strips[:1]), strips, has_extremes=has_samples)


def few(opened: Sequence[Opened], kind: Kind, pks: Iterable[int], metrics: Iterable[Metric]) -> Objects:
    """Return what yields the series of a few objects: only what is wanted of each batch is looked at."""

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        places = [{pk: place for place, pk in enumerate(one.pks(kind))} for one in opened]
        there = [set(one.metrics(kind)) for one in opened]
        for pk in pks:
            found: dict[Metric, Codes] = {}
            for metric in metrics:
                codes: list[int] = []
                for one, own, known in zip(opened, places, there, strict=True):
                    if pk in own and metric.code in known:
                        codes += one.column(kind, metric.code, own[pk])
                    else:
                        codes += [UNKNOWN] * len(one.epochs)
                found[metric] = Codes(codes)
            yield pk, found

    return objects


def many(planes: Planes, pks: Iterable[int] | None, metrics: Iterable[Metric]) -> Objects:
    """Return what yields the series of many objects."""

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        size = len(planes.pks)
        known = [(metric, plane) for metric in metrics if (plane := planes.of(metric)) is not None]
        for pk in planes.pks if pks is None else pks:
            place = planes.places.get(pk)
            if place is not None:
                yield pk, {metric: Codes(plane[place::size]) for metric, plane in known}

    return objects


# --- what is not saved yet --------------------------------------------------------------------------------------------


def of_head(head: Head, wanted: Wanted, *, has_samples: bool) -> list[Page]:
    """Return the samples that wait in memory; of many objects the newest one."""
    instants = head if has_samples else head[-1:]
    if not instants:
        return []
    epochs = [one.epoch for one in instants]
    widths = widths_of(epochs)
    strips = [
        Strip(kind, epochs, widths, waiting([one.shots.get(kind) for one in instants], pks, metrics))
        for kind, (pks, metrics) in wanted.items()
    ]
    return [Page(SpanSource.OWN, 10, covered_by(strips[:1]), strips, has_extremes=True)]


def waiting(shots: Sequence[Shot | None], pks: Iterable[int] | None, metrics: Iterable[Metric]) -> Objects:
    """Return what yields the series of shots."""

    def objects() -> Iterator[tuple[int, dict[Metric, Codes]]]:
        places = [{pk: place for place, pk in enumerate(one.pks)} if one is not None else {} for one in shots]
        planes: list[Mapping[int, Sequence[int]]] = [
            {code: codes_of(plane) for code, plane in one.planes.items()} if one is not None else {}
            for one in shots
        ]
        for pk in sorted({pk for one in places for pk in one}) if pks is None else pks:
            yield (
                pk,
                {
                    metric: Codes(
                        [
                            plane[metric.code][own[pk]] if pk in own and metric.code in plane else UNKNOWN
                            for own, plane in zip(places, planes, strict=True)
                        ]
                    )
                    for metric in metrics
                },
            )

    return objects
