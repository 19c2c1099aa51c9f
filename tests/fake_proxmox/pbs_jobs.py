"""The calls of Proxmox Backup Server about its jobs: garbage collection, verification, prune, sync."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fake_proxmox.calls import ApiFailure, Call
from tests.fake_proxmox.figures import Row
from tests.fake_proxmox.pbs import backup_server_of, call, gc_status
from tests.fake_proxmox.pbs_model import PbsJob, PbsTask

_DIRECTIONS = ("all", "push", "pull")


def _jobs(request: Call, kind: str, *privileges: str) -> Iterator[PbsJob]:
    wanted = request.parameters.get("store")
    server = backup_server_of(request)
    for job in server.jobs.values():
        if (
            job.store in server.datastores
            and job.kind == kind
            and wanted in (None, job.store)
            and request.may(f"/datastore/{job.store}", *privileges)
        ):
            yield job


def _last_run(request: Call, job: PbsJob) -> Row:
    """Return what is told of the last run: no state while one runs, nothing before the first."""
    if job.is_running:
        begun_at = int(request.now) // 60 * 60 - 120
        return {"last-run-upid": _upid(request, job, begun_at)}
    if not job.has_run:
        return {}
    start = job.last_start(request.now - job.seconds)
    return {
        "last-run-upid": _upid(request, job, start),
        "last-run-state": job.status,
        "last-run-endtime": start + job.seconds,
    }


def _upid(request: Call, job: PbsJob, at: int) -> str:
    return PbsTask(backup_server_of(request).name, job.worker_type, job.worker_id, at).upid


def _row(request: Call, job: PbsJob) -> Row:
    row: Row = {"id": job.id, "store": job.store, "schedule": job.schedule, **job.options}
    if not job.options.get("disable"):
        row["next-run"] = job.next_start(request.told_now)
    return row | _last_run(request, job)


@call("GET", "/admin/gc", parameters=("store",), since=(3, 2))
def garbage_collections(request: Call) -> list[Row]:
    """Garbage collection of each datastore."""
    return [
        _garbage_collection(request, job)
        for job in _jobs(request, "gc", "Datastore.Audit", "Datastore.Modify")
    ]


@call("GET", "/admin/datastore/{store}/gc", privilege=("/datastore/{store}", "Datastore.Audit"))
def garbage_collection(request: Call) -> Row:
    """Garbage collection of one datastore."""
    name = request.names["store"]
    server = backup_server_of(request)
    if name not in server.datastores:
        raise ApiFailure(400, f"no such datastore '{name}'")
    job = server.jobs.get(("gc", name)) or PbsJob("gc", name, name, "", has_run=False)
    return _garbage_collection(request, job)


def _garbage_collection(request: Call, job: PbsJob) -> Row:
    server = backup_server_of(request)
    row: Row = {"store": job.store, **gc_status(server, server.datastores[job.store], request.now)}
    if job.schedule:
        row |= {"schedule": job.schedule, "next-run": job.next_start(request.told_now)}
    last = _last_run(request, job)
    if not last:
        del row["upid"]
        return row
    row["upid"] = last.pop("last-run-upid")
    return row | last | ({"duration": job.seconds} if last else {})


@call("GET", "/admin/verify", parameters=("store",))
def verifications(request: Call) -> list[Row]:
    """The verification jobs."""
    return [_row(request, job) for job in _jobs(request, "verify", "Datastore.Audit", "Datastore.Verify")]


@call("GET", "/admin/prune", parameters=("store",))
def prunes(request: Call) -> list[Row]:
    """The prune jobs."""
    return [_row(request, job) for job in _jobs(request, "prune", "Datastore.Audit", "Datastore.Modify")]


@call("GET", "/admin/sync", parameters=("store",), newer_parameters={"sync-direction": (3, 3)})
def syncs(request: Call) -> list[Row]:
    """The sync jobs that pull; those that push as well if the caller asks for them."""
    wanted = request.parameters.get("sync-direction", "pull")
    if wanted not in _DIRECTIONS:
        raise ApiFailure(400, "", {"sync-direction": "value is not defined in the enumeration."})
    rows = []
    for job in _jobs(request, "sync", "Datastore.Audit"):
        remote = f"/remote/{job.options.get('remote', '')}/{job.options['remote-store']}"
        if wanted in ("all", job.options.get("sync-direction", "pull")) and request.may(
            remote, "Remote.Audit"
        ):
            rows.append(_row(request, job))
    return rows
