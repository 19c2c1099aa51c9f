"""Which metrics are kept of which kind of object, and in which steps; pure.

A series is (kind, primary key, metric). `kind` and `code` are what stored series are found by: a number once given is never
given again. What is computed from others, such as the share of the memory in use, is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

from monitoring.history.scales import COUNT, LOAD, PERCENT, RATE, SIZE, Scale
from nodes.identity import ObjectKind


class Kind(IntEnum):
    """The kinds of objects that have series."""

    INSTANCE = 0  # a PBS host; a mail gateway as a whole
    NODE = 1
    GUEST = 2
    STORAGE = 3
    DATASTORE = 4
    POOL = 5
    FILESYSTEM = 6
    MAIL_NODE = 7

    @property
    def object_kind(self) -> ObjectKind:
        """The same in words."""
        return ObjectKind[self.name]


class Metric(NamedTuple):
    """One metric; the name carries its unit."""

    code: int
    name: str
    scale: Scale

    def __repr__(self) -> str:
        return self.name


CPU = Metric(0, "cpu_percent", PERCENT)
MEMORY_USED = Metric(1, "memory_used_bytes", SIZE)
MEMORY_TOTAL = Metric(2, "memory_total_bytes", SIZE)
DISK_USED = Metric(
    3, "disk_used_bytes", SIZE
)  # of a node its root file system; of storages and the like their own
DISK_TOTAL = Metric(4, "disk_total_bytes", SIZE)
NETWORK_IN = Metric(5, "network_in_bytes_per_second", RATE)
NETWORK_OUT = Metric(6, "network_out_bytes_per_second", RATE)
DISK_READ = Metric(7, "disk_read_bytes_per_second", RATE)
DISK_WRITE = Metric(8, "disk_write_bytes_per_second", RATE)
HOST_MEMORY = Metric(9, "host_memory_bytes", SIZE)  # what a VM costs its node
SWAP_USED = Metric(10, "swap_used_bytes", SIZE)
SWAP_TOTAL = Metric(11, "swap_total_bytes", SIZE)
IO_WAIT = Metric(12, "io_wait_percent", PERCENT)
LOAD_1 = Metric(13, "load_1", LOAD)
LOAD_5 = Metric(14, "load_5", LOAD)
LOAD_15 = Metric(15, "load_15", LOAD)
ARC = Metric(16, "arc_bytes", SIZE)
PRESSURE_CPU_SOME = Metric(17, "pressure_cpu_some_percent", PERCENT)
PRESSURE_CPU_FULL = Metric(18, "pressure_cpu_full_percent", PERCENT)
PRESSURE_IO_SOME = Metric(19, "pressure_io_some_percent", PERCENT)
PRESSURE_IO_FULL = Metric(20, "pressure_io_full_percent", PERCENT)
PRESSURE_MEMORY_SOME = Metric(21, "pressure_memory_some_percent", PERCENT)
PRESSURE_MEMORY_FULL = Metric(22, "pressure_memory_full_percent", PERCENT)
MAIL_ACTIVE = Metric(23, "mail_active_count", COUNT)  # in the queues of a mail node
MAIL_DEFERRED = Metric(24, "mail_deferred_count", COUNT)
MAIL_INCOMING = Metric(25, "mail_incoming_count", COUNT)
MAIL_HELD = Metric(26, "mail_held_count", COUNT)
MAIL_IN_TODAY = Metric(27, "mail_in_today_count", COUNT)  # of a gateway, since its midnight
MAIL_OUT_TODAY = Metric(28, "mail_out_today_count", COUNT)
SPAM_IN_TODAY = Metric(29, "spam_in_today_count", COUNT)
VIRUS_IN_TODAY = Metric(30, "virus_in_today_count", COUNT)

_PRESSURE = (
    PRESSURE_CPU_SOME, PRESSURE_CPU_FULL, PRESSURE_IO_SOME, PRESSURE_IO_FULL, PRESSURE_MEMORY_SOME, PRESSURE_MEMORY_FULL,
)  # fmt: skip
_USE = (DISK_USED, DISK_TOTAL)
_MACHINE = (
    CPU, IO_WAIT, LOAD_1, LOAD_5, LOAD_15, MEMORY_USED, MEMORY_TOTAL, SWAP_USED, SWAP_TOTAL, DISK_USED, DISK_TOTAL,
    NETWORK_IN, NETWORK_OUT,
)  # fmt: skip

#: What is kept of each kind, in the order of the codes of a batch's planes: a new one comes last.
METRICS: Mapping[Kind, tuple[Metric, ...]] = {
    Kind.INSTANCE: (
        *_MACHINE, DISK_READ, DISK_WRITE, MAIL_IN_TODAY, MAIL_OUT_TODAY, SPAM_IN_TODAY, VIRUS_IN_TODAY,
    ),
    Kind.NODE: (*_MACHINE, ARC, *_PRESSURE),
    Kind.GUEST: (
        CPU, MEMORY_USED, MEMORY_TOTAL, DISK_USED, DISK_TOTAL, NETWORK_IN, NETWORK_OUT, DISK_READ, DISK_WRITE,
        HOST_MEMORY, SWAP_USED, SWAP_TOTAL, *_PRESSURE,
    ),
    Kind.STORAGE: _USE,
    Kind.DATASTORE: _USE,
    Kind.POOL: _USE,
    Kind.FILESYSTEM: _USE,
    Kind.MAIL_NODE: (*_MACHINE, MAIL_ACTIVE, MAIL_DEFERRED, MAIL_INCOMING, MAIL_HELD),
}  # fmt: skip

#: Of all kinds, by code.
BY_CODE: Mapping[int, Metric] = {metric.code: metric for metrics in METRICS.values() for metric in metrics}
