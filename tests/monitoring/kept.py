"""What tests put into the history of the rows that a poll has made, in minutes before NOON."""

from __future__ import annotations

from monitoring.history.metrics import METRICS, Kind
from nodes.models import Guest, Node, Storage
from tests.conftest import NOON
from tests.monitoring.history import instant, write

#: NOON in epoch seconds.
EPOCH = int(NOON.timestamp())


def every_ten_seconds(minutes, figures):
    """Return figures from so many minutes before NOON on, by minute."""
    return {minutes - place / 6: figure for place, figure in enumerate(figures)}


def keep(instance, kind, pk, **series):
    """Put samples of one object into the history: name of the metric, then {minutes before NOON: figure}."""
    metrics = {metric.name: metric for metric in METRICS[kind]}
    figures = {}
    for name, values in series.items():
        for minutes, figure in values.items():
            # A batch is known by its first second: those of two objects in one minute are two.
            epoch = EPOCH - round(minutes * 60) + int(kind)
            figures.setdefault(epoch, {})[metrics[name]] = figure
    write(instance.pk, [instant(epoch, {pk: one}, kind) for epoch, one in sorted(figures.items())])


def keep_guest(instance, vmid, **series):
    """Put samples of a guest into the history."""
    keep(instance, Kind.GUEST, Guest.objects.get(instance=instance, vmid=vmid).pk, **series)


def keep_node(instance, name, **series):
    """Put samples of a node into the history."""
    keep(instance, Kind.NODE, Node.objects.get(instance=instance, name=name).pk, **series)


def keep_storage(instance, name, node_name, **series):
    """Put samples of a storage into the history."""
    row = Storage.objects.get(instance=instance, name=name, node_name=node_name)
    keep(instance, Kind.STORAGE, row.pk, **series)
