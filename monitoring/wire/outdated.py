"""Which of the details of a resource are too old to count: they are shown, and say nothing about now; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import ServerFigures
from monitoring.known.facts import Facts
from monitoring.known.freshness import GUEST_LANES, INSTANCE_LANES, NODE_LANES, outdated
from monitoring.wire.finding import Resource

#: Facts that the details have under other names.
SPELLED: Mapping[str, str] = {
    "credential": "credentialExpires",
    "ceph_flags": "cephFlags",
    "ceph_osds": "cephOsds",
    "ceph_pools": "cephPools",
    "config": "configuration",
    "disk": "filesystems",
    "history": "pressure",
    "replications": "replication",
    "replication_jobs": "replication",
    "votes": "quorumDetail",
    "qdevice": "quorumDetail",
    "thin_pools": "thinPools",
    "zfs_pools": "zfsPools",
    "datastore_states": "datastores",
}


def outdated_details(resource: Resource, facts: Facts, *, at_epoch: float) -> tuple[str, ...]:
    """Return the keys of the details that are too old to count, sorted."""
    return tuple(
        sorted({SPELLED.get(fact, fact) for fact in outdated_facts(resource, facts, at_epoch=at_epoch)})
    )


def outdated_facts(resource: Resource, facts: Facts, *, at_epoch: float) -> Iterator[str]:
    """Yield the facts behind the details of a resource that are too old to count; a node has those of its cluster too."""
    match resource:
        case GuestFigures(vmid=vmid):
            yield from outdated(facts.guest(vmid), GUEST_LANES, at_epoch=at_epoch)
        case NodeFigures(name=name):
            yield from outdated(facts, INSTANCE_LANES, at_epoch=at_epoch)
            yield from outdated(facts.node(name), NODE_LANES, at_epoch=at_epoch)
        case ServerFigures():
            yield from outdated(facts, INSTANCE_LANES, at_epoch=at_epoch)
            yield from outdated(facts.host, NODE_LANES, at_epoch=at_epoch)
