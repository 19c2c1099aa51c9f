"""Verbs of a PVE site about QDevice, high availability, Ceph, replication, disks and certificates."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox import hardware
from tests.fake_proxmox.clusterwide import Ceph, Qdevice, ReplicationJob

if TYPE_CHECKING:
    from tests.fake_proxmox.sites import PveSite


class ClusterVerbs:
    """Part of PveSite."""

    def set_qdevice(self: PveSite, **facts: Any) -> None:
        """Change the QDevice, or add one: host, state, algorithm, is_voting; one that is not connected casts no vote."""
        _check(facts, Qdevice)
        with self.changing():
            qdevice = self.model.qdevice = self.model.qdevice or Qdevice()
            for key, value in facts.items():
                setattr(qdevice, key, value)
            if "state" in facts and "is_voting" not in facts:
                qdevice.is_voting = qdevice.state == "Connected"

    def remove_qdevice(self: PveSite) -> None:
        """No node runs the daemon any more."""
        with self.changing():
            self.model.qdevice = None

    def set_ha_state(self: PveSite, vmid: int, state: str, request_state: str = "started") -> None:
        """The guest is a service in this state (started, stopped, error, fence, recovery, migrate, ...); "" takes it out."""
        with self.changing():
            guest = self.guest(vmid)
            guest.hastate, guest.row = state, None
            self.model.ha_requests[vmid] = request_state

    def set_ceph(self: PveSite, **facts: Any) -> None:
        """Change Ceph: health, checks {name: summary}, muted [names], osds_down, osds_out, used_ratio, is_idle, is_available,
        schema ("old", "new"), nodes [where it is installed], is_installed, is_initialized, osds_per_node."""
        _check(facts, Ceph)
        with self.changing():
            ceph = self.model.ceph = self.model.ceph or Ceph()
            for key, value in facts.items():
                setattr(ceph, key, frozenset(value) if key == "nodes" else value)

    def set_replication(self: PveSite, vmid: int, number: int = 0, **facts: Any) -> None:
        """Change a replication job, or make one (`target` is needed then).

        `facts`: target, schedule, interval_seconds, comment, is_disabled, fail_count, error, failing_since, duration, is_running,
        last_sync (0: never).
        """
        _check(facts, ReplicationJob)
        with self.changing():
            job_id = f"{vmid}-{number}"
            if job_id not in self.model.replication:
                self.model.replication[job_id] = ReplicationJob(vmid, number=number, **facts)
                return
            job = self.model.replication[job_id]
            for key, value in facts.items():
                setattr(job, key, value)
            if facts.get("fail_count") and job.failing_since is None:
                job.failing_since = self.clock.now()
            if facts.get("fail_count") == 0:
                job.failing_since, job.error = None, ""

    def remove_replication(self: PveSite, vmid: int, number: int = 0) -> None:
        """The replication job is gone."""
        with self.changing():
            del self.model.replication[f"{vmid}-{number}"]

    def set_disk(self: PveSite, node: str, path: str, **facts: Any) -> None:
        """Change a disk of a node: health, wearout (percent left, a number or text, or "N/A"), celsius, used, attributes, ..."""
        with self.changing():
            hardware.change_disk(hardware.disks(self.model, self.node(node)), path, facts)

    def set_pool_health(self: PveSite, node: str, pool: str, health: str) -> None:
        """A ZFS pool of a node is ONLINE, DEGRADED, FAULTED, ..."""
        with self.changing():
            self.node(node).pool_health[pool] = health

    def set_node(self: PveSite, node: str, **facts: Any) -> None:
        """Change facts of a node: has_zfs, pending_updates, subscription {wire fields}, fixed_thin {used_ratio, metadata_ratio},
        pool_changes {pool: wire fields, devices {name: wire fields}},
        services {name: wire fields}.
        """
        unknown = facts.keys() - {
            "has_zfs",
            "pending_updates",
            "subscription",
            "fixed_thin",
            "services",
            "pool_changes",
            "repository_problems",
        }
        if unknown:
            raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
        with self.changing():
            for key, value in facts.items():
                setattr(self.node(node), key, value)

    def expire_certificate(self: PveSite, node: str, days: float = 5) -> None:
        """The API tells that the node's certificate ends in so many days; the served one stays as it is."""
        with self.changing():
            self.node(node).certificate_expires_at = self.clock.now() + days * 86_400

    def pretend_to_be(
        self: PveSite,
        victim: PveSite,
        addresses: Mapping[str, str] | None = None,
        honest_certificates: Collection[str] = (),
    ) -> None:
        """Tell the name, members, guests and certificates of another cluster, which anybody may read who may ask it.

        Its nodes have the same names; `addresses` are told instead of the victim's, of some nodes its own certificates. What is served
        stays its own certificate.
        """
        told = addresses or {}
        with self.changing():
            self.model.name, self.model.guests = victim.model.name, deepcopy(victim.model.guests)
            for name, node in self.model.nodes.items():
                node.address = told.get(name, victim.node(name).address)
                if name not in honest_certificates:
                    node.fingerprint = victim.node(name).fingerprint

    def tell_truth(self: PveSite, name: str) -> None:
        """Tell its own addresses and certificates again, under a name of its own and without guests."""
        with self.changing():
            self.model.name, self.model.guests = name, {}
            for server in self.servers:
                server.tell_truth()


def _check(facts: dict[str, Any], kind: type) -> None:
    unknown = facts.keys() - {field.name for field in fields(kind)}
    if unknown:
        raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")


CLUSTER_VERBS = (
    "set_qdevice",
    "remove_qdevice",
    "set_ha_state",
    "set_ceph",
    "set_replication",
    "remove_replication",
    "set_disk",
    "set_pool_health",
    "set_node",
    "expire_certificate",
)
