"""The calls about backups of a PVE: tasks and their logs, storages, what is in them, jobs and whom they leave out.

Readers raise BadAnswer only. Source: api-facts.md sections 4.1 and 8.
"""

from __future__ import annotations

import re

from nodes.addresses import normalise_fingerprint
from nodes.proxmox.client import Client
from nodes.proxmox.properties import content, names, vmid, vmids
from nodes.proxmox.pve import GUEST_NAME_LIMIT, WORD_LIMIT
from nodes.proxmox.readings import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    NodeStorageReading,
    StorageConfigReading,
    TaskReading,
    TimeReading,
    UncoveredGuestReading,
)
from nodes.proxmox.rows import Row, entries, fields_of, name, read_rows, rows_of, segment
from nodes.proxmox.tasks import read_task_log, read_tasks, read_upid, read_vzdump_log
from nodes.proxmox.values import epoch, fields, size, text, truth, whole

__all__ = [
    "backup_jobs",
    "backup_volumes",
    "cluster_tasks",
    "job_volumes",
    "node_storages",
    "node_tasks",
    "node_time",
    "read_backup_jobs",
    "read_backup_volumes",
    "read_job_volumes",
    "read_node_storages",
    "read_node_time",
    "read_storage_definitions",
    "read_task_log",
    "read_tasks",
    "read_uncovered_guests",
    "read_upid",
    "read_vzdump_log",
    "storage_definitions",
    "task_log",
    "uncovered_guests",
]

#: The archive of a node keeps 1,000 to 2,000 tasks.
TASKS_LIMIT = 500
LOG_LINES = 10_000
TEXT_LIMIT = 256
PATH_LIMIT = 512
VOLUME_LIMIT = 512
VOLUMES_LIMIT = 100_000
#: Of one guest: more than it has disks.
CHILDREN_LIMIT = 600
OFFSET_LIMIT_SECONDS = 18 * 3600

#: "vzdump-qemu-100-2026_01_01-01_00_00.vma.zst"
ARCHIVE_NAME = re.compile(r"vzdump-(qemu|lxc|openvz)-(\d{1,9})-", re.ASCII)
#: "backup/vm/100/2026-01-01T01:00:00Z", on storages of a PBS
SERVER_NAME = re.compile(r"backup/(vm|ct)/(\d{1,9})/", re.ASCII)
KINDS = {"qemu": "qemu", "lxc": "lxc", "openvz": "lxc", "vm": "qemu", "ct": "lxc"}


def cluster_tasks(client: Client, *, timeout_seconds: float | None = None) -> tuple[TaskReading, ...]:
    """Return the recent tasks of all nodes, the newest first; those of others need Sys.Audit on /.

    All that run are in it, and of the others at most 25 of each node.
    """
    return read_tasks(client.get("/cluster/tasks", timeout_seconds=timeout_seconds).data)


def node_tasks(
    client: Client,
    node: str,
    *,
    kind: str = "",
    since: int | None = None,
    limit: int = TASKS_LIMIT,
    timeout_seconds: float | None = None,
) -> tuple[TaskReading, ...]:
    """Return the finished tasks of a node, the newest first; those of others need Sys.Audit on it.

    `since` is compared with the start: what began before it and has just ended is not returned.
    """
    params: dict[str, str | int] = {"limit": limit}
    if kind:
        params["typefilter"] = kind
    if since is not None:
        params["since"] = since
    return read_tasks(
        client.get(f"/nodes/{segment(node)}/tasks", params, timeout_seconds=timeout_seconds).data
    )


def task_log(
    client: Client, node: str, upid: str, *, limit: int = LOG_LINES, timeout_seconds: float | None = None
) -> tuple[str, ...]:
    """Return the first lines of the log of a task, of a PBS with `localhost` as its node.

    That of somebody else needs Sys.Audit on the node (PVE) or on /system/tasks (PBS).
    """
    path = f"/nodes/{segment(node)}/tasks/{segment(upid)}/log"
    return read_task_log(client.get(path, {"start": 0, "limit": limit}, timeout_seconds=timeout_seconds).data)


def storage_definitions(
    client: Client, *, timeout_seconds: float | None = None
) -> tuple[StorageConfigReading, ...]:
    """Return how the storages of the cluster are defined. Needs Datastore.Audit on each."""
    return read_storage_definitions(client.get("/storage", timeout_seconds=timeout_seconds).data)


def node_storages(
    client: Client, node: str, *, timeout_seconds: float | None = None
) -> tuple[NodeStorageReading, ...]:
    """Return the enabled storages of a node as it probes them now. Needs Datastore.Audit on each.

    The node activates one after the other: a dead NFS or PBS costs seconds, so give it time and ask seldom.
    """
    path = f"/nodes/{segment(node)}/storage"
    return read_node_storages(client.get(path, {"enabled": 1}, timeout_seconds=timeout_seconds).data)


def backup_volumes(
    client: Client, node: str, storage: str, *, timeout_seconds: float | None = None
) -> tuple[BackupVolumeReading, ...]:
    """Return the backups in a storage as one node sees it; of a shared one, ask one node only.

    Needs Datastore.Allocate on the storage, or Datastore.AllocateSpace there and VM.Backup on the guests: an auditor
    gets an empty list and no error.
    """
    path = f"/nodes/{segment(node)}/storage/{segment(storage)}/content"
    return read_backup_volumes(client.get(path, {"content": "backup"}, timeout_seconds=timeout_seconds).data)


def backup_jobs(client: Client, *, timeout_seconds: float | None = None) -> tuple[BackupJobReading, ...]:
    """Return the backup jobs of the cluster. Needs Sys.Audit on /."""
    return read_backup_jobs(client.get("/cluster/backup", timeout_seconds=timeout_seconds).data)


def uncovered_guests(
    client: Client, *, timeout_seconds: float | None = None
) -> tuple[UncoveredGuestReading, ...]:
    """Return the guests that are in no enabled job. Needs Sys.Audit on / and VM.Audit on the guests."""
    return read_uncovered_guests(
        client.get("/cluster/backup-info/not-backed-up", timeout_seconds=timeout_seconds).data
    )


def job_volumes(
    client: Client, job_id: str, *, timeout_seconds: float | None = None
) -> tuple[JobVolumeReading, ...]:
    """Return each disk of each guest of a job, and whether the job takes it. Needs Sys.Audit on /."""
    path = f"/cluster/backup/{segment(job_id)}/included_volumes"
    return read_job_volumes(client.get(path, timeout_seconds=timeout_seconds).data)


def node_time(client: Client, node: str, *, timeout_seconds: float | None = None) -> TimeReading:
    """Return clock and time zone of a node, of a PBS with `localhost`. Needs Sys.Audit on it."""
    return read_node_time(client.get(f"/nodes/{segment(node)}/time", timeout_seconds=timeout_seconds).data)


def read_storage_definitions(data: object) -> tuple[StorageConfigReading, ...]:
    """Return the reading of GET /storage, by name."""
    readings = read_rows(data, "the storage configuration", _definition)
    return tuple(sorted(readings, key=lambda one: one.name))


def _definition(row: Row) -> StorageConfigReading | None:
    storage = name(row.get("storage"))
    if not storage:
        return None
    return StorageConfigReading(
        name=storage,
        plugin=text(row.get("type"), WORD_LIMIT),
        content=content(row.get("content")),
        is_shared=truth(row.get("shared")) is True,
        is_disabled=truth(row.get("disable")) is True,
        nodes=names(row.get("nodes")),
        server=text(row.get("server"), TEXT_LIMIT),
        datastore=name(row.get("datastore")),
        namespace=text(row.get("namespace"), PATH_LIMIT),
        username=text(row.get("username"), TEXT_LIMIT),
        fingerprint=_fingerprint(row.get("fingerprint")),
        path=text(row.get("path"), PATH_LIMIT),
    )


def _fingerprint(value: object) -> str:
    try:
        return normalise_fingerprint(text(value))
    except ValueError:
        return ""


def read_node_storages(data: object) -> tuple[NodeStorageReading, ...]:
    """Return the reading of GET /nodes/{node}/storage, by name; sizes of an inactive storage are 0 or not told."""
    readings = read_rows(data, "a node's storages", _node_storage)
    return tuple(sorted(readings, key=lambda one: one.name))


def _node_storage(row: Row) -> NodeStorageReading | None:
    storage = name(row.get("storage"))
    if not storage:
        return None
    return NodeStorageReading(
        name=storage,
        plugin=text(row.get("type"), WORD_LIMIT),
        content=content(row.get("content")),
        is_active=truth(row.get("active")),
        is_enabled=truth(row.get("enabled")),
        is_shared=truth(row.get("shared")),
        total_bytes=size(row.get("total")),
        used_bytes=size(row.get("used")),
        available_bytes=size(row.get("avail")),
    )


def read_backup_volumes(data: object) -> tuple[BackupVolumeReading, ...]:
    """Return the reading of GET .../content?content=backup; volumes of other content are passed over."""
    rows = rows_of(data, "a storage's backups")
    kept = [row for row in rows if not (isinstance(row, dict) and _is_other_content(row))]
    return read_rows(kept, "a storage's backups", _volume, limit=VOLUMES_LIMIT)


def _is_other_content(row: Row) -> bool:
    return text(row.get("content"), WORD_LIMIT) not in ("", "backup")


def _volume(row: Row) -> BackupVolumeReading | None:
    volume = text(row.get("volid"), VOLUME_LIMIT)
    if not volume:
        return None
    named = ARCHIVE_NAME.search(volume) or SERVER_NAME.search(volume)
    told_format = text(row.get("format"), WORD_LIMIT)
    told_size = size(row.get("size"))
    if told_format.startswith("pbs-") and told_size == 1:
        told_size = None  # how PVE tells an unfinished backup of a PBS
    encrypted = text(row.get("encrypted"), TEXT_LIMIT)
    return BackupVolumeReading(
        volume=volume,
        vmid=vmid(row.get("vmid")) or (vmid(named[2]) if named else None),
        kind=KINDS[named[1]] if named else KINDS.get(told_format.removeprefix("pbs-"), ""),
        created_at=epoch(row.get("ctime")),
        size_bytes=told_size,
        format=told_format,
        notes=text(row.get("notes"), TEXT_LIMIT),
        is_protected=truth(row.get("protected")) is True,
        verification=text(fields(row.get("verification")).get("state"), WORD_LIMIT),
        is_encrypted=encrypted not in ("", "0"),  # "1", or the fingerprint of the key
    )


def read_backup_jobs(data: object) -> tuple[BackupJobReading, ...]:
    """Return the reading of GET /cluster/backup, by id. A job that does not say so is enabled."""
    readings = read_rows(data, "the backup jobs", _job)
    return tuple(sorted(readings, key=lambda job: job.id))


def _job(row: Row) -> BackupJobReading | None:
    job = text(row.get("id"), TEXT_LIMIT)
    if not job:
        return None
    return BackupJobReading(
        id=job,
        is_enabled=truth(row.get("enabled")) is not False,
        schedule=text(row.get("schedule"), TEXT_LIMIT),
        storage=name(row.get("storage")),
        node=name(row.get("node")),
        mode=text(row.get("mode"), WORD_LIMIT),
        covers_all=truth(row.get("all")) is True,
        vmids=vmids(row.get("vmid")),
        excluded=vmids(row.get("exclude")),
        pool=name(row.get("pool")),
        comment=text(row.get("comment"), PATH_LIMIT),
        next_run_at=epoch(row.get("next-run")),
        repeats_missed=truth(row.get("repeat-missed")) is True,
    )


def read_uncovered_guests(data: object) -> tuple[UncoveredGuestReading, ...]:
    """Return the reading of GET /cluster/backup-info/not-backed-up, by vmid."""
    readings = read_rows(data, "the guests without a backup job", _uncovered)
    return tuple(sorted(readings, key=lambda guest: guest.vmid))


def _uncovered(row: Row) -> UncoveredGuestReading | None:
    number = vmid(row.get("vmid"))
    if number is None:
        return None
    return UncoveredGuestReading(
        vmid=number, kind=text(row.get("type"), WORD_LIMIT), name=text(row.get("name"), GUEST_NAME_LIMIT)
    )


def read_job_volumes(data: object) -> tuple[JobVolumeReading, ...]:
    """Return the reading of GET /cluster/backup/{id}/included_volumes, by guest and key.

    A guest that was removed and is still named by the job has no volumes.
    """
    row = fields_of(data, "the volumes of a backup job")
    guests = entries(row.get("children"), VOLUMES_LIMIT)
    found = [volume for guest in guests for volume in _job_volumes(guest)]
    return tuple(sorted(found, key=lambda one: (one.vmid, one.volume))[:VOLUMES_LIMIT])


def _job_volumes(guest: Row) -> list[JobVolumeReading]:
    number = vmid(guest.get("id"))
    if number is None:
        return []
    kind, guest_name = text(guest.get("type"), WORD_LIMIT), text(guest.get("name"), GUEST_NAME_LIMIT)
    return [
        JobVolumeReading(
            vmid=number,
            guest_kind=kind,
            guest_name=guest_name,
            volume=key,
            is_included=truth(volume.get("included")) is True,
            reason=text(volume.get("reason"), TEXT_LIMIT),
        )
        for volume in entries(guest.get("children"), CHILDREN_LIMIT)
        if (key := text(volume.get("id"), WORD_LIMIT))
    ]


def read_node_time(data: object) -> TimeReading:
    """Return the reading of GET /nodes/{node}/time; `localtime` there is the wall clock written as if it were UTC."""
    row = fields_of(data, "a node's time")
    at, wall = epoch(row.get("time")), whole(row.get("localtime"))
    offset = None if at is None or wall is None else wall - at
    if offset is not None and (offset % 60 or abs(offset) > OFFSET_LIMIT_SECONDS):
        offset = None
    return TimeReading(zone=text(row.get("timezone"), TEXT_LIMIT), offset_seconds=offset, at=at)
