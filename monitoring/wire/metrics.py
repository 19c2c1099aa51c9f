"""What metrics are called on the wire, in which units they are, and which of them are computed from two others; pure.

The names on the left are ours, as in `monitoring.history.metrics`, which stands above this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

Unit = Literal["percent", "bytes", "bytesPerSecond", "processes", "count"]


class WireMetric(NamedTuple):
    """One metric as clients know it. `sources` are our names of what it is made of.

    With two sources it is the share of the first in the second, in percent.
    """

    name: str
    unit: Unit
    sources: tuple[str, ...]

    @property
    def is_share(self) -> bool:
        """Whether it is computed from two others."""
        return len(self.sources) > 1

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.unit in ("bytes", "bytesPerSecond")


_SHARES = (
    WireMetric("memory", "percent", ("memory_used_bytes", "memory_total_bytes")),
    WireMetric("disk", "percent", ("disk_used_bytes", "disk_total_bytes")),
    WireMetric("swap", "percent", ("swap_used_bytes", "swap_total_bytes")),
)
_KEPT: Mapping[Unit, Mapping[str, str]] = {
    "percent": {
        "cpu": "cpu_percent",
        "ioWait": "io_wait_percent",
        "pressureCpuSome": "pressure_cpu_some_percent",
        "pressureCpuFull": "pressure_cpu_full_percent",
        "pressureIoSome": "pressure_io_some_percent",
        "pressureIoFull": "pressure_io_full_percent",
        "pressureMemorySome": "pressure_memory_some_percent",
        "pressureMemoryFull": "pressure_memory_full_percent",
    },
    "bytesPerSecond": {
        "netin": "network_in_bytes_per_second",
        "netout": "network_out_bytes_per_second",
        "diskread": "disk_read_bytes_per_second",
        "diskwrite": "disk_write_bytes_per_second",
    },
    "bytes": {
        "memoryUsed": "memory_used_bytes",
        "memoryTotal": "memory_total_bytes",
        "diskUsed": "disk_used_bytes",
        "diskTotal": "disk_total_bytes",
        "hostMemory": "host_memory_bytes",
        "swapUsed": "swap_used_bytes",
        "swapTotal": "swap_total_bytes",
        "arc": "arc_bytes",
    },
    "processes": {"load1": "load_1", "load5": "load_5", "load15": "load_15"},
    "count": {
        "mailActive": "mail_active_count",
        "mailDeferred": "mail_deferred_count",
        "mailIncoming": "mail_incoming_count",
        "mailHeld": "mail_held_count",
        "mailInToday": "mail_in_today_count",
        "mailOutToday": "mail_out_today_count",
        "spamInToday": "spam_in_today_count",
        "virusInToday": "virus_in_today_count",
    },
}

#: By name, the shares behind what they are computed from.
WIRE_METRICS: Mapping[str, WireMetric] = {
    metric.name: metric
    for metric in (
        *(
            WireMetric(name, unit, (source,))
            for unit, metrics in _KEPT.items()
            for name, source in metrics.items()
        ),
        *_SHARES,
    )
}
#: The series of `/api/charts` where nobody chooses: of guests, of nodes and of storages (http-api.md 4.1).
GUEST_CHARTS = ("cpu", "memory", "disk", "diskread", "diskwrite", "netin", "netout")
NODE_CHARTS = ("cpu", "memory", "disk")
STORAGE_CHARTS = ("disk",)
