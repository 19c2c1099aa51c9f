"""How often each lane asks, in one table. How long what it has told counts follows from that: monitoring.known.freshness.

Source: api-facts.md 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from monitoring.known.lanes import Lane
from nodes.proxmox.errors import NotFound, PermissionDenied

#: After a failure the next try waits this long, doubled with each further one.
RETRY_SECONDS = 60.0
LONGEST_RETRY_SECONDS = 3600.0
#: What the account may not ask, or this version does not know: by the codes of the errors.
DENIALS = frozenset({PermissionDenied.code, NotFound.code})
MINUTE, HOUR = 60.0, 3600.0


class Terms(NamedTuple):
    """How often a lane asks: `idle_seconds` where there is nothing of the kind, as far as is known.

    `rank`: lower comes first among those that were never asked; on those of rank 0 others depend.
    `retry_seconds`, `longest_retry_seconds`: after a failure the next try waits this long at least, and at most. `is_live`: the poll itself makes these calls; they
    keep to their period, and one that fails is made again by the next poll, or after its `retry_seconds`.
    """

    period_seconds: float
    rank: int = 1
    idle_seconds: float = 0.0
    retry_seconds: float = RETRY_SECONDS
    is_live: bool = False
    longest_retry_seconds: float = LONGEST_RETRY_SECONDS


def live(period_seconds: float, *, retry_seconds: float = 0.0) -> Terms:
    """Return the terms of calls that the live poll makes."""
    return Terms(period_seconds, retry_seconds=retry_seconds, is_live=True)


TERMS: Mapping[Lane, Terms] = {
    # live: whether a host that stood alone has joined a cluster; a cluster is read by every poll, as is the status of a PBS
    Lane.MEMBERSHIP: live(MINUTE),
    # by what a host is recognised; asked only where that may matter, see monitoring.polling.recognising
    Lane.IDENTITY: live(10 * MINUTE, retry_seconds=10 * MINUTE),
    Lane.NODE_STATUS: live(0.0),  # see monitoring.polling.limits.nodes_due
    Lane.SERVER_STATUS: live(0.0),
    Lane.SERVER_VERSION: live(HOUR),
    Lane.DATASTORE_USE: live(30.0),
    Lane.MAIL_NODES: live(30.0),  # the asked node contacts the others one after the other
    Lane.MAIL_STATISTICS: live(MINUTE),
    Lane.MAIL_QUEUES: live(MINUTE, retry_seconds=MINUTE),
    # of any host
    Lane.PERMISSIONS: Terms(15 * MINUTE, rank=0),
    Lane.CREDENTIAL: Terms(6 * HOUR, rank=3),
    Lane.TIME: Terms(6 * HOUR, rank=2),
    Lane.CERTIFICATES: Terms(6 * HOUR, rank=3),
    Lane.SUBSCRIPTION: Terms(6 * HOUR, rank=3),
    Lane.UPDATES: Terms(6 * HOUR, rank=3),
    Lane.DISKS: Terms(HOUR, rank=3),
    Lane.ZFS_POOLS: Terms(5 * MINUTE, rank=3, idle_seconds=HOUR),
    # The disks of a pool are looked at often only while something is wrong with them.
    Lane.ZFS_POOL: Terms(15 * MINUTE, rank=3, idle_seconds=6 * HOUR),
    Lane.THIN_POOLS: Terms(30 * MINUTE, rank=3),
    # A disk that does not answer is left alone for long: each try starts another smartctl.
    Lane.SMART_LIST: Terms(12 * HOUR, rank=5, retry_seconds=3 * HOUR),
    Lane.SMART: Terms(12 * HOUR, rank=5, retry_seconds=3 * HOUR),
    # of a PVE
    Lane.TASKS: Terms(20.0, rank=0),
    Lane.STORAGE_DEFINITIONS: Terms(30 * MINUTE, rank=0),
    Lane.HA: Terms(30.0, idle_seconds=5 * MINUTE),
    # One of the nodes that have Ceph is asked; the others, and those without, are looked at now and then.
    Lane.CEPH: Terms(30.0, rank=2, idle_seconds=HOUR, longest_retry_seconds=5 * MINUTE),
    Lane.CEPH_POOLS: Terms(5 * MINUTE, rank=3),
    Lane.CEPH_FLAGS: Terms(10 * MINUTE, rank=3),
    Lane.REPLICATION_JOBS: Terms(5 * MINUTE),
    Lane.REPLICATION: Terms(MINUTE),
    Lane.VOTES: Terms(5 * MINUTE, rank=3),
    Lane.QDEVICE: Terms(5 * MINUTE, rank=3),
    Lane.VERSIONS: Terms(HOUR, rank=0),
    Lane.REPOSITORIES: Terms(12 * HOUR, rank=5),
    Lane.SERVICES: Terms(10 * MINUTE, rank=3),
    Lane.NODE_STORAGES: Terms(5 * MINUTE, rank=2),
    Lane.NODE_HISTORY: Terms(2 * MINUTE, rank=3),
    Lane.GUEST_DETAILS: Terms(2 * MINUTE),
    Lane.GUEST_CONFIGURATION: Terms(2 * HOUR, rank=2),
    # Where the configuration tells of one; else some may be left of a branch that was given up.
    Lane.GUEST_SNAPSHOTS: Terms(HOUR, rank=4, idle_seconds=6 * HOUR),
    Lane.AGENT_FILESYSTEMS: Terms(6 * MINUTE, rank=2),
    Lane.AGENT_ADDRESSES: Terms(HOUR, rank=4),
    Lane.AGENT_SYSTEM: Terms(12 * HOUR, rank=5, retry_seconds=3 * HOUR),
    Lane.CONTAINER_ADDRESSES: Terms(HOUR, rank=4),
    Lane.BACKUP_JOBS: Terms(5 * MINUTE, rank=0),
    Lane.UNCOVERED_GUESTS: Terms(15 * MINUTE),
    Lane.JOB_VOLUMES: Terms(HOUR, rank=3),
    Lane.BACKUP_TASKS: Terms(15 * MINUTE),
    Lane.BACKUP_LOGS: Terms(HOUR, rank=2),
    Lane.BACKUP_VOLUMES: Terms(30 * MINUTE),
    # of a PBS
    Lane.SERVER_TASKS: Terms(30.0, rank=2),
    Lane.SERVER_JOBS: Terms(5 * MINUTE),
    Lane.DATASTORES: Terms(5 * MINUTE, rank=0),
    Lane.NAMESPACES: Terms(10 * MINUTE, rank=0),
    Lane.GROUPS: Terms(5 * MINUTE),
    Lane.SNAPSHOTS: Terms(HOUR),
    Lane.GROUP_SNAPSHOTS: Terms(4 * HOUR, rank=2),
}


def period_of(lane: Lane, *, is_idle: bool = False) -> float:
    """Return how often a lane asks."""
    return TERMS[lane].idle_seconds if is_idle else TERMS[lane].period_seconds
