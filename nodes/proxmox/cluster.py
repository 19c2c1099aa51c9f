"""The calls about what runs above single nodes of a PVE: votes, high availability, Ceph, replication.

Readers raise BadAnswer only. Source: api-facts.md section 4.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from nodes.proxmox.calls import Call
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.properties import vmid
from nodes.proxmox.readings.cluster import (
    CephCheckReading,
    CephFlagReading,
    CephOsdReading,
    CephPoolReading,
    CephReading,
    HaNodeReading,
    HaReading,
    HaServiceReading,
    QdeviceReading,
    ReplicationReading,
    VoteReading,
)
from nodes.proxmox.rows import Row, Rows, Thing, entries, fields_of, first, row_of, rows_of
from nodes.proxmox.values import epoch, fields, is_true, name, size, text, truth, word

STATUS_LIMIT = 200
ERROR_LIMIT = 500
CHECKS_LIMIT = 200
#: Lines about one check that are kept: a cluster in trouble may have one for each of its placement groups.
DETAILS_LIMIT = 30
DETAIL_LIMIT = 200
STATES_LIMIT = 100
MONITORS_LIMIT = 100
#: Buckets and OSDs of one CRUSH tree; the largest clusters have some thousands.
BUCKETS_LIMIT = 20_000

#: The numbers are texts, as in the file they are from.
read_node_votes = Rows(
    "the votes of the nodes", row_of(VoteReading, node=first(name, "node", "name")), by=("node",)
)
_qdevice = row_of(QdeviceReading)


def read_qdevice(data: object) -> QdeviceReading | None:
    """Return the reading of GET /cluster/config/qdevice: lines of the daemon as it prints them, an empty object without it."""
    if not isinstance(data, dict):
        raise BadAnswer("The answer about the QDevice is not an object")
    reading = _qdevice(data)
    if reading != QdeviceReading():
        return reading
    if data:
        raise BadAnswer("Nothing in the answer about the QDevice can be read")
    return None


_ha_node = row_of(HaNodeReading)
_ha_service = row_of(
    HaServiceReading, id=lambda row: name(row.get("sid")) or name(row.get("id")).removeprefix("service:")
)


def read_ha_status(data: object) -> HaReading:
    """Return the reading of GET /cluster/ha/status/current; a service or node listed twice counts once.

    The texts under `status` hold local times and are for people; whether a node lives, its timestamp tells.
    """
    rows = rows_of(data, "high availability")
    single: dict[str, Row] = {}
    nodes: dict[str, HaNodeReading] = {}
    services: dict[str, HaServiceReading] = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        kind = word(row.get("type"))
        if kind == "lrm" and (manager := _ha_node(row)):
            nodes[manager.node] = manager
        elif kind == "service":
            if service := _ha_service(row):
                services[service.id] = service
        elif kind:
            single[kind] = row
    if rows and not (single or nodes or services):
        raise BadAnswer("No entry of the answer about high availability can be read")
    master = single.get("master", {})
    return HaReading(
        is_quorate=truth(single.get("quorum", {}).get("quorate")),
        master_node=name(master.get("node")),
        master_status=text(master.get("status"), STATUS_LIMIT),
        master_seen_epoch=epoch(master.get("timestamp")),
        nodes=tuple(nodes[key] for key in sorted(nodes)),
        services=tuple(services[key] for key in sorted(services)),
        fencing=word(single.get("fencing", {}).get("armed-state")),
    )


def _osd_figure(key: str) -> Callable[[Row], int | None]:
    """Return what reads a figure of the OSDs; up to Nautilus they are one level deeper."""

    def read(row: Row) -> int | None:
        osds = fields(row.get("osdmap"))
        return size((fields(osds.get("osdmap")) or osds).get(key))

    return read


def _monitor_count(monitors: object) -> int | None:
    """Return how many monitors there are; from Squid on they are only counted."""
    monmap = fields(monitors)
    listed = monmap.get("mons")
    return len(listed) if isinstance(listed, list) else size(monmap.get("num_mons"))


def _quorum(listed: object) -> tuple[str, ...]:
    return (
        tuple(sorted({name(monitor) for monitor in listed[:MONITORS_LIMIT]} - {""}))
        if isinstance(listed, list)
        else ()
    )


def _lines(check: Row) -> tuple[tuple[str, ...], int]:
    """Return what a check says of each thing that it is about, unless that is its summary once more, and how many there are."""
    listed = check.get("detail")
    count = len(listed) if isinstance(listed, list) else 0
    summary = text(fields(check.get("summary")).get("message"))
    told = (text(line.get("message"), DETAIL_LIMIT) for line in entries(listed, DETAILS_LIMIT))
    lines = tuple(line for line in told if line and line != summary)
    return lines, count if count > DETAILS_LIMIT else len(lines)


def _checks(value: object) -> tuple[CephCheckReading, ...]:
    """Return the checks by name; very old releases have a list without names instead."""
    health = fields(value)
    checks: list[CephCheckReading] = []
    for key, entry in list(fields(health.get("checks")).items())[:CHECKS_LIMIT]:
        if (label := name(key)) and (check := fields(entry)):
            lines, count = _lines(check)
            checks.append(
                CephCheckReading(
                    name=label,
                    severity=word(check.get("severity")),
                    message=text(fields(check.get("summary")).get("message")),
                    is_muted=is_true(check.get("muted")),
                    details=lines,
                    detail_count=count,
                )
            )
    if not checks:
        checks = [
            CephCheckReading(name="", severity=word(line.get("severity")), message=text(line.get("summary")))
            for line in entries(health.get("summary"), CHECKS_LIMIT)
        ]
    return tuple(sorted(checks, key=lambda check: (check.name, check.message)))


def _placement_groups(value: object) -> tuple[tuple[str, int], ...]:
    states = (
        (text(entry.get("state_name")), size(entry.get("count"))) for entry in entries(value, STATES_LIMIT)
    )
    return tuple(sorted((state, count) for state, count in states if state and count is not None))


#: Ceph's own words, which have changed with its releases.
read_ceph_status = Thing(
    "Ceph",
    row_of(
        CephReading,
        health=(lambda health: first(word, "status", "overall_status")(fields(health)), "health"),
        checks=(_checks, "health"),
        osd_count=_osd_figure("num_osds"),
        osd_up_count=_osd_figure("num_up_osds"),
        osd_in_count=_osd_figure("num_in_osds"),
        placement_groups=(_placement_groups, "pgmap", "pgs_by_state"),
        monitor_count=(_monitor_count, "monmap"),
        quorum=(_quorum, "quorum_names"),
    ),
    lack="tells no health",
)


def read_ceph_osds(data: object) -> tuple[CephOsdReading, ...]:
    """Return the reading of GET /nodes/{node}/ceph/osd: the leaves of its tree, by number, each once."""
    root = fields(fields_of(data, "the OSDs").get("root"))
    osds: dict[int, CephOsdReading] = {}
    for row, host in _leaves(root):
        if (osd := _osd(row)) is not None:
            osds[osd.id] = osd if osd.host else msgspec.structs.replace(osd, host=host)
    return tuple(osds[key] for key in sorted(osds))


def _leaves(root: Row) -> Iterator[tuple[Row, str]]:
    """Yield each OSD of a CRUSH tree with the host it is below, "" when there is none."""
    stack: list[tuple[Row, str]] = [(root, "")]
    left = BUCKETS_LIMIT
    while stack and left:
        left -= 1
        row, host = stack.pop()
        kind = row.get("type")
        if kind == "osd":
            yield row, host
            continue
        if kind == "host":
            host = name(row.get("name"))
        stack += [(child, host) for child in entries(row.get("children"), BUCKETS_LIMIT)]


_osd = row_of(CephOsdReading, name=lambda row: name(row.get("name")) or f"osd.{size(row.get('id'))}")
read_ceph_flags = Rows("the flags of Ceph", row_of(CephFlagReading), by=("name",))
#: `percent_used` is a ratio there, against its name and the schema; that of an OSD is a percentage.
read_ceph_pools = Rows("the Ceph pools", row_of(CephPoolReading), by=("name",))
#: `source` is the node where the guest was at the job's last run; it may be missing and it may have moved since. `error` is
#: there only while a job fails.
read_replication = Rows(
    "the replication",
    row_of(
        ReplicationReading,
        vmid=lambda row: vmid(row.get("guest")) or vmid(name(row.get("id")).partition("-")[0]),
        failure_count=(lambda value: size(value) or 0, "fail_count"),
        is_running=(lambda value: bool(size(value)), "pid"),
    ),
    by=("id",),
)

#: The nodes of the cluster with their votes, none of a host outside any.
node_votes = Call("/cluster/config/nodes", read_node_votes)
#: The QDevice as the answering node sees it, None where it runs none.
qdevice = Call("/cluster/config/qdevice", read_qdevice)
#: An empty reading where high availability is not used.
ha_status = Call("/cluster/ha/status/current", read_ha_status)
#: Only a node where Ceph is installed can tell: NoCeph from the others. A cluster that hangs answers late.
ceph_status = Call("/cluster/ceph/status", read_ceph_status)
#: The same, as another node of the cluster tells it.
node_ceph_status = Call("/nodes/{node}/ceph/status", read_ceph_status)
#: Only the node that is asked can answer, as of ceph_status.
ceph_flags = Call("/cluster/ceph/flags", read_ceph_flags)
#: All OSDs of the Ceph cluster, whichever node is asked; NoCeph as of ceph_status.
ceph_osds = Call("/nodes/{node}/ceph/osd", read_ceph_osds)
#: From PVE 7.3.
ceph_pools = Call("/nodes/{node}/ceph/pool", read_ceph_pools)
#: The replication jobs as they are configured, without what became of them.
replication_jobs = Call("/cluster/replication", read_replication)
#: Those whose source is this node, with their last run.
node_replication = Call("/nodes/{node}/replication", read_replication)
