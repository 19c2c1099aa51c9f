"""The instances as series: whether they answer, what is asked of them, and what is wrong; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from monitoring.concerns.shapes import CRITICAL, WARNING
from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.exporting.labels import instance_labels
from monitoring.known import costs
from monitoring.known.facts import Facts
from monitoring.known.lanes import Progress
from monitoring.known.memory import PollMemory
from monitoring.known.replication import nodes_of, replications
from monitoring.wire.fragments import Fragment
from nodes.models import Instance
from nodes.proxmox.readings.live import ClusterReading

#: Over so many minutes the recent calls of a lane are counted.
RECENT_MINUTES = 10


def add_instance(
    book: Book, instance: Instance, fragment: Fragment | None, memory: PollMemory, *, is_now: bool
) -> None:
    """Write down what an instance is and how it is polled. `is_now`: somebody polls it."""
    labels = spelled(instance_labels(instance.wire_id))
    book.add("pulse_instance_info", f"{labels},{spelled({'name': instance.name, 'kind': instance.kind})}", 1)
    book.add("pulse_instance_paused", labels, int(instance.is_paused))
    if instance.is_paused or fragment is None:
        return
    if is_now:
        book.add("pulse_instance_up", labels, int(not memory.failures))
    book.add("pulse_instance_polls_total", labels, fragment.cycles)
    book.add("pulse_instance_failed_polls", labels, memory.failures)
    book.add("pulse_instance_poll_seconds", labels, fragment.poll_seconds)
    book.add("pulse_instance_last_poll_timestamp_seconds", labels, fragment.polled_epoch or None)
    book.add("pulse_instance_last_success_timestamp_seconds", labels, memory.succeeded_epoch)
    book.add("pulse_instance_calls_total", labels, fragment.calls)
    book.add("pulse_instance_failed_calls_total", labels, fragment.failed_calls)
    add_concerns(book, labels, fragment)


def add_concerns(book: Book, labels: str, fragment: Fragment) -> None:
    """Count what is wrong, by level, and by the code that stands in the id of each."""
    concerns = fragment.items.get("concerns", ())
    levels = Counter(str(item.order[0]) for item in concerns)
    for level in (CRITICAL, WARNING):
        book.add("pulse_concerns", f'{labels},level="{level}"', levels[level])
    codes = Counter((str(item.order[0]), item.id.split("|")[1]) for item in concerns)
    for (told, code), count in sorted(codes.items()):
        book.add("pulse_concerns_by_code", f"{labels},{spelled({'level': told, 'code': code})}", count)


def add_collectors(book: Book, instance: str, memory: PollMemory, facts: Facts, *, at_epoch: float) -> None:
    """Write down how far the lanes have come, those of one group together, and what they have cost lately."""
    groups: dict[str, list[Progress]] = {}
    for progress in (memory.progress, facts.progress):
        for lane, subjects in progress.items():
            groups.setdefault(lane.group, []).extend(subjects.values())
    for group, every in sorted(groups.items()):
        add_lane(book, spelled({"instance": instance, "lane": group}), every)
    spent = costs.summary(memory.costs, at_epoch=at_epoch, minutes=RECENT_MINUTES)
    spent |= costs.summary(facts.costs, at_epoch=at_epoch, minutes=RECENT_MINUTES)
    for group, cost in sorted(spent.items()):
        labels = spelled({"instance": instance, "lane": group})
        failures = cost.refused + cost.broken + cost.unanswered
        book.add("pulse_collector_recent_calls", labels, cost.calls)
        book.add("pulse_collector_recent_failures", labels, failures)
        book.add("pulse_collector_recent_seconds", labels, cost.seconds)
        book.add("pulse_collector_recent_bytes", labels, cost.bytes)


def add_lane(book: Book, labels: str, every: Sequence[Progress]) -> None:
    """Write down how far one group of lanes has come."""
    read = [one.done_epoch for one in every if one.done_epoch]
    book.add("pulse_collector_subjects", labels, len(every))
    book.add("pulse_collector_failing_subjects", labels, sum(bool(one.code) for one in every))
    book.add("pulse_collector_last_success_timestamp_seconds", labels, max(read, default=None))
    book.add("pulse_collector_oldest_success_timestamp_seconds", labels, min(read, default=None))


def add_cluster(book: Book, instance: str, cluster: ClusterReading | None) -> None:
    """Write down whether a cluster has its majority; nothing of a host of its own."""
    if cluster is None or not cluster.name:
        return
    labels = spelled(instance_labels(instance))
    quorate = cluster.is_quorate
    book.add("pulse_cluster_quorate", labels, None if quorate is None else int(quorate))
    book.add("pulse_cluster_nodes", labels, cluster.node_count)


def add_replications(book: Book, instance: str, memory: PollMemory, facts: Facts, *, at_epoch: float) -> None:
    """Write down how the replication jobs go, as far as the node of the guest has told lately."""
    guests = memory.reading.guests if memory.reading is not None else ()
    for one in replications(facts, nodes_of(guests), at_epoch=at_epoch):
        labels = spelled({"instance": instance, "job_id": one.job.id})
        if one.state in ("unknown", "disabled"):
            continue
        book.add("pulse_replication_failures", labels, one.job.failure_count)
        book.add("pulse_replication_last_sync_timestamp_seconds", labels, one.job.last_sync_epoch)
        book.add("pulse_replication_duration_seconds", labels, one.job.duration_seconds)
