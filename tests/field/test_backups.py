"""Backups: runs that PVE names after a guest, and instants that a host dates wrong."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.slow


def test_a_nightly_job_over_all_but_one_guest_is_told_by_what_the_host_makes_of_it(case):
    solo = case("10")

    solo.is_read()

    jobs = {one["id"]: one for one in solo.state("/pbs[name=vault]/backupJobs/*")}
    nightly = jobs["solo-backup-nightly"]
    assert (nightly["status"], nightly["lastBackup"], nightly.get("missedAt", "")) == (
        "ok",
        "2026-01-01T06:05:00Z",
        "",
    )
    assert jobs["solo-backup-weekly"]["status"] == "ok"
    assert solo.state("/concerns/*/code") == []
    solo.is_right()


def test_a_backup_dated_in_the_future_hides_no_failed_run(case):
    post = case("19")

    post.is_read()

    assert post.state("/vms[name=mail]/backupState") == ["overdue"]
    assert post.state("/vms[name=mail]/lastBackup") == ["2025-11-22T06:00:00Z"]
    (told,) = post.details("vms", "mail", "/backups")
    assert told["lastRun"]["status"] == "no space left on device"
    assert told["lastRun"]["outcome"] == "failed"
    assert (told["aheadCount"], told["ahead"]) == (1, "2026-10-28T12:00:00Z")
    assert post.state("/concerns/*/text") == [
        "1 backup of guest 100 is dated in the future: it counts for nothing until then"
    ]
    post.is_right()
