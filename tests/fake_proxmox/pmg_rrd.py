"""The call of Proxmox Mail Gateway that looks back: averages of a node, as those of an older Proxmox VE."""

from __future__ import annotations

from math import inf

from tests.fake_proxmox import averages
from tests.fake_proxmox.averages import Span
from tests.fake_proxmox.calls import Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import GIB
from tests.fake_proxmox.pmg import call, mail_node_of
from tests.fake_proxmox.pmg_model import MailNode
from tests.fake_proxmox.pve_rrd import spans_of

#: timeframe -> (rows, seconds of each)
_FRAMES = {
    "hour": (70, 60),
    "day": (70, 1_800),
    "week": (70, 10_800),
    "month": (70, 43_200),
    "year": (70, 604_800),
}


@call(
    "GET",
    "/nodes/{node}/rrddata",
    parameters=("cf",),
    required=("timeframe",),
    roles=("admin", "audit"),
)
def node_history(request: Call) -> list[Row]:
    """Averages of a node."""
    node = mail_node_of(request)
    return [_row(node, span) for span in spans_of(request, _FRAMES)]


def _row(node: MailNode, span: Span) -> Row:
    row: Row = {"time": int(span.end)}
    known = averages.known_part(span, since=node.created_at, until=inf, off=())
    if known is None:
        return row
    load = node.load
    cpu, activity = averages.cpu_ratio(load, known), averages.network_ratio(load, known)
    return row | {
        "cpu": cpu,
        "maxcpu": node.cpus,
        "iowait": 0.004,
        "loadavg": cpu * node.cpus,
        "memtotal": node.memory_bytes,
        "memused": node.memory_bytes * averages.memory_ratio(load, known),
        "swaptotal": 4 * GIB,
        "swapused": 0,
        "roottotal": node.root_bytes,
        "rootused": int(node.root_bytes * 0.18),
        "netin": load.network_in_rate * activity,
        "netout": load.network_out_rate * activity,
    }
