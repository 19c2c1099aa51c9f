"""What is wrong above single nodes of a PVE: majority, versions, high availability, Ceph, replication; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from monitoring.concerns.shapes import CRITICAL, WARNING, Concern, cut, listed
from monitoring.figures.staleness import is_recent
from monitoring.figures.versions import numbers_of
from monitoring.known.ceph import FLAGS_CHECK, mutes_flags
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane
from monitoring.known.memory import Contradiction
from monitoring.known.replication import Replication
from monitoring.known.terms import DENIALS
from nodes.proxmox.errors import ServerError
from nodes.proxmox.readings.cluster import CephCheckReading, CephReading, HaReading, QdeviceReading
from nodes.proxmox.readings.live import ClusterReading

#: Services in these states do not run and will not by themselves, or are on their way from a node that failed.
BAD_SERVICE_STATES = frozenset({"error", "fence", "recovery"})
#: A manager of high availability that has not reported for so long is dead; Proxmox itself says so after 30 s.
SILENT_SECONDS = 60
#: Lines about one check of Ceph in a sentence; its panel has more of them.
DETAILS_SHOWN = 3
GOOD_CEPH = "HEALTH_OK"
#: What Ceph does not do while they are set.
FLAGS: Mapping[str, str] = {
    "noout": "what is on an OSD that fails is not copied to others",
    "nodown": "OSDs that fail are not noticed",
    "noup": "OSDs that start are not used",
    "noin": "OSDs that come back are not used",
    "nobackfill": "data are not moved to where they belong",
    "norebalance": "data are not moved to where they belong",
    "norecover": "lost copies are not replaced",
    "noscrub": "data are not checked",
    "nodeep-scrub": "data are not checked in depth",
    "notieragent": "cache tiers are not emptied",
    "pause": "nothing can be read or written",
}
STOPPING_FLAGS = frozenset({"pause"})
#: A member that was not believed is asked again every minute.
CONTRADICTION_SECONDS = 180


def cluster_concerns(
    name: str, cluster: ClusterReading | None, facts: Facts, online: Collection[str]
) -> Iterator[Concern]:
    """Yield what concerns the whole instance; `online` are the nodes that are."""
    yield from quorum(name, cluster)
    versions = {node: facts.node(node).version for node in sorted(online)}
    read_epoch = min((facts.node(node).version_epoch for node in versions), default=0.0)
    yield from different_versions(name, versions, read_epoch)
    yield from qdevice(facts.qdevice, facts.qdevice_epoch)
    yield from disarmed(name, facts.ha, facts.ha_epoch)
    set_flags = [] if mutes_flags(facts.ceph) else [one.name for one in facts.ceph_flags if one.is_set]
    yield from ceph(facts.ceph, facts.ceph_epoch, names_flags=bool(set_flags))
    yield from ceph_flags(set_flags, facts.ceph_flags_epoch)
    yield from silent_ceph(facts, online)


def quorum(name: str, cluster: ClusterReading | None) -> Iterator[Concern]:
    """Yield a cluster without a majority."""
    if cluster is not None and cluster.is_quorate is False:
        text = f"Cluster {cluster.name or name} has no quorum: nothing in it can be changed and no guest be started"
        yield Concern("quorum_lost", CRITICAL, cluster.name or name, text)


#: Which of them are shown where a host lists more than are kept.
KEPT_FIRST: Mapping[str, str] = {
    "nodes": "the first by name are shown, with what is on them",
    "guests": "those with the lowest numbers are shown",
    "storages": "the first by name are shown",
    "pools": "the first by name are read",
}


def left_out(name: str, counts: Mapping[str, int]) -> Iterator[Concern]:
    """Yield a list that is longer than what is kept of any host; `counts` are how many are left out, by what they are."""
    for what, count in counts.items():
        text = f"{name} lists too many {what}: {KEPT_FIRST[what]}, and {count:,} are left out"
        yield Concern("list_too_long", WARNING, what, text)


def contradictions(
    contradicted: Mapping[str, Contradiction], *, at_epoch: float
) -> Iterator[tuple[str, Concern]]:
    """Yield (node, what is wrong) for the members that were asked and do not see their cluster as the majority does."""
    for name, one in contradicted.items():
        if not is_recent(one.seen_epoch, at_epoch=at_epoch, seconds=CONTRADICTION_SECONDS):
            continue  # it was not asked since
        if one.nodes:
            nodes = f"{listed(list(one.nodes))} {'is' if len(one.nodes) == 1 else 'are'} online"
            text = f"Node {name} contradicts itself on whether {nodes}, and {one.by} does not"
            yield name, Concern("view_differs", WARNING, name, f"{text}: shown is what {one.by} sees")
        else:
            text = f"Node {name} answers and is cut off from its cluster: it sees no quorum, and {one.by} sees one without it"
            yield name, Concern("cut_off", CRITICAL, name, text)


def qdevice(known: QdeviceReading | None, read_epoch: float) -> Iterator[Concern]:
    """Yield a QDevice that does not reach its host: the vote that it has is missing when a node fails."""
    if known is not None and known.is_connected is False:
        name = f"QDevice {known.host}" if known.host else "The QDevice"
        text = f"{name} is not connected ({known.state}): its vote is missing"
        yield Concern("qdevice", WARNING, known.host, text, read_epoch)


def different_versions(name: str, versions: Mapping[str, str], read_epoch: float) -> Iterator[Concern]:
    """Yield nodes of one cluster with different versions, minor ones apart; those that are not known do not count."""
    nodes: dict[tuple[int, ...], list[str]] = {}
    for node, version in versions.items():
        if release := numbers_of(version)[:2]:
            nodes.setdefault(release, []).append(node)
    if len(nodes) > 1:
        told = (f"{'.'.join(map(str, release))} on {listed(nodes[release])}" for release in sorted(nodes))
        text = f"The nodes of this cluster run different versions: {'; '.join(told)}"
        yield Concern("versions_differ", WARNING, name, text, read_epoch)


def disarmed(name: str, ha: HaReading | None, read_epoch: float) -> Iterator[Concern]:
    """Yield a high availability that was switched off for the time being."""
    if ha is not None and ha.fencing == "disarmed":
        text = "High availability is disarmed: guests of a node that fails are not started elsewhere"
        yield Concern("ha_disarmed", WARNING, name, text, read_epoch)


def services(ha: HaReading | None, read_epoch: float) -> Iterator[tuple[str, Concern]]:
    """Yield (service, what is wrong with it); the service is named as `vm:100`."""
    for service in ha.services if ha is not None else ():
        if service.state in BAD_SERVICE_STATES:
            text = f"HA service {service.id} is in state {service.state}"
            yield service.id, Concern("ha_service", CRITICAL, service.id, text, read_epoch)
        elif service.state == "stopped" and service.requested_state == "started":
            text = f"HA service {service.id} is stopped, and should be started"
            yield service.id, Concern("ha_service", WARNING, service.id, text, read_epoch)


def silent_managers(ha: HaReading | None, read_epoch: float) -> Iterator[tuple[str, Concern]]:
    """Yield (node, what is wrong) for the managers of high availability that have ceased to report.

    Their ages are told by the newest of them: the clock of Pulse may be another than those of the nodes. Where nothing is
    managed the managers may well be switched off.
    """
    if ha is None or not ha.services:
        return
    seen = [one.seen_epoch for one in ha.nodes if one.seen_epoch is not None]
    newest = max([*seen, ha.master_seen_epoch or 0])
    if ha.master_node and ha.master_seen_epoch is not None and newest - ha.master_seen_epoch > SILENT_SECONDS:
        text = f"The HA master on {ha.master_node} does not report any more: no guest is started elsewhere"
        yield ha.master_node, Concern("ha_master", WARNING, ha.master_node, text, read_epoch)
    for one in ha.nodes:
        if one.seen_epoch is not None and newest - one.seen_epoch > SILENT_SECONDS:
            text = f"The HA manager of {one.node} does not report any more"
            yield one.node, Concern("ha_manager", WARNING, one.node, text, read_epoch)


def ceph(known: CephReading | None, read_epoch: float, *, names_flags: bool = False) -> Iterator[Concern]:
    """Yield what Ceph itself complains about, what somebody has muted apart; `names_flags`: flags are told by themselves."""
    if known is None or known.health == GOOD_CEPH:
        return
    for check in known.checks:
        if not check.is_muted and not (names_flags and check.name == FLAGS_CHECK):
            level = CRITICAL if check.severity == "HEALTH_ERR" else WARNING
            text = f"Ceph: {cut(check.message)} ({check.name})" if check.message else f"Ceph: {check.name}"
            yield Concern("ceph", level, check.name, f"{text}{exactly(check)}", read_epoch)
    if not known.checks:
        level = CRITICAL if known.health == "HEALTH_ERR" else WARNING
        yield Concern("ceph", level, known.health, f"Ceph is in state {known.health}", read_epoch)


def exactly(check: CephCheckReading) -> str:
    """Return what a check is about, as the end of its sentence: the first three of its lines, and how many more there are."""
    if not check.details:
        return ""
    shown = list(check.details[:DETAILS_SHOWN])
    more = max(check.detail_count, len(check.details)) - len(shown)
    return f": {cut(', '.join(shown) if more else listed(shown))}{f' and {more} more' if more else ''}"


def ceph_flags(flags: Iterable[str], read_epoch: float) -> Iterator[Concern]:
    """Yield the flags that somebody has set in Ceph, and perhaps left set after some work."""
    for name in flags:
        level = CRITICAL if name in STOPPING_FLAGS else WARNING
        missing = FLAGS.get(name, "")
        text = f"Ceph: the flag {name} is set{f': {missing}' if missing else ''}"
        yield Concern("ceph_flag", level, name, text, read_epoch)


def silent_ceph(facts: Facts, online: Collection[str]) -> Iterator[Concern]:
    """Yield a Ceph that does not answer, through any node that has it; `facts` are those that still count.

    One that has never answered is there all the same where it says itself why it does not: by an error of the call.
    """
    asked = [one for node, one in facts.progress.get(Lane.CEPH, {}).items() if node in online]
    failing = [one for one in asked if one.code and one.code not in DENIALS]
    if facts.ceph is not None or not failing:
        return
    read_epoch = max(one.done_epoch for one in failing)
    worst = max(failing, key=lambda one: (one.code == ServerError.code, one.tried_epoch))
    if read_epoch or (worst.code == ServerError.code and worst.failures > 1):
        text = f"Ceph does not answer, so nobody knows how it is: {cut(worst.message)}"
        yield Concern("ceph_silent", WARNING, "ceph", text.removesuffix("."), read_epoch)


def failing_replications(jobs: Iterable[Replication]) -> Iterator[tuple[str, Concern]]:
    """Yield (node, what is wrong) for the replication jobs whose last tries have failed, or that have ceased to run."""
    for one in jobs:
        job = one.job
        if one.state == "late":
            text = f"Replication {job.id} to {job.target} was due and has not run since"
            yield job.source, Concern("replication_late", WARNING, job.id, text, one.told_epoch)
        if job.failure_count > 0 and not job.is_disabled:
            times = "once" if job.failure_count == 1 else f"{job.failure_count} times in a row"
            reason = f": {cut(job.error)}" if job.error else ""
            text = f"Replication {job.id} to {job.target} has failed {times}{reason}"
            yield job.source, Concern("replication_failing", WARNING, job.id, text, one.told_epoch)
