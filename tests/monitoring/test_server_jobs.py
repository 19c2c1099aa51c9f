"""The jobs of a PBS as the state sends them (state.md 2.5)."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.backups.results import job_error, job_outcome
from monitoring.figures.servers import BackupJob, ServerJob, paths_of
from monitoring.wire.server_jobs import server_jobs
from monitoring.wire.servers import namespace_shapes
from nodes.proxmox.readings.backup_server import NamespaceReading, ServerJobReading

T1, T2 = 1767225600, 1767229200
STATUSES = {
    "never ran": ({}, "unknown", ""),
    "runs for the first time": ({"last_run_upid": "UPID:x"}, "running", ""),
    "went well": ({"last_run_upid": "UPID:x", "last_run_state": "OK"}, "ok", ""),
    "warned": ({"last_run_upid": "UPID:x", "last_run_state": "WARNINGS: 3"}, "warning", ""),
    "failed": (
        {"last_run_upid": "UPID:x", "last_run_state": "connection error"},
        "failed",
        "connection error",
    ),
    "nobody knows": ({"last_run_upid": "UPID:x", "last_run_state": "unknown"}, "unknown", ""),
}


@pytest.mark.parametrize(("fields", "status", "error"), STATUSES.values(), ids=STATUSES)
def test_how_the_last_run_of_a_job_went(fields, status, error):
    job = ServerJobReading("j", "verify", "main", **fields)

    assert (job_outcome(job), job_error(job)) == (status, error)


def wire(shapes):
    return msgspec.json.decode(msgspec.json.encode(shapes))


def test_each_kind_of_job_as_the_contract_has_it():
    shared = {
        "last_run_upid": "UPID:x",
        "last_run_state": "OK",
        "last_run_ended_epoch": T1,
        "next_run_epoch": T2,
        "schedule": "daily",
    }
    jobs = [
        ServerJob(ServerJobReading("s-1", "sync", "main", remote="far", direction="pull", **shared)),
        ServerJob(ServerJobReading("v-1", "verify", "main", **shared), missed_epoch=T2),
        ServerJob(ServerJobReading("p-1", "prune", "main", is_disabled=True, **shared)),
        ServerJob(ServerJobReading("main", "garbage", "main", removed_bytes=5, pending_bytes=6, **shared)),
    ]
    backup = BackupJob(
        "lab",
        "b",
        "main",
        "failed",
        "guests",
        (100, 101),
        "daily",
        "job errors",
        T1,
        T2,
        T2,
        is_disabled=True,
    )

    told = server_jobs(jobs, [backup])

    common = {"store": "main", "status": "ok", "nextRun": "2026-01-01T01:00:00Z", "schedule": "daily"}
    last = "2026-01-01T00:00:00Z"
    missed = {"missedAt": "2026-01-01T01:00:00Z", "disabled": True, "error": "job errors"}
    assert wire(told.backup) == [
        {"id": "lab-b", "instance": "lab", "type": "guests", "vmid": "100,101", "lastBackup": last, **common}
        | {"status": "failed", **missed}
    ]
    assert wire(told.sync) == [
        {"id": "s-1", "remote": "far", "lastSync": last, "direction": "pull", **common}
    ]
    assert wire(told.verify) == [
        {"id": "v-1", "lastVerify": last, "missedAt": "2026-01-01T01:00:00Z", **common}
    ]
    assert wire(told.prune) == [{"id": "p-1", "lastPrune": last, "disabled": True, **common}]
    assert wire(told.garbage) == [
        {"id": "main", "lastGarbage": last, "removedBytes": 5, "pendingBytes": 6, **common}
    ]


def test_an_instant_that_is_not_known_is_the_zero_time():
    (told,) = server_jobs([ServerJob(ServerJobReading("s", "sync", "main"))], []).sync

    assert (told.lastSync, told.nextRun) == ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")


def test_kinds_that_nobody_wants_are_empty_lists():
    assert wire(server_jobs([], [])) == {
        "backup": [],
        "sync": [],
        "verify": [],
        "prune": [],
        "garbage": [],
    }


def test_namespaces_begin_with_the_root_and_know_their_parents():
    paths = ("b", "a/c", "", "a")

    told = namespace_shapes(paths_of(NamespaceReading(path) for path in paths))

    assert wire(told) == [
        {"path": "", "depth": 0},
        {"path": "a", "depth": 0},
        {"path": "a/c", "depth": 1, "parent": "a"},
        {"path": "b", "depth": 0},
    ]
