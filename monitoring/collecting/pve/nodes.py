"""What is asked of each node: details of its guests, services, storages, versions, certificates, history."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from monitoring.collecting.disks import disk_questions
from monitoring.collecting.pve.common import answers, is_online, wanted_guests
from monitoring.collecting.schedule import Question
from monitoring.collecting.visit import LISTING_SECONDS, Visit
from monitoring.figures.nodes import NodeFigures
from monitoring.known.lanes import Lane
from nodes import authorities
from nodes.proxmox import backups, cluster, guests, hardware, pve, software

GUEST_KINDS = ("qemu", "lxc")


def node_questions(
    visit: Visit, node: NodeFigures, running: Collection[str], *, replicates: bool
) -> Iterator[Question]:
    """Yield what is asked of each node, only while it is online; `running` are the kinds of guests that run there."""
    name, is_there = node.name, is_online(node)
    if (
        is_there and node.uptime_seconds
    ):  # it may have been started with another version, and its disks may have other names
        visit.hasten([(Lane.VERSIONS, name), (Lane.DISKS, name)], since=visit.epoch - node.uptime_seconds)
    audits = is_there and visit.may(f"/nodes/{name}", "Sys.Audit")

    def question(lane: Lane, run: Callable[..., None], *, is_possible: bool = is_there) -> Question:
        return Question(lane, name, run, (name,), is_possible, name)

    for kind in GUEST_KINDS:
        is_possible = is_there and kind in running
        yield Question(Lane.GUEST_DETAILS, (name, kind), read_guest_details, (name, kind), is_possible, name)
    if node.status == "unknown":  # it reports no more: one of its services may be why
        visit.hasten([(Lane.SERVICES, name)], since=visit.memory.absent_since.get(name, visit.epoch))
    may_answer = answers(visit, node) and visit.may(f"/nodes/{name}", "Sys.Audit")
    yield question(Lane.SERVICES, read_services, is_possible=may_answer)
    if visit.instance.monitor_storage:
        yield Question(Lane.NODE_STORAGES, name, read_node_storages, (name,), is_there)
    yield from disk_questions(visit, name, is_possible=is_there and visit.may("/", "Sys.Audit"))
    yield question(Lane.VERSIONS, read_node_version)
    yield question(Lane.TIME, read_node_time, is_possible=audits)
    yield question(Lane.REPOSITORIES, read_repositories, is_possible=audits)
    yield question(Lane.CERTIFICATES, read_certificates)
    yield question(Lane.SUBSCRIPTION, read_subscription)
    if visit.may(f"/nodes/{name}", "Sys.Modify"):
        yield question(Lane.UPDATES, read_updates)
    yield question(Lane.NODE_HISTORY, read_history, is_possible=audits)
    if replicates:
        yield question(Lane.REPLICATION, read_replication)


def read_guest_details(visit: Visit, node: str, kind: str) -> None:
    """Read balloon, swap and pressure of all guests of a node and kind; templates are among them, and not wanted."""
    wanted = {guest.vmid for guest in wanted_guests(visit)}
    found = visit.ask(guests.node_guests, node, kind, longest_seconds=10.0)
    told = {one.vmid: {"detail": one, "detail_epoch": visit.epoch} for one in found if one.vmid in wanted}
    visit.facts.set_guests(told)


def read_node_storages(visit: Visit, node: str) -> None:
    """Read the storages as the node probed them."""
    found = visit.ask(backups.node_storages, node, longest_seconds=LISTING_SECONDS)
    visit.facts.set_node(node, storages=found, storages_epoch=visit.epoch)


def read_services(visit: Visit, node: str) -> None:
    """Read which services run; after one has stopped or come back they are looked at again soon: it may just be restarted."""
    found = visit.ask(software.services, node)
    before = {one.name for one in visit.facts.node(node).services if one.is_down}
    visit.keep_node(node, services=found)
    if before != {one.name for one in found if one.is_down}:
        visit.hasten([(Lane.SERVICES, node)])


def read_repositories(visit: Visit, node: str) -> None:
    """Read from where the node gets its packages."""
    visit.keep_node(node, repositories=visit.ask(software.repositories, node))


def read_node_version(visit: Visit, node: str) -> None:
    """Read the version of the node."""
    visit.keep_node(node, version=visit.ask(pve.node_version, node).version)


def read_node_time(visit: Visit, node: str) -> None:
    """Read in which time zone schedules are meant, and how far the clock is from ours."""
    told = visit.ask(backups.node_time, node)
    visit.keep_node(node, time_zone=told.zone, clock_ahead_seconds=visit.ahead_of_ours(told.told_epoch))


def read_certificates(visit: Visit, node: str) -> None:
    """Read the certificates and when they expire; of the host that is asked also who may renew its own."""
    listed = visit.ask(hardware.certificates, node)
    visit.keep_node(node, certificates=listed)
    instance = visit.instance
    if authorities.is_wanted(instance) and any(one.fingerprint == instance.fingerprint for one in listed):
        told = visit.ask(hardware.certificate_texts, node)
        if signer := authorities.signer_of(instance.fingerprint, (one.pem for one in told)):
            authorities.remember(instance, signer)


def read_subscription(visit: Visit, node: str) -> None:
    """Read whether the node has a subscription."""
    visit.keep_node(node, subscription=visit.ask(hardware.subscription, node))


def read_updates(visit: Visit, node: str) -> None:
    """Read the pending updates; most accounts may not see them."""
    visit.keep_node(node, updates=visit.ask(hardware.pending_updates, node))


def read_history(visit: Visit, node: str) -> None:
    """Read the traffic of the node itself; from PVE 9 also the pressure, and how much of its memory the cache of ZFS takes."""
    history = visit.ask(hardware.node_history_newest, node)
    visit.facts.set_node(node, history=history, history_epoch=visit.epoch)


def read_replication(visit: Visit, node: str) -> None:
    """Read the replication jobs whose source the node is."""
    found = visit.ask(cluster.node_replication, node)
    visit.keep_node(node, replications=found)
