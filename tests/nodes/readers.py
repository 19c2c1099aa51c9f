"""All readers of answers, each with where its answers are published and with a sample that has every field it knows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from nodes.proxmox import (
    access,
    backup_server,
    backups,
    cluster,
    guests,
    hardware,
    mail,
    pbs,
    pve,
    records,
    software,
    tasks,
)
from tests.nodes.recorded import recorded_exchanges, recorded_files, schema_paths

VERSIONS = {"pve": ("pve-9.2", "pve-8.4", "pve-7.4"), "pbs": ("pbs-4",), "pmg": ("pmg-9.1",)}

UPID = "UPID:pve1:00000C8B:0000D780:5FBE5E7F:vzdump:100:root@pam:"


@dataclass(frozen=True)
class Source:
    """A reader, and the calls whose answers it reads: (product, path).

    `told` adds what no schema describes, because Ceph, the agent in a guest or a text decides it.
    """

    read: Callable[[object], object]
    calls: tuple[tuple[str, str], ...]
    told: tuple[Any, ...] = ()

    def samples(self) -> list[Any]:
        """Return one answer with every documented field for each version, and those that are told here."""
        schemas = [
            paths[path]["GET"]["returns"]
            for product, path in self.calls
            for version in VERSIONS[product]
            if path in (paths := schema_paths(version))
        ]
        made = [made_of(schema) for schema in schemas]
        return [*made, *self.told]


def made_of(schema: dict[str, Any], key: str = "") -> Any:
    """Return plain data with every property of a schema; a list has a row for each kind that its rows can have."""
    for word in ("oneOf", "anyOf", "allOf"):
        if word in schema:
            return made_of(schema[word][0], key)
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        kinds = ((items.get("properties") or {}).get("type") or {}).get("enum") or [None]
        row = made_of(items)
        return [{**row, "type": kind} if isinstance(row, dict) and kind else row for kind in kinds]
    if schema.get("type") == "object" or "properties" in schema:
        return {name: made_of(inner, name) for name, inner in (schema.get("properties") or {}).items()}
    if key == "upid":
        return UPID
    if "enum" in schema:
        return schema["enum"][0]
    return {"integer": 7, "number": 7, "boolean": 1, "null": None}.get(schema.get("type", ""), "a7")


CONFIG = {
    "scsi0": "local-lvm:vm-100-disk-0,backup=0,size=32G", "mp0": "tank:subvol-100-disk-1,mp=/srv,backup=1,size=8G",
    "rootfs": "tank:subvol-100-disk-0,size=8G", "unused0": "tank:vm-100-disk-3", "ide2": "none,media=cdrom",
    "agent": "enabled=1,fstrim_cloned_disks=1", "description": "one%0Atwo",
}  # fmt: skip
FILESYSTEMS = {
    "result": [
        {"name": "sda1", "mountpoint": "/", "type": "ext4", "total-bytes": 10, "used-bytes": 4, "disk": [
            {"serial": "", "bus-type": "scsi", "bus": 0, "target": 1, "unit": 2, "dev": "/dev/sda1",
             "pci-controller": {"domain": 0, "bus": 9, "slot": 1, "function": 0}}]},
    ]
}  # fmt: skip
INTERFACES = {
    "result": [
        {"name": "eth0", "hardware-address": "BC:24:11:00:00:01",
         "ip-addresses": [{"ip-address": "192.0.2.7", "ip-address-type": "ipv4", "prefix": 24}]},
    ]
}  # fmt: skip
SYSTEM = {"result": {"pretty-name": "Debian 12", "kernel-release": "6.1.0", "machine": "x86_64"}}
CONTAINER_INTERFACES = [
    {"name": "eth0", "hwaddr": "BC:24:11:00:00:02", "inet": "192.0.2.8/24", "inet6": "fe80::1/64"}
]
GUEST_DETAILS = [
    {"vmid": 100, "freemem": 5, "memhost": 9, "ballooninfo": {"actual": 7, "total_mem": 6, "free_mem": 5}},
    {"vmid": 101, "swap": 1, "maxswap": 2, "pressurecpusome": "0.10", "pressurecpufull": "0.00"},
]
STORAGES = [
    {"storage": "vault", "type": "pbs", "content": "backup", "shared": 1, "disable": 0, "nodes": "pve1,pve2",
     "server": "192.0.2.9", "datastore": "main", "namespace": "lab", "username": "pve@pbs!b", "path": "/srv",
     "fingerprint": "AB:" * 31 + "CD"},
    {"storage": "nas", "type": "nfs", "server": "192.0.2.9", "export": "/a", "content-dirs": "backup=b,iso=c"},
    {"storage": "smb", "type": "cifs", "server": "192.0.2.9", "share": "a", "subdir": "/b"},
    {"storage": "fs", "type": "cephfs", "monhost": "192.0.2.1:6789 [2001:db8::1]", "fs-name": "a"},
    {"storage": "g", "type": "glusterfs", "server": "192.0.2.9", "server2": "192.0.2.8", "volume": "a"},
]  # fmt: skip
VOLUMES = [
    {"volid": "nas:backup/vzdump-qemu-100-2026_01_01-01_00_00.vma.zst", "content": "backup", "ctime": 1767225600,
     "verification": {"state": "ok", "upid": UPID}, "encrypted": "1", "protected": 1, "size": 9, "vmid": 100}
]  # fmt: skip
TASKS = [
    {"upid": UPID, "node": "pve1", "type": "vzdump", "id": "100", "user": "root@pam", "tokenid": "cli",
     "starttime": 1606311551, "endtime": 1606311552, "status": "OK"}
]  # fmt: skip
CEPH = {
    "health": {"status": "HEALTH_WARN", "checks": {"OSD_DOWN": {
        "severity": "HEALTH_WARN", "summary": {"message": "1 osds down", "count": 1}, "detail": [{"message": "osd.3 is down"}],
        "muted": False}}},
    "osdmap": {"num_osds": 3, "num_up_osds": 2, "num_in_osds": 3},
    "pgmap": {"num_pgs": 9, "bytes_used": 4, "bytes_total": 10, "read_bytes_sec": 1, "write_bytes_sec": 2,
              "read_op_per_sec": 3, "write_op_per_sec": 4, "pgs_by_state": [{"state_name": "active+clean", "count": 9}]},
    "monmap": {"mons": [{"name": "pve1"}]}, "mgrmap": {"available": True}, "quorum_names": ["pve1"],
}  # fmt: skip
OLD_CEPH = {
    "health": {"overall_status": "HEALTH_WARN", "summary": [{"severity": "HEALTH_WARN", "summary": "clock skew"}]},
    "osdmap": {"osdmap": {"num_osds": 3, "num_up_osds": 3, "num_in_osds": 2}},
}  # fmt: skip
OSDS = {
    "root": {"children": [{"id": -1, "type": "root", "children": [{"id": -2, "type": "host", "name": "pve1", "children": [
        {"id": 0, "type": "osd", "name": "osd.0", "host": "pve1", "status": "up", "in": 1, "percent_used": 12.5,
         "total_space": 800, "bytes_used": 100, "device_class": "ssd"}]}]}]}
}  # fmt: skip
REPLICATION = [
    {"id": "100-0", "guest": 100, "source": "pve1", "target": "pve2", "schedule": "*/15", "last_sync": 1700000000,
     "last_try": 1700000000, "next_sync": 1700000900, "duration": 4.5, "fail_count": 1, "error": "no route",
     "pid": 4711, "disable": 0}
]  # fmt: skip
DISKS = [
    {
        "devpath": "/dev/sda",
        "type": "ssd",
        "wearout": "97",
        "health": "PASSED",
        "osdid-list": ["3"],
        "osdid": 3,
    }
]
SMART = {
    "health": "PASSED", "type": "ata", "wearout": 69, "text": "Percentage Used: 31%\nPower On Hours: 1,687\n",
    "attributes": [{"id": "194", "raw": "32 (Min/Max 22/46)"}, {"id": "  9", "raw": "1309"}],
}  # fmt: skip
ZFS_POOL = {
    "name": "tank", "state": "DEGRADED", "status": "One is faulted.", "action": "Replace it.", "scan": "none requested",
    "errors": "No known data errors", "children": [{"name": "tank", "state": "DEGRADED", "children": [
        {"name": "sdb", "state": "FAULTED", "read": 14, "write": "187", "cksum": 0, "msg": "too many errors"}]}],
}  # fmt: skip
REPOSITORIES = {
    "infos": [{"kind": "warning", "path": "/etc/apt/sources.list", "message": "old suite"}],
}
VOTES = [
    {"node": "pve1", "name": "pve1", "nodeid": "1", "quorum_votes": "1", "ring0_addr": "192.0.2.1"},
    {"name": "pve2", "nodeid": "2", "quorum_votes": "1"},
]
QDEVICE = {
    "Model": "Net", "QNetd host": "192.0.2.53:5403", "State": "Connected", "Algorithm": "Fifty-Fifty split",
    "Tie-breaker": "Node with lowest node ID", "Last poll call": "2026-01-01T12:00:00 (cast vote)",
}  # fmt: skip
HISTORY = [
    {"time": 1785168420, "arcsize": 1610934106.67, "pressurecpusome": 1.5, "pressureiosome": 0, "pressureiofull": 0, "pressurememorysome": 0,
     "pressurememoryfull": 0},
    {"time": 1785168480},
]  # fmt: skip
RECORDS = [
    {"time": 1785168420 + 60 * minute, "cpu": 0.1, "mem": 5.5, "maxmem": 9, "memhost": 7, "disk": 3, "maxdisk": 9, "netin": 1.5,
     "netout": 2, "diskread": 3, "diskwrite": 4, "pressurecpusome": 1.5, "iowait": 0.1, "loadavg": 0.5, "memused": 4,
     "memtotal": 9, "swapused": 0, "swaptotal": 2, "rootused": 1, "roottotal": 2, "arcsize": 3, "used": 1, "total": 2,
     "read_bytes": 5, "write_bytes": 6}
    for minute in range(3)
]  # fmt: skip
EXPORT = {"data": [
    {"id": "qemu/100", "metric": "net_in", "timestamp": 1785168420, "type": "derive", "value": 81231},
    {"id": "qemu/100", "metric": "cpu_current", "timestamp": 1785168420, "type": "gauge", "value": 0.5},
    {"id": "storage/pve1/local", "metric": "disk_total", "timestamp": 1785168421, "type": "gauge", "value": 9},
    {"id": "host", "metric": "mem_used", "timestamp": 1785168421, "type": "gauge", "value": 9},
]}  # fmt: skip
PERMISSIONS = {"/": {"Sys.Audit": 1, "VM.Audit": 0}, "/storage": {"Datastore.Audit": True}}
SERVER_SNAPSHOTS = [
    {"backup-type": "vm", "backup-id": "100", "backup-time": 1767225600, "size": 9, "protected": True,
     "verification": {"state": "ok", "upid": "UPID:pbs:00000C8B:0000D780:00000001:5FBE5E7F:verify:main:root@pam:"},
     "files": [{"filename": "drive-scsi0.img.fidx", "size": 9, "crypt-mode": "encrypt"}, "index.json.blob"]}
]  # fmt: skip
MAIL_NODES = [
    {"name": "pmg1", "ip": "192.0.2.1", "type": "master", "insync": 1, "cpu": 0.1, "memory": {"used": 1, "total": 2},
     "rootfs": {"used": 1, "total": 2}, "loadavg": ["0.1", "0.2", "0.3"], "uptime": 9, "pmgversion": "pmg/9.1",
     "level": "c", "conn_error": "", "swap": {"used": 1, "total": 4}, "current-kernel": {"release": "6.17"}, "time": 1767268800}
]  # fmt: skip
MAIL_QUEUE = [
    {"domain": "TOTAL", "total": "7", "5m": "3", "10m": "4", "1280m+": "0"},
    {"domain": "a.test", "total": "7"},
]
MAIL_STATISTICS = {"count_in": 5, "avptime": "0.5", "junk_in": None}
NODE_STATUS = {"kversion": "", "wait": 0.1, "ksm": {"shared": 4}, "cpuinfo": {"mhz": "3400"}}

NODE = "/nodes/{node}"
STORE = "/admin/datastore/{store}"
#: One reader for both kinds.
NODE_GUESTS = (("pve", f"{NODE}/qemu"), ("pve", f"{NODE}/lxc"))
#: One reader for the configuration of jobs and for what became of them.
REPLICATIONS = (("pve", "/cluster/replication"), ("pve", f"{NODE}/replication"))

READERS: dict[str, Source] = {
    "version": Source(
        pve.read_version,
        (("pve", "/version"), ("pve", f"{NODE}/version"), ("pbs", "/version"), ("pmg", "/version")),
    ),
    "resources": Source(pve.read_cluster_resources, (("pve", "/cluster/resources"),)),
    "cluster": Source(pve.read_cluster_status, (("pve", "/cluster/status"),)),
    "node": Source(pve.read_node_status, (("pve", f"{NODE}/status"),), (NODE_STATUS,)),
    "nodes": Source(pve.read_node_certificates, (("pve", "/nodes"),)),
    "pbs status": Source(pbs.read_node_status, (("pbs", f"{NODE}/status"),)),
    "pbs usage": Source(pbs.read_datastore_usage, (("pbs", "/status/datastore-usage"),)),
    "pbs stores": Source(pbs.read_datastores, (("pbs", "/admin/datastore"),)),
    "pbs store states": Source(pbs.read_datastore_states, (("pbs", "/admin/datastore"),)),
    "pbs name": Source(pbs.read_node_name, (("pbs", "/nodes"),), ([{"node": "vault"}],)),
    "permissions": Source(
        access.read_permissions,
        (("pve", "/access/permissions"), ("pbs", "/access/permissions")),
        (PERMISSIONS,),
    ),
    "account": Source(
        access.read_account,
        (("pve", "/access/users/{userid}"),),
        ({"expire": 1798761600, "tokens": {"monitor": {"expire": 1798761600, "privsep": 1}}},),
    ),
    "token": Source(access.read_token, (("pbs", "/access/users/{userid}/token/{token-name}"),)),
    "guest config": Source(
        guests.read_guest_config,
        (("pve", f"{NODE}/qemu/{{vmid}}/config"), ("pve", f"{NODE}/lxc/{{vmid}}/config")),
        (CONFIG,),
    ),
    "guest snapshots": Source(
        guests.read_guest_snapshots,
        (("pve", f"{NODE}/qemu/{{vmid}}/snapshot"), ("pve", f"{NODE}/lxc/{{vmid}}/snapshot")),
    ),
    "agent filesystems": Source(guests.read_agent_filesystems, (), (FILESYSTEMS,)),
    "agent system": Source(guests.read_agent_system, (), (SYSTEM, {"result": {"id": "nixos"}})),
    "agent addresses": Source(guests.read_agent_addresses, (), (INTERFACES,)),
    "container addresses": Source(
        guests.read_container_addresses,
        (("pve", f"{NODE}/lxc/{{vmid}}/interfaces"),),
        (CONTAINER_INTERFACES,),
    ),
    "virtual machines": Source(partial(guests.read_node_guests, kind="qemu"), NODE_GUESTS, (GUEST_DETAILS,)),
    "containers": Source(partial(guests.read_node_guests, kind="lxc"), NODE_GUESTS, (GUEST_DETAILS,)),
    "tasks": Source(
        tasks.read_tasks,
        (("pve", "/cluster/tasks"), ("pve", f"{NODE}/tasks"), ("pbs", f"{NODE}/tasks")),
        (TASKS,),
    ),
    "task log": Source(
        tasks.read_task_log, (("pve", f"{NODE}/tasks/{{upid}}/log"), ("pbs", f"{NODE}/tasks/{{upid}}/log"))
    ),
    "storage definitions": Source(backups.read_storage_definitions, (("pve", "/storage"),), (STORAGES,)),
    "node storages": Source(backups.read_node_storages, (("pve", f"{NODE}/storage"),)),
    "backup volumes": Source(
        backups.read_backup_volumes, (("pve", f"{NODE}/storage/{{storage}}/content"),), (VOLUMES,)
    ),
    "backup jobs": Source(backups.read_backup_jobs, (("pve", "/cluster/backup"),)),
    "uncovered guests": Source(
        backups.read_uncovered_guests, (("pve", "/cluster/backup-info/not-backed-up"),)
    ),
    "job volumes": Source(backups.read_job_volumes, (("pve", "/cluster/backup/{id}/included_volumes"),)),
    "node time": Source(backups.read_node_time, (("pve", f"{NODE}/time"), ("pbs", f"{NODE}/time"))),
    "namespaces": Source(backup_server.read_namespaces, (("pbs", f"{STORE}/namespace"),)),
    "groups": Source(backup_server.read_groups, (("pbs", f"{STORE}/groups"),)),
    "snapshots": Source(backup_server.read_snapshots, (("pbs", f"{STORE}/snapshots"),), (SERVER_SNAPSHOTS,)),
    "sync jobs": Source(backup_server.read_sync_jobs, (("pbs", "/admin/sync"),)),
    "verify jobs": Source(backup_server.read_verify_jobs, (("pbs", "/admin/verify"),)),
    "prune jobs": Source(backup_server.read_prune_jobs, (("pbs", "/admin/prune"),)),
    "garbage collection": Source(backup_server.read_garbage_collection, (("pbs", "/admin/gc"),)),
    "store garbage": Source(
        partial(backup_server.read_store_garbage, store="main"), (("pbs", f"{STORE}/gc"),)
    ),
    "votes": Source(cluster.read_node_votes, (("pve", "/cluster/config/nodes"),), (VOTES,)),
    "qdevice": Source(cluster.read_qdevice, (), (QDEVICE,)),
    "ha": Source(cluster.read_ha_status, (("pve", "/cluster/ha/status/current"),)),
    "ceph": Source(
        cluster.read_ceph_status,
        (("pve", "/cluster/ceph/status"), ("pve", f"{NODE}/ceph/status")),
        (CEPH, OLD_CEPH),
    ),
    "ceph flags": Source(cluster.read_ceph_flags, (("pve", "/cluster/ceph/flags"),)),
    "osds": Source(cluster.read_ceph_osds, (("pve", f"{NODE}/ceph/osd"),), (OSDS,)),
    "ceph pools": Source(cluster.read_ceph_pools, (("pve", f"{NODE}/ceph/pool"),)),
    "replication jobs": Source(cluster.read_replication, REPLICATIONS, (REPLICATION,)),
    "node replication": Source(cluster.read_replication, REPLICATIONS, (REPLICATION,)),
    "disks": Source(
        partial(hardware.read_disks, with_smart=True),
        (("pve", f"{NODE}/disks/list"), ("pbs", f"{NODE}/disks/list")),
        (DISKS,),
    ),
    "smart": Source(
        hardware.read_smart, (("pve", f"{NODE}/disks/smart"), ("pbs", f"{NODE}/disks/smart")), (SMART,)
    ),
    "zfs pools": Source(
        hardware.read_zfs_pools, (("pve", f"{NODE}/disks/zfs"), ("pbs", f"{NODE}/disks/zfs"))
    ),
    "zfs pool": Source(
        hardware.read_zfs_pool,
        (("pve", f"{NODE}/disks/zfs/{{name}}"), ("pbs", f"{NODE}/disks/zfs/{{name}}")),
        (ZFS_POOL,),
    ),
    "thin pools": Source(hardware.read_thin_pools, (("pve", f"{NODE}/disks/lvmthin"),)),
    "certificate texts": Source(
        hardware.read_certificate_texts,
        (("pve", f"{NODE}/certificates/info"),),
        told=(
            [
                {
                    "filename": "pve-root-ca.pem",
                    "pem": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
                }
            ],
        ),
    ),
    "certificates": Source(
        hardware.read_certificates,
        (("pve", f"{NODE}/certificates/info"), ("pbs", f"{NODE}/certificates/info")),
    ),
    "subscription": Source(
        hardware.read_subscription, (("pve", f"{NODE}/subscription"), ("pbs", f"{NODE}/subscription"))
    ),
    "updates": Source(
        hardware.read_pending_updates, (("pve", f"{NODE}/apt/update"), ("pbs", f"{NODE}/apt/update"))
    ),
    "node history": Source(hardware.read_node_history_newest, (("pve", f"{NODE}/rrddata"),), (HISTORY,)),
    "node records": Source(records.read_node_records, (("pve", f"{NODE}/rrddata"),), (RECORDS,)),
    "machine records": Source(
        records.read_machine_records, (("pve", f"{NODE}/qemu/{{vmid}}/rrddata"),), (RECORDS,)
    ),
    "container records": Source(
        records.read_container_records, (("pve", f"{NODE}/lxc/{{vmid}}/rrddata"),), (RECORDS,)
    ),
    "storage records": Source(
        records.read_storage_records, (("pve", f"{NODE}/storage/{{storage}}/rrddata"),), (RECORDS,)
    ),
    "mail node records": Source(records.read_mail_node_records, (("pmg", f"{NODE}/rrddata"),), (RECORDS,)),
    "server records": Source(records.read_server_records, (("pbs", f"{NODE}/rrd"),), (RECORDS,)),
    "datastore records": Source(
        records.read_datastore_records, (("pbs", "/admin/datastore/{store}/rrd"),), (RECORDS,)
    ),
    "export": Source(
        records.read_export, (("pve", "/cluster/metrics/export"), ("pbs", "/status/metrics")), (EXPORT,)
    ),
    "repositories": Source(
        software.read_repositories, (("pve", f"{NODE}/apt/repositories"),), (REPOSITORIES,)
    ),
    "services": Source(software.read_services, (("pve", f"{NODE}/services"),)),
    "mail nodes": Source(mail.read_cluster_status, (("pmg", "/config/cluster/status"),), (MAIL_NODES,)),
    "mail queue": Source(
        partial(mail.read_mail_queue, queue="deferred"), (("pmg", f"{NODE}/postfix/qshape"),), (MAIL_QUEUE,)
    ),
    "mail statistics": Source(mail.read_mail_statistics, (("pmg", "/statistics/mail"),), (MAIL_STATISTICS,)),
}

#: Every recorded answer that a call of ours gets, by the reader that reads it.
RECORDINGS: tuple[tuple[str, str], ...] = (
    ("version", r".*version\.json"),
    ("resources", r".*(?:cluster-resources(?:-type-vm)?|cluster_resources(?:_vms|_storage)?)\.json"),
    ("cluster", r".*cluster[-_]status\.json"),
    ("node", r"(?:psproxmoxve|pve-exporter|pvectl).*node_status(?:_extended)?\.json"),
    ("nodes", r".*(?:/nodes|_nodes|/nodes_list)\.json"),
    ("pbs status", r"pbs-.*(?:nodeStatus|nodes-localhost-status)\.json"),
    ("pbs usage", r"pbs-.*datastore-?[uU]sage\.json"),
    ("permissions", r".*access-permissions\.json"),
    ("guest config", r".*(?:qemu.*-config|lxc.*-config|_config|ConfigTestData)\.json"),
    ("guest snapshots", r".*(?:-snapshot|_snapshots)\.json"),
    ("agent addresses", r".*(?:agent-network-get-interfaces|agent_ips)\.json"),
    ("virtual machines", r".*(?:/nodes-testnode-qemu|/node-qemu|/pve9_vms|/qemu|/qemuTestData)\.json"),
    ("containers", r".*(?:/nodes-testnode-lxc|/node-lxc|/pve9_containers|/lxc|/lxcTestData)\.json"),
    ("tasks", r".*(?:/node-tasks|pve-exporter-testdata/tasks)\.json"),
    ("task log", r".*tasks-upid-log\.json"),
    ("storage definitions", r"proxmox-go-sdk-pve9/storage\.json"),
    ("node storages", r".*(?:/node[-_]storage|/pve9_storage|pve-exporter-testdata/storage)\.json"),
    ("backup volumes", r".*storage[-_]content\.json"),
    ("backup jobs", r".*backup_jobs\.json"),
    ("node time", r".*node_time\.json"),
    ("namespaces", r".*namespace\.json"),
    ("groups", r"pbs-.*-groups\.json"),
    ("snapshots", r".*snapshots(?:Root|Empty)\.json"),
    ("ha", r".*ha-status-current\.json"),
    ("ceph", r".*ceph_status_squid\.json"),
    ("node replication", r".*/replication\.json"),
    ("disks", r".*(?:disklist_expected|node_disks)\.json"),
    ("smart", r".*smart_expected\.json"),
    ("zfs pools", r".*/zfs\.json"),
    ("certificates", r".*/certificates\.json"),
    ("services", r".*node_services\.json"),
    ("subscription", r".*subscription(?:Active|NotFound)?\.json"),
    ("machine records", r"pulse-rrd/(?:pve8_guest|pve9_qemu)_rrddata\.json"),
    ("container records", r"pulse-rrd/pve9_lxc_rrddata\.json"),
    ("node history", r"pulse-rrd/.*_node_rrddata\.json|fog-proxmox-pve6/node-rrddata\.json"),
)


def reader_of(file: str) -> str:
    """Return the name of the reader of a recorded file, "" when no call of ours gets such an answer."""
    found = [name for name, pattern in RECORDINGS if re.fullmatch(pattern, file)]
    assert len(found) <= 1, (file, found)
    return found[0] if found else ""


#: Answers of calls that Pulse does not make.
OTHER_CALLS = re.compile(
    r".*(?:access-(?:acl|domains|groups|roles|ticket|users)|_users|_roles|ticket|ticket_response|nextid|network|networks|pools"
    r"|status-current|_status|CurrentStatusTestData|upid-status|task_running|pve9_tasks|manager_status|ha-resources"
    r"|ha_resources|pools-pool(?:1|id-test)|proxmox-go-sdk-pve9/node-config|api_error|apt_versions"
    r"|dns|qemu_cpu|qemu_machines|services|SearchDomainTestData)(?:-bobsinclar@pve-token|-root@pam-token)?\.json"
)


#: The status of a single guest is a row of the list of a node in its full view; one reader for both kinds.
GUEST_ROW = re.compile(r".*(?:(?:qemu|lxc).*-status-current|(?:qemu|lxc)_status|CurrentStatusTestData)\.json")


def recorded_answers(name: str) -> list[Any]:
    """Return every recorded answer that a reader gets."""
    rows = [
        [{"vmid": 100, **data}]
        for file in recorded_files()
        if name in ("virtual machines", "containers") and GUEST_ROW.fullmatch(file)
        for data in recorded_exchanges(file)
    ]
    return rows + [
        list(data.values()) if "disklist" in file else data
        for file in recorded_files()
        if reader_of(file) == name
        for data in recorded_exchanges(file)
    ]
