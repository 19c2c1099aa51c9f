"""The calls of Proxmox Mail Gateway."""

from __future__ import annotations

import zlib
from calendar import timegm

from tests.fake_proxmox import curves
from tests.fake_proxmox.access import Refused
from tests.fake_proxmox.calls import ApiFailure, Call, Table
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import GIB
from tests.fake_proxmox.pmg_model import AGES, QUEUES, MailGateway, MailNode

TABLE = Table()
call = TABLE.call

_READERS = ("admin", "qmanager", "audit")
_KERNEL = "6.17.4-1-pve"
#: Shares of all incoming messages.
_SHARES = {
    "spam": 0.31,
    "virus": 0.004,
    "bounces": 0.012,
    "greylisted": 0.06,
    "spf": 0.02,
    "rbl": 0.45,
    "pregreet": 0.08,
}


def gateway_of(request: Call) -> MailGateway:
    """Return the mail gateway that is asked."""
    model = request.site.model
    assert isinstance(model, MailGateway)
    return model


def mail_node_of(request: Call) -> MailNode:
    """Return the node that the path names. Raises ApiFailure when it is not there, or cannot be reached."""
    name = request.names["node"]
    nodes = gateway_of(request).nodes
    if name == "localhost":
        return nodes[request.server.name]
    if name not in nodes:
        raise ApiFailure(500, f"no such cluster node '{name}'")
    node = nodes[name]
    if node.connection_error and name != request.server.name:
        raise ApiFailure(595, node.connection_error)
    return node


@call(
    "POST",
    "/access/ticket",
    required=("password", "username"),
    parameters=("realm", "otp", "path", "tfa-challenge"),
    is_public=True,
)
def ticket(request: Call) -> Row:
    """A ticket for a password or an older ticket."""
    access = request.site.access
    user = request.parameters["username"]
    if "realm" in request.parameters and "@" not in user:
        user = f"{user}@{request.parameters['realm']}"
    try:
        account = access.by_login(user, request.parameters["password"], request.told_now)
    except Refused as refused:
        raise ApiFailure(401, str(refused)) from None
    return {
        "username": user,
        "ticket": access.ticket(user, request.told_now),
        "CSRFPreventionToken": access.csrf_token(user, request.told_now),
        "role": account.role,
    }


@call("GET", "/version")
def version(request: Call) -> Row:
    """Version, release and commit."""
    major, minor = gateway_of(request).version
    return {"version": f"{major}.{minor}.0", "release": f"{major}.{minor}", "repoid": "09158948b9568e81"}


@call("GET", "/nodes")
def nodes(request: Call) -> list[Row]:
    """The names of the nodes."""
    return [{"node": name} for name in gateway_of(request).nodes]


@call("GET", "/config/cluster/status", parameters=("list_single_node",), roles=_READERS)
def cluster_status(request: Call) -> list[Row]:
    """Each node with its status, or why it cannot be reached; a single host only if it is asked for."""
    gateway = gateway_of(request)
    is_single = len(gateway.nodes) == 1
    if is_single and not request.flag("list_single_node"):
        return []
    rows = []
    for node in gateway.nodes.values():
        row: Row = {
            "cid": 0 if is_single else node.number,
            "name": node.name,
            "ip": node.address,
            "type": "-" if is_single else "master" if node.number == 1 else "node",
            "fingerprint": node.fingerprint,
            "hostrsapubkey": f"AAAAB3NzaC1yc2EAAAADAQABAAABgQ{zlib.crc32(node.name.encode()):08x}",
            "rootrsapubkey": f"AAAAB3NzaC1yc2EAAAADAQABAAABgR{zlib.crc32(node.name.encode()):08x}",
        }
        if node.connection_error and node.name != request.server.name:
            rows.append(row | {"conn_error": node.connection_error})
        else:
            rows.append(row | _status(gateway, node, request))
    return rows


@call("GET", "/nodes/{node}/status", roles=_READERS)
def node_status(request: Call) -> Row:
    """Load, memory and whether the databases of the cluster are in step."""
    return _status(gateway_of(request), mail_node_of(request), request)


def _status(gateway: MailGateway, node: MailNode, request: Call) -> Row:
    now, load = request.now, node.load
    cpu = curves.cpu_ratio(load, now)
    used = int(node.memory_bytes * curves.memory_ratio(load, now))
    root_used = int(node.root_bytes * 0.18)
    answer: Row = {
        "insync": int(node.is_in_sync),
        "time": int(request.told_now),
        "uptime": int(max(0.0, now - node.started_at)),
        "cpu": cpu,
        "wait": 0.004,
        "loadavg": [
            f"{cpu * node.cpus * (1 + 0.2 * curves.noise(load.seed + minutes, int(now / 20 / minutes))):.2f}"
            for minutes in (1, 5, 15)
        ],
        "memory": {"total": node.memory_bytes, "used": used, "free": node.memory_bytes - used},
        "swap": {"total": 4 * GIB, "used": 0, "free": 4 * GIB},
        "rootfs": {
            "total": node.root_bytes,
            "used": root_used,
            "avail": node.root_bytes - root_used - node.root_bytes // 20,
            "free": node.root_bytes - root_used,
        },
        "cpuinfo": {
            "model": "AMD EPYC 7302P 16-Core Processor",
            "sockets": 1,
            "cpus": node.cpus,
            "mhz": "3000.000",
        },
        "kversion": f"Linux {_KERNEL} #1 SMP PREEMPT_DYNAMIC PMX 6.17.4-1",
        "current-kernel": {
            "sysname": "Linux",
            "release": _KERNEL,
            "version": "#1 SMP PREEMPT_DYNAMIC PMX 6.17.4-1",
            "machine": "x86_64",
        },
        "boot-info": {"mode": "efi", "secureboot": 0},
        "pmgversion": "pmg-api/{}.{}.0/09158948b9568e81".format(*gateway.version),
        "level": "",
    }
    return answer | node.fixed


@call("GET", "/nodes/{node}/postfix/qshape", parameters=("queue",), roles=("admin", "audit"))
def queue_shape(request: Call) -> list[Row]:
    """How many messages wait in a queue, by domain and age; every number is a text."""
    node, queue = mail_node_of(request), request.parameters.get("queue", "deferred")
    if queue not in QUEUES:
        text = f"value '{queue}' does not have a value in the enumeration '{', '.join(QUEUES)}'"
        raise ApiFailure(400, "Parameter verification failed.", {"queue": text})
    domains = node.queues[queue]
    total = [sum(counts[index] for counts in domains.values()) for index in range(len(AGES))]
    shown = [("TOTAL", total), *sorted(domains.items(), key=lambda item: -sum(item[1]))]
    return [
        {"domain": name, "total": str(sum(counts)), **dict(zip(AGES, map(str, counts), strict=True))}
        for name, counts in shown
    ]


@call("GET", "/statistics/mail", parameters=("day", "month", "year", "starttime", "endtime"), roles=_READERS)
def mail(request: Call) -> Row:
    """Totals of today since midnight, unless a day or a span is asked for."""
    gateway = gateway_of(request)
    start, end = _span(request)
    load = next(iter(gateway.nodes.values())).load
    days = max(0.0, curves.busy_seconds(load, end) - curves.busy_seconds(load, start)) / 86_400
    received = int(gateway.messages_per_day * days)
    sent = int(received * 0.27)
    spam, viruses = int(received * _SHARES["spam"]), int(received * _SHARES["virus"])
    rbl, pregreet = int(received * _SHARES["rbl"]), int(received * _SHARES["pregreet"])
    greylisted, spf = int(received * _SHARES["greylisted"]), int(received * _SHARES["spf"])
    answer: Row = {
        "count": received + sent,
        "count_in": received,
        "count_out": sent,
        "bytes_in": received * 71_204,
        "bytes_out": sent * 93_811,
        "spamcount_in": spam,
        "spamcount_out": sent // 900,
        "viruscount_in": viruses,
        "viruscount_out": 0,
        "bounces_in": int(received * _SHARES["bounces"]),
        "bounces_out": sent // 70,
        "glcount": greylisted,
        "spfcount": spf,
        "rbl_rejects": rbl,
        "pregreet_rejects": pregreet,
        "junk_in": spam + viruses + greylisted + spf + rbl + pregreet,
        "junk_out": sent // 900,
        "avptime": 1.42,
    }
    return answer | gateway.fixed


def _span(request: Call) -> tuple[float, float]:
    now = request.now
    midnight = now // 86_400 * 86_400
    if "year" in request.parameters:
        month, day = request.number("month", 1), request.number("day", 1)
        start = timegm((request.number("year", 1970), month, day, 0, 0, 0))
        return start, min(now, start + 86_400)
    return request.number("starttime", int(midnight)), min(now, request.number("endtime", int(now) + 1))
