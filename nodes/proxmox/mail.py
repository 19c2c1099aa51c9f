"""The calls to a Proxmox Mail Gateway, and the pure readers of their answers.

All need the role audit, and a user with a password: a gateway takes no API tokens. Readers raise BadAnswer only.
Source: api-facts.md section 12.
"""

from __future__ import annotations

import re

from nodes.proxmox.calls import Call, unread
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.mail import MailNodeReading, MailQueueReading, MailStatisticsReading
from nodes.proxmox.rows import Row, Rows, Thing, entries, row_of, rows_of
from nodes.proxmox.values import fields, size, text, word

DOMAINS_LIMIT = 100_000
COLUMNS_LIMIT = 32

#: "5m", "10m", ... "1280m+"
AGE = re.compile(r"(\d{1,6})m(\+?)", re.ASCII)
TOTAL = "TOTAL"
SINGLE_NODE = "-"


def _role(row: Row) -> str:
    role = word(row.get("type"))
    return "" if role == SINGLE_NODE else role


def _kernel(row: Row) -> str:
    """Return the release of the kernel; older gateways tell the whole line of uname only."""
    return text(fields(row.get("current-kernel")).get("release")) or text(row.get("kversion"))


#: Of a node that cannot be reached, only the error is told.
read_cluster_status = Rows(
    "the nodes of the gateway", row_of(MailNodeReading, role=_role, kernel_version=_kernel), by=("name",)
)
#: A figure that is null there is not known, which is not 0.
read_mail_statistics = Thing("the mail statistics", row_of(MailStatisticsReading))


def read_mail_queue(data: object, *, queue: str) -> MailQueueReading:
    """Return the row TOTAL of GET /nodes/{node}/postfix/qshape, its columns by age; an empty list is an empty queue."""
    rows = rows_of(data, "a mail queue")
    totals = next((row for row in entries(rows, DOMAINS_LIMIT) if row.get("domain") == TOTAL), None)
    total = size(totals.get("total")) if totals is not None else None
    if rows and total is None:
        raise BadAnswer("The answer about a mail queue holds no total")
    columns = [
        (int(age[1]), age[2], str(key), count)
        for key, value in list((totals or {}).items())[: COLUMNS_LIMIT * 4]
        if (age := AGE.fullmatch(str(key))) and (count := size(value)) is not None
    ]
    return MailQueueReading(
        queue=word(queue),
        total=total or 0,
        by_minutes=tuple((key, count) for _, _, key, count in sorted(columns)[:COLUMNS_LIMIT]),
    )


#: The nodes of a gateway, of which a single host is one. The asked node contacts the others one after the other: a dead one
#: costs seconds.
cluster_status = Call("/config/cluster/status", read_cluster_status, {"list_single_node": 1})
#: The totals since midnight of the server, of all nodes together: ask one of them only.
mail_statistics = Call("/statistics/mail", read_mail_statistics)
MAIL_QUEUE = Call("/nodes/{node}/postfix/qshape", unread)


def mail_queue(
    client: Client, node: str, queue: str, *, timeout_seconds: float | None = None
) -> MailQueueReading:
    """Return how many messages wait in a queue of a node: active, deferred, incoming or hold.

    Slow when the queue is huge. Nodes do not tell of each other's queues.
    """
    data = MAIL_QUEUE(client, node, params={"queue": queue}, timeout_seconds=timeout_seconds)
    return read_mail_queue(data, queue=queue)
