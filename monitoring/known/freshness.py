"""How long what a lane has told counts as the present: three of its periods; pure.

Facts are kept until they are replaced, for whoever wants to see what was known last. Whoever concludes anything from them looks at
them through `current` or `current_guest`, where what is older than that, or from another clock, is as if it had never been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from monitoring.figures.staleness import is_recent
from monitoring.known.facts import Facts, GuestFacts, NodeFacts
from monitoring.known.lanes import Lane
from monitoring.known.terms import MINUTE, TERMS
from nodes.proxmox.readings.cluster import HaReading

#: Calls that are missed before an answer counts no more.
PERIODS = 3
#: A lane that every poll asks counts for longer than an instance that does not answer (state.md 6).
LEAST_SECONDS = MINUTE

#: By which lane each fact is told, of an instance, of a node and of a guest. What happened stays true, and is not among them,
#: nor are definitions, by which things are known.
INSTANCE_LANES: Mapping[str, Lane] = {
    "credential": Lane.CREDENTIAL,
    "ha": Lane.HA,
    "ceph": Lane.CEPH,
    "ceph_osds": Lane.CEPH_POOLS,
    "ceph_pools": Lane.CEPH_POOLS,
    "ceph_flags": Lane.CEPH_FLAGS,
    "replication_jobs": Lane.REPLICATION_JOBS,
    "votes": Lane.VOTES,
    "qdevice": Lane.QDEVICE,
    "datastore_states": Lane.DATASTORES,
}
NODE_LANES: Mapping[str, Lane] = {
    "version": Lane.VERSIONS,
    "services": Lane.SERVICES,
    "repositories": Lane.REPOSITORIES,
    "storages": Lane.NODE_STORAGES,
    "zfs_pools": Lane.ZFS_POOLS,
    "thin_pools": Lane.THIN_POOLS,
    "disks": Lane.DISKS,
    "certificates": Lane.CERTIFICATES,
    "subscription": Lane.SUBSCRIPTION,
    "updates": Lane.UPDATES,
    "history": Lane.NODE_HISTORY,
    "replications": Lane.REPLICATION,
}
GUEST_LANES: Mapping[str, Lane] = {
    "config": Lane.GUEST_CONFIGURATION,
    "snapshots": Lane.GUEST_SNAPSHOTS,
    "disk": Lane.AGENT_FILESYSTEMS,
    "addresses": Lane.AGENT_ADDRESSES,
    "system": Lane.AGENT_SYSTEM,
    "detail": Lane.GUEST_DETAILS,
}

#: Backups are judged every five minutes at least.
JUDGED_SECONDS = PERIODS * 300.0

Known = TypeVar("Known", bound=msgspec.Struct)


def lasting_seconds(lane: Lane, *, is_idle: bool = False) -> float:
    """Return for how long an answer counts; `is_idle`: there was nothing of the kind, so the lane asks less often."""
    terms = TERMS[lane]
    period = (terms.idle_seconds if is_idle else 0.0) or terms.period_seconds
    return max(PERIODS * period, LEAST_SECONDS)


def is_current(lane: Lane, read_epoch: float, *, at_epoch: float, is_idle: bool = False) -> bool:
    """Return whether what a lane told then still counts; what was never read does not."""
    lasting = lasting_seconds(lane, is_idle=is_idle)
    return bool(read_epoch) and is_recent(read_epoch, at_epoch=at_epoch, seconds=lasting)


def manages_services(ha: HaReading | None) -> bool:
    """Return whether high availability has something to do, as far as is known; else it is asked less often."""
    return ha is not None and bool(ha.services or ha.is_quorate is False)


def is_idle(fact: str, value: Any) -> bool:
    """Return whether a fact is of the kind that is asked less often, because there is nothing of it."""
    if fact == "ha":
        return not manages_services(value)
    return fact in ("zfs_pools", "snapshots") and not value


def is_troubled(pool: str, known: NodeFacts) -> bool:
    """Return whether something is wrong with a ZFS pool or one of its devices, so that it is looked at often."""
    told = known.zfs_details.get(pool)
    listed = any(one.name == pool and one.health not in ("", "ONLINE") for one in known.zfs_pools)
    return listed or (told is not None and told.detail.is_troubled)


def outdated(
    known: Facts | NodeFacts | GuestFacts, lanes: Mapping[str, Lane], *, at_epoch: float
) -> Iterator[str]:
    """Yield the facts that were read and are too old to count."""
    for fact, lane in lanes.items():
        read_epoch: float = getattr(known, f"{fact}_epoch")
        if not read_epoch:
            continue
        lasting = lasting_seconds(lane, is_idle=is_idle(fact, getattr(known, fact)))
        if not is_recent(read_epoch, at_epoch=at_epoch, seconds=lasting):
            yield fact


def without(known: Known, facts: tuple[str, ...]) -> Known:
    """Return what is known as if these facts had never been read."""
    if not facts:
        return known
    empty = type(known)()
    names = [name for fact in facts for name in (fact, f"{fact}_epoch")]
    return msgspec.structs.replace(known, **{name: getattr(empty, name) for name in names})


def current(facts: Facts, *, at_epoch: float) -> Facts:
    """Return the facts about an instance and its nodes without what is too old to count; those about guests are left."""
    nodes = {name: current_node(known, at_epoch=at_epoch) for name, known in facts.nodes.items()}
    changes: dict[str, Any] = {"host": current_node(facts.host, at_epoch=at_epoch, is_server=True)}
    if any(nodes[name] is not known for name, known in facts.nodes.items()):
        changes["nodes"] = nodes
    read = facts.server_jobs_epoch
    jobs = {
        kind: known
        for kind, known in facts.server_jobs.items()
        if is_recent(read.get(kind, at_epoch), at_epoch=at_epoch, seconds=lasting_seconds(Lane.SERVER_JOBS))
    }
    if len(jobs) < len(facts.server_jobs):
        changes["server_jobs"] = jobs
    old = tuple(outdated(facts, INSTANCE_LANES, at_epoch=at_epoch))
    return msgspec.structs.replace(without(facts, old), **changes)


def current_node(known: NodeFacts, *, at_epoch: float, is_server: bool = False) -> NodeFacts:
    """Return the facts about a node, or about the host of a PBS, without what is too old to count."""
    old = tuple(outdated(known, NODE_LANES, at_epoch=at_epoch))
    if is_server and is_current(Lane.ZFS_POOLS, known.zfs_pools_epoch, at_epoch=at_epoch, is_idle=True):
        old = tuple(fact for fact in old if fact != "zfs_pools")  # always asked seldom
    known = without(known, old)
    details = {
        name: one
        for name, one in known.zfs_details.items()
        if is_current(Lane.ZFS_POOL, one.read_epoch, at_epoch=at_epoch, is_idle=not is_troubled(name, known))
    }
    if len(details) < len(known.zfs_details):
        known = msgspec.structs.replace(known, zfs_details=details)
    smart = {
        device: one
        for device, one in known.smart.items()
        if is_current(Lane.SMART, max(one.listed_epoch, one.own_epoch), at_epoch=at_epoch)
    }
    return msgspec.structs.replace(known, smart=smart) if len(smart) < len(known.smart) else known


#: When each fact about a guest was read, and how long it counts: of one that has snapshots, and of one without.
_instants_of = attrgetter(*(f"{fact}_epoch" for fact in GUEST_LANES))
_lasting = tuple(lasting_seconds(lane) for lane in GUEST_LANES.values())
_lasting_idle = tuple(lasting_seconds(lane, is_idle=True) for lane in GUEST_LANES.values())


def current_guest(known: GuestFacts, *, at_epoch: float) -> GuestFacts:
    """Return the facts about a guest without what is too old to count."""
    # A glance at first: at every poll this is asked of ten thousand guests of which nothing is old.
    spans = _lasting if known.snapshots else _lasting_idle
    for read_epoch, lasting in zip(_instants_of(known), spans, strict=True):
        if read_epoch and not 0.0 <= at_epoch - read_epoch <= lasting:
            break
    else:
        return known
    return without(known, tuple(outdated(known, GUEST_LANES, at_epoch=at_epoch)))
