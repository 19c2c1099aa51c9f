"""What is said of backups while not every place was read that could hold them: never is said by nobody who has not looked."""

from __future__ import annotations

import pytest

from monitoring.backups.attribution import BackupServer, Estate
from monitoring.backups.collected import Collected
from monitoring.backups.coverage import Backup, FoundBackups, Plan, coverage
from monitoring.backups.storages import sources_of
from monitoring.known.facts import Facts
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import PollMemory
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backups import BackupJobReading, StorageConfigReading
from nodes.proxmox.readings.live import GuestReading, ResourcesReading, StorageReading
from tests.conftest import NOON

AT = int(NOON.timestamp())
HOUR = 3600
WEB = GuestReading(100, "qemu", "pve1", "running", "web")
#: A nightly job into the backup server, and one into the NAS; both were due, the second later.
TO_PBS = BackupJobReading("to-pbs", storage="pbs", covers_all=True)
TO_NAS = BackupJobReading("to-nas", storage="nas", covers_all=True)
GOOD, OLD = Backup(2500, "vault/main"), Backup(1000, "vault/main")
FUTURE = Backup(9000, "nas")

LATER, DENIED, DOWN = {"nas": "not_read_yet"}, {"nas": "no_permission"}, {"nas": "unreachable"}
PBS, BOTH, NONE = frozenset({"pbs"}), frozenset({"pbs", "nas"}), frozenset()

#: Jobs with when they were due, what was found and read: freshness, reason, last good, and the jobs that cannot be checked.
VERDICTS = {
    "two jobs, the second's place may not be seen": (
        {TO_PBS: 2000, TO_NAS: 3000}, (GOOD,), PBS, DENIED, ("good", "no_permission", 2500, ("to-nas",))),
    "two jobs, the second's place is down": (
        {TO_PBS: 2000, TO_NAS: 3000}, (GOOD,), PBS, DOWN, ("good", "unreachable", 2500, ("to-nas",))),
    "two jobs, the second's place waits": (
        {TO_PBS: 2000, TO_NAS: 3000}, (GOOD,), PBS, LATER, ("good", "not_read_yet", 2500, ("to-nas",))),
    "the job that can be checked was not due yet": (
        {TO_PBS: None, TO_NAS: 3000}, (GOOD,), PBS, DENIED, ("good", "no_permission", 2500, ("to-nas",))),
    "the only job cannot be checked": ({TO_NAS: 3000}, (GOOD,), PBS, DENIED, ("unknown", "no_permission", 2500, ())),
    "the job that can be checked left nothing": (
        {TO_PBS: 2000, TO_NAS: 3000}, (OLD,), PBS, DENIED, ("overdue", "", 1000, ())),
    "the job that can be checked left nothing, and another place waits": (
        {TO_PBS: 2000, TO_NAS: 3000}, (OLD,), PBS, LATER, ("unknown", "not_read_yet", 1000, ())),
    "no backup at all, and another place waits": (
        {TO_PBS: 2000}, (), PBS, LATER, ("unknown", "not_read_yet", None, ())),
    "no backup at all, no job, and a place waits": ({}, (), PBS, LATER, ("unknown", "not_read_yet", None, ())),
    "no backup at all, nothing was read": ({TO_PBS: 2000}, (), NONE, LATER, ("unknown", "not_read_yet", None, ())),
    "one waits, one may not be seen": (
        {TO_PBS: 2000}, (), NONE, {"nas": "no_permission", "pbs": "not_read_yet"},
        ("unknown", "not_read_yet", None, ())),
    # as before
    "everything was read, and nothing is there": ({TO_PBS: 2000}, (), BOTH, {}, ("never", "", None, ())),
    "everything was read, and it is too old": ({TO_PBS: 2000}, (OLD,), BOTH, {}, ("overdue", "", 1000, ())),
    "everything was read, and it is good": ({TO_PBS: 2000, TO_NAS: 2200}, (GOOD,), BOTH, {}, ("good", "", 2500, ())),
    "one may not be seen, and the newest of all runs is there": (
        {TO_PBS: 2000, TO_NAS: 2200}, (GOOD,), PBS, DENIED, ("good", "", 2500, ())),
    # of the future
    "a backup of the future beside an old one": ({TO_NAS: 2000}, (OLD, FUTURE), BOTH, {}, ("overdue", "", 1000, ())),
    "a backup of the future beside a good one": ({TO_NAS: 2000}, (GOOD, FUTURE), BOTH, {}, ("good", "", 2500, ())),
    "nothing but a backup of the future": ({TO_NAS: 2000}, (FUTURE,), BOTH, {}, ("bad", "", None, ())),
    "a backup a little ahead": ({TO_NAS: 2000}, (Backup(5000, "nas"),), BOTH, {}, ("good", "", 5000, ())),
}  # fmt: skip


@pytest.mark.parametrize(("jobs", "backups", "read", "unread", "expected"), VERDICTS.values(), ids=VERDICTS)
def test_what_is_said_of_the_backups_of_a_guest(jobs, backups, read, unread, expected):
    dues = {job.id: due for job, due in jobs.items() if due is not None}
    plan = Plan(tuple(jobs), uncovered=frozenset(), due_epoch=dues)

    found = coverage([WEB], plan, FoundBackups({100: backups}, read, unread, 5000.0))[100]

    assert (found.freshness, found.reason, found.last_good_epoch, found.unchecked_jobs) == expected


def test_backups_of_the_future_are_counted_and_the_latest_is_told():
    seen = FoundBackups({100: (GOOD, FUTURE, Backup(7000, "nas"))}, BOTH, {}, 5000.0)

    found = coverage([WEB], Plan((TO_NAS,), due_epoch={"to-nas": 2000}), seen)[100]

    assert (found.ahead_count, found.ahead_epoch, found.newest) == (2, 9000, GOOD)


# --- which places there are -----------------------------------------------------------------------------------------

NAS = StorageConfigReading("nas", "nfs", ("backup",), is_shared=True, server="192.0.2.9")
LOCAL = StorageConfigReading("local", "dir", ("backup",))


def allowed(*privileges, path="/"):
    held = {path: frozenset(privileges)}
    return PermissionsReading(held, held)


EVERYTHING = allowed("Datastore.Audit", "Datastore.Allocate", "Sys.Audit")
READ = {"volumes": {("nas", ""): ()}, "volumes_epoch": {("nas", ""): float(AT)}}


def failing(lane, subject, code):
    return {"progress": {lane: {subject: Progress(code=code, failures=3)}}}


#: What is known of a PVE: the storages that were read, and why the others were not.
PLACES = {
    "nothing was read": ({}, set(), {"": "not_read_yet"}),
    "the account sees no storage": ({"storages_epoch": float(AT)}, set(), {"": "no_permission"}),
    "all was read": ({"storages": (NAS,), "permissions": EVERYTHING, **READ}, {"nas"}, {}),
    "the storage waits": ({"storages": (NAS,), "permissions": EVERYTHING}, set(), {"nas": "not_read_yet"}),
    "the listing is refused": (
        {"storages": (NAS,), "permissions": EVERYTHING, **failing(Lane.BACKUP_VOLUMES, ("nas", ""), "permission_denied")},
        set(), {"nas": "no_permission"}),
    "the listing fails": (
        {"storages": (NAS,), "permissions": EVERYTHING, **failing(Lane.BACKUP_VOLUMES, ("nas", ""), "timeout")},
        set(), {"nas": "timeout"}),
    "a job writes to a storage that is hidden": (
        {"storages": (NAS,), "permissions": allowed("Datastore.Allocate", path="/storage/nas"), **READ,
         "jobs": (BackupJobReading("j", storage="usb"),)},
        {"nas"}, {"usb": "no_permission"}),
    "a job writes to a storage that is not there any more": (
        {"storages": (NAS,), "permissions": EVERYTHING, **READ, "jobs": (BackupJobReading("j", storage="usb"),)},
        {"nas"}, {}),
    "a job that is switched off writes to a storage that is hidden": (
        {"storages": (NAS,), "permissions": allowed("Datastore.Allocate", path="/storage/nas"), **READ,
         "jobs": (BackupJobReading("j", storage="usb", is_enabled=False),)},
        {"nas"}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("facts", "read", "unread"), PLACES.values(), ids=PLACES)
def test_which_places_were_read(facts, read, unread):
    host = Collected(1, BackupServer("lab"), Facts(**facts), PollMemory(reading=ResourcesReading()))

    assert sources_of(host, (), Estate(), at=NOON) == (read, unread)


def test_a_storage_of_a_node_that_is_offline_does_not_wait():
    storages = tuple(
        StorageReading("local", node, "available", "dir", ("backup",)) for node in ("pve1", "pve2")
    )
    memory = PollMemory(reading=ResourcesReading(storages=storages), absent_since={"pve2": float(AT - HOUR)})
    facts = Facts(
        storages=(LOCAL,),
        permissions=EVERYTHING,
        volumes={("local", "pve1"): ()},
        volumes_epoch={("local", "pve1"): float(AT)},
    )

    found = sources_of(Collected(1, BackupServer("lab"), facts, memory), (), Estate(), at=NOON)

    assert found == (set(), {"local": "node_offline"})
