from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nodes.proxmox import backups, tasks
from nodes.proxmox.errors import BadAnswer
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    JobVolumeReading,
    NodeStorageReading,
    StorageConfigReading,
    TaskReading,
    TimeReading,
    UncoveredGuestReading,
    UpidReading,
    VzdumpGuestReading,
)

UPID = "UPID:pve1:00000C8B:0000D780:5FBE5E7F:vzdump:100:root@pam:"
SERVER_UPID = "UPID:pbs:000004D2:00001A2B:0000002A:5FBE5E7F:verificationjob:main\\x3av\\x2d12:root@pam!job:"


def test_the_id_of_a_pve_task_tells_what_it_is() -> None:
    assert tasks.read_upid(UPID) == UpidReading("pve1", "vzdump", "100", "root@pam", started_epoch=1606311551)


def test_the_id_of_a_pbs_task_has_one_field_more_and_escapes() -> None:
    assert tasks.read_upid(SERVER_UPID) == UpidReading(
        "pbs", "verificationjob", "main:v-12", "root@pam!job", started_epoch=1606311551
    )


def test_slashes_in_the_subject_of_a_pbs_task_are_escaped_as_dashes() -> None:
    told = "UPID:pbs:000004D2:00001A2B:0000002A:5FBE5E7F:backup:main\\x3avm-100:root@pam:"

    reading = tasks.read_upid(told)

    assert reading is not None
    assert reading.subject == "main:vm/100"


def test_a_task_of_a_token_about_several_guests_has_no_subject() -> None:
    told = "UPID:pve1:00000C8B:10000D780:5FBE5E7F:vzdump::root@pam!cli:"

    assert tasks.read_upid(told) == UpidReading(
        "pve1", "vzdump", "", "root@pam!cli", started_epoch=1606311551
    )


@pytest.mark.parametrize(
    "value",
    [
        None, "", "UPID", 5, UPID[:-1], UPID + "x:", UPID.replace("UPID", "UPIX"), UPID.replace("pve1", ""),
        UPID.replace("5FBE5E7F", "5FBE5E7G"), UPID.replace("5FBE5E7F", "5FBE"), UPID.replace("vzdump", ""),
        "UPID:a:b", [UPID],
    ],
)  # fmt: skip
def test_what_is_no_id_of_a_task_reads_as_none(value: object) -> None:
    assert tasks.read_upid(value) is None


def test_a_finished_task_is_read() -> None:
    row = {"upid": UPID, "node": "pve1", "type": "vzdump", "id": "100", "user": "root@pam", "starttime": 1606311551,
           "endtime": 1606311560, "status": "job errors"}  # fmt: skip

    assert tasks.read_tasks([row]) == (
        TaskReading(
            upid=UPID,
            node="pve1",
            kind="vzdump",
            subject="100",
            user="root@pam",
            started_epoch=1606311551,
            ended_epoch=1606311560,
            status="job errors",
        ),
    )


def test_what_the_row_of_a_task_tells_goes_before_its_id() -> None:
    row = {"upid": UPID, "node": "pve2", "type": "qmstart", "id": "7", "user": "a@pve", "starttime": 5}

    (task,) = tasks.read_tasks([row])

    assert (task.node, task.kind, task.subject, task.user, task.started_epoch) == (
        "pve2",
        "qmstart",
        "7",
        "a@pve",
        5,
    )


def test_what_the_row_of_a_task_does_not_tell_its_id_does() -> None:
    assert tasks.read_tasks([{"upid": UPID}]) == (
        TaskReading(
            upid=UPID, node="pve1", kind="vzdump", subject="100", user="root@pam", started_epoch=1606311551
        ),
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "RUNNING"}, (None, "")),
        ({"pid": 7}, (None, "")),
        ({"status": "running", "endtime": 0}, (None, "")),
        ({"status": "OK", "endtime": 1606311560}, (1606311560, "OK")),
        ({"status": "RUNNING", "endtime": 1606311560}, (1606311560, "RUNNING")),
    ],
)
def test_a_running_task_has_neither_an_end_nor_a_status(
    fields: dict[str, Any], expected: tuple[object, str]
) -> None:
    (task,) = tasks.read_tasks([{"upid": UPID, **fields}])

    assert (task.ended_epoch, task.status) == expected


def test_a_token_is_part_of_the_user_of_a_task() -> None:
    first, second = tasks.read_tasks(
        [
            {"upid": UPID, "user": "root@pam", "tokenid": "cli"},
            {"upid": UPID.replace("pve1", "pve0"), "user": "root@pam!cli", "tokenid": "cli"},
        ]
    )

    assert (first.user, second.user) == ("root@pam!cli", "root@pam!cli")


def test_tasks_of_pbs_are_read_under_their_own_names() -> None:
    row = {"upid": SERVER_UPID, "node": "vault", "worker_type": "verify", "worker_id": "main", "user": "a@pbs",
           "starttime": 1606311552}  # fmt: skip

    (task,) = tasks.read_tasks([row])

    assert (task.node, task.kind, task.subject, task.user, task.started_epoch) == (
        "vault",
        "verify",
        "main",
        "a@pbs",
        1606311552,
    )


def test_tasks_come_newest_first() -> None:
    rows = [
        {"upid": UPID, "starttime": 1},
        {"upid": UPID, "starttime": 3},
        {"upid": UPID, "starttime": 2},
    ]

    assert [task.started_epoch for task in tasks.read_tasks(rows)] == [3, 2, 1]


@pytest.mark.parametrize("data", [None, {}, [{"node": "pve1"}], [5]])
def test_tasks_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        tasks.read_tasks(data)


def test_the_lines_of_a_log_are_clean_and_bounded() -> None:
    rows = [{"n": 1, "t": "10%\b\b\b20%"}, {"n": 2, "t": "x" * 900}, "junk", {"n": 3, "t": ""}]

    assert tasks.read_task_log(rows) == ("10%20%", "x" * 500, "")


def test_a_log_that_does_not_exist_yet_is_empty() -> None:
    assert tasks.read_task_log([{"n": 1, "t": "no content"}]) == ()


def test_a_log_of_more_lines_than_anybody_reads_is_cut() -> None:
    assert len(tasks.read_task_log([{"n": 1, "t": "a"}] * 20_001)) == 20_000


def test_the_log_of_a_backup_job_tells_which_guest_failed() -> None:
    lines = (
        "INFO: starting new backup job: vzdump --all 1 --storage nas",
        "INFO: Starting Backup of VM 100 (qemu)",
        "INFO: transferred 32.00 GiB in 131 seconds (250.1 MiB/s)",
        "INFO: archive file size: 1.05GB",
        "INFO: Finished Backup of VM 100 (00:02:11)",
        "INFO: Starting Backup of VM 101 (lxc)",
        "INFO: archive file size: 7MB",
        "ERROR: Backup of VM 101 failed - command 'set -o pipefail && lxc-usernsexec' failed: exit code 1",
        "INFO: Failed at 2026-01-01 01:02:13",
        "INFO: Starting Backup of VM 102 (qemu)",
        "INFO: transferred 1.50 GiB in 10 seconds (153.6 MiB/s)",
        "INFO: Finished Backup of VM 102 (25:00:10)",
        "INFO: Starting Backup of VM 103 (qemu)",
        "INFO: Finished Backup of VM 103 (00:00:01)",
        "INFO: Starting Backup of VM 104 (openvz)",
        "INFO: Backup job finished with errors",
        "ERROR: job errors",
    )

    assert tasks.read_vzdump_log(lines) == (
        VzdumpGuestReading(100, "qemu", is_ok=True, seconds=131, size_bytes=1127428915),
        VzdumpGuestReading(
            101,
            "lxc",
            is_ok=False,
            error="command 'set -o pipefail && lxc-usernsexec' failed: exit code 1",
        ),
        VzdumpGuestReading(102, "qemu", is_ok=True, seconds=90_010, size_bytes=1610612736),
        VzdumpGuestReading(103, "qemu", is_ok=True, seconds=1),
        VzdumpGuestReading(104, "lxc", is_ok=None),
    )


#: Lines of the log of one container: its size and its seconds.
UPLOADS = {
    "before 2.0": (
        ["INFO: root.pxar: had to upload 13.25 MiB of 1.50 GiB in 5.23s, average speed 2.53 MiB/s)."],
        (13893632, 5)),
    "since 2.0": (
        ["INFO: root.pxar: had to backup 1.50 GiB of 16.308 GiB (compressed 286.611 MiB) in 133.26 s (average 12.141 MiB/s)"],
        (1610612736, 133)),
    "without its seconds": (
        ["INFO: root.pxar: had to backup 512 MiB of 2.246 GiB (compressed 120.488 MiB)"], (536870912, 0)),
    "metadata and contents": (
        ["INFO: root.mpxar: had to backup 1 MiB of 2 MiB (compressed 1 MiB) in 1.01 s (average 1 MiB/s)",
         "INFO: root.ppxar: had to backup 3 MiB of 6 MiB (compressed 1 MiB) in 2.99 s (average 1 MiB/s)"],
        (4194304, 3)),
    "nothing had to": (
        ["INFO: root.pxar: had to backup 0 B of 2 GiB (compressed 0 B) in 9 s (average 0 B/s)"], (0, 9)),
    "another line": (["INFO: root.pxar: backup was done incrementally, reused 14.728 GiB (90.3%)"], (None, None)),
    "a file of that name": (["INFO: could not read 'a: had to backup 3 MiB of 4 MiB'"], (None, None)),
    "no size": (["INFO: root.pxar: had to upload much of 4 MiB in 1s"], (None, None)),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "expected"), UPLOADS.values(), ids=UPLOADS)
def test_what_a_container_has_uploaded_is_told_of_good_runs_and_bad(
    lines: list[str], expected: tuple[int, int]
) -> None:
    began = "INFO: Starting Backup of VM 101 (lxc)"
    (good,) = tasks.read_vzdump_log([began, *lines, "INFO: Finished Backup of VM 101 (00:02:20)"])
    (bad,) = tasks.read_vzdump_log([began, *lines, "ERROR: Backup of VM 101 failed - broken pipe"])

    assert (good.size_bytes, good.seconds) == (expected[0], 140)
    assert ((bad.size_bytes, bad.seconds), bad.error) == (expected, "broken pipe")


def test_an_upload_counts_for_the_container_that_made_it() -> None:
    lines = [
        "INFO: Starting Backup of VM 101 (lxc)",
        "INFO: root.pxar: had to upload 1 MiB of 2 MiB in 1s",
        "INFO: Finished Backup of VM 101 (00:00:05)",
        "INFO: Starting Backup of VM 102 (lxc)",
        "INFO: Finished Backup of VM 102 (00:00:01)",
    ]

    assert [(one.vmid, one.size_bytes) for one in tasks.read_vzdump_log(lines)] == [
        (101, 1048576),
        (102, None),
    ]


LONG = f"command '{'tar --exclude=/x ' * 80}' failed: exit code 28"


def test_the_cause_at_the_end_of_a_long_failure_is_kept() -> None:
    (line,) = tasks.read_task_log([{"n": 1, "t": f"ERROR: Backup of VM 101 failed - {LONG}"}])
    (told,) = tasks.read_vzdump_log([line])
    (task,) = tasks.read_tasks(
        [
            {
                "upid": "UPID:pve1:00000001:00000001:69559D21:vzdump:101:root@pam:",
                "endtime": 1767225700,
                "status": LONG,
            }
        ]
    )

    for error in (told.error, task.status):
        assert error.startswith("command 'tar --exclude=/x tar")
        assert " … " in error
        assert error.endswith("' failed: exit code 28")
        assert 490 < len(error) <= 500


def test_a_guest_that_fails_before_its_backup_began_is_told_too() -> None:
    lines = ["ERROR: Backup of VM 105 failed - unable to find VM '105'"]

    assert tasks.read_vzdump_log(lines) == (
        VzdumpGuestReading(105, "", is_ok=False, error="unable to find VM '105'"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "INFO: Finished Backup of VM 100 (00:02:11)",
        "HOOK: INFO: Starting Backup of VM 100 (qemu)",
        "INFO: Starting Backup of VM 0 (qemu)",
        "INFO: Starting Backup of VM 100 (vmware)",
        "",
    ],
)
def test_a_line_that_begins_no_backup_tells_of_no_guest(line: str) -> None:
    assert tasks.read_vzdump_log([line]) == ()


def test_a_storage_of_a_backup_server_tells_which_one() -> None:
    row = {"storage": "vault", "type": "pbs", "content": "backup", "shared": 1, "disable": "1", "nodes": "pve2,pve1",
           "server": "192.0.2.9", "datastore": "main", "namespace": "lab/a", "username": "pve@pbs!b",
           "fingerprint": "AB:" * 31 + "CD"}  # fmt: skip

    assert backups.read_storage_definitions([row]) == (
        StorageConfigReading(
            name="vault",
            plugin="pbs",
            content=("backup",),
            is_shared=True,
            is_disabled=True,
            nodes=("pve1", "pve2"),
            server="192.0.2.9",
            datastore="main",
            namespace="lab/a",
            username="pve@pbs!b",
            fingerprint="ab" * 31 + "cd",
        ),
    )


def test_storages_come_by_name_and_a_fingerprint_that_is_none_is_none() -> None:
    rows = [{"storage": "b", "fingerprint": "x"}, {"storage": "a"}, {"type": "dir"}]

    readings = backups.read_storage_definitions(rows)

    assert readings == (StorageConfigReading("a"), StorageConfigReading("b"))


def test_a_storage_that_is_not_active_is_read() -> None:
    row = {"storage": "nfs", "type": "nfs", "content": "iso,backup", "active": 0, "enabled": 1, "shared": 1, "total": 0,
           "used": 0, "avail": 0}  # fmt: skip

    assert backups.read_node_storages([row]) == (
        NodeStorageReading("nfs", "nfs", ("backup", "iso"), False, True, True, 0, 0, 0),
    )


def test_a_storage_that_tells_nothing_is_unknown() -> None:
    assert backups.read_node_storages([{"storage": "nfs"}]) == (NodeStorageReading("nfs"),)


def volume(volid: str, **fields: Any) -> BackupVolumeReading:
    """Return the reading of one backup."""
    (reading,) = backups.read_backup_volumes([{"volid": volid, "content": "backup", **fields}])
    return reading


def test_an_archive_is_read() -> None:
    name = "nas:backup/vzdump-qemu-100-2026_01_01-01_00_00.vma.zst"

    assert volume(
        name, vmid="100", ctime="1767225600", size=9, format="vma.zst", notes="nightly", protected=1
    ) == BackupVolumeReading(
        volume=name,
        vmid=100,
        kind="qemu",
        created_epoch=1767225600,
        size_bytes=9,
        format="vma.zst",
        notes="nightly",
        is_protected=True,
    )


@pytest.mark.parametrize(
    ("volid", "fields", "expected"),
    [
        ("nas:backup/vzdump-lxc-101-2026_01_01-01_00_00.tar.zst", {}, (101, "lxc")),
        ("nas:backup/vzdump-openvz-102-2010_01_01-01_00_00.tar", {}, (102, "lxc")),
        ("vault:backup/vm/100/2026-01-01T01:00:00Z", {"format": "pbs-vm"}, (100, "qemu")),
        ("vault:backup/ct/101/2026-01-01T01:00:00Z", {"vmid": 101}, (101, "lxc")),
        ("vault:odd", {"format": "pbs-ct", "vmid": 7}, (7, "lxc")),
        ("vault:backup/host/pve1/2026-01-01T01:00:00Z", {}, (None, "")),
        ("nas:backup/my-own.tar", {"format": "tar"}, (None, "")),
    ],
)
def test_guest_and_kind_of_a_backup_follow_from_its_name(
    volid: str, fields: dict[str, Any], expected: tuple[object, str]
) -> None:
    reading = volume(volid, **fields)

    assert (reading.vmid, reading.kind) == expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"format": "pbs-vm", "size": 1}, None),
        ({"format": "pbs-vm", "size": 2}, 2),
        ({"format": "vma", "size": 1}, 1),
        ({"format": "pbs-vm"}, None),
    ],
)
def test_an_unfinished_backup_of_a_backup_server_has_no_size(
    fields: dict[str, Any], expected: int | None
) -> None:
    assert volume("vault:backup/vm/1/x", **fields).size_bytes == expected


@pytest.mark.parametrize(
    ("encrypted", "expected"),
    [("1", True), ("ab:cd", True), (1, True), ("0", False), ("", False), (None, False)],
)
def test_a_backup_is_encrypted_with_a_flag_or_the_fingerprint_of_the_key(
    encrypted: object, expected: bool
) -> None:
    assert volume("vault:backup/vm/1/x", encrypted=encrypted).is_encrypted is expected


def test_the_verification_of_a_backup_is_read() -> None:
    assert volume("v:x", verification={"state": "failed", "upid": UPID}).verification == "failed"
    assert volume("v:x").verification == ""


def test_volumes_of_other_content_are_passed_over() -> None:
    rows = [{"volid": "local:iso/a.iso", "content": "iso"}]

    assert backups.read_backup_volumes(rows) == ()


@pytest.mark.parametrize("data", [None, {}, [{"content": "backup"}], ["x"]])
def test_backups_that_cannot_be_read_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        backups.read_backup_volumes(data)


def test_a_job_for_all_but_some_guests_is_read() -> None:
    row = {"id": "backup-1", "enabled": 1, "schedule": "21:00", "storage": "nas", "node": "pve1", "mode": "stop", "all": 1,
           "exclude": "105,103", "comment": "weekly", "next-run": 1767225600, "repeat-missed": 1}  # fmt: skip

    assert backups.read_backup_jobs([row]) == (
        BackupJobReading(
            id="backup-1",
            is_enabled=True,
            schedule="21:00",
            storage="nas",
            node="pve1",
            mode="stop",
            covers_all=True,
            excluded=(103, 105),
            comment="weekly",
            next_run_epoch=1767225600,
        ),
    )


def test_a_job_for_a_pool_is_read() -> None:
    (job,) = backups.read_backup_jobs([{"id": "b", "pool": "web", "vmid": ""}])

    assert (job.pool, job.vmids, job.covers_all) == ("web", (), False)


@pytest.mark.parametrize(
    ("flag", "expected"), [(None, True), (1, True), ("", False), (0, False), ("0", False)]
)
def test_a_job_that_does_not_say_so_is_enabled(flag: object, expected: bool) -> None:
    (job,) = backups.read_backup_jobs([{"id": "b", "enabled": flag}])

    assert job.is_enabled is expected


def test_guests_without_a_job_come_by_number() -> None:
    rows = [
        {"vmid": "102", "type": "lxc", "name": "b"},
        {"vmid": 101, "type": "qemu", "name": "a"},
        {"name": "x"},
    ]

    assert backups.read_uncovered_guests(rows) == (
        UncoveredGuestReading(101, "qemu", "a"),
        UncoveredGuestReading(102, "lxc", "b"),
    )


def test_when_every_guest_is_in_a_job_none_is_told() -> None:
    assert backups.read_uncovered_guests([]) == ()


def test_the_disks_of_a_job_are_told_with_why_they_are_left_out() -> None:
    data = {
        "children": [
            {"id": 101, "type": "lxc", "name": "b", "children": [
                {"id": "mp0", "name": "nas:x", "included": 0, "reason": "disabled"},
                {"id": "", "included": 1}]},
            {"id": 100, "type": "qemu", "name": "a", "children": [
                {"id": "scsi0", "name": "nas:y", "included": 1, "reason": "enabled"}]},
            {"id": 99, "type": "unknown"},
            {"type": "qemu", "children": [{"id": "scsi0"}]},
        ]
    }  # fmt: skip

    assert backups.read_job_volumes(data) == (
        JobVolumeReading(100, "a", "scsi0", is_included=True, reason="enabled"),
        JobVolumeReading(101, "b", "mp0", is_included=False, reason="disabled"),
    )


@pytest.mark.parametrize("data", [None, [], {}])
def test_disks_of_a_job_that_are_no_tree_are_a_bad_answer(data: object) -> None:
    with pytest.raises(BadAnswer):
        backups.read_job_volumes(data)


def test_a_node_tells_its_zone_and_its_clock() -> None:
    reading = backups.read_node_time(
        {"timezone": "Europe/Vienna", "time": 1767225600, "localtime": 1767229200}
    )

    assert reading == TimeReading("Europe/Vienna", 1767225600)


def test_a_node_that_tells_only_its_zone_is_read() -> None:
    assert backups.read_node_time({"timezone": "UTC", "localtime": 5}) == TimeReading("UTC")


#: Rows of a listing of which only backups were asked for: whether one is a backup.
LISTED = {
    "a backup": ({"volid": "nas:backup/vzdump-qemu-100-2026_01_01-01_00_00.vma.zst", "content": "backup"}, True),
    "one whose content is not told": ({"volid": "nas:backup/vzdump-qemu-100-2026_01_01-01_00_00.vma.zst"}, True),
    "one on a backup server": ({"volid": "pbs:backup/vm/100/2026-01-01T01:00:00Z"}, True),
    "one with a name of its own": ({"volid": "odd:some-backup", "content": "backup"}, True),
    "an image": ({"volid": "nas:iso/debian.iso", "content": "iso"}, False),
    "an image whose content is not told": ({"volid": "nas:iso/debian.iso"}, False),
    "a disk whose content is not told": ({"volid": "nas:100/vm-100-disk-0.qcow2", "vmid": 100}, False),
    "a disk with a word of it": ({"volid": "nas:100/backup/vm-100-disk-0.qcow2", "vmid": 100}, False),
    "a template": ({"volid": "nas:vztmpl/debian.tar.zst", "content": "vztmpl"}, False),
}  # fmt: skip


@pytest.mark.parametrize(("row", "is_backup"), LISTED.values(), ids=LISTED)
def test_only_backups_are_taken_from_a_listing_whatever_the_host_heeds(
    row: dict[str, Any], is_backup: bool
) -> None:
    read = backups.read_backup_volumes([row | {"ctime": 1767225600, "size": 5}])

    assert [one.volume for one in read] == ([row["volid"]] if is_backup else [])


class Pages:
    """A host that tells a log of so many lines, page by page; or one that knows no pages."""

    def __init__(self, count: int, *, knows_pages: bool = True) -> None:
        self.lines = [{"n": n, "t": f"line {n}"} for n in range(1, count + 1)]
        self.knows_pages, self.asked = knows_pages, list[str]()

    def get(self, path: str, params: dict[str, int] | None = None, **options: Any) -> Any:
        first, size = (params or {}).get("start", 0), (params or {}).get("limit", 50)
        self.asked.append(f"{first}+{size}")
        page = self.lines[first : first + size] if self.knows_pages else self.lines[:size]
        return SimpleNamespace(data=page)


#: Lines of the log, whether the host knows pages: lines that were read, the last one, and the pages.
PAGES = {
    "a short one": (3, True, 3, "line 3", ["0+10"]),
    "an empty one": (0, True, 0, None, ["0+10"]),
    "as long as a page": (10, True, 10, "line 10", ["0+10", "10+10"]),
    "its cause stands on the third page": (25, True, 25, "line 25", ["0+10", "10+10", "20+10"]),
    "longer than anybody reads": (
        500, True, 101, "The log goes on: 100 lines of it were read",
        ["0+10", "10+10", "20+10", "30+10", "40+10", "50+10", "60+10", "70+10", "80+10", "90+10"]),
    "a host without pages": (25, False, 10, "line 10", ["0+10", "10+10"]),
}  # fmt: skip


@pytest.mark.parametrize(("count", "knows", "read", "last", "asked"), PAGES.values(), ids=PAGES)
def test_a_log_is_read_to_its_end_or_says_that_it_goes_on(
    count: int, knows: bool, read: int, last: str | None, asked: list[str]
) -> None:
    host = Pages(count, knows_pages=knows)

    lines = backups.task_log(host, "pve1", UPID, limit=10)

    assert (len(lines), lines[-1] if lines else None) == (read, last)
    assert host.asked == asked
