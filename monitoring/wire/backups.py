"""Backups, tasks and guest snapshots as the state sends them, and how they are built from what was collected; pure.

Field names are wire names; instants are RFC 3339, sizes bytes. Source: state.md 2.6 and 2.7 of the contract. Fields that the
contract does not know are our own: they say whose a backup is, and how that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec

from monitoring.backups.attribution import VMID, Attribution, is_before
from monitoring.backups.judgement import GroupKey, group_key
from monitoring.backups.results import task_outcome
from monitoring.backups.tries import backup_tasks
from monitoring.figures.servers import BackupJob
from monitoring.known.facts import Facts, NamespaceBackups, NamespaceKey
from monitoring.wire.jobs import BackupJobShape
from monitoring.wire.server_jobs import backup_shape
from nodes.proxmox.readings.backup_server import BackupSnapshotReading
from nodes.proxmox.readings.backups import BackupVolumeReading, TaskReading
from nodes.proxmox.readings.guests import GuestSnapshotReading
from pulse.lib.instants import instant


# state.md 2.6; `instance`, `outcome` and `user` are our own.
class BackupTaskShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A run of a backup; `vmid` 0 is a job over several guests. `outcome`: ok, warning, failed, running, unknown."""

    id: str
    node: str
    type: str
    vmid: int
    status: str
    startTime: str
    endTime: str
    instance: str
    outcome: str  # ok, warning, failed, running, unknown
    user: str = ""
    error: str = ""


# state.md 2.7; `instance` and `encrypted` are our own.
class StorageBackupShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A backup in a storage of Proxmox VE; `size` is in bytes, `ctime` the same instant as `time` in Unix seconds."""

    id: str
    storage: str
    node: str
    type: str
    vmid: int
    time: str
    ctime: int
    size: int
    format: str
    protected: bool
    volid: str
    isPBS: bool
    verified: bool
    instance: str
    notes: str = ""
    verification: str = ""
    encrypted: bool = False


# state.md 2.7; `instance` and `state` are our own.
class GuestSnapshotShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A snapshot of a guest; `vmstate` says that its memory is part of it."""

    id: str
    name: str
    node: str
    type: str
    vmid: int
    time: str
    vmstate: bool
    instance: str
    description: str = ""
    parent: str = ""
    state: str = ""


# state.md 2.7; from `owner` on the fields are our own.
class PbsBackupShape(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A backup on a backup server; `size` is in bytes.

    `verification`: ok, failed, or "" for one that was never verified. `attribution` says whether it is known whose backup this is:
    attributed, ambiguous, foreign, unknown, or "" while that is not judged; `guestInstance` and `guestVmid` name the guest.
    `guestGone` says that it was an earlier guest with this number: the one that has it now was made later.
    """

    id: str
    instance: str
    datastore: str
    namespace: str
    backupType: str
    vmid: str
    backupTime: str
    size: int
    protected: bool
    verified: bool
    comment: str = ""
    files: tuple[str, ...] = ()
    owner: str = ""
    encrypted: bool = False
    unfinished: bool = False
    verification: str = ""  # ok, failed; empty: never
    verifiedAt: str = ""
    attribution: str = ""  # attributed, ambiguous, foreign, unknown; empty: not judged yet
    guestInstance: str = ""  # whose guest it is, where that is known
    guestVmid: int = 0
    guestGone: bool = False


View = TypeVar("View", bound=msgspec.Struct)


class Lists(msgspec.Struct, frozen=True):
    """The long lists of one instance, by the names of their collections; each with the newest first."""

    backupTasks: tuple[BackupTaskShape, ...] = ()
    storageBackups: tuple[StorageBackupShape, ...] = ()
    guestSnapshots: tuple[GuestSnapshotShape, ...] = ()
    backupJobs: tuple[BackupJobShape, ...] = ()
    pbsBackups: tuple[PbsBackupShape, ...] = ()


class GuestPlace(msgspec.Struct, frozen=True, gc=False):
    """Where a guest runs now, for what is kept of it under its vmid."""

    node: str
    kind: str


Attributions = Mapping[GroupKey, Attribution]


def pve_lists(
    instance: str,
    facts: Facts,
    guests: Mapping[int, GuestPlace],
    jobs: Iterable[BackupJob] = (),
    *,
    with_backups: bool = True,
) -> Lists:
    """Return the lists of a PVE instance; snapshots only of guests that exist."""
    snapshots = newest_first(
        guest_snapshots(instance, facts, guests), lambda snapshot: (snapshot.time, snapshot.id)
    )
    if not with_backups:
        return Lists(guestSnapshots=snapshots)
    return Lists(
        backupTasks=newest_first((task_shape(instance, task) for task in backup_tasks(facts)), task_order),
        storageBackups=newest_first(
            storage_backups(instance, facts), lambda backup: (backup.ctime, backup.id)
        ),
        guestSnapshots=snapshots,
        backupJobs=newest_first((backup_shape(job) for job in jobs), lambda one: (one.lastBackup, one.id)),
    )


def newest_first(shapes: Iterable[View], order: Callable[[View], tuple[int | str, ...]]) -> tuple[View, ...]:
    """Return the shapes by descending order."""
    return tuple(sorted(shapes, key=order, reverse=True))


def task_order(shape: BackupTaskShape) -> tuple[int | str, ...]:
    """Return the place of a task: by its start."""
    return (shape.startTime, shape.id)


def task_shape(instance: str, task: TaskReading) -> BackupTaskShape:
    """Return one backup task; vmid 0 is a job over several guests."""
    how = task_outcome(task)
    return BackupTaskShape(
        id=f"{instance}-{task.upid}",
        node=task.node,
        type=task.kind,
        vmid=int(task.subject) if VMID.fullmatch(task.subject) else 0,
        status=task.status,
        startTime=instant(task.started_epoch),
        endTime=instant(task.ended_epoch),
        instance=instance,
        outcome=how,
        user=task.user,
        error=task.status if how == "failed" else "",
    )


def storage_backups(instance: str, facts: Facts) -> Iterator[StorageBackupShape]:
    """Yield the backups in all storages, each volume once however many nodes see it."""
    shared = {storage.name for storage in facts.storages if storage.is_shared}
    servers = {storage.name for storage in facts.storages if storage.plugin == "pbs"}
    yielded: set[str] = set()
    for (storage, node), volumes in facts.volumes.items():
        is_pbs = storage in servers or storage.startswith("pbs-")  # state.md 2.7
        where = storage if not node or is_pbs or storage in shared else node
        for volume in volumes:
            if volume.volume not in yielded:
                yielded.add(volume.volume)
                yield storage_backup_shape(instance, storage, where, volume, is_pbs=is_pbs)


def storage_backup_shape(
    instance: str, storage: str, node: str, volume: BackupVolumeReading, *, is_pbs: bool
) -> StorageBackupShape:
    """Return one backup in a storage."""
    return StorageBackupShape(
        id=f"{instance}-{volume.volume}",
        storage=storage,
        node=node,
        type=volume.kind or "unknown",
        vmid=volume.vmid or 0,
        time=instant(volume.created_epoch),
        ctime=volume.created_epoch or 0,
        size=volume.size_bytes or 0,
        format=volume.format,
        protected=volume.is_protected,
        volid=volume.volume,
        isPBS=is_pbs,
        verified=is_pbs and volume.verification == "ok",
        instance=instance,
        notes=volume.notes,
        verification=volume.verification,
        encrypted=volume.is_encrypted,
    )


def guest_snapshots(
    instance: str, facts: Facts, guests: Mapping[int, GuestPlace]
) -> Iterator[GuestSnapshotShape]:
    """Yield the snapshots of all guests."""
    for vmid, guest in facts.guests.items():
        place = guests.get(vmid)
        if place is not None:
            yield from (guest_snapshot_shape(instance, vmid, place, snapshot) for snapshot in guest.snapshots)


def guest_snapshot_shape(
    instance: str, vmid: int, place: GuestPlace, snapshot: GuestSnapshotReading
) -> GuestSnapshotShape:
    """Return one snapshot of a guest."""
    return GuestSnapshotShape(
        id=f"{instance}-{place.node}-{vmid}-{snapshot.name}",
        name=snapshot.name,
        node=place.node,
        type=place.kind,
        vmid=vmid,
        time=instant(snapshot.taken_epoch),
        vmstate=snapshot.has_memory,
        instance=instance,
        description=snapshot.description,
        parent=snapshot.parent,
        state=snapshot.state,
    )


def pbs_lists(instance: str, facts: Facts, attributions: Attributions) -> Lists:
    """Return the lists of a PBS: every snapshot of every namespace, with whose it is."""
    shapes = (
        shape
        for key, place in facts.backups.items()
        for shape in namespace_backups(instance, key, place, attributions)
    )
    return Lists(pbsBackups=newest_first(shapes, lambda backup: (backup.backupTime, backup.id)))


def namespace_backups(
    instance: str, key: NamespaceKey, place: NamespaceBackups, attributions: Attributions
) -> Iterator[PbsBackupShape]:
    """Yield the backups of one namespace."""
    store, namespace = key
    for snapshots in place.snapshots.values():
        for snapshot in snapshots:
            whose = attributions.get(group_key(store, namespace, f"{snapshot.kind}/{snapshot.id}"))
            yield pbs_backup_shape(instance, store, namespace, snapshot, whose)


def pbs_backup_shape(
    instance: str, store: str, namespace: str, snapshot: BackupSnapshotReading, whose: Attribution | None
) -> PbsBackupShape:
    """Return one backup snapshot of a PBS."""
    return PbsBackupShape(
        id=f"pbs-{instance}-{store}-{namespace}-{snapshot.kind}-{snapshot.id}-{snapshot.taken_epoch}",
        instance=instance,
        datastore=store,
        namespace=namespace,
        backupType=snapshot.kind,
        vmid=snapshot.id,
        backupTime=instant(snapshot.taken_epoch),
        size=snapshot.size_bytes or 0,
        protected=snapshot.is_protected,
        verified=snapshot.verification == "ok",
        comment=snapshot.comment,
        files=tuple(file.name for file in snapshot.files),
        owner=snapshot.owner,
        encrypted=snapshot.is_encrypted,
        unfinished=snapshot.size_bytes is None,
        verification=snapshot.verification,
        verifiedAt=instant(snapshot.verified_epoch) if snapshot.verified_epoch else "",
        attribution=whose.state if whose is not None else "",
        guestInstance=whose.instance if whose is not None else "",
        guestVmid=(whose.vmid or 0) if whose is not None else 0,
        guestGone=whose is not None and is_before(snapshot.taken_epoch, whose.born_epoch),
    )
