"""What a Proxmox Mail Gateway tells."""

from __future__ import annotations

import msgspec


class MailNodeReading(msgspec.Struct, frozen=True):
    """A row of GET /config/cluster/status?list_single_node=1."""

    name: str
    address: str = ""
    role: str = ""  # master, node, empty for a single host
    is_in_sync: bool | None = None
    error: str = ""  # the asked node cannot reach it
    cpu_ratio: float | None = None
    memory_used_bytes: int | None = None
    memory_total_bytes: int | None = None
    root_used_bytes: int | None = None
    root_total_bytes: int | None = None
    load_average: tuple[float, ...] = ()
    uptime_seconds: int | None = None
    version: str = ""
    subscription_level: str = ""


class MailQueueReading(msgspec.Struct, frozen=True, gc=False):
    """The row TOTAL of GET /nodes/{node}/postfix/qshape?queue=..., messages by age."""

    queue: str  # active, deferred, incoming, hold
    total: int
    by_minutes: tuple[tuple[str, int], ...] = ()  # ("5m", 3), ...


class MailStatisticsReading(msgspec.Struct, frozen=True, gc=False):
    """GET /statistics/mail: totals of today since midnight of the server."""

    count_in: int | None = None
    count_out: int | None = None
    bytes_in: int | None = None
    bytes_out: int | None = None
    spam_in: int | None = None
    spam_out: int | None = None
    virus_in: int | None = None
    virus_out: int | None = None
    bounces_in: int | None = None
    bounces_out: int | None = None
    junk_in: int | None = None
    greylisted: int | None = None
    spf_rejects: int | None = None
    rbl_rejects: int | None = None
    average_seconds: float | None = None
