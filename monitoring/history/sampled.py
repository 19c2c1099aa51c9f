"""Every sample of a range as it was taken, for whoever sends them on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from monitoring.choices import SpanSource, Tier
from monitoring.history.batches import BadBatch, Opened
from monitoring.history.blocks import BadBlock, unpack
from monitoring.history.metrics import BY_CODE, Kind, Metric
from monitoring.history.scales import UNKNOWN
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan

LONGEST_BATCH_SECONDS = 60


class Sampled(NamedTuple):
    """The objects of one kind at one instant: by metric a figure of each, None where it was not known."""

    epoch: int
    kind: Kind
    pks: Sequence[int]
    figures: dict[Metric, list[float | None]]


def samples(instance_id: int, *, start_epoch: int, end_epoch: int) -> Iterator[Sampled]:
    """Yield our own samples of an instance from an instant to before another, kind after kind, in the order of time."""
    spans = HistorySpan.objects.filter(
        instance_id=instance_id,
        tier=Tier.TEN_SECONDS,
        source=SpanSource.OWN,
        start_epoch__lt=end_epoch,
        end_epoch__gt=start_epoch,
    ).order_by("start_epoch")
    for span in spans.values_list("pk", flat=True):
        for one in of_span(span):
            if start_epoch <= one.epoch < end_epoch:
                yield one
    rows = HistoryBatch.objects.filter(
        instance_id=instance_id,
        source=SpanSource.OWN,
        start_epoch__gt=start_epoch - LONGEST_BATCH_SECONDS,
        start_epoch__lt=end_epoch,
    ).order_by("start_epoch")
    for body in rows.values_list("body", flat=True):
        for one in of_batch(bytes(body)):
            if start_epoch <= one.epoch < end_epoch:
                yield one


def of_batch(body: bytes) -> Iterator[Sampled]:
    """Yield the samples of a batch; none of one that cannot be read."""
    try:
        opened = Opened(body)
    except BadBatch:
        return
    planes = {
        kind: {metric: opened.plane(kind, metric) for metric in opened.metrics(kind)} for kind in opened.kinds
    }
    for place, epoch in enumerate(opened.epochs):
        for kind, own in planes.items():
            pks = opened.pks(kind)
            first = place * len(pks)
            yield sampled(
                epoch, kind, pks, {metric: plane[first : first + len(pks)] for metric, plane in own.items()}
            )


def of_span(span: int) -> Iterator[Sampled]:
    """Yield the samples of a sealed hour, instant by instant."""
    bodies = HistoryBlock.objects.filter(span_id=span).order_by("kind", "chunk").values_list("kind", "body")
    lines: dict[int, dict[int, dict[int, Sequence[int]]]] = {}
    epochs: list[int] = []
    for kind, body in bodies:
        try:
            block = unpack(bytes(body))
            for pk in block.streams:
                lines.setdefault(kind, {})[pk] = {
                    metric: codes for (metric, _), codes in block.series(pk).items()
                }
        except BadBlock:
            continue
        epochs = block.epochs
    for place, epoch in enumerate(epochs):
        for kind, objects in lines.items():
            metrics = sorted({metric for own in objects.values() for metric in own})
            codes = {
                metric: [own[metric][place] if metric in own else UNKNOWN for own in objects.values()]
                for metric in metrics
            }
            yield sampled(epoch, kind, list(objects), codes)


def sampled(epoch: int, kind: int, pks: Sequence[int], codes: Mapping[int, Sequence[int]]) -> Sampled:
    """Return the figures of these codes."""
    figures: dict[Metric, list[float | None]] = {}
    for code, column in codes.items():
        metric = BY_CODE[code]
        known = metric.scale.figures
        figures[metric] = [known[one] for one in column]
    return Sampled(epoch, Kind(kind), pks, figures)
