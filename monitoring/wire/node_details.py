"""What is told of one node beside its figures, and of its cluster as it sees it; pure."""

from __future__ import annotations

import msgspec

from monitoring.figures.nodes import NodeFigures
from monitoring.figures.quorum import TOLD_SECONDS, quorum_of
from monitoring.figures.staleness import is_recent
from monitoring.known.facts import Facts
from monitoring.known.presence import membership
from monitoring.wire.details import (
    Background,
    HostDetails,
    ReplicationDetails,
    host_details,
    replication_details,
)
from nodes.proxmox.readings.backups import NodeStorageReading
from nodes.proxmox.readings.cluster import (
    CephFlagReading,
    CephOsdReading,
    CephPoolReading,
    CephReading,
    HaReading,
    QdeviceReading,
)
from nodes.proxmox.readings.guests import PressureReading
from nodes.proxmox.readings.hardware import ThinPoolReading
from nodes.proxmox.readings.live import ClusterReading, NodeStatusReading
from nodes.proxmox.readings.software import RepositoriesReading, ServiceReading


class NodeVotes(msgspec.Struct, frozen=True):
    """A node of the cluster; null is not collected."""

    node: str
    votes: int | None
    online: bool | None


class QdeviceDetails(msgspec.Struct, frozen=True):
    """A QDevice as its daemon on one node tells of it; null is not told."""

    model: str
    host: str
    state: str
    connected: bool | None
    casts_vote: bool | None
    votes: int | None
    algorithm: str
    tie_breaker: str
    last_poll: str


class QuorumDetails(msgspec.Struct, frozen=True):
    """The votes of a cluster as the node `seenFrom` sees them. `qdeviceKnown`: it has told lately whether there is a QDevice."""

    name: str
    config_version: int | None
    expected_votes: int | None
    present_votes: int | None
    needed_votes: int | None
    nodes: tuple[NodeVotes, ...]
    qdevice: QdeviceDetails | None
    qdevice_known: bool
    seen_from: str
    votes_read_epoch: float
    qdevice_read_epoch: float


class NodeDetails(HostDetails, frozen=True, kw_only=True):
    """What is known of a node beside its figures. Null is what was not read or not told, `...Read` when it was read.

    `updates` is null where the account may not see them, see `mayReadUpdates`. `ha`, `ceph` and what begins with `quorum` or
    `cluster` is of its whole cluster; `quorumDetail` is null for a host of its own. `cephOsds` are those of this node.
    `smartIsRead`: its disks are asked how they are.
    """

    status: NodeStatusReading | None
    status_read_epoch: float | None
    version: str
    version_read_epoch: float
    versions_differ: bool
    cluster_versions: dict[str, str]
    services: tuple[ServiceReading, ...]
    services_read_epoch: float
    repositories: RepositoriesReading | None
    repositories_read_epoch: float
    storages: tuple[NodeStorageReading, ...]
    storages_read_epoch: float
    thin_pools: tuple[ThinPoolReading, ...]
    thin_pools_read_epoch: float
    pressure: PressureReading | None
    pressure_read_epoch: float
    ha: HaReading | None
    ha_read_epoch: float
    quorum: bool | None
    quorum_detail: QuorumDetails | None
    ceph: CephReading | None
    ceph_read_epoch: float
    ceph_osds: tuple[CephOsdReading, ...]
    ceph_pools: tuple[CephPoolReading, ...]
    ceph_flags: tuple[CephFlagReading, ...]
    ceph_flags_read_epoch: float
    replication: tuple[ReplicationDetails, ...]


def node_details(node: NodeFigures, background: Background) -> NodeDetails:
    """Return everything about one node."""
    name, memory, facts = node.name, background.memory, background.facts
    collected, held = facts.node(name), facts.permissions
    cluster = membership(memory, background.at_epoch)
    versions = {other: seen.version for other, seen in facts.nodes.items() if seen.version}
    return NodeDetails(
        **host_details(
            collected,
            background,
            (task for task in facts.tasks if task.node == name),
            may_read_updates=None if held is None else held.has(f"/nodes/{name}", "Sys.Modify"),
        ),
        status=memory.details.get(name),
        status_read_epoch=memory.details_epoch.get(name),
        version=collected.version,
        version_read_epoch=collected.version_epoch,
        versions_differ=len(set(versions.values())) > 1,
        cluster_versions=versions,
        services=collected.services,
        services_read_epoch=collected.services_epoch,
        repositories=collected.repositories,
        repositories_read_epoch=collected.repositories_epoch,
        storages=collected.storages,
        storages_read_epoch=collected.storages_epoch,
        thin_pools=collected.thin_pools,
        thin_pools_read_epoch=collected.thin_pools_epoch,
        pressure=collected.history.pressure if collected.history is not None else None,
        pressure_read_epoch=collected.history_epoch,
        ha=facts.ha,
        ha_read_epoch=facts.ha_epoch,
        quorum=cluster.is_quorate if cluster is not None else None,
        quorum_detail=quorum_details(cluster, facts, at_epoch=background.at_epoch),
        ceph=facts.ceph,
        ceph_read_epoch=facts.ceph_epoch,
        ceph_osds=tuple(osd for osd in facts.ceph_osds if osd.host == name),
        ceph_pools=facts.ceph_pools,
        ceph_flags=facts.ceph_flags,
        ceph_flags_read_epoch=facts.ceph_flags_epoch,
        replication=tuple(job for job in replication_details(background) if job.source == name),
    )


def quorum_details(cluster: ClusterReading | None, facts: Facts, *, at_epoch: float) -> QuorumDetails | None:
    """Return the votes of a cluster and its QDevice as the answering node sees them, None for a host of its own."""
    if cluster is None or not cluster.is_cluster:
        return None
    is_known = is_recent(facts.qdevice_epoch, at_epoch=at_epoch, seconds=TOLD_SECONDS)
    quorum = quorum_of(cluster, facts.votes, facts.qdevice, qdevice_is_known=is_known)
    return QuorumDetails(
        name=cluster.name,
        config_version=cluster.config_version,
        expected_votes=quorum.expected_votes,
        present_votes=quorum.present_votes,
        needed_votes=quorum.needed_votes,
        nodes=tuple(NodeVotes(node.node, node.votes, node.is_online) for node in quorum.nodes),
        qdevice=qdevice_details(facts.qdevice, quorum.qdevice_votes),
        qdevice_known=is_known,
        seen_from=next((member.name for member in cluster.members if member.is_local), ""),
        votes_read_epoch=facts.votes_epoch,
        qdevice_read_epoch=facts.qdevice_epoch,
    )


def qdevice_details(qdevice: QdeviceReading | None, votes: int | None) -> QdeviceDetails | None:
    """Return a QDevice with its votes."""
    if qdevice is None:
        return None
    return QdeviceDetails(
        model=qdevice.model,
        host=qdevice.host,
        state=qdevice.state,
        connected=qdevice.is_connected,
        casts_vote=qdevice.casts_vote,
        votes=votes,
        algorithm=qdevice.algorithm,
        tie_breaker=qdevice.tie_breaker,
        last_poll=qdevice.last_poll,
    )
