"""Which rules apply: all that is wrong with one instance by what is known of it just now; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from monitoring.backups.coverage import Coverage
from monitoring.concerns.backups import dated_ahead, failed_verifications, missed_backups, not_judged
from monitoring.concerns.clusters import (
    cluster_concerns,
    contradictions,
    failing_replications,
    services,
    silent_managers,
)
from monitoring.concerns.credentials import credential
from monitoring.concerns.guests import guest, halted
from monitoring.concerns.nodes import node_concerns, node_services, unmeasured
from monitoring.concerns.servers import gateway_concerns, server_concerns
from monitoring.concerns.shapes import GATEWAY, INSTANCE, SERVER, About, Concern, concerning
from monitoring.concerns.storages import unavailable
from monitoring.concerns.unread import OF_INSTANCE, OF_NODE, flaws, unread
from monitoring.figures.instances import Figures
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.freshness import current, is_current
from monitoring.known.lanes import Lane, ProgressByLane
from monitoring.known.memory import Contradiction
from monitoring.known.replication import replications
from nodes.proxmox.readings.live import ClusterReading, DatastoreReading, StorageReading
from nodes.proxmox.readings.mail import MailNodeReading


def pve_concerns(
    figures: Figures,
    *,
    instance: str,
    storages: Iterable[StorageReading],
    cluster: ClusterReading | None,
    contradicted: Mapping[str, Contradiction],
    facts: Facts,
    polled: ProgressByLane,
    coverage: Mapping[int, Coverage],
    judged_epoch: float,
    absent_since: Mapping[str, float],
    failure: str = "",
    missed: Mapping[str, int] | None = None,
    at_epoch: float,
) -> tuple[Concern, ...]:
    """Return what is wrong with a PVE; of a node that is away nothing but that is told.
    One that does not report may still be asked which of its services run.

    `absent_since` has by node since when it is not online, `polled` how the lanes of the polls themselves are doing, `missed` the
    runs of its backup jobs that did not come; `failure` is the kind of an error of our own over its backups.
    """
    kept = facts
    facts = current(facts, at_epoch=at_epoch)
    online = {node.name: About("node", node.name) for node in figures.nodes if node.status == "online"}
    is_cluster = cluster is not None and cluster.is_cluster
    found = list(cluster_concerns(instance, cluster, facts, online))
    for name, about in online.items():
        found += concerning(about, node_concerns(name, facts, is_cluster=is_cluster, at_epoch=at_epoch))
    found += credential(facts.credential, facts.credential_epoch, at_epoch=at_epoch)
    found += unread(OF_INSTANCE, kept, polled, at_epoch=at_epoch)
    found += flaws(kept, polled)
    for name, one in contradictions(contradicted, at_epoch=at_epoch):
        found += concerning(About("node", name), [one])
    for name, about in online.items():
        found += concerning(
            about, unread(OF_NODE, kept, polled, subject=name, of=f" of node {name}", at_epoch=at_epoch)
        )
    for node in figures.nodes:
        since = absent_since.get(node.name, at_epoch)
        about = About("node", node.name)
        found += concerning(about, unmeasured(node, cluster, since_epoch=since, at_epoch=at_epoch))
        if node.status == "unknown":
            found += concerning(about, node_services(node.name, facts, is_cluster=is_cluster))
    for name, one in (
        *silent_managers(facts.ha, facts.ha_epoch),
        *replication_concerns(figures, facts, at_epoch=at_epoch),
    ):
        if name in online:
            found += concerning(online[name], [one])
    found += unavailable(storages, online=online)
    found += halted(figures.guests)
    shown = {one.vmid for one in figures.guests}
    for service, one in services(facts.ha, facts.ha_epoch):
        number = service.rpartition(":")[2]  # that of a guest which is not shown is told of the instance
        is_shown = len(number) < 10 and number.isascii() and number.isdecimal() and int(number) in shown
        found += concerning(guest(int(number)) if is_shown else INSTANCE, [one])
    for one in (*failed_verifications(coverage, judged_epoch), *dated_ahead(coverage, judged_epoch)):
        if one.about.vmid in shown:
            found.append(one)
    found += missed_backups(facts, missed or {})
    found += not_judged(failure, judged_epoch)
    return tuple(found)


def replication_concerns(figures: Figures, facts: Facts, *, at_epoch: float) -> Iterator[tuple[str, Concern]]:
    """Yield (node, what is wrong) for the replication jobs, at the node that runs them."""
    if facts.replication_jobs:
        places = {one.vmid: one.node for one in figures.guests}
        yield from failing_replications(replications(facts, places, at_epoch=at_epoch))


def pbs_concerns(
    *,
    datastores: Iterable[DatastoreReading],
    datastores_epoch: float,
    wanted: Collection[str],
    missed: Mapping[str, int],
    facts: Facts,
    polled: ProgressByLane,
    failure: str = "",
    judged_epoch: float = 0.0,
    at_epoch: float,
) -> tuple[Concern, ...]:
    """Return what is wrong with a PBS.

    `wanted` are the kinds of jobs that are to be monitored, `failure` the kind of an error of our own over its backups.
    """
    fresh = current(facts, at_epoch=at_epoch)
    jobs = {kind: known for kind, known in fresh.server_jobs.items() if kind in wanted}
    is_told = is_current(Lane.DATASTORE_USE, datastores_epoch, at_epoch=at_epoch)
    found = [
        *server_concerns(
            datastores if is_told else (),
            jobs,
            missed,
            fresh,
            datastores_epoch=datastores_epoch,
            at_epoch=at_epoch,
        ),
        *credential(fresh.credential, fresh.credential_epoch, at_epoch=at_epoch),
        *unread(OF_INSTANCE, facts, polled, at_epoch=at_epoch),
        *unread(OF_NODE, facts, polled, subject="localhost", at_epoch=at_epoch),
        *flaws(facts, polled),
        *not_judged(failure, judged_epoch),
    ]
    return tuple(concerning(SERVER, found))


def pmg_concerns(
    nodes: Iterable[MailNodeReading], *, nodes_epoch: float, polled: ProgressByLane, at_epoch: float
) -> tuple[Concern, ...]:
    """Return what is wrong with a mail gateway."""
    is_told = is_current(Lane.MAIL_NODES, nodes_epoch, at_epoch=at_epoch)
    found = [
        *gateway_concerns(nodes if is_told else (), read_epoch=nodes_epoch),
        *unread(OF_INSTANCE, NOTHING_COLLECTED, polled, at_epoch=at_epoch),
        *flaws(NOTHING_COLLECTED, polled),
    ]
    return tuple(concerning(GATEWAY, found))
