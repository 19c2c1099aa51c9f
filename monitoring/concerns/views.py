"""The concerns of one instance as the state sends them: every rule over what is known of it just now; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.backups.coverage import Coverage
from monitoring.concerns.clusters import (
    cluster_concerns,
    failing_replications,
    services,
    silent_managers,
)
from monitoring.concerns.guests import failed_verifications, halted
from monitoring.concerns.nodes import node_concerns
from monitoring.concerns.servers import gateway_concerns, server_concerns
from monitoring.concerns.shapes import Concern
from monitoring.concerns.storages import unavailable
from monitoring.known.facts import Facts
from monitoring.known.replication import replications
from monitoring.wire.shapes import ConcernShape, Shapes
from nodes.proxmox.readings import (
    ClusterReading,
    DatastoreReading,
    MailNodeReading,
    ServerJobReading,
    StorageReading,
)
from pulse.lib.instants import instant

#: The id of the resource, and what is wrong with it; "" for the whole instance.
Found = tuple[str, Concern]


def pve_concerns(
    views: Shapes,
    *,
    instance: str,
    storages: Iterable[StorageReading],
    wire_ids: Mapping[tuple[str, str], str],
    cluster: ClusterReading | None,
    facts: Facts,
    coverage: Mapping[int, Coverage],
    judged_at: float,
    at: float,
) -> tuple[ConcernShape, ...]:
    """Return what is wrong with a PVE that shows these resources; of a node that is away nothing but that is told."""
    nodes = {view.name: view.id for view in views.nodes if view.status == "online"}
    found: list[Found] = [("", one) for one in cluster_concerns(instance, cluster, facts, nodes)]
    for name, identity in nodes.items():
        found += [(identity, one) for one in node_concerns(name, facts, at=at)]
    ha_at = facts.done_at("high availability/")
    told = [*silent_managers(facts.ha, ha_at), *replication_concerns(views, facts, at=at)]
    found += [(nodes[name], one) for name, one in told if name in nodes]
    found += unavailable(storages, instance=instance, wire_ids=wire_ids, online=nodes)
    found += guest_concerns(views, facts, coverage, ha_at=ha_at, judged_at=judged_at)
    return concern_views(instance, found)


def replication_concerns(views: Shapes, facts: Facts, *, at: float) -> Iterator[Found]:
    """Yield (node, what is wrong) for the replication jobs, at the node that runs them."""
    if facts.replication_jobs:
        places = {guest.vmid: guest.node for guest in (*views.vms, *views.containers)}
        yield from failing_replications(replications(facts, places, at=at))


def guest_concerns(
    views: Shapes,
    facts: Facts,
    coverage: Mapping[int, Coverage],
    *,
    ha_at: float,
    judged_at: float,
) -> Iterator[Found]:
    """Yield what is wrong with the guests that are shown; a service of a guest that is not is told of the instance."""
    guests = (*views.vms, *views.containers)
    yield from ((guest.id, one) for guest, one in halted(guests))
    managed = list(services(facts.ha, ha_at))
    failed = list(failed_verifications(coverage, judged_at))
    if not managed and not failed:
        return
    by_vmid = {str(guest.vmid): guest for guest in guests}
    for service, one in managed:
        guest = by_vmid.get(service.rpartition(":")[2])
        yield guest.id if guest is not None else "", one
    yield from ((by_vmid[str(vmid)].id, one) for vmid, one in failed if str(vmid) in by_vmid)


def pbs_concerns(
    *,
    instance: str,
    datastores: Iterable[DatastoreReading],
    datastores_at: float,
    jobs: Mapping[str, Iterable[ServerJobReading]],
    missed: Mapping[str, int],
    facts: Facts,
    at: float,
) -> tuple[ConcernShape, ...]:
    """Return what is wrong with a PBS."""
    found = server_concerns(datastores, jobs, missed, facts, datastores_at=datastores_at, at=at)
    return concern_views(instance, ((f"pbs-{instance}", one) for one in found))


def pmg_concerns(
    *, instance: str, nodes: Iterable[MailNodeReading], nodes_at: float
) -> tuple[ConcernShape, ...]:
    """Return what is wrong with a mail gateway."""
    found = gateway_concerns(nodes, read_at=nodes_at)
    return concern_views(instance, ((f"pmg-{instance}", one) for one in found))


def concern_views(instance: str, found: Iterable[Found]) -> tuple[ConcernShape, ...]:
    """Return the views, each id once, whatever a host lists twice."""
    views: dict[str, ConcernShape] = {}
    for resource, one in found:
        identity = f"{instance}|{resource}|{one.code}|{one.subject}"
        views.setdefault(
            identity,
            ConcernShape(
                id=identity,
                instance=instance,
                resourceId=resource,
                level=one.level,
                code=one.code,
                subject=one.subject,
                text=one.text,
                readAt=instant(one.read_at) if one.read_at else "",
            ),
        )
    return tuple(views.values())
