"""Samples for tests of the history: written as a poll writes them, of figures that are given."""

from __future__ import annotations

from array import array

from monitoring.history import keeping
from monitoring.history.batches import bytes_of
from monitoring.history.metrics import Kind
from monitoring.known.head import Instant, Shot

#: 2026-01-05 00:00:00 UTC, a Monday.
MONDAY = 1_767_571_200


def instant(epoch, figures, kind=Kind.GUEST):
    """One instant of objects of a kind: `figures` are by key, and by metric."""
    pks = sorted(figures)
    known = dict.fromkeys(metric for one in figures.values() for metric in one)
    planes = {
        metric.code: bytes_of(array("h", [metric.scale.code(figures[pk].get(metric)) for pk in pks]))
        for metric in known
    }
    return Instant(epoch, {int(kind): Shot(tuple(pks), planes)})


def write(instance_id, instants):
    """Write instants, a batch for each minute."""
    by_minute = {}
    for one in instants:
        by_minute.setdefault(one.epoch // 60, []).append(one)
    for some in by_minute.values():
        keeping.write(instance_id, some)


def write_series(instance_id, figure_of, metric, *, start, end, pk=7, kind=Kind.GUEST, step=10):
    """Write one series, whose figures are a function of the instant."""
    write(
        instance_id,
        [instant(epoch, {pk: {metric: figure_of(epoch)}}, kind) for epoch in range(start, end, step)],
    )
