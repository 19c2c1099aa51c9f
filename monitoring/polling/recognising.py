"""Whether another instance stands for the same host or cluster already: asked and decided before anything of it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from monitoring.collecting.calls import Calls, quietly
from monitoring.concerns.shapes import WARNING, Concern
from monitoring.known.lanes import Lane
from monitoring.known.memory import Alike, PollMemory
from monitoring.polling import limits
from nodes import clusters, recognising
from nodes.models import Instance
from nodes.proxmox import pve
from nodes.proxmox.readings.live import ResourcesReading
from nodes.recognising import Appearance


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
        if told and (told, served) != (instance.told_nodes, instance.shown_fingerprint):
            instance.told_nodes, instance.shown_fingerprint = told, served
            Instance.objects.filter(pk=instance.pk, version=instance.version).update(
                told_nodes=told, shown_fingerprint=served
            )
    return True


def earlier_instance_of(
    instance: Instance, memory: PollMemory, resources: ResourcesReading, *, at: datetime, by_nodes: bool
) -> Instance | None:
    """Return the earlier instance that stands for the same host or cluster, None when there is none.

    Two instances that were added apart may turn out to be one: only the first is polled (state.md 4.2). A cluster is looked for
    by its name in every poll, and now and then also by the names of the nodes (`by_nodes`). What is only alike is remembered.
    """
    at_epoch = at.timestamp()
    others = candidates(instance, memory, resources, by_nodes=by_nodes)
    memory.alike = {other.pk: memory.alike[other.pk] for other in others if other.pk in memory.alike}
    due = [other for other in others if by_nodes or at_epoch >= memory.apart_until.get(other.pk, 0.0)]
    if not due:
        return None
    own = recognising.appearance(
        instance.told_nodes, memory.cluster, resources.guests, shown=instance.shown_fingerprint
    )
    for other in due:
        recorded = recognising.recorded(other)
        if other.number < instance.number and recognising.stands_for_others(other, at=at):
            if recognising.is_same(recorded, own):
                memory.duplicate_until_epoch = at_epoch + limits.RENEWAL_SECONDS
                return other
            if is_renewed(other, memory, at_epoch=at_epoch) and recognising.have_same_guests(recorded, own):
                return other
        remember(memory, other, recorded, own)
        memory.apart_until[other.pk] = at_epoch + limits.DUPLICATE_SECONDS
    return None


def candidates(
    instance: Instance, memory: PollMemory, resources: ResourcesReading, *, by_nodes: bool
) -> list[Instance]:
    """Return the other instances that may be the same as this one, or were alike when they were last looked at."""
    if by_nodes:
        names = {node.name for node in resources.nodes}
        found = clusters.candidates(names, memory.cluster, except_pk=instance.pk)
    else:
        found = clusters.of_name(memory.cluster)
    by_pk = {other.pk: other for other in found if other.pk != instance.pk}
    if missing := memory.alike.keys() - by_pk.keys():
        by_pk |= {
            one.pk: one for one in Instance.objects.filter(pk__in=missing).prefetch_related("endpoints")
        }
    return sorted((one for one in by_pk.values() if not one.is_paused), key=lambda one: one.number)


def remember(memory: PollMemory, other: Instance, recorded: Appearance, own: Appearance) -> None:
    """Keep how an instance is alike that is shown beside this one, so that it is looked at again soon."""
    memory.alike.pop(other.pk, None)
    if recognising.is_same(recorded, own):
        memory.alike[other.pk] = Alike.SAME
    elif recognising.are_disputed(recorded, own):
        memory.alike[other.pk] = Alike.DISPUTED


def disputes(memory: PollMemory) -> Iterator[Concern]:
    """Yield a concern for each instance of which one tells what is the other's own."""
    disputed = [pk for pk, alike in memory.alike.items() if alike == Alike.DISPUTED]
    rows = Instance.objects.polled().filter(pk__in=disputed).order_by("number") if disputed else ()
    for other in rows:
        text = (
            f"{other.name} tells of the same nodes, and the certificates that the two show do not prove it: both are shown. "
            "One may be copying the other, or is asked through a proxy"
        )
        yield Concern("identity_disputed", WARNING, other.wire_id, text)


def is_renewed(other: Instance, memory: PollMemory, *, at_epoch: float) -> bool:
    """Return whether another instance was the same a moment ago: its certificates may have been renewed since it read them."""
    return other.pk == memory.duplicate_of and at_epoch < memory.duplicate_until_epoch
