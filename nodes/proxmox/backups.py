"""The calls about backups of a PVE: tasks and their logs, storages, what is in them, jobs and whom they leave out.

Readers raise BadAnswer only. Source: api-facts.md sections 4.1 and 8.
"""

from __future__ import annotations

import re

from nodes.proxmox.calls import Call
from nodes.proxmox.client import Client
from nodes.proxmox.properties import vmid
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    NodeStorageReading,
    StorageConfigReading,
    TaskReading,
    TimeReading,
    UncoveredGuestReading,
)
from nodes.proxmox.rows import Row, Rows, entries, fields_of, read_rows, row_of, rows_of
from nodes.proxmox.tasks import read_task_log, read_tasks
from nodes.proxmox.values import epoch, is_true, size, text, text_of, truth, word

#: The archive of a node keeps 1,000 to 2,000 tasks.
TASKS_LIMIT = 500
LOG_LINES = 10_000
LOG_PAGES = 10
PATH_LIMIT = 512
VOLUME_LIMIT = 512
VOLUMES_LIMIT = 100_000
#: Of one guest: more than it has disks.
CHILDREN_LIMIT = 600

#: "vzdump-qemu-100-2026_01_01-01_00_00.vma.zst"
ARCHIVE_NAME = re.compile(r"vzdump-(qemu|lxc|openvz)-(\d{1,9})-", re.ASCII)
#: "backup/vm/100/2026-01-01T01:00:00Z", on storages of a PBS
SERVER_NAME = re.compile(r"backup/(vm|ct)/(\d{1,9})/", re.ASCII)
KINDS = {"qemu": "qemu", "lxc": "lxc", "openvz": "lxc", "vm": "qemu", "ct": "lxc"}


read_storage_definitions = Rows("the storage configuration", row_of(StorageConfigReading), by=("name",))
#: Sizes of an inactive storage are 0 or not told.
read_node_storages = Rows("a node's storages", row_of(NodeStorageReading), by=("name",))
#: A job that does not say so is enabled.
read_backup_jobs = Rows(
    "the backup jobs",
    row_of(BackupJobReading, is_enabled=(lambda value: truth(value) is not False, "enabled")),
    by=("id",),
)
read_uncovered_guests = Rows("the guests without a backup job", row_of(UncoveredGuestReading), by=("vmid",))


def read_backup_volumes(data: object) -> tuple[BackupVolumeReading, ...]:
    """Return the reading of GET .../content?content=backup; volumes of other content are passed over."""
    rows = rows_of(data, "a storage's backups")
    kept = [row for row in rows if not (isinstance(row, dict) and _is_other_content(row))]
    return read_rows(kept, "a storage's backups", _volume)


def _is_other_content(row: Row) -> bool:
    """Return whether a row is no backup; only backups are asked for, and not every host heeds that."""
    told = word(row.get("content"))
    return told != "backup" if told else not _is_named_backup(_volume_name(row.get("volid")))


def _is_named_backup(volume: str) -> bool:
    return volume.partition(":")[2].startswith("backup/") or ARCHIVE_NAME.search(volume) is not None


def _named(row: Row) -> tuple[str, str]:
    """Return kind and vmid as the name of a volume has them, empty where it has none."""
    volume = _volume_name(row.get("volid"))
    match = ARCHIVE_NAME.search(volume) or SERVER_NAME.search(volume)
    return (KINDS[match[1]], match[2]) if match else ("", "")


def _kind(row: Row) -> str:
    return _named(row)[0] or KINDS.get(word(row.get("format")).removeprefix("pbs-"), "")


def _size(row: Row) -> int | None:
    size_bytes = size(row.get("size"))
    # How PVE tells an unfinished one of a PBS.
    is_unfinished = size_bytes == 1 and word(row.get("format")).startswith("pbs-")
    return None if is_unfinished else size_bytes


_volume_name = text_of(VOLUME_LIMIT)
_volume = row_of(
    BackupVolumeReading,
    volume=(_volume_name, "volid"),
    vmid=lambda row: vmid(row.get("vmid")) or vmid(_named(row)[1]),
    kind=_kind,
    size_bytes=_size,
    is_encrypted=(lambda value: text(value) not in ("", "0"), "encrypted"),
)


def read_job_volumes(data: object) -> tuple[JobVolumeReading, ...]:
    """Return the reading of GET /cluster/backup/{id}/included_volumes, by guest and key.

    A guest that was removed and is still named by the job has no volumes.
    """
    row = fields_of(data, "the volumes of a backup job")
    guests = entries(row.get("children"), VOLUMES_LIMIT)
    volumes = [volume for guest in guests for volume in _job_volumes(guest)]
    return tuple(sorted(volumes, key=lambda volume: (volume.vmid, volume.volume))[:VOLUMES_LIMIT])


def _job_volumes(guest: Row) -> list[JobVolumeReading]:
    number = vmid(guest.get("id"))
    if number is None:
        return []
    guest_name = text(guest.get("name"))
    return [
        JobVolumeReading(
            vmid=number,
            guest_name=guest_name,
            volume=key,
            is_included=is_true(volume.get("included")),
            reason=text(volume.get("reason")),
        )
        for volume in entries(guest.get("children"), CHILDREN_LIMIT)
        if (key := word(volume.get("id")))
    ]


def read_node_time(data: object) -> TimeReading:
    """Return the reading of GET /nodes/{node}/time; `localtime` there is the wall clock written as if it were UTC."""
    row = fields_of(data, "a node's time")
    return TimeReading(zone=text(row.get("timezone")), told_epoch=epoch(row.get("time")))


#: The recent tasks of all nodes, the newest first: all that run, and of the others at most 25 of each node.
cluster_tasks = Call("/cluster/tasks", read_tasks)
NODE_TASKS = Call("/nodes/{node}/tasks", read_tasks)
TASK_LOG = Call("/nodes/{node}/tasks/{upid}/log", read_task_log)
storage_definitions = Call("/storage", read_storage_definitions)
#: The enabled storages of a node as it probes them now. The node activates one after the other: a dead NFS or PBS costs
#: seconds, so give it time and ask seldom.
node_storages = Call("/nodes/{node}/storage", read_node_storages, {"enabled": 1})
#: The backups in a storage as one node sees it; of a shared one, ask one node only. An auditor gets an empty list.
backup_volumes = Call("/nodes/{node}/storage/{storage}/content", read_backup_volumes, {"content": "backup"})
backup_jobs = Call("/cluster/backup", read_backup_jobs)
#: The guests that are in no enabled job.
uncovered_guests = Call("/cluster/backup-info/not-backed-up", read_uncovered_guests)
#: Each disk of each guest of a job, and whether the job takes it.
job_volumes = Call("/cluster/backup/{id}/included_volumes", read_job_volumes)
#: Clock and time zone of a node, of a PBS with `localhost`.
node_time = Call("/nodes/{node}/time", read_node_time)


def node_tasks(
    client: Client,
    node: str,
    *,
    kind: str = "",
    since: int | None = None,
    limit: int = TASKS_LIMIT,
    timeout_seconds: float | None = None,
) -> tuple[TaskReading, ...]:
    """Return the finished tasks of a node, the newest first.

    `since` is compared with the start: what began before it and has just ended is not returned.
    """
    params: dict[str, str | int] = {"limit": limit}
    if kind:
        params["typefilter"] = kind
    if since is not None:
        params["since"] = since
    return NODE_TASKS(client, node, params=params, timeout_seconds=timeout_seconds)


def task_log(
    client: Client, node: str, upid: str, *, limit: int = LOG_LINES, timeout_seconds: float | None = None
) -> tuple[str, ...]:
    """Return the lines of the log of a task, of a PBS with `localhost` as its node.

    Page after page, for its cause stands last; one that goes on after the last page ends with a line that says so.
    """
    lines: list[str] = []
    for page in range(LOG_PAGES):
        params = {"start": page * limit, "limit": limit}
        told = TASK_LOG(client, node, upid, params=params, timeout_seconds=timeout_seconds)
        if told and lines[-len(told) :] == list(told):
            return tuple(lines)  # a host that knows no pages tells the same again
        lines += told
        if len(told) < limit:
            return tuple(lines)
    return (*lines, f"The log goes on: {len(lines)} lines of it were read")
