"""Which guests are safe, and what of it is known (api-facts.md 4.1, 8 and 11.2)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from monitoring.backups.coverage import (
    Backup,
    ExcludedDisk,
    FoundBackups,
    GuestRun,
    Plan,
    coverage,
    due_epoch,
    of_snapshot,
    of_volume,
    runs_of,
)
from nodes.proxmox.readings.backup_server import BackupSnapshotReading
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    TaskReading,
)
from nodes.proxmox.readings.live import GuestReading

WEB = GuestReading(100, "qemu", "pve1", "running", "web", pool="prod")
NIGHTLY = BackupJobReading("nightly", storage="nas", covers_all=True)
READ = frozenset({"nas"})
GOOD = Backup(1000, "nas")


def plan(*jobs, due=None, uncovered=frozenset(), **more):
    return Plan(jobs, uncovered=uncovered, due_epoch={} if due is None else {jobs[0].id: due}, **more)


def seen(*backups, read=READ, unread=None):
    return FoundBackups({100: backups}, read, unread or {})


def cover(plan, seen=None, guest=WEB, **more):
    return coverage([guest], plan, seen if seen is not None else FoundBackups(read=READ), **more)[100]


def job(**values):
    return BackupJobReading("one", storage="nas", **values)


#: A plan and what Proxmox lists as uncovered: state, and the jobs that take the guest.
PLANS = {
    "all guests": (plan(NIGHTLY), "covered", ("nightly",)),
    "named": (plan(job(vmids=(99, 100))), "covered", ("one",)),
    "its pool": (plan(job(pool="prod")), "covered", ("one",)),
    "all but this one": (plan(job(covers_all=True, excluded=(100,))), "uncovered", ()),
    "others": (plan(job(vmids=(99,))), "uncovered", ()),
    "a job that is switched off": (plan(job(covers_all=True, is_enabled=False)), "uncovered", ()),
    "on its node": (plan(job(covers_all=True, node="pve1")), "covered", ("one",)),
    "on another node": (plan(job(covers_all=True, node="pve2")), "uncovered", ()),
    "no jobs": (plan(), "uncovered", ()),
    "two jobs": (plan(NIGHTLY, job(vmids=(100,))), "covered", ("nightly", "one")),
    "Proxmox says that none takes it": (plan(NIGHTLY, uncovered=frozenset({100})), "uncovered", ()),
    "another pool, but Proxmox does not miss it": (plan(job(pool="prod/web")), "covered", ()),
    "another pool, and a job on another node": (
        plan(job(pool="prod/web"), job(covers_all=True, node="pve2")), "uncovered", ()),
    "another pool, and Proxmox was not asked": (plan(job(pool="prod/web"), uncovered=None), "unknown", ()),
    "no job, and Proxmox was not asked": (plan(uncovered=None), "uncovered", ()),
    "jobs that were not read": (Plan(), "unknown", ()),
    "jobs that were not read, but Proxmox misses it": (Plan(uncovered=frozenset({100})), "uncovered", ()),
}  # fmt: skip


@pytest.mark.parametrize(("told", "state", "jobs"), PLANS.values(), ids=PLANS)
def test_whether_a_job_takes_a_guest(told, state, jobs):
    found = cover(told, seen(GOOD))

    assert (found.state, found.jobs) == (state, jobs)


def test_jobs_that_may_not_be_read_give_the_reason():
    found = cover(Plan(reason="no_permission"), seen(GOOD))

    assert (found.state, found.reason, found.freshness) == ("unknown", "no_permission", "good")


def test_the_reason_of_the_jobs_comes_before_that_of_the_backups():
    found = cover(Plan(reason="not_read_yet"), seen(read=frozenset(), unread=DENIED))

    assert (found.state, found.freshness, found.reason) == ("unknown", "unknown", "not_read_yet")


DENIED = {"nas": "no_permission"}
OLD, NEW = Backup(1000, "nas"), Backup(3000, "nas")
UNFINISHED = Backup(3000, "vault/main", "unfinished")
CORRUPT = Backup(3000, "vault/main", "verification_failed")

#: Backups of a guest in a nightly job, whose newest run was due at 2000: state, freshness, reason, last good.
SEEN = {
    "after the run": (seen(OLD, NEW), ("covered", "good", "", 3000)),
    "in any order": (seen(NEW, OLD), ("covered", "good", "", 3000)),
    "at the very second": (seen(Backup(2000, "nas")), ("covered", "good", "", 2000)),
    "before the run": (seen(OLD), ("covered", "overdue", "", 1000)),
    "none": (seen(), ("covered", "never", "", None)),
    "a new one that is not finished": (seen(OLD, UNFINISHED), ("covered", "overdue", "", 1000)),
    "a new one that failed its verification": (seen(OLD, CORRUPT), ("covered", "overdue", "", 1000)),
    "nothing but a broken one": (seen(CORRUPT), ("covered", "bad", "", None)),
    "the token may not see them": (
        seen(read=frozenset(), unread=DENIED), ("unknown", "unknown", "no_permission", None)),
    "nothing read yet": (
        seen(read=frozenset(), unread={"nas": "not_read_yet"}), ("unknown", "unknown", "not_read_yet", None)),
    "another place may not be seen, this one is good": (
        seen(NEW, unread={"usb": "no_permission"}), ("covered", "good", "", 3000)),
    "another place may not be seen, the job's own was": (
        seen(OLD, unread={"usb": "no_permission"}), ("covered", "overdue", "", 1000)),
    "another place may not be seen, the job's own is empty": (
        seen(unread={"usb": "no_permission"}), ("covered", "overdue", "", None)),
    "only another place was seen": (
        seen(OLD, read=frozenset({"usb"}), unread=DENIED), ("covered", "unknown", "no_permission", 1000)),
    "a missing privilege before a dead share": (
        seen(read=frozenset(), unread={"a": "unreachable", "nas": "no_permission"}),
        ("unknown", "unknown", "no_permission", None)),
    "a good one from where it can be seen": (
        seen(NEW, read=frozenset(), unread=DENIED), ("covered", "good", "", 3000)),
    "there is no place for backups": (seen(read=frozenset()), ("covered", "never", "", None)),
}  # fmt: skip


@pytest.mark.parametrize(("backups", "expected"), SEEN.values(), ids=SEEN)
def test_what_is_said_of_the_backups_of_a_planned_guest(backups, expected):
    found = cover(plan(NIGHTLY, due=2000), backups)

    assert (found.state, found.freshness, found.reason, found.last_good_epoch) == expected


def test_without_a_due_run_no_backup_is_too_old():
    assert cover(plan(NIGHTLY), seen(Backup(1, "nas"))).freshness == "good"


def test_the_job_that_was_due_last_decides():
    weekly = BackupJobReading("weekly", storage="usb", covers_all=True)
    both = Plan((weekly, NIGHTLY), uncovered=frozenset(), due_epoch={"weekly": 500, "nightly": 2000})

    found = cover(both, seen(OLD, read=frozenset({"nas", "usb"})))

    assert (found.freshness, found.due_epoch) == ("overdue", 2000)


def test_a_guest_in_no_job_keeps_its_good_backup_and_is_never_overdue():
    found = cover(plan(job(vmids=(99,)), due=2000), seen(OLD))

    assert (found.state, found.freshness, found.last_good_epoch, found.due_epoch) == (
        "uncovered",
        "good",
        1000,
        None,
    )


def test_a_guest_in_no_job_whose_backups_may_not_be_seen_is_uncovered_and_not_without_any():
    found = cover(plan(), seen(read=frozenset(), unread=DENIED))

    assert (found.state, found.freshness, found.reason) == ("uncovered", "unknown", "no_permission")


def test_a_failed_verification_does_not_count_and_is_shown():
    found = cover(plan(NIGHTLY, due=500), seen(OLD, CORRUPT, UNFINISHED))

    assert (found.last_good_epoch, found.last_good_source) == (1000, "nas")
    assert (found.newest, found.failed_verification_count) == (CORRUPT, 1)


def volume(key, is_included, reason="", vmid=100):
    return JobVolumeReading(vmid, "web", key, is_included, reason)


BOTH = (NIGHTLY, job(vmids=(100,)))

#: Volumes by job of a guest in two jobs: the disks that none takes.
DISKS = {
    "all are taken": ({"nightly": [volume("scsi0", True)], "one": [volume("scsi0", True)]}, ()),
    "one is taken by neither": (
        {"nightly": [volume("scsi0", True), volume("scsi1", False, "backup=no")],
         "one": [volume("scsi1", False, "backup=no")]},
        (ExcludedDisk("scsi1", "backup=no"),)),
    "one is taken by the other": (
        {"nightly": [volume("scsi1", False, "backup=no")], "one": [volume("scsi1", True)]}, ()),
    "a disk of another guest": (
        {"nightly": [volume("scsi1", False, "backup=no", vmid=101)], "one": []}, ()),
    "one job was not read": ({"nightly": [volume("scsi1", False, "backup=no")]}, None),
}  # fmt: skip


@pytest.mark.parametrize(("volumes", "expected"), DISKS.values(), ids=DISKS)
def test_which_disks_no_job_takes(volumes, expected):
    assert cover(plan(*BOTH, volumes=volumes), seen(GOOD)).excluded_disks == expected


def test_a_template_needs_no_backup():
    template = GuestReading(100, "qemu", "pve1", "stopped", is_template=True)

    assert coverage([template], plan(NIGHTLY), seen()) == {}


VOLUMES = {
    "a file": (BackupVolumeReading("v", 100, created_epoch=5, size_bytes=7, format="vma.zst"), ""),
    "a file of one byte": (BackupVolumeReading("v", 100, created_epoch=5, size_bytes=1, format="tar"), ""),
    "on a PBS": (BackupVolumeReading("v", 100, created_epoch=5, size_bytes=7, format="pbs-vm"), ""),
    "verified": (
        BackupVolumeReading("v", 100, created_epoch=5, size_bytes=7, format="pbs-vm", verification="ok"), ""),
    "not finished on a PBS": (
        BackupVolumeReading("v", 100, created_epoch=5, size_bytes=1, format="pbs-ct"), "unfinished"),
    "without a size on a PBS": (BackupVolumeReading("v", 100, created_epoch=5, format="pbs-ct"), "unfinished"),
    "verification failed": (
        BackupVolumeReading("v", 100, created_epoch=5, size_bytes=7, format="pbs-vm", verification="failed"),
        "verification_failed"),
}  # fmt: skip


@pytest.mark.parametrize(("told", "fault"), VOLUMES.values(), ids=VOLUMES)
def test_whether_a_backup_in_a_storage_is_good(told, fault):
    assert of_volume("nas", told) == Backup(5, "nas", fault)


def test_a_backup_without_its_time_counts_for_nothing():
    assert of_volume("nas", BackupVolumeReading("v", 100)) is None


SNAPSHOTS = {
    "finished": (BackupSnapshotReading("vm", "100", 5, size_bytes=7), ""),
    "not finished": (BackupSnapshotReading("vm", "100", 5), "unfinished"),
    "not finished and failed": (BackupSnapshotReading("vm", "100", 5, verification="failed"), "unfinished"),
    "failed": (BackupSnapshotReading("vm", "100", 5, size_bytes=7, verification="failed"), "verification_failed"),
}  # fmt: skip


@pytest.mark.parametrize(("told", "fault"), SNAPSHOTS.values(), ids=SNAPSHOTS)
def test_whether_a_backup_on_a_server_is_good(told, fault):
    assert of_snapshot("vault/main", told) == Backup(5, "vault/main", fault)


def test_the_newest_try_of_a_guest_is_its_last():
    tasks = [
        TaskReading("b", "pve1", "vzdump", "100", started_epoch=200, ended_epoch=210, status="WARNINGS: 1"),
        TaskReading("a", "pve1", "vzdump", "100", started_epoch=100, ended_epoch=110, status="OK"),
        TaskReading("b", "pve1", "vzdump", "101", started_epoch=200, ended_epoch=210, status="OK"),
        TaskReading("c", "pve1", "vzdump", "101", started_epoch=300),
        TaskReading("h", "pve1", "vzdump", "²", started_epoch=600, ended_epoch=610, status="OK"),
        TaskReading("g", "pve1", "vzdump", "103", status="OK"),
        TaskReading("d", "pve1", "vzdump", "", started_epoch=400, ended_epoch=410, status="job errors"),
        TaskReading("e", "pve1", "qmstart", "102", started_epoch=500, ended_epoch=510, status="OK"),
    ]

    found = runs_of(tasks)

    assert {vmid: (run.started_epoch, run.outcome) for vmid, run in found.items()} == {
        100: (200, "warning"),
        101: (300, "running"),
    }


def test_the_last_try_is_shown_and_decides_nothing():
    run = GuestRun(100, 5000, "job errors")

    found = cover(plan(NIGHTLY, due=500), seen(OLD), runs={100: run})

    assert (found.last_run, found.freshness) == (run, "good")


BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)


def epoch(text):
    return None if text is None else int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


#: Schedule, zone, next run as told, first seen: the run whose backups should be there on Wednesday at noon in UTC.
DUE = {
    "last night's": ("21:00", BERLIN, None, None, "2026-07-14 19:00"),
    "this morning's has time until the evening": ("02:00", BERLIN, None, None, "2026-07-15 00:00"),
    "of a morning that is too young": ("04:00", BERLIN, None, None, "2026-07-14 02:00"),
    "on Wednesday after a weekend": ("sat,sun 21:00", BERLIN, None, None, "2026-07-12 19:00"),
    "in a zone that the next run tells": ("21:00", None, "2026-07-15 19:00", None, "2026-07-14 19:00"),
    "in a zone that nobody tells": ("21:00", None, None, None, "2026-07-13 21:00"),
    "in UTC": ("21:00 UTC", None, None, None, "2026-07-14 21:00"),
    "before the job was known": ("21:00", BERLIN, None, "2026-07-15 00:00", None),
    "since the job was known": ("21:00", BERLIN, None, "2026-07-14 00:00", "2026-07-14 19:00"),
    "a schedule nobody understands": ("sometimes", BERLIN, None, None, None),
    "a day to come": ("2030-01-01 00:00", BERLIN, None, None, None),
    "no schedule": ("", BERLIN, None, None, None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "zone", "following", "first", "expected"), DUE.values(), ids=DUE)
def test_which_run_should_have_left_a_backup(text, zone, following, first, expected):
    one = BackupJobReading("one", schedule=text, next_run_epoch=epoch(following))
    known = None if first is None else datetime.fromisoformat(first).replace(tzinfo=UTC)

    assert due_epoch(one, at=NOON, zone=zone, first_seen_at=known) == epoch(expected)


def test_ten_thousand_guests_take_no_time_to_speak_of():
    guests = [GuestReading(vmid, "qemu", "pve1", "running") for vmid in range(100, 10_100)]
    volumes = {"nightly": [volume("scsi0", True, vmid=guest.vmid) for guest in guests]}
    backups = {guest.vmid: [Backup(at, "nas") for at in range(7)] for guest in guests}

    started = time.process_time()
    found = coverage(guests, plan(NIGHTLY, due=2, volumes=volumes), FoundBackups(backups, READ))
    took = time.process_time() - started

    assert {one.freshness for one in found.values()} == {"good"}
    assert took < 3.0  # a tenth of a second; many times that when each guest is looked up in a list
