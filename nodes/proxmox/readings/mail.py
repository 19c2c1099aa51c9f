"""What a Proxmox Mail Gateway tells."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.values import Amount, Epoch, Loads, Name, Ratio, Size, Truth, Word, said_of, text_of


class MailNodeReading(msgspec.Struct, frozen=True):
    """A row of GET /config/cluster/status?list_single_node=1."""

    name: Annotated[Name, "name"]
    address: Annotated[str, text_of(64), "ip"] = ""
    role: str = ""  # master, node, empty for a single host
    is_in_sync: Annotated[Truth, "insync"] = None
    error: Annotated[str, said_of(300), "conn_error"] = ""  # the asked node cannot reach it
    cpu_ratio: Annotated[Ratio, "cpu"] = None
    memory_used_bytes: Annotated[Size, "memory", "used"] = None
    memory_total_bytes: Annotated[Size, "memory", "total"] = None
    root_used_bytes: Annotated[Size, "rootfs", "used"] = None
    root_total_bytes: Annotated[Size, "rootfs", "total"] = None
    load_average: Annotated[Loads, "loadavg"] = ()
    uptime_seconds: Annotated[Size, "uptime"] = None
    version: Annotated[str, text_of(100), "pmgversion"] = ""
    subscription_level: Annotated[Word, "level"] = ""
    swap_used_bytes: Annotated[Size, "swap", "used"] = None
    swap_total_bytes: Annotated[Size, "swap", "total"] = None
    kernel_version: str = ""
    clock_epoch: Annotated[Epoch, "time"] = None  # by its own clock, when it was asked


class MailQueueReading(msgspec.Struct, frozen=True, gc=False):
    """The row TOTAL of GET /nodes/{node}/postfix/qshape?queue=..., messages by age."""

    queue: str  # active, deferred, incoming, hold
    total: int
    by_minutes: tuple[tuple[str, int], ...] = ()  # ("5m", 3), ...


class MailStatisticsReading(msgspec.Struct, frozen=True, gc=False):
    """GET /statistics/mail: totals of today since midnight of the server."""

    count_in: Annotated[Size, "count_in"] = None
    count_out: Annotated[Size, "count_out"] = None
    bytes_in: Annotated[Size, "bytes_in"] = None
    bytes_out: Annotated[Size, "bytes_out"] = None
    spam_in: Annotated[Size, "spamcount_in"] = None
    spam_out: Annotated[Size, "spamcount_out"] = None
    virus_in: Annotated[Size, "viruscount_in"] = None
    virus_out: Annotated[Size, "viruscount_out"] = None
    bounces_in: Annotated[Size, "bounces_in"] = None
    bounces_out: Annotated[Size, "bounces_out"] = None
    junk_in: Annotated[Size, "junk_in"] = None
    greylisted: Annotated[Size, "glcount"] = None
    spf_rejects: Annotated[Size, "spfcount"] = None
    rbl_rejects: Annotated[Size, "rbl_rejects"] = None
    average_seconds: Annotated[Amount, "avptime"] = None
