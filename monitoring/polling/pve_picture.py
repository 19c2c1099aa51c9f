"""What is true of a PVE host or cluster now: by what it has just listed, and what is known beside that; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, TypedDict

from msgspec.structs import replace

from monitoring.backups.coverage import Coverage
from monitoring.backups.judgement import Judgement
from monitoring.concerns.applying import pve_concerns
from monitoring.figures import rates
from monitoring.figures.guest_disk import GuestDisk, container_disk, machine_disk
from monitoring.figures.guests import GuestFigures, live_guest
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures, live_node, root_storage
from monitoring.figures.same_filesystems import marked_same
from monitoring.figures.staleness import is_recent
from monitoring.figures.storages import DISABLED, Key, StorageFigures, key_of, live_storages
from monitoring.known.facts import NOTHING_COLLECTED, Facts
from monitoring.known.freshness import JUDGED_SECONDS, PERIODS, current, current_guest
from monitoring.known.memory import PollMemory
from monitoring.known.presence import (
    absent_nodes,
    fresh_nodes,
    membership,
    remember_absence,
    unreadable_guests,
)
from monitoring.known.wanted import wanted_guests, wanted_kinds
from monitoring.polling import limits
from monitoring.polling.publishing import Picture
from nodes.models import Instance
from nodes.proxmox.limits import GUESTS
from nodes.proxmox.readings.backups import NodeStorageReading
from nodes.proxmox.readings.live import GuestReading, NodeStatusReading, ResourcesReading, StorageReading

#: What a node told of itself counts for three of the periods in which it is asked.
STATUS_SECONDS = PERIODS * limits.NODE_DETAIL_SECONDS
#: What a node told of itself and does not change from one minute to the next.
LASTING = ("kernel_version", "pve_version", "cpu_model", "cpu_sockets", "cpu_cores", "cpu_count", "cpu_mhz")


class BackupWords(TypedDict):
    """The fields of a guest that say how its backups are."""

    backup_state: str
    backup_reason: str
    last_backup_epoch: int | None


NOT_JUDGED = BackupWords(backup_state="", backup_reason="", last_backup_epoch=None)


class Beside(NamedTuple):
    """What is known beside the live figures: what the slow lanes told, and how the backups of the guests are."""

    facts: Facts = NOTHING_COLLECTED
    coverage: Mapping[int, Coverage] = {}
    judged_epoch: float = 0.0
    missed: Mapping[str, int] = {}
    failure: str = ""  # the kind of an error of our own over the backups


NOTHING_BESIDE = Beside()


def coverage_now(
    coverage: Mapping[int, Coverage], judged_epoch: float, *, at_epoch: float
) -> Mapping[int, Coverage]:
    """Return how the backups of the guests are; unknown, when nobody has judged them for long."""
    if is_recent(judged_epoch, at_epoch=at_epoch, seconds=JUDGED_SECONDS):
        return coverage
    unknown = {"freshness": "unknown", "reason": "not_read_lately", "failed_verification_count": 0}
    return {vmid: replace(one, state="unknown", **unknown) for vmid, one in coverage.items()}


def beside_of(instance_id: int, facts: Facts, judgement: Judgement, *, at_epoch: float) -> Beside:
    """Return what is known beside the live figures of an instance."""
    judged_epoch = judgement.judged_epoch
    is_judged = is_recent(judged_epoch, at_epoch=at_epoch, seconds=JUDGED_SECONDS)
    return Beside(
        facts,
        coverage_now(judgement.coverage_of(instance_id), judged_epoch, at_epoch=at_epoch),
        judged_epoch,
        judgement.missed_by(instance_id) if is_judged else {},
        judgement.failures.get(instance_id, ""),
    )


def picture_of(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    beside: Beside = NOTHING_BESIDE,
    *,
    at_epoch: float,
    interval: float,
) -> Picture:
    """Return all that is true of the instance now, with what the slow lanes know of it, and what is wrong."""
    cluster = membership(memory, at_epoch)
    absent = absent_nodes(resources, cluster, others_are_silent=memory.others_are_silent)
    remember_absence(memory, absent, at_epoch)
    facts = current(beside.facts, at_epoch=at_epoch)
    figures = Figures(
        guests=tuple(
            guest_figures(
                instance, resources, memory, beside, absent=absent, at_epoch=at_epoch, interval=interval
            )
        ),
        nodes=node_figures(resources, memory, facts, at_epoch=at_epoch),
        storages=tuple(
            marked_same(
                storage_figures(instance, resources, memory, facts, absent=absent, at_epoch=at_epoch),
                memory.figures.storages,
            )
        ),
    )
    concerns = pve_concerns(
        figures,
        instance=instance.name,
        storages=resources.storages if instance.monitor_storage else (),
        cluster=cluster,
        contradicted=memory.contradicted,
        facts=beside.facts,
        polled=memory.progress,
        coverage=beside.coverage,
        judged_epoch=beside.judged_epoch,
        absent_since=memory.absent_since,
        failure=beside.failure,
        missed=beside.missed if instance.monitor_backups else {},
        at_epoch=at_epoch,
    )
    return Picture(figures, concerns)


def node_figures(
    resources: ResourcesReading, memory: PollMemory, facts: Facts, *, at_epoch: float
) -> tuple[NodeFigures, ...]:
    """Return the nodes; one that is not online keeps its facts and when it was last seen."""
    cluster = membership(memory, at_epoch)
    absent = absent_nodes(resources, cluster, others_are_silent=memory.others_are_silent)
    last_seen = {node.name: node.seen_epoch for node in memory.figures.nodes}
    held = facts.permissions
    figures: list[NodeFigures] = []
    for node in resources.nodes:
        name, away, known = node.name, absent.get(node.name), facts.node(node.name)
        figures.append(
            live_node(
                node,
                status_now(memory, name, at_epoch=at_epoch),
                status=away or node.status,
                seen_epoch=last_seen.get(name) if away else at_epoch,
                status_epoch=memory.details_epoch.get(name),
                release=known.version,
                root=None if node.disk_total_bytes else root_storage(name, resources.storages),
                history=known.history,
                history_epoch=known.history_epoch,
                may_see=None if held is None else held.has(f"/nodes/{name}", "Sys.Audit"),
            )
        )
    return tuple(figures)


def status_now(memory: PollMemory, node: str, *, at_epoch: float) -> NodeStatusReading | None:
    """Return what a node told of itself; without its figures, when that is too long ago."""
    told = memory.details.get(node)
    told_epoch = memory.details_epoch.get(node, 0.0)
    if told is None or is_recent(told_epoch, at_epoch=at_epoch, seconds=STATUS_SECONDS):
        return told
    lasting = {name: getattr(told, name) for name in LASTING}
    return NodeStatusReading(**lasting)


def guest_figures(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    beside: Beside,
    *,
    absent: Mapping[str, str],
    at_epoch: float,
    interval: float,
) -> list[GuestFigures]:
    """Return the guests, and those of nodes that are not online as they were last seen: only the list takes them away."""
    fresh = fresh_nodes(memory, resources)
    before = {guest.vmid: guest for guest in memory.figures.guests}
    samples: dict[int, rates.Sample] = {}
    figures: list[GuestFigures] = []
    for guest in wanted_guests(instance, resources.guests):
        known = before.get(guest.vmid)
        if guest.node in absent:
            figures.append(unseen_guest(guest, known, beside, at_epoch=at_epoch))
            continue
        sample = samples[guest.vmid] = rates.advance(
            memory.samples.get(guest.vmid),
            guest,
            at_epoch=at_epoch,
            is_fresh=guest.node in fresh,
            interval=interval,
        )
        figures.append(guest_now(guest, sample, known, beside, at_epoch=at_epoch))
    memory.samples = samples
    unreadable = unreadable_guests(memory, resources, before, wanted_kinds(instance), at_epoch=at_epoch)
    return (figures + unreadable)[:GUESTS]


def unseen_guest(
    reading: GuestReading, known: GuestFigures | None, beside: Beside, *, at_epoch: float
) -> GuestFigures:
    """Return a guest that is still listed and whose node is silent, as it was last seen.

    Whether it runs nobody knows: its node may be switched off, or just not measured.
    """
    if known is None:
        return unmeasured_guest(reading, beside, at_epoch=at_epoch)
    backups = judged(beside.coverage.get(reading.vmid))  # they grow old all the same
    return replace(known, status="unknown", node=reading.node, is_stale=True, **backups)


def unmeasured_guest(reading: GuestReading, beside: Beside, *, at_epoch: float) -> GuestFigures:
    """Return a guest of which nothing but its configuration is known, because nobody has seen it run since Pulse looks."""
    unmeasured = replace(reading, status="unknown", cpu_ratio=None, uptime_seconds=None)
    guest = guest_now(unmeasured, None, None, beside, at_epoch=at_epoch)
    return replace(guest, seen_epoch=None, is_stale=True, disk=GuestDisk())


def guest_now(
    reading: GuestReading,
    sample: rates.Sample | None,
    before: GuestFigures | None,
    beside: Beside,
    *,
    at_epoch: float,
) -> GuestFigures:
    """Return a listed guest with what the slow lanes know of it; one without a name for a moment keeps the one it had."""
    vmid, known = reading.vmid, current_guest(beside.facts.guest(reading.vmid), at_epoch=at_epoch)
    named = before if before is not None and not reading.name else reading
    if reading.kind == "lxc":
        disk = container_disk(reading)
    else:
        disk = machine_disk(
            reading,
            known.disk,
            age_seconds=at_epoch - known.disk_epoch,
            at_epoch=at_epoch,
            agent_is_enabled=known.config.agent_is_enabled if known.config is not None else None,
            agent_code=known.agent_code,
        )
    return live_guest(
        reading,
        at_epoch=at_epoch,
        name=named.name,
        tags=named.tags,
        sample=sample,
        disk=disk,
        detail=known.detail,
        detail_epoch=known.detail_epoch,
        addresses=known.shown_addresses,
        **judged(beside.coverage.get(vmid)),
    )


def judged(coverage: Coverage | None) -> BackupWords:
    """Return how the backups of a guest are, in one word: uncovered, else good, overdue, bad, never, unknown."""
    if coverage is None:
        return NOT_JUDGED
    return BackupWords(
        backup_state="uncovered" if coverage.state == "uncovered" else coverage.freshness,
        backup_reason=coverage.reason,
        last_backup_epoch=coverage.last_good_epoch,
    )


def storage_figures(
    instance: Instance,
    resources: ResourcesReading,
    memory: PollMemory,
    facts: Facts,
    *,
    absent: Mapping[str, str],
    at_epoch: float,
) -> list[StorageFigures]:
    """Return the storages, and those that only absent nodes see as they were last seen: only the list takes them away."""
    if not instance.monitor_storage:
        return []
    if memory.figures.storages and not resources.storages:
        memory.empty_storage_lists += 1
        if memory.empty_storage_lists < limits.BELIEVED_EMPTY:
            return [replace(storage, is_stale=True) for storage in memory.figures.storages]
        return []
    memory.empty_storage_lists = 0
    present = [reading for reading in resources.storages if reading.node not in absent]
    figures = live_storages(present, probed_storages(facts), at_epoch=at_epoch)
    shown = {storage.key for storage in figures}
    before = {storage.key: storage for storage in memory.figures.storages}
    for reading in resources.storages:
        key = key_of(reading)
        if key not in shown:
            shown.add(key)
            figures.append(unseen_storage(reading, before.get(key)))
    return figures


def unseen_storage(reading: StorageReading, known: StorageFigures | None) -> StorageFigures:
    """Return a storage that only silent nodes have, as it was last seen; one that is switched off needs no node to say so."""
    name, node = key_of(reading)
    if reading.status == DISABLED:
        return StorageFigures(name, node, DISABLED, reading.plugin, reading.content)
    if known is None:
        return StorageFigures(name, node, "unknown", reading.plugin, reading.content, is_stale=True)
    return known if known.is_stale else replace(known, is_stale=True)


def probed_storages(facts: Facts) -> dict[Key, NodeStorageReading]:
    """Return what the nodes told of their storages not long ago, by (storage, node)."""
    return {
        (storage.name, node): storage for node, known in facts.nodes.items() for storage in known.storages
    }
