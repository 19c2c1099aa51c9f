"""The calls to a Proxmox Mail Gateway, one function each, and beside it the pure reader of its answer.

All need the role audit, and a user with a password: a gateway takes no API tokens. Readers raise BadAnswer only.
Source: api-facts.md section 12.
"""

from __future__ import annotations

import re

from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.pve import WORD_LIMIT, node_version, read_version, version
from nodes.proxmox.readings import MailNodeReading, MailQueueReading, MailStatisticsReading
from nodes.proxmox.rows import Row, entries, fields_of, name, read_rows, rows_of, segment
from nodes.proxmox.values import fields, ratio, real, reals, size, text, truth

__all__ = [
    "cluster_status",
    "mail_queue",
    "mail_statistics",
    "node_version",
    "read_cluster_status",
    "read_mail_queue",
    "read_mail_statistics",
    "read_version",
    "version",
]

ERROR_LIMIT = 300
DOMAINS_LIMIT = 100_000
COLUMNS_LIMIT = 32

#: "5m", "10m", ... "1280m+"
AGE = re.compile(r"(\d{1,6})m(\+?)", re.ASCII)
TOTAL = "TOTAL"
SINGLE_NODE = "-"


def cluster_status(client: Client, *, timeout_seconds: float | None = None) -> tuple[MailNodeReading, ...]:
    """Return the nodes of a gateway, of which a single host is one.

    The asked node contacts the others one after the other: a dead one costs seconds.
    """
    path, params = "/config/cluster/status", {"list_single_node": 1}
    return read_cluster_status(client.get(path, params, timeout_seconds=timeout_seconds).data)


def mail_queue(
    client: Client, node: str, queue: str, *, timeout_seconds: float | None = None
) -> MailQueueReading:
    """Return how many messages wait in a queue of a node: active, deferred, incoming or hold.

    Slow when the queue is huge. Nodes do not tell of each other's queues.
    """
    path = f"/nodes/{segment(node)}/postfix/qshape"
    return read_mail_queue(
        client.get(path, {"queue": queue}, timeout_seconds=timeout_seconds).data, queue=queue
    )


def mail_statistics(client: Client, *, timeout_seconds: float | None = None) -> MailStatisticsReading:
    """Return the totals since midnight of the server, of all nodes together: ask one of them only."""
    return read_mail_statistics(client.get("/statistics/mail", timeout_seconds=timeout_seconds).data)


def read_cluster_status(data: object) -> tuple[MailNodeReading, ...]:
    """Return the reading of GET /config/cluster/status, by name; of a node that cannot be reached, only the error."""
    readings = read_rows(data, "the nodes of the gateway", _node)
    return tuple(sorted(readings, key=lambda node: node.name))


def _node(row: Row) -> MailNodeReading | None:
    node = name(row.get("name"))
    if not node:
        return None
    role = text(row.get("type"), WORD_LIMIT)
    memory, root = fields(row.get("memory")), fields(row.get("rootfs"))
    return MailNodeReading(
        name=node,
        address=text(row.get("ip"), 64),
        role="" if role == SINGLE_NODE else role,
        is_in_sync=truth(row.get("insync")),
        error=text(row.get("conn_error"), ERROR_LIMIT),
        cpu_ratio=ratio(row.get("cpu")),
        memory_used_bytes=size(memory.get("used")),
        memory_total_bytes=size(memory.get("total")),
        root_used_bytes=size(root.get("used")),
        root_total_bytes=size(root.get("total")),
        load_average=reals(row.get("loadavg"), 3),
        uptime_seconds=size(row.get("uptime")),
        version=text(row.get("pmgversion"), 100),
        subscription_level=text(row.get("level"), WORD_LIMIT),
    )


def read_mail_queue(data: object, *, queue: str) -> MailQueueReading:
    """Return the row TOTAL of GET /nodes/{node}/postfix/qshape, its columns by age; an empty list is an empty queue."""
    rows = rows_of(data, "a mail queue")
    totals = next((row for row in entries(rows, DOMAINS_LIMIT) if row.get("domain") == TOTAL), None)
    total = size(totals.get("total")) if totals is not None else None
    if rows and total is None:
        raise BadAnswer("The answer about a mail queue holds no total")
    columns = [
        (int(age[1]), age[2], str(key), count)
        for key, told in list((totals or {}).items())[: COLUMNS_LIMIT * 4]
        if (age := AGE.fullmatch(str(key))) and (count := size(told)) is not None
    ]
    return MailQueueReading(
        queue=text(queue, WORD_LIMIT),
        total=total or 0,
        by_minutes=tuple((key, count) for _, _, key, count in sorted(columns)[:COLUMNS_LIMIT]),
    )


def read_mail_statistics(data: object) -> MailStatisticsReading:
    """Return the reading of GET /statistics/mail; a figure that is null there is not known, which is not 0."""
    row = fields_of(data, "the mail statistics")
    average = real(row.get("avptime"))
    return MailStatisticsReading(
        count_in=size(row.get("count_in")),
        count_out=size(row.get("count_out")),
        bytes_in=size(row.get("bytes_in")),
        bytes_out=size(row.get("bytes_out")),
        spam_in=size(row.get("spamcount_in")),
        spam_out=size(row.get("spamcount_out")),
        virus_in=size(row.get("viruscount_in")),
        virus_out=size(row.get("viruscount_out")),
        bounces_in=size(row.get("bounces_in")),
        bounces_out=size(row.get("bounces_out")),
        junk_in=size(row.get("junk_in")),
        greylisted=size(row.get("glcount")),
        spf_rejects=size(row.get("spfcount")),
        rbl_rejects=size(row.get("rbl_rejects")),
        average_seconds=average if average is not None and average >= 0 else None,
    )
