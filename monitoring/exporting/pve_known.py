"""What is known of a PVE host or cluster as prometheus-pve-exporter would be told it now; no call to the host."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from monitoring.figures.rates import MOST_INTERVALS
from monitoring.figures.staleness import SILENCE_SECONDS, is_recent
from monitoring.figures.storages import DISABLED
from monitoring.known.facts import FACTS, Facts
from monitoring.known.freshness import current
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.known.presence import membership
from monitoring.known.wanted import wanted_kinds
from monitoring.store.current import store
from nodes.models import Instance
from nodes.proxmox.readings.live import ClusterReading, ResourcesReading


class Known(NamedTuple):
    """What the answers are made of: the lists as Proxmox sent them, without what is not to be monitored.

    `node` is the one that is asked, of which alone the exporter tells some things. `pve_version` is what it told of its release.
    """

    resources: ResourcesReading
    cluster: ClusterReading | None
    facts: Facts
    node: str = ""
    pve_version: str = ""


def known_of(instance: Instance, node: str, *, at_epoch: float, interval: float) -> Known | None:
    """Return what is known of an instance, None when nobody could look at it for a while.

    `node` is the one that is asked; empty: the one that answers Pulse.
    """
    memory = store().load(MEMORY, of=instance.pk)
    if memory is None or memory.reading is None or not is_seen(memory, at_epoch=at_epoch, interval=interval):
        return None
    cluster = membership(memory, at_epoch)
    node = node or local_node(cluster, memory.reading)
    details = memory.details.get(node)
    return Known(
        resources=wanted(instance, memory.reading),
        cluster=cluster,
        facts=current(store().load(FACTS, of=instance.pk) or Facts(), at_epoch=at_epoch),
        node=node,
        pve_version=details.pve_version if details is not None else "",
    )


def is_seen(memory: PollMemory, *, at_epoch: float, interval: float) -> bool:
    """Return whether the last good poll still counts as the present: a host that falls silent counts as down after a while."""
    lasting = SILENCE_SECONDS if memory.failures else max(SILENCE_SECONDS, MOST_INTERVALS * interval)
    return is_recent(memory.read_epoch, at_epoch=at_epoch, seconds=lasting)


def local_node(cluster: ClusterReading | None, resources: ResourcesReading) -> str:
    """Return the node that answers, "" while that is not known."""
    members = cluster.members if cluster is not None else ()
    told = next((member.name for member in members if member.is_local), "")
    return told or (resources.nodes[0].name if len(resources.nodes) == 1 else "")


def wanted(instance: Instance, resources: ResourcesReading) -> ResourcesReading:
    """Return the list without what is not to be monitored, and without the storages that are switched off, which it had not."""
    kinds = wanted_kinds(instance)
    storages = resources.storages if instance.monitor_storage else ()
    return msgspec.structs.replace(
        resources,
        guests=tuple(guest for guest in resources.guests if guest.kind in kinds),
        storages=tuple(storage for storage in storages if storage.status != DISABLED),
    )
