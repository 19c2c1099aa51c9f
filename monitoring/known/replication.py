"""What is known of each configured replication job, and which node is to be asked of it; pure.

The configuration names the node where the guest was at the last run; how a job goes, only the node knows where its guest is now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from monitoring.known.facts import Facts
from monitoring.known.freshness import is_current
from monitoring.known.lanes import Lane
from nodes.proxmox.readings.cluster import ReplicationReading
from nodes.proxmox.readings.live import GuestReading

State = Literal["ok", "waiting", "running", "late", "failing", "disabled", "unknown"]
#: The scheduler of a node looks every minute: a run that should have begun so long ago does not come by itself.
LATE_SECONDS = 3600.0


class Replication(msgspec.Struct, frozen=True):
    """A configured job with its last run as far as one was told, `told_epoch` by our clock; 0: never.

    `late`: its next run should have begun long ago. `unknown`: the node of its guest has not told of it for a while, so the run is only the last one known.
    """

    job: ReplicationReading
    state: State
    told_epoch: float


def nodes_of(guests: Iterable[GuestReading]) -> dict[int, str]:
    """Return where each guest is."""
    return {guest.vmid: guest.node for guest in guests}


def source_of(job: ReplicationReading, nodes: Mapping[int, str]) -> str:
    """Return the node that runs a job: where its guest is, else where it was at the last run."""
    return nodes.get(job.vmid or 0) or job.source


def replicating_nodes(jobs: Iterable[ReplicationReading], nodes: Mapping[int, str]) -> frozenset[str]:
    """Return the nodes that can tell how these jobs go."""
    return frozenset(source_of(job, nodes) for job in jobs) - {""}


def replications(facts: Facts, nodes: Mapping[int, str], *, at_epoch: float) -> tuple[Replication, ...]:
    """Return every configured job; `nodes` are those of the guests."""
    newest: dict[str, tuple[float, str, ReplicationReading]] = {}
    for node, node_facts in facts.nodes.items():
        for job in node_facts.replications:
            if job.id not in newest or node_facts.replications_epoch > newest[job.id][0]:
                newest[job.id] = (node_facts.replications_epoch, node, job)
    return tuple(
        replication_of(job, source_of(job, nodes), newest.get(job.id), facts, at_epoch=at_epoch)
        for job in facts.replication_jobs
    )


def replication_of(
    job: ReplicationReading,
    source: str,
    newest: tuple[float, str, ReplicationReading] | None,
    facts: Facts,
    *,
    at_epoch: float,
) -> Replication:
    """Return one job by its configuration, its source now, and what was told of it last: when, by whom."""
    if newest is None:
        state: State = "disabled" if job.is_disabled else "unknown"
        return Replication(msgspec.structs.replace(job, source=source), state, 0.0)
    told_epoch, node, run = newest
    if node == source and is_current(Lane.REPLICATION, told_epoch, at_epoch=at_epoch):
        now_there = told_epoch + (facts.node(node).clock_ahead_seconds or 0.0)
        return Replication(msgspec.structs.replace(run, source=source), state_of(run, now_there), told_epoch)
    merged = msgspec.structs.replace(
        run, source=source, target=job.target, schedule=job.schedule, is_disabled=job.is_disabled
    )
    return Replication(merged, "disabled" if job.is_disabled else "unknown", told_epoch)


def state_of(job: ReplicationReading, now_epoch: float) -> State:
    """Return how a job goes by what its node tells, whose clock says `now_epoch`."""
    if job.is_disabled:
        return "disabled"
    if job.failure_count or job.error:
        return "failing"
    if job.is_running:
        return "running"
    if job.next_sync_epoch and job.next_sync_epoch < now_epoch - LATE_SECONDS:
        return "late"
    return "ok" if job.last_sync_epoch is not None else "waiting"
