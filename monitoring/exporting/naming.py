"""What the series of the metrics that are kept are called, here and in what is written to others; pure.

A name is `pulse_<kind>_<what>_<unit>` in base units, as Prometheus wants it: bytes, seconds, and ratios of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from monitoring.exporting.labels import Labels
from monitoring.history import metrics
from monitoring.history.metrics import METRICS, Kind, Metric


class Series(NamedTuple):
    """How one metric is told: its value is multiplied by `factor`, and `labels` are added to those of its object."""

    name: str
    factor: float = 1
    labels: Labels = {}


#: The beginnings of the names.
PREFIXES: Mapping[Kind, str] = {
    Kind.INSTANCE: "pulse_server",
    Kind.NODE: "pulse_node",
    Kind.GUEST: "pulse_guest",
    Kind.STORAGE: "pulse_storage",
    Kind.DATASTORE: "pulse_datastore",
    Kind.POOL: "pulse_pool",
    Kind.FILESYSTEM: "pulse_filesystem",
    Kind.MAIL_NODE: "pulse_mail_node",
}
#: How many percent are one.
PERCENT = 0.01


def _pressure(resource: str, share: str) -> Series:
    return Series("pressure_ratio", PERCENT, {"resource": resource, "share": share})


#: The names without their beginnings.
TOLD: Mapping[Metric, Series] = {
    metrics.CPU: Series("cpu_ratio", PERCENT),
    metrics.MEMORY_USED: Series("memory_used_bytes"),
    metrics.MEMORY_TOTAL: Series("memory_total_bytes"),
    metrics.DISK_USED: Series("disk_used_bytes"),
    metrics.DISK_TOTAL: Series("disk_total_bytes"),
    metrics.NETWORK_IN: Series("network_in_bytes_per_second"),
    metrics.NETWORK_OUT: Series("network_out_bytes_per_second"),
    metrics.DISK_READ: Series("disk_read_bytes_per_second"),
    metrics.DISK_WRITE: Series("disk_write_bytes_per_second"),
    metrics.HOST_MEMORY: Series("host_memory_bytes"),
    metrics.SWAP_USED: Series("swap_used_bytes"),
    metrics.SWAP_TOTAL: Series("swap_total_bytes"),
    metrics.IO_WAIT: Series("io_wait_ratio", PERCENT),
    metrics.LOAD_1: Series("load1"),
    metrics.LOAD_5: Series("load5"),
    metrics.LOAD_15: Series("load15"),
    metrics.ARC: Series("arc_bytes"),
    metrics.PRESSURE_CPU_SOME: _pressure("cpu", "some"),
    metrics.PRESSURE_CPU_FULL: _pressure("cpu", "full"),
    metrics.PRESSURE_IO_SOME: _pressure("io", "some"),
    metrics.PRESSURE_IO_FULL: _pressure("io", "full"),
    metrics.PRESSURE_MEMORY_SOME: _pressure("memory", "some"),
    metrics.PRESSURE_MEMORY_FULL: _pressure("memory", "full"),
    metrics.MAIL_ACTIVE: Series("queue_messages", 1, {"queue": "active"}),
    metrics.MAIL_DEFERRED: Series("queue_messages", 1, {"queue": "deferred"}),
    metrics.MAIL_INCOMING: Series("queue_messages", 1, {"queue": "incoming"}),
    metrics.MAIL_HELD: Series("queue_messages", 1, {"queue": "hold"}),
    metrics.MAIL_IN_TODAY: Series("mails_today", 1, {"direction": "in"}),
    metrics.MAIL_OUT_TODAY: Series("mails_today", 1, {"direction": "out"}),
    metrics.SPAM_IN_TODAY: Series("spam_mails_today"),
    metrics.VIRUS_IN_TODAY: Series("virus_mails_today"),
}

_SERIES: Mapping[tuple[Kind, Metric], Series] = {
    (kind, metric): TOLD[metric]._replace(name=f"{PREFIXES[kind]}_{TOLD[metric].name}")
    for kind, kept in METRICS.items()
    for metric in kept
}


def series_of(kind: Kind, metric: Metric) -> Series:
    """Return how a metric of a kind of object is told, such as `pulse_guest_cpu_ratio`; raises KeyError for one that it has not."""
    return _SERIES[kind, metric]
