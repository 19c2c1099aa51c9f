"""Whether another instance stands for the same host or cluster already: asked and decided before anything of it is shown."""

from __future__ import annotations

from monitoring.collecting.calls import Calls, quietly
from monitoring.known.lanes import Lane
from monitoring.known.memory import PollMemory
from monitoring.polling import limits
from nodes import clusters, recognising
from nodes.models import Instance
from nodes.proxmox import pve
from nodes.proxmox.readings.live import ResourcesReading


def read_certificates(
    calls: Calls, instance: Instance, memory: PollMemory, resources: ResourcesReading
) -> bool:
    """Keep by what the host is recognised; returns whether it is time to look for others that it may be the same as.

    GET /nodes is asked only of a host whose nodes are not known as they are, or have namesakes at another instance.
    """
    if not calls.is_due(Lane.IDENTITY) and not memory.duplicate_of:
        return False
    names = {node.name for node in resources.nodes}
    if names == instance.told_nodes.keys() and not recognising.namesakes(names, except_pk=instance.pk):
        calls.done(Lane.IDENTITY)
        return False
    certificates = quietly(
        lambda: calls.when_due(
            Lane.IDENTITY,
            lambda: calls.ask_here(pve.node_certificates, longest_seconds=limits.MEMBERSHIP_CALL_SECONDS),
            is_wanted=True,
        )
    )
    if certificates is not None:
        served = calls.connection.client().fingerprint
        told = recognising.told_nodes(certificates, memory.cluster, served=served)
        if told and told != instance.told_nodes:
            instance.told_nodes = told
            Instance.objects.filter(pk=instance.pk, version=instance.version).update(told_nodes=told)
    return True


def earlier_instance_of(
    instance: Instance, memory: PollMemory, resources: ResourcesReading, *, at_epoch: float, by_nodes: bool
) -> Instance | None:
    """Return the earlier instance that stands for the same host or cluster, None when there is none.

    Two instances that were added apart may turn out to be one: only the first is polled (state.md 4.2). A cluster is looked for
    by its name in every poll, and now and then also by the names of the nodes (`by_nodes`).
    """
    names = {node.name for node in resources.nodes} if by_nodes else ()
    others = (
        clusters.candidates(names, memory.cluster, except_pk=instance.pk)
        if by_nodes
        else clusters.of_name(memory.cluster)
    )
    earlier = [
        other
        for other in others
        if other.number < instance.number
        and not other.is_paused
        and (by_nodes or at_epoch >= memory.apart_until.get(other.pk, 0.0))
    ]
    if not earlier:
        return None
    own = recognising.appearance(instance.told_nodes, memory.cluster, resources.guests)
    for other in earlier:
        recorded = recognising.recorded(other)
        if recognising.is_same(recorded, own):
            memory.duplicate_until_epoch = at_epoch + limits.RENEWAL_SECONDS
            return other
        if is_renewed(other, memory, at_epoch=at_epoch) and recognising.have_same_guests(recorded, own):
            return other
        memory.apart_until[other.pk] = at_epoch + limits.DUPLICATE_SECONDS
    return None


def is_renewed(other: Instance, memory: PollMemory, *, at_epoch: float) -> bool:
    """Return whether another instance was the same a moment ago: its certificates may have been renewed since it read them."""
    return other.pk == memory.duplicate_of and at_epoch < memory.duplicate_until_epoch
