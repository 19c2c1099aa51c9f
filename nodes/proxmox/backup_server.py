"""The calls about what a Proxmox Backup Server holds, and about its jobs and tasks.

Readers raise BadAnswer only. Source: api-facts.md section 11.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nodes.proxmox.calls import Call, unread
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.backup_server import (
    BackupFileReading,
    BackupGroupReading,
    BackupSnapshotReading,
    NamespaceReading,
    ServerJobReading,
)
from nodes.proxmox.readings.backups import TaskReading
from nodes.proxmox.rows import Row, Rows, fields_of, read_rows, row_of
from nodes.proxmox.tasks import UPID_LIMIT, read_tasks, read_upid
from nodes.proxmox.values import amount, epoch, is_true, name, said_of, size, text, text_of, word

#: Seven levels of 256 characters at most, with their slashes; real ones are short.
NAMESPACE_LIMIT = 512
NAMESPACE_DEPTH = 7
STATE_LIMIT = 500
FILES_LIMIT = 64
TASKS_LIMIT = 500


def _namespace(row: Row) -> NamespaceReading | None:
    path = row.get("ns")  # the root is ""
    if not isinstance(path, str):
        return None
    return NamespaceReading(path=text(path, NAMESPACE_LIMIT), comment=text(row.get("comment")))


read_namespaces = Rows("the namespaces", _namespace, by=("path",))
read_groups = Rows(
    "the backup groups",
    row_of(BackupGroupReading, count=(lambda value: size(value) or 0, "backup-count")),
    by=("kind", "id"),
)


def read_snapshots(data: object) -> tuple[BackupSnapshotReading, ...]:
    """Return the reading of GET /admin/datastore/{store}/snapshots, in the order of the answer.

    A server has many thousands of them, so nothing here is done twice.
    """
    return read_rows(data, "the backup snapshots", _snapshot)


def _snapshot(row: Row) -> BackupSnapshotReading | None:
    get = row.get
    kind, id = word(get("backup-type")), text(get("backup-id"))
    taken_epoch = epoch(get("backup-time"))
    if not kind or not id or taken_epoch is None:
        return None
    files = get("files")
    verification = get("verification")
    state, verified_epoch = _verification(verification) if isinstance(verification, dict) else ("", None)
    return BackupSnapshotReading(
        kind=kind,
        id=id,
        taken_epoch=taken_epoch,
        size_bytes=size(get("size")),
        is_protected=is_true(get("protected")),
        owner=text(get("owner")),
        comment=text(get("comment")),
        verification=state,
        verified_epoch=verified_epoch,
        files=_files(files) if isinstance(files, list) else (),
    )


def _verification(verification: Row) -> tuple[str, int | None]:
    upid = read_upid(verification.get("upid"))
    return word(verification.get("state")), upid.started_epoch if upid else None


def _files(listed: list[object]) -> tuple[BackupFileReading, ...]:
    """Return the files of a snapshot: objects, although the schema says texts; both are read."""
    files: list[BackupFileReading] = []
    for file in listed[:FILES_LIMIT]:
        if isinstance(file, dict):
            filename = text(file.get("filename"))
            size_bytes, crypt_mode = size(file.get("size")), word(file.get("crypt-mode"))
        else:
            filename, size_bytes, crypt_mode = text(file), None, ""
        if filename:
            files.append(BackupFileReading(filename, size_bytes, crypt_mode))
    return tuple(files)


def _job(kind: str, **own: Any) -> Callable[[Row], ServerJobReading | None]:
    """Return the reader of a job; `last-run-state` is missing while it runs and before the first run."""
    return row_of(
        ServerJobReading,
        id=(text, "id"),
        kind=lambda _: kind,
        store=(name, "store"),
        namespace=(text_of(NAMESPACE_LIMIT), "ns"),
        schedule=(text, "schedule"),
        comment=(text, "comment"),
        last_run_upid=(text_of(UPID_LIMIT), "last-run-upid"),
        last_run_state=(said_of(STATE_LIMIT), "last-run-state"),
        last_run_ended_epoch=(epoch, "last-run-endtime"),
        next_run_epoch=(epoch, "next-run"),
        **own,
    )


#: A job that does not tell its direction pulls.
_sync_job = _job(
    "sync",
    remote=(name, "remote"),
    remote_store=(name, "remote-store"),
    direction=(lambda value: word(value) or "pull", "sync-direction"),
)
read_sync_jobs = Rows("the sync jobs", _sync_job, by=("id",))
read_verify_jobs = Rows("the verify jobs", _job("verify"), by=("id",))
read_prune_jobs = Rows("the prune jobs", _job("prune", is_disabled=(is_true, "disable")), by=("id",))


def _garbage(asked_store: str) -> Callable[[Row], ServerJobReading | None]:
    """Return the reader of the garbage collection of a datastore, whose name is the id too."""

    def store(row: Row) -> str:
        return name(row.get("store")) or asked_store

    return row_of(
        ServerJobReading,
        id=store,
        kind=lambda _: "garbage",
        store=store,
        schedule=(text, "schedule"),
        last_run_upid=(text_of(UPID_LIMIT), "upid"),
        last_run_state=(said_of(STATE_LIMIT), "last-run-state"),
        last_run_ended_epoch=(epoch, "last-run-endtime"),
        next_run_epoch=(epoch, "next-run"),
        duration_seconds=(amount, "duration"),
        removed_bytes=(size, "removed-bytes"),
        pending_bytes=(size, "pending-bytes"),
        disk_bytes=(size, "disk-bytes"),
        index_bytes=(size, "index-data-bytes"),
        bad_chunk_count=(size, "still-bad"),
    )


read_garbage_collection = Rows("the garbage collections", _garbage(""), by=("id",))


def read_store_garbage(data: object, *, store: str) -> ServerJobReading:
    """Return the reading of GET /admin/datastore/{store}/gc; old servers tell only what the last run found."""
    reading = _garbage(store)(fields_of(data, "the garbage collection"))
    if reading is None:
        raise BadAnswer("The answer about the garbage collection names no datastore")
    return reading


NAMESPACES = {"max-depth": NAMESPACE_DEPTH}
#: The namespaces of a datastore, the root among them.
namespaces = Call("/admin/datastore/{store}/namespace", read_namespaces, NAMESPACES)
GROUPS = Call("/admin/datastore/{store}/groups", read_groups)
SNAPSHOTS = Call("/admin/datastore/{store}/snapshots", read_snapshots)
SYNC_JOBS = Call("/admin/sync", read_sync_jobs)
verify_jobs = Call("/admin/verify", read_verify_jobs)
prune_jobs = Call("/admin/prune", read_prune_jobs)
#: Of every datastore; from PBS 3.2, NotFound before.
garbage_collection = Call("/admin/gc", read_garbage_collection)
STORE_GARBAGE = Call("/admin/datastore/{store}/gc", unread)
SERVER_TASKS = Call("/nodes/localhost/tasks", read_tasks)


def groups(
    client: Client, store: str, namespace: str, *, timeout_seconds: float | None = None
) -> tuple[BackupGroupReading, ...]:
    """Return the groups of one namespace, not of those below it."""
    return GROUPS(client, store, params=_place(namespace), timeout_seconds=timeout_seconds)


def snapshots(
    client: Client,
    store: str,
    namespace: str,
    *,
    kind: str = "",
    id: str = "",
    timeout_seconds: float | None = None,
) -> tuple[BackupSnapshotReading, ...]:
    """Return the snapshots of one namespace, or of one group in it.

    The server reads every manifest, which takes its time. Some 15,000 snapshots fit into one answer; TooLarge beyond
    that: ask for one group after the other then.
    """
    params = _place(namespace)
    if kind and id:
        params |= {"backup-type": kind, "backup-id": id}
    found = SNAPSHOTS(client, store, params=params, timeout_seconds=timeout_seconds)
    if kind and id:  # and not every host heeds what is asked
        return tuple(one for one in found if (one.kind, one.id) == (kind, id))
    return found


def sync_jobs(
    client: Client, *, all_directions: bool, timeout_seconds: float | None = None
) -> tuple[ServerJobReading, ...]:
    """Return the sync jobs; without Remote.Audit the list is empty.

    `all_directions` must be False before PBS 3.3, which refuses the parameter; those that push are not told then.
    """
    params = {"sync-direction": "all"} if all_directions else None
    return SYNC_JOBS(client, params=params, timeout_seconds=timeout_seconds)


def store_garbage(client: Client, store: str, *, timeout_seconds: float | None = None) -> ServerJobReading:
    """Return the garbage collection of one datastore."""
    return read_store_garbage(STORE_GARBAGE(client, store, timeout_seconds=timeout_seconds), store=store)


def server_tasks(
    client: Client,
    *,
    since: int | None = None,
    limit: int = TASKS_LIMIT,
    timeout_seconds: float | None = None,
) -> tuple[TaskReading, ...]:
    """Return the tasks of the server, the newest first, with those that run; `since` is compared with the start."""
    params: dict[str, str | int] = {"limit": limit}
    if since is not None:
        params["since"] = since
    return SERVER_TASKS(client, params=params, timeout_seconds=timeout_seconds)


def _place(namespace: str) -> dict[str, str | int]:
    return {"ns": namespace} if namespace else {}
