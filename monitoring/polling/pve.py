"""A PVE host or cluster: two calls for everything live, then the details of its nodes."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.db import DatabaseError
from msgspec.structs import replace

from monitoring.backups.judgement import Judgement
from monitoring.collecting.calls import Calls, quietly
from monitoring.concerns.clusters import left_out
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.staleness import SILENCE_SECONDS
from monitoring.figures.storages import disabled_storages
from monitoring.known.costs import LaneLedger
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane
from monitoring.known.memory import PollMemory
from monitoring.polling import limits, outcomes, silent
from monitoring.polling.cycle import Poll
from monitoring.polling.identities import keys_of
from monitoring.polling.publishing import Picture
from monitoring.polling.pve_picture import beside_of, node_figures, picture_of
from monitoring.polling.recognising import disputes, earlier_instance_of, read_certificates
from monitoring.polling.rows import known_guest, known_node, known_storage
from monitoring.polling.witnesses import View, better_view
from nodes import inventory, recognising
from nodes.models import Guest, Instance, Node, Storage
from nodes.proxmox import pve
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer, ProxmoxError
from nodes.proxmox.metering import accounted
from nodes.proxmox.readings.live import ClusterReading, NodeStatusReading, ResourcesReading


class PvePoll(Poll):
    """A poll of a PVE host or cluster."""

    reading = ResourcesReading()
    may_be_another = False

    def look(self) -> None:
        """Read the cluster and publish what was seen, unless another instance is known to stand for it."""
        self.refuse_known_duplicate()
        super().look()

    def refuse_known_duplicate(self) -> None:
        """Raise DuplicateCluster, without asking the host, while another instance is known to stand for its cluster."""
        memory = self.memory
        is_recent = self.epoch - memory.duplicate_seen_epoch < limits.DUPLICATE_SECONDS
        if memory.duplicate_of and is_recent:
            other = Instance.objects.filter(pk=memory.duplicate_of).first()
            if other is not None and recognising.stands_for_others(other, at=self.at):
                raise silent.DuplicateCluster(memory.duplicate_name)
            memory.duplicate_of = 0

    def read(self, calls: Calls) -> None:
        """Read the list of resources and the membership."""
        self.reading = look(calls, self.memory, at_epoch=self.epoch)
        self.may_be_another = read_certificates(calls, self.instance, self.memory, self.reading)

    def true_now(self, judgement: Judgement) -> Picture:
        """Return what is true by the list, once it is known that no other instance stands for the cluster."""
        self.refuse_duplicate()
        listed = self.reading
        names = tuple(node.name for node in listed.nodes)
        switched_off = disabled_storages(self.facts.storages, listed.storages, names)
        self.reading = replace(listed, storages=listed.storages + switched_off)
        self.claim_ids()
        pk = self.instance.pk
        beside = beside_of(pk, self.facts, judgement, at_epoch=self.epoch)
        picture = picture_of(
            self.instance, self.reading, self.memory, beside, at_epoch=self.epoch, interval=self.interval
        )
        self.memory.reading, self.memory.read_epoch = self.reading, self.epoch
        beyond = left_out(self.instance.name, self.reading.left_out)
        return picture._replace(concerns=(*picture.concerns, *disputes(self.memory), *beyond))

    def refuse_duplicate(self) -> None:
        """Raise DuplicateCluster when an earlier instance stands for the cluster that was just read."""
        memory, cluster = self.memory, self.memory.cluster
        is_cluster = cluster is not None and cluster.is_cluster
        if not self.may_be_another and not is_cluster and not memory.alike:
            return
        other = earlier_instance_of(
            self.instance, memory, self.reading, at=self.at, by_nodes=self.may_be_another
        )
        memory.duplicate_of = other.pk if other is not None else 0
        if other is not None:
            memory.duplicate_name, memory.duplicate_seen_epoch = other.name, self.epoch
            raise silent.DuplicateCluster(other.name)

    def claim_ids(self) -> None:
        """Make the wire ids of all nodes and storages known before they are shown; what is only remembered keeps its own."""
        memory = self.memory
        nodes = [node.name for node in self.reading.nodes] + [
            guest.node for guest in self.reading.guests if guest.node
        ]
        present = {
            *nodes,
            *(one.name for one in memory.figures.nodes),
            *(one.node for one in memory.figures.guests),
        }
        memory.node_ids = {name: identity for name, identity in memory.node_ids.items() if name in present}
        shown = {f"{one.name}/{one.node}" for one in memory.figures.storages}
        kept = {key: identity for key, identity in memory.storage_ids.items() if key in shown}
        try:
            if not memory.node_ids.keys() >= set(nodes):
                # Rows are made for them, and go when the list of nodes is written next.
                memory.written.pop(Node.__name__, None)
            memory.node_ids = inventory.claim_node_ids(
                self.instance, nodes, known=memory.node_ids, at=self.at
            )
            claimed = inventory.claim_storage_ids(
                self.instance,
                self.reading.storages,
                known=memory.storage_ids,
                written=memory.written,
                at=self.at,
            )
        except DatabaseError as error:
            self.report(error)
        else:
            memory.storage_ids = kept | claimed

    def publish(self, picture: Picture) -> None:
        """Make it the state of the instance; what something is wrong with has its row first, which is its identity."""
        if keys_of(self.instance, self.memory, picture.objects).keys() != picture.objects:
            try:
                self.record_inventory()
            except DatabaseError as error:
                self.report(error)
        super().publish(picture)

    def record_inventory(self) -> None:
        """Make the rows of nodes and guests say what was read; costs nothing when they do."""
        inventory.apply(
            self.instance,
            self.reading,
            self.memory.details,
            absent=self.memory.absent_since,
            written=self.memory.written,
            at=self.at,
        )

    def finish(self, calls: Calls) -> None:
        """Read node details, and bring inventory and membership up to date."""
        memory, reading = self.memory, self.reading
        online = [node.name for node in reading.nodes if node.name not in memory.absent_since]
        with accounted(LaneLedger(memory.costs, Lane.NODE_STATUS.group, at_epoch=self.epoch)):
            is_first = read_details(calls, memory, online, at_epoch=self.epoch, interval=self.interval)
        if is_first:
            nodes = node_figures(reading, memory, self.facts, at_epoch=self.epoch)
            self.publish(self.picture._replace(figures=replace(memory.figures, nodes=nodes)))
        self.record_inventory()
        if memory.cluster_epoch == self.epoch:  # not what the host told that was configured before
            outcomes.record_membership(self.instance, memory.cluster, at=self.at)

    def last_known(self, error: ProxmoxError) -> Figures:
        """Return what was last known, marked; nothing of a host that another instance stands for, or that lets nobody in."""
        memory = self.memory
        if isinstance(error, silent.DuplicateCluster):
            return Figures()
        if memory.login_is_refused:
            return Figures(refused=NodeFigures("", "offline", "error", memory.succeeded_epoch))
        silent_since = memory.succeeded_epoch or memory.first_polled_epoch
        return silent.marked(memory.figures, is_down=self.ended_epoch - silent_since > SILENCE_SECONDS)

    @staticmethod
    def restored(instance: Instance, facts: Facts, judgement: Judgement, *, at_epoch: float) -> Figures:
        """Return what the inventory has; figures are not kept over a restart."""
        beside = beside_of(instance.pk, facts, judgement, at_epoch=at_epoch)
        seen, health = silent.last_seen(instance), silent.last_health(instance)
        guests = Guest.there(instance)
        nodes = Node.there(instance)
        storages = Storage.there(instance)
        return Figures(
            nodes=tuple(known_node(row, seen, health, facts) for row in nodes),
            guests=tuple(known_guest(row, seen, beside, at_epoch=at_epoch) for row in guests),
            storages=tuple(known_storage(row) for row in storages),
        )


# --- the calls --------------------------------------------------------------------------------------------------------


def look(calls: Calls, memory: PollMemory, *, at_epoch: float) -> ResourcesReading:
    """Read the live figures, then the membership, and remember the membership.

    One after the other on one connection: a second one would cost both sides a TLS handshake at every poll, and the host
    is asked two calls at once at most, one of which is left to the slow lanes.
    Raises the ProxmoxError of the resource list; the membership is kept from before when only it fails.
    """
    resources = calls.ask(pve.cluster_resources)
    cluster = read_membership(calls, memory)
    if cluster is not None:
        resources, memory.cluster = better_view(calls, memory, View(resources, cluster), at_epoch=at_epoch)
        memory.cluster_epoch = at_epoch
    refuse_sudden_emptiness(resources, memory)
    calls.remember_refusals()
    return resources


def read_membership(calls: Calls, memory: PollMemory) -> ClusterReading | None:
    """Return the membership, of a cluster each time and of a host of its own seldom; None when it cannot be read now."""
    is_cluster = memory.cluster is not None and memory.cluster.is_cluster

    def membership() -> ClusterReading:
        return calls.ask_here(pve.cluster_status, longest_seconds=limits.MEMBERSHIP_CALL_SECONDS)

    return quietly(lambda: calls.when_due(Lane.MEMBERSHIP, membership, is_wanted=is_cluster))


def refuse_sudden_emptiness(resources: ResourcesReading, memory: PollMemory) -> None:
    """Raise BadAnswer for a list without nodes, or without guests where there were some, until it comes often.

    A host that has just started, or lost its cluster file system for a moment, lists nothing. A list without a single
    node is never true: every host lists itself.
    """
    empty = not resources.nodes or (bool(memory.figures.guests) and not resources.guests)
    memory.empty_guest_lists = memory.empty_guest_lists + 1 if empty else 0
    if not resources.nodes:
        raise BadAnswer(
            "The host lists no node at all", remedy="Check that its cluster file system is mounted"
        )
    if empty and memory.empty_guest_lists < limits.BELIEVED_EMPTY:
        raise BadAnswer(
            "The host suddenly lists no guest at all",
            remedy="Check that its cluster file system is mounted and that the account may still see the guests",
        )


def read_details(
    calls: Calls, memory: PollMemory, nodes: Iterable[str], *, at_epoch: float, interval: float
) -> bool:
    """Read the details of those online nodes that are due; returns whether a node's first ones came.

    Stops taking more after a while, so that a slow node delays neither the figures nor the next poll.
    """
    online = list(nodes)
    for gone in memory.details.keys() - set(online) - memory.absent_since.keys():
        for by_node in (memory.details, memory.details_epoch, memory.details_asked_epoch):
            by_node.pop(gone, None)
    asked = memory.progress.get(Lane.NODE_STATUS, {})
    if gone_nodes := asked.keys() - set(online) - memory.absent_since.keys():
        kept = {node: progress for node, progress in asked.items() if node not in gone_nodes}
        memory.progress = {**memory.progress, Lane.NODE_STATUS: kept}
    until = time.monotonic() + min(limits.DETAIL_BUDGET_SECONDS, calls.seconds_left())
    any_first = False
    for name in limits.nodes_due(online, memory.details_asked_epoch, at_epoch=at_epoch, interval=interval):
        if time.monotonic() >= until:
            break
        memory.details_asked_epoch[name] = at_epoch
        detail = read_detail(calls, name)
        if detail is not None:
            any_first = any_first or name not in memory.details
            memory.details[name], memory.details_epoch[name] = detail, at_epoch
    calls.remember_refusals()
    return any_first


def read_detail(calls: Calls, node: str) -> NodeStatusReading | None:
    """Return the details of one node, None when they cannot be read now."""

    def node_status(client: Client, *, timeout_seconds: float | None = None) -> NodeStatusReading:
        return pve.node_status(client, node, timeout_seconds=timeout_seconds)

    return quietly(
        lambda: calls.when_due(
            Lane.NODE_STATUS,
            lambda: calls.ask_here(node_status, longest_seconds=limits.DETAIL_CALL_SECONDS),
            node,
        )
    )
