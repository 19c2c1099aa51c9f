"""What the details of resources of several kinds have alike; pure. monitoring.wire.spelling has how they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from monitoring.backups.judgement import Judgement
from monitoring.backups.results import Outcome, task_outcome
from monitoring.known.disks import ShownDisk, shown_disks
from monitoring.known.facts import Facts, NodeFacts, PoolFacts
from monitoring.known.memory import PollMemory
from monitoring.known.replication import State, nodes_of, replications
from monitoring.wire.forecasts import NO_PART_FORECASTS, ForecastDetails, PartForecasts
from monitoring.wire.shapes import ConcernShape
from nodes.proxmox.readings.backups import TaskReading
from nodes.proxmox.readings.cluster import ReplicationReading
from nodes.proxmox.readings.hardware import (
    CertificateReading,
    PendingUpdateReading,
    SubscriptionReading,
    ZfsPoolReading,
)


class Background(NamedTuple):
    """What is known of the instance of a resource; `instance_names` are those of all instances by primary key.

    `forecasts` are those of the resource and its parts.
    """

    instance: str
    instance_id: int
    memory: PollMemory
    facts: Facts
    judgement: Judgement
    concerns: tuple[ConcernShape, ...]
    stale: tuple[str, ...]
    reads_smart: bool
    instance_names: Mapping[int, str]
    at_epoch: float
    forecasts: PartForecasts = NO_PART_FORECASTS

    @property
    def common(self) -> dict[str, Any]:
        """The fields of Details."""
        return {
            "concerns": self.concerns,
            "stale": self.stale,
            "forecast": self.forecasts.get(""),
            "part_forecasts": {part: one for part, one in self.forecasts.items() if part},
        }


class TaskDetails(TaskReading, frozen=True, kw_only=True):
    """A task, and how it ended."""

    outcome: Outcome


class ReplicationDetails(ReplicationReading, frozen=True, kw_only=True):
    """A replication job, how it goes, and when the node of its guest told that."""

    state: State
    read_epoch: float


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What everything has: what is wrong with it, the critical first, and the keys of what is too old to say anything of now.

    `forecast` says when its own disk is full, null where it has none, or none is computed yet; `partForecasts` when its parts
    are: `pool:tank` of a node, `filesystem:/var` of a guest, `datastore:main` of a PBS, `node:mx1` of a mail gateway.
    """

    concerns: tuple[ConcernShape, ...]
    stale: tuple[str, ...]
    forecast: ForecastDetails | None
    part_forecasts: dict[str, ForecastDetails]


class HostDetails(Details, frozen=True, kw_only=True):
    """What nodes and backup servers have alike; `credentialExpires` is null for an account of Pulse that never does."""

    certificates: tuple[CertificateReading, ...]
    certificates_read_epoch: float
    subscription: SubscriptionReading | None
    subscription_read_epoch: float
    updates: tuple[PendingUpdateReading, ...] | None
    updates_read_epoch: float
    may_read_updates: bool | None
    credential_expires_epoch: float | None
    credential_read_epoch: float
    time_zone: str
    tasks: tuple[TaskDetails, ...]
    tasks_read_epoch: float
    zfs_pools: tuple[ZfsPoolReading, ...]
    zfs_pools_read_epoch: float
    zfs_details: dict[str, PoolFacts]
    disks: tuple[ShownDisk, ...]
    disks_read_epoch: float
    smart_is_read: bool


def host_details(
    host: NodeFacts, background: Background, tasks: Iterable[TaskReading], *, may_read_updates: bool | None
) -> dict[str, Any]:
    """Return the fields of HostDetails."""
    return {
        **background.common,
        "certificates": host.certificates,
        "certificates_read_epoch": host.certificates_epoch,
        "subscription": host.subscription,
        "subscription_read_epoch": host.subscription_epoch,
        "updates": host.updates,
        "updates_read_epoch": host.updates_epoch,
        "may_read_updates": may_read_updates,
        "credential_expires_epoch": background.facts.credential.expires_epoch
        if background.facts.credential is not None
        else None,
        "credential_read_epoch": background.facts.credential_epoch,
        "time_zone": host.time_zone,
        "tasks": task_details(tasks),
        "tasks_read_epoch": background.facts.tasks_epoch,
        "zfs_pools": host.zfs_pools,
        "zfs_pools_read_epoch": host.zfs_pools_epoch,
        "zfs_details": host.zfs_details,
        "disks": shown_disks(host),
        "disks_read_epoch": host.disks_epoch,
        "smart_is_read": background.reads_smart,
    }


def task_details(tasks: Iterable[TaskReading]) -> tuple[TaskDetails, ...]:
    """Return tasks as they were told, each with how it ended."""
    return tuple(TaskDetails(**msgspec.structs.asdict(task), outcome=task_outcome(task)) for task in tasks)


def replication_details(background: Background) -> tuple[ReplicationDetails, ...]:
    """Return every configured replication job with how it goes."""
    facts, reading = background.facts, background.memory.reading
    if not facts.replication_jobs:
        return ()
    nodes = nodes_of(reading.guests if reading is not None else ())
    return tuple(
        ReplicationDetails(**msgspec.structs.asdict(run.job), state=run.state, read_epoch=run.told_epoch)
        for run in replications(facts, nodes, at_epoch=background.at_epoch)
    )
