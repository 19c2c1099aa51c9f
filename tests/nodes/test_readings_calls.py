"""The address that each call asks for, with its parameters: an unknown one is refused by the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

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
)
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from tests.nodes.servers import always, scripted

Call = Callable[..., Any]


def given(function: Call, *arguments: Any, **options: Any) -> Call:
    """Return a call with everything but the client and its time."""
    return lambda client, **time: function(client, *arguments, **options, **time)


class Watch(Client):
    """A client that notes how much time its calls are given."""

    times: list[float | None]

    def get(
        self, path: str, params: Any = None, *, timeout_seconds: float | None = None, plain: Any = None
    ) -> Any:
        """Make the call."""
        self.times = [timeout_seconds]
        return super().get(path, params, timeout_seconds=timeout_seconds, plain=plain)


UPID = "UPID:pve1:00000C8B:0000D780:5FBE5E7F:vzdump:100:root@pam:"
QUOTED_UPID = "UPID%3Apve1%3A00000C8B%3A0000D780%3A5FBE5E7F%3Avzdump%3A100%3Aroot%40pam%3A"

CALLS: list[tuple[str, Call]] = [
    ("/access/permissions", access.permissions),
    ("/access/users/pulse%40pve", given(access.account, "pulse@pve")),
    ("/access/users/pulse%40pbs/token/monitor", given(access.token, "pulse@pbs", "monitor")),
    ("/nodes/pve1/version", given(pve.node_version, "pve1")),
    ("/nodes/pve1/qemu/100/config", given(guests.guest_config, "pve1", "qemu", 100)),
    ("/nodes/pve1/lxc/101/config", given(guests.guest_config, "pve1", "lxc", 101)),
    ("/nodes/pve1/lxc/101/snapshot", given(guests.guest_snapshots, "pve1", "lxc", 101)),
    ("/nodes/pve1/qemu/100/agent/get-fsinfo", given(guests.agent_filesystems, "pve1", 100)),
    ("/nodes/pve1/qemu/100/agent/network-get-interfaces", given(guests.agent_addresses, "pve1", 100)),
    ("/nodes/pve1/qemu/100/agent/get-osinfo", given(guests.agent_system, "pve1", 100)),
    ("/nodes/pve1/lxc/101/interfaces", given(guests.container_addresses, "pve1", 101)),
    ("/nodes/pve1/qemu?full=1", given(guests.node_guests, "pve1", "qemu")),
    ("/nodes/pve1/lxc", given(guests.node_guests, "pve1", "lxc")),
    ("/cluster/tasks", backups.cluster_tasks),
    ("/nodes/pve1/tasks?limit=500", given(backups.node_tasks, "pve1")),
    (
        "/nodes/pve1/tasks?limit=20&typefilter=vzdump&since=5",
        given(backups.node_tasks, "pve1", kind="vzdump", since=5, limit=20),
    ),
    (f"/nodes/pve1/tasks/{QUOTED_UPID}/log?start=0&limit=10000", given(backups.task_log, "pve1", UPID)),
    ("/storage", backups.storage_definitions),
    ("/nodes/pve1/storage?enabled=1", given(backups.node_storages, "pve1")),
    ("/nodes/pve1/storage/nas/content?content=backup", given(backups.backup_volumes, "pve1", "nas")),
    ("/cluster/backup", backups.backup_jobs),
    ("/cluster/backup-info/not-backed-up", backups.uncovered_guests),
    ("/cluster/backup/b-1/included_volumes", given(backups.job_volumes, "b-1")),
    ("/nodes/pve1/time", given(backups.node_time, "pve1")),
    ("/admin/datastore/main/namespace?max-depth=7", given(backup_server.namespaces, "main")),
    ("/admin/datastore/main/groups", given(backup_server.groups, "main", "")),
    ("/admin/datastore/main/groups?ns=lab%2Fweb", given(backup_server.groups, "main", "lab/web")),
    ("/admin/datastore/main/snapshots", given(backup_server.snapshots, "main", "")),
    ("/admin/datastore/main/snapshots", given(backup_server.snapshots, "main", "", kind="vm")),
    (
        "/admin/datastore/main/snapshots?ns=lab&backup-type=vm&backup-id=100",
        given(backup_server.snapshots, "main", "lab", kind="vm", id="100"),
    ),
    ("/admin/sync?sync-direction=all", given(backup_server.sync_jobs, all_directions=True)),
    ("/admin/sync", given(backup_server.sync_jobs, all_directions=False)),
    ("/admin/verify", backup_server.verify_jobs),
    ("/admin/prune", backup_server.prune_jobs),
    ("/admin/gc", backup_server.garbage_collection),
    ("/admin/datastore/main/gc", given(backup_server.store_garbage, "main")),
    ("/nodes/localhost/tasks?limit=9&since=5", given(backup_server.server_tasks, since=5, limit=9)),
    ("/nodes/localhost/tasks?limit=500", backup_server.server_tasks),
    ("/cluster/config/nodes", cluster.node_votes),
    ("/cluster/ceph/flags", cluster.ceph_flags),
    ("/cluster/config/qdevice", cluster.qdevice),
    ("/cluster/ha/status/current", cluster.ha_status),
    ("/cluster/ceph/status", cluster.ceph_status),
    ("/nodes/pve1/ceph/status", given(cluster.node_ceph_status, "pve1")),
    ("/nodes/pve1/ceph/osd", given(cluster.ceph_osds, "pve1")),
    ("/nodes/pve1/ceph/pool", given(cluster.ceph_pools, "pve1")),
    ("/cluster/replication", cluster.replication_jobs),
    ("/nodes/pve1/replication", given(cluster.node_replication, "pve1")),
    ("/nodes/pve1/disks/list?skipsmart=1", given(hardware.disks, "pve1")),
    ("/nodes/pve1/disks/list", given(hardware.disks, "pve1", with_smart=True)),
    ("/nodes/pve1/disks/smart?disk=%2Fdev%2Fsda", given(hardware.smart, "pve1", "/dev/sda")),
    ("/nodes/pve1/disks/zfs", given(hardware.zfs_pools, "pve1")),
    ("/nodes/pve1/disks/zfs/tank", given(hardware.zfs_pool, "pve1", "tank")),
    ("/nodes/pve1/apt/repositories", given(software.repositories, "pve1")),
    ("/nodes/pve1/services", given(software.services, "pve1")),
    ("/nodes/pve1/disks/lvmthin", given(hardware.thin_pools, "pve1")),
    ("/nodes/pve1/certificates/info", given(hardware.certificates, "pve1")),
    ("/nodes/pve1/certificates/info", given(hardware.certificate_texts, "pve1")),
    ("/nodes/pve1/subscription", given(hardware.subscription, "pve1")),
    ("/nodes/pve1/apt/update", given(hardware.pending_updates, "pve1")),
    ("/nodes/pve1/rrddata?timeframe=hour&cf=AVERAGE", given(hardware.node_history_newest, "pve1")),
    (
        "/nodes/pve1/rrddata?timeframe=decade&cf=AVERAGE",
        given(records.averages, "pve1", call=records.NODE, timeframe="decade"),
    ),
    (
        "/nodes/pve1/qemu/100/rrddata?timeframe=day&cf=AVERAGE",
        given(records.averages, "pve1", 100, call=records.MACHINE, timeframe="day"),
    ),
    (
        "/nodes/pve1/lxc/101/rrddata?timeframe=year&cf=AVERAGE",
        given(records.averages, "pve1", 101, call=records.CONTAINER, timeframe="year"),
    ),
    (
        "/nodes/pve1/storage/nas/rrddata?timeframe=week&cf=AVERAGE",
        given(records.averages, "pve1", "nas", call=records.STORAGE, timeframe="week"),
    ),
    (
        "/nodes/localhost/rrd?timeframe=month&cf=AVERAGE",
        given(records.averages, call=records.SERVER, timeframe="month"),
    ),
    (
        "/admin/datastore/main/rrd?timeframe=day&cf=AVERAGE",
        given(records.averages, "main", call=records.DATASTORE, timeframe="day"),
    ),
    ("/cluster/metrics/export?history=1&start-time=5", given(records.export, since_epoch=5)),
    (
        "/cluster/metrics/export?history=1&start-time=5&node-list=pve1%2Cpve2",
        given(records.export, since_epoch=5, nodes=("pve1", "pve2")),
    ),
    ("/status/metrics?history=1&start-time=5", given(records.server_metrics, since_epoch=5)),
    ("/config/cluster/status?list_single_node=1", mail.cluster_status),
    ("/nodes/pmg1/postfix/qshape?queue=deferred", given(mail.mail_queue, "pmg1", "deferred")),
    ("/statistics/mail", mail.mail_statistics),
    ("/version", pve.version),
    ("/cluster/resources", pve.cluster_resources),
    ("/cluster/status", pve.cluster_status),
    ("/nodes/pve1/status", given(pve.node_status, "pve1")),
    ("/nodes", pve.node_certificates),
    ("/version", pbs.version),
    ("/nodes/localhost/status", pbs.node_status),
    ("/status/datastore-usage", pbs.datastore_usage),
    ("/admin/datastore", pbs.datastore_states),
    ("/nodes/a%2Fb/version", given(pve.node_version, "a/b")),
]


@pytest.mark.parametrize(("path", "call"), CALLS, ids=[path for path, _ in CALLS])
def test_a_call_asks_for_its_address_and_for_nothing_else_in_the_time_it_is_given(
    path: str, call: Call
) -> None:
    with (
        scripted(always(b'{"data":5}'), tls=False) as server,
        Watch(server.target()) as client,
        pytest.raises(BadAnswer),
    ):
        call(client, timeout_seconds=2.5)

    assert [request.split(b" HTTP/")[0].decode() for request in server.requests] == [f"GET /api2/json{path}"]
    assert client.times == [2.5]


def test_a_name_that_leads_elsewhere_is_never_asked_for() -> None:
    with (
        scripted(always(b'{"data":5}')) as server,
        Client(server.target()) as client,
        pytest.raises(BadAnswer),
    ):
        guests.guest_config(client, "..", "qemu", 100)

    assert server.requests == []
