"""The calls about what a Proxmox Backup Server holds, and about its jobs and tasks.

Readers raise BadAnswer only. Source: api-facts.md section 11.
"""

from __future__ import annotations

from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings import (
    BackupFileReading,
    BackupGroupReading,
    BackupSnapshotReading,
    NamespaceReading,
    ServerJobReading,
    TaskReading,
)
from nodes.proxmox.rows import Row, fields_of, name, read_rows, segment
from nodes.proxmox.tasks import UPID_LIMIT, read_tasks, read_upid
from nodes.proxmox.values import epoch, real, size, text, truth

WORD_LIMIT = 32
#: Seven levels of 256 characters at most, with their slashes; real ones are short.
NAMESPACE_LIMIT = 512
NAMESPACE_DEPTH = 7
NAMESPACES_LIMIT = 20_000
ID_LIMIT = 256
TEXT_LIMIT = 256
STATE_LIMIT = 500
GROUPS_LIMIT = 100_000
SNAPSHOTS_LIMIT = 100_000
FILES_LIMIT = 64
TASKS_LIMIT = 500


def namespaces(
    client: Client, store: str, *, timeout_seconds: float | None = None
) -> tuple[NamespaceReading, ...]:
    """Return the namespaces of a datastore, the root among them. Needs Datastore.Audit on it."""
    path, params = f"/admin/datastore/{segment(store)}/namespace", {"max-depth": NAMESPACE_DEPTH}
    return read_namespaces(client.get(path, params, timeout_seconds=timeout_seconds).data)


def groups(
    client: Client, store: str, namespace: str, *, timeout_seconds: float | None = None
) -> tuple[BackupGroupReading, ...]:
    """Return the groups of one namespace, not of those below it. Needs Datastore.Audit."""
    path = f"/admin/datastore/{segment(store)}/groups"
    return read_groups(client.get(path, _place(namespace), timeout_seconds=timeout_seconds).data)


def snapshots(
    client: Client,
    store: str,
    namespace: str,
    *,
    kind: str = "",
    id: str = "",
    timeout_seconds: float | None = None,
) -> tuple[BackupSnapshotReading, ...]:
    """Return the snapshots of one namespace, or of one group in it. Needs Datastore.Audit.

    The server reads every manifest, which takes its time. Some 15,000 snapshots fit into one answer; TooLarge beyond
    that: ask for one group after the other then.
    """
    params = _place(namespace)
    if kind and id:
        params |= {"backup-type": kind, "backup-id": id}
    path = f"/admin/datastore/{segment(store)}/snapshots"
    return read_snapshots(client.get(path, params, timeout_seconds=timeout_seconds).data)


def sync_jobs(
    client: Client, *, all_directions: bool, timeout_seconds: float | None = None
) -> tuple[ServerJobReading, ...]:
    """Return the sync jobs. Needs Datastore.Audit and Remote.Audit: without the latter the list is empty.

    `all_directions` must be False before PBS 3.3, which refuses the parameter; those that push are not told then.
    """
    params = {"sync-direction": "all"} if all_directions else None
    return read_sync_jobs(client.get("/admin/sync", params, timeout_seconds=timeout_seconds).data)


def verify_jobs(client: Client, *, timeout_seconds: float | None = None) -> tuple[ServerJobReading, ...]:
    """Return the verify jobs. Needs Datastore.Audit."""
    return read_verify_jobs(client.get("/admin/verify", timeout_seconds=timeout_seconds).data)


def prune_jobs(client: Client, *, timeout_seconds: float | None = None) -> tuple[ServerJobReading, ...]:
    """Return the prune jobs. Needs Datastore.Audit."""
    return read_prune_jobs(client.get("/admin/prune", timeout_seconds=timeout_seconds).data)


def garbage_collection(
    client: Client, *, timeout_seconds: float | None = None
) -> tuple[ServerJobReading, ...]:
    """Return the garbage collection of every datastore. Needs Datastore.Audit; from PBS 3.2, NotFound before."""
    return read_garbage_collection(client.get("/admin/gc", timeout_seconds=timeout_seconds).data)


def store_garbage(client: Client, store: str, *, timeout_seconds: float | None = None) -> ServerJobReading:
    """Return the garbage collection of one datastore. Needs Datastore.Audit on it."""
    path = f"/admin/datastore/{segment(store)}/gc"
    return read_store_garbage(client.get(path, timeout_seconds=timeout_seconds).data, store=store)


def server_tasks(
    client: Client,
    *,
    since: int | None = None,
    limit: int = TASKS_LIMIT,
    timeout_seconds: float | None = None,
) -> tuple[TaskReading, ...]:
    """Return the tasks of the server, the newest first, with those that run.

    Those of others need Sys.Audit on /system/tasks. `since` is compared with the start.
    """
    params: dict[str, str | int] = {"limit": limit}
    if since is not None:
        params["since"] = since
    return read_tasks(client.get("/nodes/localhost/tasks", params, timeout_seconds=timeout_seconds).data)


def _place(namespace: str) -> dict[str, str | int]:
    return {"ns": namespace} if namespace else {}


def read_namespaces(data: object) -> tuple[NamespaceReading, ...]:
    """Return the reading of GET /admin/datastore/{store}/namespace, by path."""
    readings = read_rows(data, "the namespaces", _namespace, limit=NAMESPACES_LIMIT)
    return tuple(sorted(readings, key=lambda one: one.path))


def _namespace(row: Row) -> NamespaceReading | None:
    told = row.get("ns")
    if not isinstance(told, str):
        return None
    return NamespaceReading(path=text(told, NAMESPACE_LIMIT), comment=text(row.get("comment"), TEXT_LIMIT))


def read_groups(data: object) -> tuple[BackupGroupReading, ...]:
    """Return the reading of GET /admin/datastore/{store}/groups, by kind and id."""
    readings = read_rows(data, "the backup groups", _group, limit=GROUPS_LIMIT)
    return tuple(sorted(readings, key=lambda one: (one.kind, one.id)))


def _group(row: Row) -> BackupGroupReading | None:
    get = row.get
    kind, id = text(get("backup-type"), WORD_LIMIT), text(get("backup-id"), ID_LIMIT)
    if not kind or not id:
        return None
    return BackupGroupReading(
        kind=kind,
        id=id,
        last_backup_at=epoch(get("last-backup")),
        count=size(get("backup-count")) or 0,
        owner=text(get("owner"), TEXT_LIMIT),
        comment=text(get("comment"), TEXT_LIMIT),
    )


def read_snapshots(data: object) -> tuple[BackupSnapshotReading, ...]:
    """Return the reading of GET /admin/datastore/{store}/snapshots, in the order of the answer.

    A server has many thousands of them, so nothing here is done twice.
    """
    return read_rows(data, "the backup snapshots", _snapshot, limit=SNAPSHOTS_LIMIT)


def _snapshot(row: Row) -> BackupSnapshotReading | None:
    get = row.get
    kind, id = text(get("backup-type"), WORD_LIMIT), text(get("backup-id"), ID_LIMIT)
    taken_at = epoch(get("backup-time"))
    if not kind or not id or taken_at is None:
        return None
    files = get("files")
    verification = get("verification")
    state, verified_at = _verification(verification) if isinstance(verification, dict) else ("", None)
    return BackupSnapshotReading(
        kind=kind,
        id=id,
        taken_at=taken_at,
        size_bytes=size(get("size")),
        is_protected=truth(get("protected")) is True,
        owner=text(get("owner"), TEXT_LIMIT),
        comment=text(get("comment"), TEXT_LIMIT),
        verification=state,
        verified_at=verified_at,
        files=_files(files) if isinstance(files, list) else (),
    )


def _verification(told: Row) -> tuple[str, int | None]:
    upid = read_upid(told.get("upid"))
    return text(told.get("state"), WORD_LIMIT), upid.started_at if upid else None


def _files(told: list[object]) -> tuple[BackupFileReading, ...]:
    """Return the files of a snapshot: objects, although the schema says texts; both are read."""
    found: list[BackupFileReading] = []
    for file in told[:FILES_LIMIT]:
        if isinstance(file, dict):
            filename = text(file.get("filename"), TEXT_LIMIT)
            size_bytes, crypt_mode = size(file.get("size")), text(file.get("crypt-mode"), WORD_LIMIT)
        else:
            filename, size_bytes, crypt_mode = text(file, TEXT_LIMIT), None, ""
        if filename:
            found.append(BackupFileReading(filename, size_bytes, crypt_mode))
    return tuple(found)


def read_sync_jobs(data: object) -> tuple[ServerJobReading, ...]:
    """Return the reading of GET /admin/sync, by id; a job that does not tell its direction pulls."""
    return _jobs(data, "the sync jobs", "sync")


def read_verify_jobs(data: object) -> tuple[ServerJobReading, ...]:
    """Return the reading of GET /admin/verify, by id."""
    return _jobs(data, "the verify jobs", "verify")


def read_prune_jobs(data: object) -> tuple[ServerJobReading, ...]:
    """Return the reading of GET /admin/prune, by id."""
    return _jobs(data, "the prune jobs", "prune")


def _jobs(data: object, what: str, kind: str) -> tuple[ServerJobReading, ...]:
    readings = read_rows(data, what, lambda row: _job(row, kind))
    return tuple(sorted(readings, key=lambda job: job.id))


def _job(row: Row, kind: str) -> ServerJobReading | None:
    """Return a job; `last-run-state` is missing while it runs and before the first run."""
    job, store = text(row.get("id"), TEXT_LIMIT), name(row.get("store"))
    if not job:
        return None
    is_sync = kind == "sync"
    return ServerJobReading(
        id=job,
        kind=kind,
        store=store,
        namespace=text(row.get("ns"), NAMESPACE_LIMIT),
        schedule=text(row.get("schedule"), TEXT_LIMIT),
        remote=name(row.get("remote")) if is_sync else "",
        remote_store=name(row.get("remote-store")) if is_sync else "",
        direction=(text(row.get("sync-direction"), WORD_LIMIT) or "pull") if is_sync else "",
        comment=text(row.get("comment"), TEXT_LIMIT),
        is_disabled=truth(row.get("disable")) is True if kind == "prune" else False,
        last_run_upid=text(row.get("last-run-upid"), UPID_LIMIT),
        last_run_state=text(row.get("last-run-state"), STATE_LIMIT),
        last_run_ended_at=epoch(row.get("last-run-endtime")),
        next_run_at=epoch(row.get("next-run")),
    )


def read_garbage_collection(data: object) -> tuple[ServerJobReading, ...]:
    """Return the reading of GET /admin/gc, by datastore, which is the id too."""
    readings = read_rows(data, "the garbage collections", lambda row: _garbage(row, ""))
    return tuple(sorted(readings, key=lambda job: job.id))


def read_store_garbage(data: object, *, store: str) -> ServerJobReading:
    """Return the reading of GET /admin/datastore/{store}/gc; old servers tell only what the last run found."""
    reading = _garbage(fields_of(data, "the garbage collection"), store)
    if reading is None:
        raise BadAnswer("The answer about the garbage collection names no datastore")
    return reading


def _garbage(row: Row, asked_store: str) -> ServerJobReading | None:
    store = name(row.get("store")) or asked_store
    if not store:
        return None
    duration = real(row.get("duration"))
    return ServerJobReading(
        id=store,
        kind="garbage",
        store=store,
        schedule=text(row.get("schedule"), TEXT_LIMIT),
        last_run_upid=text(row.get("upid"), UPID_LIMIT),
        last_run_state=text(row.get("last-run-state"), STATE_LIMIT),
        last_run_ended_at=epoch(row.get("last-run-endtime")),
        next_run_at=epoch(row.get("next-run")),
        duration_seconds=duration if duration is not None and duration >= 0 else None,
        removed_bytes=size(row.get("removed-bytes")),
        pending_bytes=size(row.get("pending-bytes")),
        disk_bytes=size(row.get("disk-bytes")),
        index_bytes=size(row.get("index-data-bytes")),
        bad_chunk_count=size(row.get("still-bad")),
    )
