"""What each feature of the pages asks of a host, what its calls need of an account, and what is missing without it; pure.

Source: api-facts.md 1.2, 4.1, 4.2 and 11.1; the `permissions` of the published API schemas, against which a test holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nodes.proxmox import (
    access,
    backup_server,
    backups,
    cluster,
    guests,
    hardware,
    pbs,
    pve,
    records,
    software,
)
from nodes.proxmox.calls import Call

Calls = tuple[Call[Any], ...]
Version = tuple[int, ...]
#: What together opens one thing: (path, privilege). Paths may hold {node}, {storage}, {backup_storage}, {datastore}.
Way = tuple[tuple[str, str], ...]


class Role(msgspec.Struct, frozen=True):
    """What the repair grants: a role, at a path; `privileges` are set for a role that has to be made first."""

    name: str
    path: str = "/"
    privileges: tuple[str, ...] = ()


class Feature(msgspec.Struct, frozen=True):
    """Something the pages show, the calls that tell it, and what the account needs for them on these versions."""

    key: str
    kind: str  # pve, pbs
    title: str
    calls: Calls
    ways: tuple[Way, ...]  # any of them is enough; the first is the one that is asked for
    why: str
    without: str  # what the pages lack
    role: Role | None
    note: str = ""
    is_optional: bool = False
    since: Version = ()
    until: Version = ()  # the first version it is not for


AUDITOR = Role("PVEAuditor")
AUDIT = Role("Audit")
DELETES = (
    "Proxmox has no privilege that only lists backups: this one also allows to delete them. "
    "It is not needed for backups on a PBS that is watched itself."
)
DATASTORE_AUDIT = ("/storage/{backup_storage}", "Datastore.Audit")
ALLOCATE = ("/storage/{backup_storage}", "Datastore.Allocate")
ALLOCATE_SPACE = ("/storage/{backup_storage}", "Datastore.AllocateSpace")
FEATURES: tuple[Feature, ...] = (
    Feature(
        "guests", "pve", "Virtual machines and containers",
        (
            pve.cluster_resources, guests.guest_config, guests.guest_snapshots, guests.NODE_GUESTS, guests.container_addresses,
            cluster.replication_jobs, cluster.node_replication, records.MACHINE, records.CONTAINER,
        ),
        ((("/vms", "VM.Audit"),),),
        "Proxmox lists only guests with VM.Audit.", "Guests do not appear at all.", AUDITOR,
    ),
    Feature(
        "nodes", "pve", "Figures of the nodes",
        (pve.node_status, backups.node_time, software.services, software.repositories, records.NODE),
        ((("/nodes/{node}", "Sys.Audit"),),),
        "CPU, memory, disk, uptime and services of a node need Sys.Audit on it.",
        "Nodes are listed without any figure, and no service that fails is seen.", AUDITOR,
    ),
    Feature(
        "storages", "pve", "Storages",
        (pve.cluster_resources, backups.storage_definitions, backups.node_storages, records.STORAGE),
        ((("/storage/{storage}", "Datastore.Audit"),),),
        "Proxmox lists only storages with Datastore.Audit.", "Storages do not appear.", AUDITOR,
    ),
    Feature(
        "cluster", "pve", "Cluster and quorum",
        (pve.cluster_status, cluster.node_votes, cluster.qdevice, cluster.ceph_flags),
        ((("/", "Sys.Audit"),),),
        "The members, the quorum and its votes, and the flags of Ceph are told with Sys.Audit on /.",
        "Members, quorum, votes, QDevice, flags left set in Ceph, and failing over to another member.", AUDITOR,
    ),
    Feature(
        "tasks", "pve", "Tasks of all accounts",
        (backups.cluster_tasks, backups.NODE_TASKS, backups.TASK_LOG),
        ((("/", "Sys.Audit"),),),
        "Without Sys.Audit on / an account sees only its own tasks.",
        "Backups, migrations and other tasks, and their failures.", AUDITOR,
    ),
    Feature(
        "backup_jobs", "pve", "Backup jobs",
        (backups.backup_jobs, backups.uncovered_guests, backups.job_volumes),
        ((("/", "Sys.Audit"),),),
        "Jobs, and guests in no job, are told with Sys.Audit on /.",
        "Which guests are in a job, missed runs, disks that no job takes.", AUDITOR,
    ),
    Feature(
        "backups", "pve", "Backups in storages",
        (backups.backup_volumes,),
        ((DATASTORE_AUDIT, ALLOCATE), (ALLOCATE_SPACE, ALLOCATE), (ALLOCATE_SPACE, ("/vms", "VM.Backup"))),
        "PVEAuditor gets an empty list: each backup needs Datastore.Allocate on its storage.",
        "Backups in these storages, and whether a guest has one.",
        Role("PulseBackups", "/storage/{backup_storage}", ("Datastore.Audit", "Datastore.Allocate")),
        DELETES,
    ),
    Feature(
        "agent", "pve", "Guest agent",
        (guests.AGENT_FILESYSTEMS, guests.AGENT_ADDRESSES, guests.AGENT_SYSTEM),
        ((("/vms", "VM.Monitor"),),),
        "Up to PVE 8 the guest agent is asked with VM.Monitor.",
        "How full the disks of virtual machines are, and their addresses.",
        Role("PulseGuestAgent", "/", ("VM.Monitor",)),
        "VM.Monitor also allows commands that change a guest. From PVE 9 on PVEAuditor is enough.",
        until=(9,),
    ),
    Feature(
        "agent", "pve", "Guest agent",
        (guests.AGENT_FILESYSTEMS, guests.AGENT_ADDRESSES, guests.AGENT_SYSTEM),
        ((("/vms", "VM.GuestAgent.Audit"),), (("/vms", "VM.GuestAgent.Unrestricted"),)),
        "From PVE 9 on the guest agent is asked with VM.GuestAgent.Audit; VM.Monitor is gone.",
        "How full the disks of virtual machines are, and their addresses.", AUDITOR, since=(9,),
    ),
    Feature(
        "high_availability", "pve", "High availability",
        (cluster.ha_status,),
        ((("/", "Sys.Audit"),),),
        "Its state is told with Sys.Audit on /.", "Services in error, fencing, dead managers.", AUDITOR,
    ),
    Feature(
        "ceph", "pve", "Ceph",
        (cluster.ceph_status, cluster.node_ceph_status, cluster.ceph_osds, cluster.ceph_pools),
        ((("/", "Sys.Audit"),), (("/", "Datastore.Audit"),)),
        "Its state is told with Sys.Audit or Datastore.Audit on /.", "Health, OSDs and pools of Ceph.", AUDITOR,
    ),
    Feature(
        "disks", "pve", "Disks and pools",
        (hardware.DISKS, hardware.SMART, hardware.zfs_pools, hardware.zfs_pool, hardware.thin_pools),
        ((("/", "Sys.Audit"),), (("/", "Datastore.Audit"),)),
        "Disks, ZFS and thin pools are told with Sys.Audit or Datastore.Audit on /.",
        "Health and wear of disks, degraded pools, full metadata.", AUDITOR, until=(8,),
    ),
    Feature(
        "disks", "pve", "Disks and pools",
        (hardware.DISKS, hardware.SMART, hardware.zfs_pools, hardware.zfs_pool, hardware.thin_pools),
        ((("/", "Sys.Audit"),),),
        "Disks, ZFS and thin pools are told with Sys.Audit on /.",
        "Health and wear of disks, degraded pools, full metadata.", AUDITOR, since=(8,),
    ),
    Feature(
        "history", "pve", "Fine history",
        (hardware.node_history_newest, records.EXPORT),
        ((("/", "Sys.Audit"),),),
        "The last half hour in steps of 10 s is told with Sys.Audit on /.",
        "Charts have gaps where Pulse was not running.", AUDITOR, is_optional=True, since=(8, 2, 5),
    ),
    Feature(
        "pools", "pve", "Resource pools",
        (pve.cluster_resources,),
        ((("/pool", "Pool.Audit"),),),
        "Pools are told with Pool.Audit.", "Pools, and backup jobs by pool.", AUDITOR, is_optional=True,
    ),
    Feature(
        "updates", "pve", "Pending updates",
        (hardware.pending_updates,),
        ((("/nodes/{node}", "Sys.Modify"),),),
        "Proxmox tells pending updates only to accounts that may change the node.",
        "The number of pending updates.",
        Role("PulseUpdates", "/nodes", ("Sys.Audit", "Sys.Modify")),
        "Sys.Modify allows far more than to look: leave it out unless the list is worth that.",
        is_optional=True,
    ),
    Feature(
        "credential", "pve", "Expiry of the account",
        (access.account,),
        ((("/access/groups", "Sys.Audit"),), (("/access/groups", "User.Modify"),)),
        "When an account or its token expires is told with Sys.Audit on /access/groups.",
        "A word in time before the account of Pulse expires.", AUDITOR, is_optional=True,
    ),
    Feature(
        "credential", "pbs", "Expiry of the token",
        (access.token,),
        ((("/access/users", "Sys.Audit"),),),
        "When a token expires is told with Sys.Audit on /access/users.",
        "A word in time before the token of Pulse expires.", AUDIT, is_optional=True,
    ),
    Feature(
        "host", "pbs", "Figures of the server",
        (pbs.node_status, records.SERVER, records.SERVER_METRICS),
        ((("/system/status", "Sys.Audit"),),),
        "CPU, memory and uptime are told with Sys.Audit on /system/status.",
        "The server is shown without figures.", AUDIT,
    ),
    Feature(
        "datastores", "pbs", "Datastores and backups",
        (
            pbs.datastore_usage, pbs.datastore_states, pbs.datastores, backup_server.namespaces, backup_server.GROUPS,
            backup_server.SNAPSHOTS, backup_server.verify_jobs, backup_server.prune_jobs, backup_server.garbage_collection,
            backup_server.STORE_GARBAGE, records.DATASTORE,
        ),
        ((("/datastore/{datastore}", "Datastore.Audit"),),),
        "Datastores and what is in them need Datastore.Audit.",
        "Datastores, backups, verify, prune and garbage collection.", AUDIT,
    ),
    Feature(
        "tasks", "pbs", "Tasks of all accounts",
        (backup_server.SERVER_TASKS, backups.TASK_LOG),
        ((("/system/tasks", "Sys.Audit"),),),
        "Without Sys.Audit on /system/tasks an account sees only its own tasks.",
        "Backups under way and failed tasks.", AUDIT,
    ),
    Feature(
        "sync_jobs", "pbs", "Sync jobs",
        (backup_server.SYNC_JOBS,),
        ((("/remote", "Remote.Audit"),),),
        "The role Audit does not include Remote.Audit, and sync jobs without it are left out.",
        "Sync jobs and their failures.", Role("RemoteAudit", "/remote"),
    ),
    Feature(
        "disks", "pbs", "Disks and pools",
        (hardware.DISKS, hardware.SMART, hardware.zfs_pools, hardware.zfs_pool),
        ((("/system/disks", "Sys.Audit"),),),
        "Disks and ZFS pools are told with Sys.Audit on /system/disks.",
        "Health and wear of disks, degraded pools.", AUDIT,
    ),
    Feature(
        "updates", "pbs", "Pending updates",
        (hardware.pending_updates,),
        ((("/", "Sys.Audit"),),),
        "Pending updates are told with Sys.Audit on /.", "The number of pending updates.", AUDIT,
        is_optional=True,
    ),
    Feature(
        "certificates", "pbs", "Certificates",
        (hardware.certificates,),
        ((("/system/certificates", "Sys.Modify"),),),
        "PBS tells its certificates only to accounts that may change them.",
        "The date on which a certificate expires, other than the one that is served.", None,
        "Only the role Admin has it: not worth it.", is_optional=True,
    ),
)  # fmt: skip

#: What everybody who may log in is told; `node_name` most servers tell to root@pam only.
UNCONDITIONAL: Mapping[str, Calls] = {
    "pve": (
        access.permissions,
        pve.version,
        pve.node_version,
        pve.node_certificates,
        hardware.certificates,
        hardware.certificate_texts,
        hardware.subscription,
    ),
    "pbs": (access.permissions, pbs.version, pbs.node_name, backups.node_time, hardware.subscription),
}
