"""The calls of Proxmox VE about what spans nodes: votes, high availability, Ceph, replication."""

from __future__ import annotations

import time
import zlib

from tests.fake_proxmox import curves
from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.clusterwide import Ceph, ReplicationJob, service_id
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.model import Cluster, Guest, Node
from tests.fake_proxmox.pve import call, cluster_of, node_of

_AUDIT = ("/", "Sys.Audit")
_FLAGS = (
    "nobackfill", "nodeep-scrub", "nodown", "noin", "noout", "norebalance", "norecover", "noscrub", "notieragent", "noup", "pause",
)  # fmt: skip
_CEPH = ("/", "Sys.Audit", "Datastore.Audit")
_OSD_BYTES = 1_920_383_410_176
#: Retries after failures, in minutes.
_RETRY_MINUTES = (5, 10, 15, 30)


@call("GET", "/cluster/config/nodes", privilege=_AUDIT)
def corosync_nodes(request: Call) -> list[Row]:
    """The nodes of corosync.conf, whose values are texts; a host outside any cluster has no such file."""
    cluster = cluster_of(request)
    if not cluster.is_cluster:
        return []
    return [
        {
            "node": node.name,
            "name": node.name,
            "nodeid": str(node.node_id),
            "quorum_votes": "1",
            "ring0_addr": node.address,
        }
        for node in cluster.nodes.values()
    ]


@call("GET", "/cluster/config/qdevice", privilege=_AUDIT)
def qdevice(request: Call) -> Row:
    """What the QDevice daemon of the node that was asked prints, an empty object where there is none."""
    told = cluster_of(request).qdevice
    if told is None:
        return {}
    polled = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(request.now // 10 * 10))
    return {
        "Model": "Net",
        "QNetd host": told.host,
        "Algorithm": told.algorithm,
        "Tie-breaker": "Node with lowest node ID",
        "State": told.state,
        "Last poll call": polled + (" (cast vote)" if told.is_voting else ""),
    }


def _services(cluster: Cluster) -> list[Guest]:
    return [guest for guest in cluster.guests.values() if guest.hastate]


@call("GET", "/cluster/ha/status/current", privilege=_AUDIT)
def ha_status(request: Call) -> list[Row]:
    """The state of quorum, master, local managers and services."""
    cluster, now = cluster_of(request), request.now
    version = cluster.version_of(request.server.name).number
    first = next((node for node in cluster.nodes.values() if node.died_at is None), None)
    asked = request.server.name
    rows: list[Row] = [
        {
            "id": "quorum",
            "type": "quorum",
            "node": asked,
            "status": "OK" if cluster.is_quorate else "No quorum on node '" + asked + "'!",
            "quorate": int(cluster.is_quorate),
        }
    ]
    services = _services(cluster)
    if services and first is not None:
        rows.append(
            {
                "id": "master",
                "type": "master",
                "node": first.name,
                "timestamp": int(now) // 10 * 10,
                "status": f"{first.name} (active, {_text(now // 10 * 10)})",
            }
        )
    if version >= (9, 2) and first is not None:
        armed = "armed" if services else "standby"
        watchdog = "armed (CRM watchdog active)" if services else "standby (CRM watchdog standby)"
        rows.append(
            {"id": "fencing", "type": "fencing", "node": first.name, "armed-state": armed, "status": watchdog}
        )
    if services:
        rows += [_local_manager(node, services, now) for node in cluster.nodes.values()]
        rows += [_service(cluster, guest, version) for guest in services]
    return rows


def _local_manager(node: Node, services: list[Guest], now: float) -> Row:
    told_epoch = now // 5 * 5 if node.died_at is None else node.died_at
    mode = "active" if any(guest.node == node.name for guest in services) else "idle"
    if node.died_at is not None and now - node.died_at > 120:
        mode = "old timestamp - dead?"
    return {
        "id": f"lrm:{node.name}",
        "type": "lrm",
        "node": node.name,
        "timestamp": int(told_epoch),
        "status": f"{node.name} ({mode}, {_text(told_epoch)})",
    }


def _service(cluster: Cluster, guest: Guest, version: tuple[int, int]) -> Row:
    sid = service_id(guest.kind, guest.vmid)
    row: Row = {
        "id": f"service:{sid}",
        "type": "service",
        "sid": sid,
        "node": guest.node,
        "state": guest.hastate,
        "crm_state": guest.hastate,
        "request_state": cluster.ha_requests.get(guest.vmid, "started"),
        "max_restart": 1,
        "max_relocate": 1,
        "status": f"{sid} ({guest.node}, {guest.hastate})",
    }
    if version >= (9, 0):
        row["failback"] = 1
    if version >= (9, 2):
        row["auto-rebalance"] = 1
    return row


def _text(at: float) -> str:
    return time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(at))


@call("GET", "/cluster/ha/resources", parameters=("type",), privilege=_AUDIT)
def ha_resources(request: Call) -> list[Row]:
    """The guests under high availability."""
    cluster = cluster_of(request)
    version = cluster.version_of(request.server.name).number
    wanted = request.parameters.get("type")
    rows = []
    for guest in _services(cluster):
        kind = "vm" if guest.kind == "qemu" else "ct"
        if wanted not in (None, kind):
            continue
        row: Row = {
            "sid": service_id(guest.kind, guest.vmid),
            "type": kind,
            "state": cluster.ha_requests.get(guest.vmid, "started"),
            "max_restart": 1,
            "max_relocate": 1,
            "digest": f"{zlib.crc32(cluster.name.encode()):040x}",
        }
        # Rules took the place of groups in PVE 9.
        rows.append(row | ({"failback": 1} if version >= (9, 0) else {"group": "all"}))
    return rows


def _ceph(request: Call, node: str) -> Ceph:
    ceph = cluster_of(request).ceph
    if ceph is None or not ceph.is_installed or (ceph.nodes and node not in ceph.nodes):
        raise ApiFailure(500, "binary not installed: /usr/bin/ceph-mon")
    if not ceph.is_initialized:
        raise ApiFailure(500, "pveceph configuration not initialized")
    return ceph


def _osds(cluster: Cluster, ceph: Ceph) -> tuple[int, int, int]:
    """Return how many there are, are up, are in; those of dead nodes are down."""
    total = ceph.osds_per_node * len(cluster.nodes)
    dead = ceph.osds_per_node * sum(node.died_at is not None for node in cluster.nodes.values())
    return total, max(0, total - dead - ceph.osds_down), max(0, total - dead - ceph.osds_out)


@call("GET", "/cluster/ceph/status", privilege=_CEPH)
def ceph_status(request: Call) -> Row:
    """What Ceph says of itself, if it is installed on the node that was asked."""
    return _ceph_status(request, request.server.name)


@call("GET", "/nodes/{node}/ceph/status", privilege=_CEPH, is_proxied=True)
def node_ceph_status(request: Call) -> Row:
    """The same, through a node of which it is asked."""
    return _ceph_status(request, node_of(request).name)


def _ceph_status(request: Call, node: str) -> Row:
    cluster = cluster_of(request)
    ceph = _ceph(request, node)
    total, up, known = _osds(cluster, ceph)
    monitors = [node for node in cluster.nodes.values() if node.died_at is None][:3]
    checks = {
        name: {
            "severity": "HEALTH_WARN" if ceph.health != "HEALTH_ERR" else ceph.health,
            "summary": {"message": text, "count": 1},
            "detail": [{"message": line} for line in ceph.details.get(name, [text])],
            "muted": name in ceph.muted,
        }
        for name, text in ceph.checks.items()
    }
    is_new = (ceph.schema or ("new" if cluster.version.number >= (9, 0) else "old")) == "new"
    size = _OSD_BYTES * known
    used = int(size * ceph.used_ratio)
    placed = 32 * total
    degraded = 17 if ceph.osds_down else 0
    states = [{"state_name": "active+clean", "count": placed - degraded}]
    if degraded:
        states.append({"state_name": "active+undersized+degraded", "count": degraded})
    groups: Row = {
        "pgs_by_state": states,
        "num_pgs": placed,
        "num_pools": 2,
        "num_objects": used // 4_194_304 // 3,
        "data_bytes": used // 3,
        "bytes_used": used,
        "bytes_avail": size - used,
        "bytes_total": size,
    }
    if not ceph.is_idle:
        turn = 1 + 0.4 * curves.noise(cluster.seed, int(request.now / 5))
        groups |= {
            "read_bytes_sec": int(31_000_000 * turn),
            "write_bytes_sec": int(12_000_000 * turn),
            "read_op_per_sec": int(640 * turn),
            "write_op_per_sec": int(410 * turn),
        }
    answer: Row = {
        "fsid": f"8a4d2c1e-5b7f-4e0a-9c33-{zlib.crc32(cluster.name.encode()):012x}",
        "health": {
            "status": ceph.health,
            "checks": checks,
            "mutes": [{"code": name, "sticky": False} for name in ceph.muted],
        },
        "election_epoch": 148,
        "quorum": list(range(len(monitors))),
        "quorum_names": [node.name for node in monitors],
        "quorum_age": 416_100,
        "osdmap": {"epoch": 2_211, "num_osds": total, "num_up_osds": up, "num_in_osds": known},
        "pgmap": groups,
        "servicemap": {"epoch": 9, "services": {}},
        "progress_events": {},
    }
    if is_new:
        answer["monmap"] = {"epoch": 3, "min_mon_release_name": "squid", "num_mons": len(monitors)}
        answer["mgrmap"] = {"available": ceph.is_available, "num_standbys": 1, "modules": [], "services": {}}
        return answer
    answer["monmap"] = {
        "epoch": 3,
        "mons": [
            {
                "rank": rank,
                "name": node.name,
                "addr": f"{node.address}:6789/0",
                "public_addr": f"{node.address}:6789/0",
            }
            for rank, node in enumerate(monitors)
        ],
    }
    answer["mgrmap"] = {
        "epoch": 71,
        "active_name": monitors[0].name if monitors else "",
        "available": ceph.is_available,
        "standbys": [{"name": node.name} for node in monitors[1:]],
    }
    return answer


@call("GET", "/cluster/ceph/flags", privilege=("/", "Sys.Audit"))
def ceph_flags(request: Call) -> list[Row]:
    """What may be switched off, and is."""
    ceph = _ceph(request, request.server.name)
    return [
        {"name": name, "value": int(name in ceph.flags), "description": f"What {name} switches off."}
        for name in _FLAGS
    ]


@call("GET", "/nodes/{node}/ceph/osd", privilege=_CEPH, is_proxied=True)
def ceph_osds(request: Call) -> Row:
    """The tree of hosts and their OSDs."""
    cluster = cluster_of(request)
    ceph = _ceph(request, node_of(request).name)
    left_down, left_out = ceph.osds_down, ceph.osds_out
    hosts, number = [], 0
    for node in cluster.nodes.values():
        osds = []
        for _ in range(ceph.osds_per_node):
            is_down = node.died_at is not None or left_down > 0
            is_out = node.died_at is not None or left_out > 0
            left_down -= node.died_at is None and left_down > 0
            left_out -= node.died_at is None and left_out > 0
            share = ceph.used_ratio * (1 + 0.1 * curves.noise(cluster.seed, number))
            osds.append(
                {
                    "id": number,
                    "name": f"osd.{number}",
                    "type": "osd",
                    "leaf": 1,
                    "host": node.name,
                    "status": "down" if is_down else "up",
                    "in": int(not is_out),
                    "reweight": 0 if is_out else 1,
                    "device_class": "ssd",
                    "osdtype": "bluestore",
                    "crush_weight": 1.74660,
                    "total_space": _OSD_BYTES,
                    "bytes_used": 0 if is_down else int(_OSD_BYTES * share),
                    "percent_used": 0 if is_down else share * 100,
                    "pgs": 0 if is_out else 96,
                    "apply_latency_ms": 1,
                    "commit_latency_ms": 1,
                    "ceph_version_short": "19.2.3",
                }
            )
            number += 1
        hosts.append(
            {"id": str(-2 - len(hosts)), "name": node.name, "type": "host", "leaf": 0, "children": osds}
        )
    root = {"id": "-1", "name": "default", "type": "root", "leaf": 0, "children": hosts}
    return {"flags": "sortbitwise,recovery_deletes,purged_snapdirs", "root": {"leaf": 0, "children": [root]}}


@call("GET", "/nodes/{node}/ceph/pool", privilege=_CEPH, is_proxied=True)
def ceph_pools(request: Call) -> list[Row]:
    """The pools."""
    cluster = cluster_of(request)
    ceph = _ceph(request, node_of(request).name)
    used = int(_OSD_BYTES * _osds(cluster, ceph)[2] * ceph.used_ratio)
    rows = []
    for number, (name, share) in enumerate(((".mgr", 0.00001), ("vm", 0.99999)), 1):
        rows.append(
            {
                "pool": number,
                "pool_name": name,
                "type": "replicated",
                "size": 3,
                "min_size": 2,
                "pg_num": 1 if number == 1 else 128,
                "pg_num_final": 1 if number == 1 else 128,
                "pg_autoscale_mode": "on",
                "crush_rule": 0,
                "crush_rule_name": "replicated_rule",
                "bytes_used": int(used * share),
                "percent_used": round(ceph.used_ratio * share, 6),
                "application_metadata": {"mgr" if number == 1 else "rbd": {}},
            }
        )
    return rows


def _sees(request: Call, job: ReplicationJob) -> bool:
    return request.may(f"/vms/{job.guest}", "VM.Audit")


def _source(cluster: Cluster, job: ReplicationJob) -> str:
    guest = cluster.guests.get(job.guest)
    return guest.node if guest is not None else ""


def _configured(cluster: Cluster, job: ReplicationJob) -> Row:
    row: Row = {
        "id": job.id,
        "type": "local",
        "guest": job.guest,
        "jobnum": job.number,
        "source": _source(cluster, job),
        "target": job.target,
        "schedule": job.schedule,
    }
    if job.comment:
        row["comment"] = job.comment
    if job.is_disabled:
        row["disable"] = 1
    return row


@call("GET", "/cluster/replication")
def replication_jobs(request: Call) -> list[Row]:
    """The configuration of the replication jobs, without a word on how they go."""
    cluster = cluster_of(request)
    return [_configured(cluster, job) for job in cluster.replication.values() if _sees(request, job)]


@call("GET", "/nodes/{node}/replication", parameters=("guest",), is_proxied=True)
def replication(request: Call) -> list[Row]:
    """How the replication jobs go whose guests run on a node."""
    cluster, node = cluster_of(request), node_of(request).name
    wanted = request.number("guest", 0)
    return [
        _state(cluster, job, request.now)
        for job in cluster.replication.values()
        if _source(cluster, job) == node and wanted in (0, job.guest) and _sees(request, job)
    ]


@call("GET", "/nodes/{node}/replication/{id}/status", is_proxied=True)
def replication_status(request: Call) -> Row:
    """How one replication job goes whose guest runs on a node."""
    cluster, node, wanted = cluster_of(request), node_of(request).name, request.names["id"]
    for job in cluster.replication.values():
        if job.id == wanted and _source(cluster, job) == node and _sees(request, job):
            return _state(cluster, job, request.now)
    raise ApiFailure(500, f"no such replication job '{wanted}'")


def _state(cluster: Cluster, job: ReplicationJob, now: float) -> Row:
    row = _configured(cluster, job) | {"fail_count": job.fail_count, "duration": job.duration}
    vmtype = cluster.guests[job.guest].kind
    row["vmtype"] = vmtype
    last_try = job.last_try(now)
    row["next_sync"] = last_try + job.interval_seconds
    if job.fail_count:
        minutes = _RETRY_MINUTES[min(job.fail_count, len(_RETRY_MINUTES)) - 1]
        last_try = int(now) // 60 * 60 - 60
        row["next_sync"] = last_try + minutes * 60
        row["error"] = job.error or "interrupted by signal"
    good_until = job.failing_since if job.fail_count and job.failing_since is not None else now
    row["last_try"] = last_try
    row["last_sync"] = job.last_sync if job.last_sync is not None else job.last_try(good_until)
    if job.is_disabled:
        row["next_sync"] = 0
    if job.is_running:
        row["pid"] = 4_242
    return row
