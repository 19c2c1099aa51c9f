from __future__ import annotations

from typing import Any

import pytest

from nodes.proxmox import backup_server
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.backup_server import (
    BackupFileReading,
    BackupGroupReading,
    BackupSnapshotReading,
    NamespaceReading,
    ServerJobReading,
)

VERIFY_UPID = "UPID:pbs:000004D2:00001A2B:0000002A:5FBE5E7F:verificationjob:main:root@pam:"


def snapshot(**fields: Any) -> dict[str, Any]:
    return {"backup-type": "vm", "backup-id": "100", "backup-time": 1767225600, **fields}


def test_namespaces_come_by_path_with_the_root_first() -> None:
    rows = [{"ns": "lab/web", "comment": "team"}, {"ns": ""}, {"ns": None}, {"comment": "x"}]

    assert backup_server.read_namespaces(rows) == (NamespaceReading(""), NamespaceReading("lab/web", "team"))


def test_a_group_is_read() -> None:
    row = {"backup-type": "ct", "backup-id": "101", "last-backup": 1767225600, "backup-count": 7, "owner": "pve@pbs!b",
           "comment": "dns1", "files": ["root.pxar.didx"]}  # fmt: skip

    assert backup_server.read_groups([row]) == (
        BackupGroupReading("ct", "101", 1767225600, 7, "pve@pbs!b", "dns1"),
    )


def test_a_group_without_a_finished_backup_has_no_last_one() -> None:
    (group,) = backup_server.read_groups([{"backup-type": "vm", "backup-id": "100", "last-backup": 0}])

    assert (group.last_backup_epoch, group.count) == (None, 0)


def test_groups_come_by_kind_and_id() -> None:
    rows = [{"backup-type": kind, "backup-id": id} for kind, id in (("vm", "2"), ("vm", "1"), ("ct", "9"))]

    assert [(group.kind, group.id) for group in backup_server.read_groups(rows)] == [
        ("ct", "9"),
        ("vm", "1"),
        ("vm", "2"),
    ]


def test_a_backup_snapshot_is_read_with_its_verification_and_files() -> None:
    row = snapshot(
        size=900,
        protected=True,
        owner="pve@pbs!b",
        comment="web",
        verification={"state": "ok", "upid": VERIFY_UPID},
        files=[{"filename": "drive-scsi0.img.fidx", "size": 800, "crypt-mode": "encrypt"}, {"filename": "index.json.blob"}],
    )  # fmt: skip

    (reading,) = backup_server.read_snapshots([row])

    assert reading == BackupSnapshotReading(
        kind="vm",
        id="100",
        taken_epoch=1767225600,
        size_bytes=900,
        is_protected=True,
        owner="pve@pbs!b",
        comment="web",
        verification="ok",
        verified_epoch=1606311551,
        files=(
            BackupFileReading("drive-scsi0.img.fidx", 800, "encrypt"),
            BackupFileReading("index.json.blob"),
        ),
    )
    assert reading.is_encrypted is True


def test_an_unfinished_backup_snapshot_has_no_size_and_was_never_verified() -> None:
    assert backup_server.read_snapshots([snapshot()]) == (BackupSnapshotReading("vm", "100", 1767225600),)


def test_files_told_as_texts_are_read_by_name() -> None:
    (reading,) = backup_server.read_snapshots([snapshot(files=["a.blob", {"size": 5}, None, ""])])

    assert reading.files == (BackupFileReading("a.blob"),)


def test_a_backup_snapshot_with_more_files_than_a_guest_has_disks_is_cut() -> None:
    (reading,) = backup_server.read_snapshots([snapshot(files=["a.blob"] * 99)])

    assert len(reading.files) == 64


@pytest.mark.parametrize("missing", ["backup-type", "backup-id", "backup-time"])
def test_a_backup_snapshot_that_is_not_named_is_left_out(missing: str) -> None:
    nameless = {key: value for key, value in snapshot().items() if key != missing}

    assert len(backup_server.read_snapshots([nameless, snapshot()])) == 1


@pytest.mark.parametrize("data", [None, {}, [1], [{"backup-type": "vm"}]])
def test_backup_snapshots_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        backup_server.read_snapshots(data)
    with pytest.raises(BadAnswer):
        backup_server.read_groups(data)


def job(**fields: Any) -> dict[str, Any]:
    return {"id": "s-1", "store": "main", **fields}


def test_a_sync_job_is_read() -> None:
    row = job(
        ns="lab",
        schedule="hourly",
        remote="offsite",
        comment="c",
        disable=True,
        **{"remote-store": "far", "sync-direction": "push", "last-run-upid": VERIFY_UPID, "last-run-state": "WARNINGS: 2",
           "last-run-endtime": 1767225600, "next-run": 1767229200},
    )  # fmt: skip

    assert backup_server.read_sync_jobs([row]) == (
        ServerJobReading(
            id="s-1",
            kind="sync",
            store="main",
            namespace="lab",
            schedule="hourly",
            remote="offsite",
            remote_store="far",
            direction="push",
            comment="c",
            last_run_upid=VERIFY_UPID,
            last_run_state="WARNINGS: 2",
            last_run_ended_epoch=1767225600,
            next_run_epoch=1767229200,
        ),
    )


def test_a_sync_job_that_does_not_tell_its_direction_pulls() -> None:
    (reading,) = backup_server.read_sync_jobs([job()])

    assert reading.direction == "pull"


def test_a_job_that_runs_has_an_id_of_its_run_and_no_result() -> None:
    (reading,) = backup_server.read_verify_jobs([job(**{"last-run-upid": VERIFY_UPID})])

    assert reading == ServerJobReading("s-1", "verify", "main", last_run_upid=VERIFY_UPID)


def test_a_prune_job_may_be_disabled() -> None:
    first, second = backup_server.read_prune_jobs([job(id="a", disable=True), job(id="b")])

    assert (first.kind, first.is_disabled, second.is_disabled) == ("prune", True, False)


def test_jobs_come_by_id_and_one_without_is_left_out() -> None:
    rows = [job(id="b"), job(id="a"), {"store": "main"}]

    assert [one.id for one in backup_server.read_verify_jobs(rows)] == ["a", "b"]


def garbage(**fields: Any) -> dict[str, Any]:
    return {
        "upid": VERIFY_UPID, "schedule": "daily", "duration": 12, "disk-bytes": 100, "index-data-bytes": 450,
        "pending-bytes": 3, "removed-bytes": 4, "still-bad": 1, "last-run-state": "OK", "last-run-endtime": 1767225600,
        "next-run": 1767312000, **fields,
    }  # fmt: skip


def test_the_garbage_collection_of_a_datastore_is_read_with_its_deduplication() -> None:
    (reading,) = backup_server.read_garbage_collection([garbage(store="main")])

    assert reading == ServerJobReading(
        id="main",
        kind="garbage",
        store="main",
        schedule="daily",
        last_run_upid=VERIFY_UPID,
        last_run_state="OK",
        last_run_ended_epoch=1767225600,
        next_run_epoch=1767312000,
        duration_seconds=12.0,
        removed_bytes=4,
        pending_bytes=3,
        disk_bytes=100,
        index_bytes=450,
        bad_chunk_count=1,
    )
    assert reading.deduplication == 4.5


def test_before_the_first_garbage_collection_the_deduplication_is_unknown() -> None:
    first, second = backup_server.read_garbage_collection(
        [{"store": "a"}, {"store": "b", "disk-bytes": 0, "index-data-bytes": 0}]
    )

    assert (first.deduplication, second.deduplication) == (None, None)


def test_a_duration_that_lies_is_unknown() -> None:
    (reading,) = backup_server.read_garbage_collection([garbage(store="main", duration=-5)])

    assert reading.duration_seconds is None


def test_the_garbage_collection_of_one_datastore_may_not_name_it() -> None:
    assert backup_server.read_store_garbage(garbage(), store="usb").id == "usb"
    assert backup_server.read_store_garbage(garbage(store="main"), store="usb").id == "main"


@pytest.mark.parametrize("data", [None, [], {}])
def test_a_garbage_collection_that_is_none_is_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        backup_server.read_store_garbage(data, store="main")


def test_a_garbage_collection_without_any_name_is_a_bad_answer() -> None:
    with pytest.raises(BadAnswer):
        backup_server.read_store_garbage({"upid": VERIFY_UPID}, store="")
