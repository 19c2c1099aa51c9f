"""The calls about what runs above single nodes of a PVE: votes, high availability, Ceph, replication.

Readers raise BadAnswer only. Source: api-facts.md section 4.1.
"""

from __future__ import annotations

from collections.abc import Iterator

from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.properties import vmid
from nodes.proxmox.pve import WORD_LIMIT
from nodes.proxmox.readings import (
    CephCheckReading,
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
from nodes.proxmox.rows import Row, entries, fields_of, name, read_rows, rows_of, segment
from nodes.proxmox.values import epoch, fields, ratio, real, size, text, truth, whole

TEXT_LIMIT = 256
STATUS_LIMIT = 200
ERROR_LIMIT = 500
CHECKS_LIMIT = 200
STATES_LIMIT = 100
MONITORS_LIMIT = 100
#: Buckets and OSDs of one CRUSH tree; the largest clusters have some thousands.
BUCKETS_LIMIT = 20_000


def node_votes(client: Client, *, timeout_seconds: float | None = None) -> tuple[VoteReading, ...]:
    """Return the nodes of the cluster with their votes, none of a host outside any. Needs Sys.Audit on /."""
    return read_node_votes(client.get("/cluster/config/nodes", timeout_seconds=timeout_seconds).data)


def qdevice(client: Client, *, timeout_seconds: float | None = None) -> QdeviceReading | None:
    """Return the QDevice as the answering node sees it, None where it runs none. Needs Sys.Audit on /."""
    return read_qdevice(client.get("/cluster/config/qdevice", timeout_seconds=timeout_seconds).data)


def ha_status(client: Client, *, timeout_seconds: float | None = None) -> HaReading:
    """Return the state of high availability, an empty reading where it is not used. Needs Sys.Audit on /."""
    return read_ha_status(client.get("/cluster/ha/status/current", timeout_seconds=timeout_seconds).data)


def ceph_status(client: Client, *, timeout_seconds: float | None = None) -> CephReading:
    """Return the state of Ceph. Needs Sys.Audit or Datastore.Audit on /.

    Only a node where Ceph is installed can tell: NoCeph from the others. A cluster that hangs answers late.
    """
    return read_ceph_status(client.get("/cluster/ceph/status", timeout_seconds=timeout_seconds).data)


def ceph_osds(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[CephOsdReading, ...]:
    """Return all OSDs of the Ceph cluster, whichever node is asked; NoCeph and privileges as of ceph_status."""
    return read_ceph_osds(
        client.get(f"/nodes/{segment(node)}/ceph/osd", timeout_seconds=timeout_seconds).data
    )


def ceph_pools(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[CephPoolReading, ...]:
    """Return the pools of the Ceph cluster; NoCeph and privileges as of ceph_status. From PVE 7.3."""
    return read_ceph_pools(
        client.get(f"/nodes/{segment(node)}/ceph/pool", timeout_seconds=timeout_seconds).data
    )


def replication_jobs(
    client: Client, *, timeout_seconds: float | None = None
) -> tuple[ReplicationReading, ...]:
    """Return the replication jobs as they are configured, without what became of them. Needs VM.Audit."""
    return read_replication_jobs(client.get("/cluster/replication", timeout_seconds=timeout_seconds).data)


def node_replication(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[ReplicationReading, ...]:
    """Return the replication jobs whose source is this node, with their last run. Needs VM.Audit."""
    return read_node_replication(
        client.get(f"/nodes/{segment(node)}/replication", timeout_seconds=timeout_seconds).data
    )


def read_node_votes(data: object) -> tuple[VoteReading, ...]:
    """Return the reading of GET /cluster/config/nodes, by name; its numbers are texts, as in the file they are from."""
    readings = read_rows(data, "the votes of the nodes", _vote)
    return tuple(sorted(readings, key=lambda one: one.node))


def _vote(row: Row) -> VoteReading | None:
    node = name(row.get("node")) or name(row.get("name"))
    if not node:
        return None
    return VoteReading(node, number=size(row.get("nodeid")), votes=size(row.get("quorum_votes")))


def read_qdevice(data: object) -> QdeviceReading | None:
    """Return the reading of GET /cluster/config/qdevice: lines of the daemon as it prints them, an empty object without it."""
    if not isinstance(data, dict):
        raise BadAnswer("The answer about the QDevice is not an object")
    reading = QdeviceReading(
        model=text(data.get("Model"), WORD_LIMIT),
        host=text(data.get("QNetd host"), TEXT_LIMIT),
        state=text(data.get("State"), WORD_LIMIT),
        algorithm=text(data.get("Algorithm"), WORD_LIMIT),
        tie_breaker=text(data.get("Tie-breaker"), TEXT_LIMIT),
        last_poll=text(data.get("Last poll call"), TEXT_LIMIT),
    )
    if reading != QdeviceReading():
        return reading
    if data:
        raise BadAnswer("Nothing in the answer about the QDevice can be read")
    return None


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
        kind, node = text(row.get("type"), WORD_LIMIT), name(row.get("node"))
        if kind == "lrm" and node:
            nodes[node] = HaNodeReading(
                node=node,
                status=text(row.get("status"), STATUS_LIMIT),
                seen_at=epoch(row.get("timestamp")),
            )
        elif kind == "service":
            service = name(row.get("sid")) or name(row.get("id")).removeprefix("service:")
            if service:
                services[service] = HaServiceReading(
                    id=service,
                    node=node,
                    state=text(row.get("state"), WORD_LIMIT),
                    requested_state=text(row.get("request_state"), WORD_LIMIT),
                )
        elif kind:
            single[kind] = row
    if rows and not (single or nodes or services):
        raise BadAnswer("No entry of the answer about high availability can be read")
    master = single.get("master", {})
    return HaReading(
        is_quorate=truth(single.get("quorum", {}).get("quorate")),
        master_node=name(master.get("node")),
        master_status=text(master.get("status"), STATUS_LIMIT),
        master_seen_at=epoch(master.get("timestamp")),
        nodes=tuple(nodes[key] for key in sorted(nodes)),
        services=tuple(services[key] for key in sorted(services)),
        fencing=text(single.get("fencing", {}).get("armed-state"), WORD_LIMIT),
    )


def read_ceph_status(data: object) -> CephReading:
    """Return the reading of GET /cluster/ceph/status: Ceph's own words, which have changed with its releases.

    Up to Nautilus the figures of the OSDs are one level deeper; from Squid the monitors are only counted.
    """
    row = fields_of(data, "Ceph")
    health, placement = fields(row.get("health")), fields(row.get("pgmap"))
    told = text(health.get("status"), WORD_LIMIT) or text(health.get("overall_status"), WORD_LIMIT)
    if not told:
        raise BadAnswer("The answer about Ceph tells no health")
    osds = fields(row.get("osdmap"))
    osds = fields(osds.get("osdmap")) or osds
    monitors = fields(row.get("monmap"))
    listed = monitors.get("mons")
    quorum = row.get("quorum_names")
    return CephReading(
        health=told,
        checks=_checks(health),
        osd_count=size(osds.get("num_osds")),
        osd_up_count=size(osds.get("num_up_osds")),
        osd_in_count=size(osds.get("num_in_osds")),
        used_bytes=size(placement.get("bytes_used")),
        total_bytes=size(placement.get("bytes_total")),
        placement_group_count=size(placement.get("num_pgs")),
        placement_groups=_placement_groups(placement.get("pgs_by_state")),
        monitor_count=len(listed) if isinstance(listed, list) else size(monitors.get("num_mons")),
        quorum=tuple(sorted({name(one) for one in quorum[:MONITORS_LIMIT]} - {""}))
        if isinstance(quorum, list)
        else (),
        manager_is_available=truth(fields(row.get("mgrmap")).get("available")),
        read_bytes_per_second=size(placement.get("read_bytes_sec")),
        write_bytes_per_second=size(placement.get("write_bytes_sec")),
        read_operations_per_second=size(placement.get("read_op_per_sec")),
        write_operations_per_second=size(placement.get("write_op_per_sec")),
    )


def _checks(health: Row) -> tuple[CephCheckReading, ...]:
    """Return the checks by name; very old releases have a list without names instead."""
    found = [
        CephCheckReading(
            name=label,
            severity=text(check.get("severity"), WORD_LIMIT),
            message=text(fields(check.get("summary")).get("message"), TEXT_LIMIT),
            is_muted=truth(check.get("muted")) is True,
        )
        for key, told in list(fields(health.get("checks")).items())[:CHECKS_LIMIT]
        if (label := name(key)) and (check := fields(told))
    ]
    if not found:
        found = [
            CephCheckReading(
                name="",
                severity=text(line.get("severity"), WORD_LIMIT),
                message=text(line.get("summary"), TEXT_LIMIT),
            )
            for line in entries(health.get("summary"), CHECKS_LIMIT)
        ]
    return tuple(sorted(found, key=lambda check: (check.name, check.message)))


def _placement_groups(value: object) -> tuple[tuple[str, int], ...]:
    found = (
        (text(entry.get("state_name"), TEXT_LIMIT), size(entry.get("count")))
        for entry in entries(value, STATES_LIMIT)
    )
    return tuple(sorted((state, count) for state, count in found if state and count is not None))


def read_ceph_osds(data: object) -> tuple[CephOsdReading, ...]:
    """Return the reading of GET /nodes/{node}/ceph/osd: the leaves of its tree, by number, each once."""
    root = fields(fields_of(data, "the OSDs").get("root"))
    found = {osd.id: osd for row, host in _leaves(root) if (osd := _osd(row, host)) is not None}
    return tuple(found[key] for key in sorted(found))


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


def _osd(row: Row, host: str) -> CephOsdReading | None:
    number = whole(row.get("id"))
    if number is None or number < 0:  # below 0 are buckets
        return None
    return CephOsdReading(
        id=number,
        name=name(row.get("name")) or f"osd.{number}",
        host=name(row.get("host")) or host,
        status=text(row.get("status"), WORD_LIMIT),
        is_in=truth(row.get("in")),
        used_percent=ratio(row.get("percent_used")),
        total_bytes=size(row.get("total_space")),
        used_bytes=size(row.get("bytes_used")),
        device_class=text(row.get("device_class"), WORD_LIMIT),
    )


def read_ceph_pools(data: object) -> tuple[CephPoolReading, ...]:
    """Return the reading of GET /nodes/{node}/ceph/pool, by name.

    `percent_used` is a ratio there, against its name and the schema; that of an OSD is a percentage.
    """
    readings = read_rows(data, "the Ceph pools", _ceph_pool)
    return tuple(sorted(readings, key=lambda pool: pool.name))


def _ceph_pool(row: Row) -> CephPoolReading | None:
    pool = name(row.get("pool_name"))
    if not pool:
        return None
    return CephPoolReading(
        name=pool,
        used_bytes=size(row.get("bytes_used")),
        used_ratio=ratio(row.get("percent_used")),
        size=size(row.get("size")),
        min_size=size(row.get("min_size")),
        placement_group_count=size(row.get("pg_num")),
    )


def read_replication_jobs(data: object) -> tuple[ReplicationReading, ...]:
    """Return the reading of GET /cluster/replication, by id.

    `source` is the node where the guest was at the job's last run; it may be missing and it may have moved since.
    """
    return _replications(data)


def read_node_replication(data: object) -> tuple[ReplicationReading, ...]:
    """Return the reading of GET /nodes/{node}/replication, by id; `error` is there only while a job fails."""
    return _replications(data)


def _replications(data: object) -> tuple[ReplicationReading, ...]:
    readings = read_rows(data, "the replication", _replication)
    return tuple(sorted(readings, key=lambda job: job.id))


def _replication(row: Row) -> ReplicationReading | None:
    job = name(row.get("id"))
    if not job:
        return None
    duration = real(row.get("duration"))
    return ReplicationReading(
        id=job,
        vmid=vmid(row.get("guest")) or vmid(job.partition("-")[0]),
        source=name(row.get("source")),
        target=name(row.get("target")),
        schedule=text(row.get("schedule"), TEXT_LIMIT),
        last_sync_at=epoch(row.get("last_sync")),
        last_try_at=epoch(row.get("last_try")),
        next_sync_at=epoch(row.get("next_sync")),
        duration_seconds=duration if duration is not None and duration >= 0 else None,
        failure_count=size(row.get("fail_count")) or 0,
        error=text(row.get("error"), ERROR_LIMIT),
        is_running=bool(size(row.get("pid"))),
        is_disabled=truth(row.get("disable")) is True,
    )
