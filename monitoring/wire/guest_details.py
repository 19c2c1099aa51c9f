"""What is told of one guest or one storage beside its figures; pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from monitoring.backups.coverage import Coverage, GuestRun
from monitoring.backups.results import Outcome
from monitoring.figures.filesystems import DiskUse
from monitoring.figures.guests import GuestFigures
from monitoring.figures.storages import StorageFigures
from monitoring.wire.details import (
    Background,
    Details,
    ReplicationDetails,
    TaskDetails,
    replication_details,
    task_details,
)
from nodes.proxmox.readings.backups import StorageConfigReading
from nodes.proxmox.readings.cluster import HaServiceReading
from nodes.proxmox.readings.guests import (
    AddressReading,
    GuestConfigReading,
    GuestDetailReading,
    GuestSnapshotReading,
    GuestSystemReading,
)


class MountPoint(msgspec.Struct, frozen=True):
    """A mount point of a container beside its root, `size` in bytes; how full it is Proxmox does not tell."""

    key: str
    mount_point: str
    volume: str
    size: int | None
    used: None = None
    reason: Literal["not_told"] = "not_told"


class RunDetails(GuestRun, frozen=True, kw_only=True):
    """The last try to back up a guest, and how it ended."""

    outcome: Outcome


class AttributedGroup(msgspec.Struct, frozen=True):
    """A group of backups of the guest on a backup server; `evidence` holds (rule, sentence)."""

    server: str
    group: str
    evidence: tuple[tuple[str, str], ...]


class GuestBackups(Coverage, frozen=True, kw_only=True):
    """Whether a guest is safe.

    `state`: `covered` when a job takes it and its backups can be seen, `uncovered` when no job takes it, else `unknown`.
    `freshness` judges the backups that there are: `good`, `overdue`, `bad`, `never`, `unknown`. `reason` says why either is
    unknown; null for `excludedDisks` says that they are. `attributions` are its backups on backup servers.
    """

    last_run: RunDetails | None = None
    attributions: tuple[AttributedGroup, ...]
    judged_epoch: float


class GuestDetails(Details, frozen=True, kw_only=True):
    """What is known of a guest beside its figures. Null is what was not read or not told, `...Read` when it was read.

    `mountPoints` is null while they are not collected, and empty for a virtual machine. `agentCode` is the error of a guest agent
    that told nothing. `backups` is null while they are not judged.
    """

    configuration: GuestConfigReading | None
    configuration_read_epoch: float
    snapshots: tuple[GuestSnapshotReading, ...]
    snapshots_read_epoch: float
    filesystems: DiskUse | None
    filesystems_read_epoch: float
    mount_points: tuple[MountPoint, ...] | None
    agent_code: str
    addresses: tuple[AddressReading, ...]
    addresses_read_epoch: float
    system: GuestSystemReading | None
    system_read_epoch: float
    detail: GuestDetailReading | None
    detail_read_epoch: float
    tasks: tuple[TaskDetails, ...]
    tasks_read_epoch: float
    ha: HaServiceReading | None
    ha_read_epoch: float
    backups: GuestBackups | None
    replication: tuple[ReplicationDetails, ...]


class StorageDetails(Details, frozen=True, kw_only=True):
    """How a storage is defined in its cluster; null while that is not collected."""

    definition: StorageConfigReading | None
    definition_read_epoch: float


def guest_details(guest: GuestFigures, background: Background) -> GuestDetails:
    """Return everything about one guest."""
    vmid, facts = guest.vmid, background.facts
    collected = facts.guest(vmid)
    services = facts.ha.services if facts.ha is not None else ()
    return GuestDetails(
        **background.common,
        configuration=collected.config,
        configuration_read_epoch=collected.config_epoch,
        snapshots=collected.snapshots,
        snapshots_read_epoch=collected.snapshots_epoch,
        filesystems=collected.disk,
        filesystems_read_epoch=collected.disk_epoch,
        mount_points=mount_points(collected.config),
        agent_code=collected.agent_code,
        addresses=collected.addresses,
        addresses_read_epoch=collected.addresses_epoch,
        system=collected.system,
        system_read_epoch=collected.system_epoch,
        detail=collected.detail,
        detail_read_epoch=collected.detail_epoch,
        tasks=task_details(task for task in facts.tasks if task.subject == str(vmid)),
        tasks_read_epoch=facts.tasks_epoch,
        ha=next((service for service in services if service.id.endswith(f":{vmid}")), None),
        ha_read_epoch=facts.ha_epoch,
        backups=guest_backups(vmid, background),
        replication=tuple(job for job in replication_details(background) if job.vmid == vmid),
    )


def mount_points(config: GuestConfigReading | None) -> tuple[MountPoint, ...] | None:
    """Return the mount points of a container beside its root, None while they are not known; a VM has none."""
    if config is None:
        return None
    return tuple(
        MountPoint(disk.key, disk.mount_point, disk.volume, disk.size_bytes)
        for disk in config.disks
        if disk.key.startswith("mp")
    )


def guest_backups(vmid: int, background: Background) -> GuestBackups | None:
    """Return what is judged of a guest's backups, None while nothing is."""
    judgement, run = background.judgement, None
    judged = judgement.coverage_of(background.instance_id).get(vmid)
    if judged is None:
        return None
    if judged.last_run is not None:
        run = RunDetails(**msgspec.structs.asdict(judged.last_run), outcome=judged.last_run.outcome)
    places = tuple(
        AttributedGroup(background.instance_names.get(pk, ""), group, whose.evidence)
        for pk, owned in judgement.attributions.items()
        for group, whose in owned.items()
        if whose.state == "attributed" and (whose.instance, whose.vmid) == (background.instance, vmid)
    )
    fields = msgspec.structs.asdict(judged) | {"last_run": run}
    return GuestBackups(**fields, attributions=places, judged_epoch=judgement.judged_epoch)


def storage_details(storage: StorageFigures, background: Background) -> StorageDetails:
    """Return everything about one storage."""
    facts = background.facts
    return StorageDetails(
        **background.common,
        definition=next((config for config in facts.storages if config.name == storage.name), None),
        definition_read_epoch=facts.storages_epoch,
    )
