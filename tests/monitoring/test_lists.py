"""The long lists: what they hold, in which order, and when they are published anew (state.md 2.6 and 2.7)."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.backups.attribution import Attribution
from monitoring.backups.judgement import JUDGEMENT, Judgement
from monitoring.collecting import lists
from monitoring.feed.state import STATE
from monitoring.known.facts import Facts, GuestFacts, NamespaceBackups
from monitoring.known.memory import PollMemory
from monitoring.store import current
from monitoring.wire.fragments import FragmentKey
from monitoring.wire.state import items_in
from nodes.proxmox.readings.backup_server import BackupSnapshotReading
from nodes.proxmox.readings.backups import BackupVolumeReading, StorageConfigReading, TaskReading
from nodes.proxmox.readings.guests import GuestSnapshotReading
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

AT = NOON.timestamp()
T1, T2 = 1767225600, 1767229200  # 2026-01-01T00:00:00Z and an hour later


def memory_of(*guests):
    return PollMemory(reading=ResourcesReading(guests=guests))


def published(instance, facts, memory=None, *, at=AT):
    """Publish, and return the lists as clients see them."""
    lists.publish(instance, facts, memory or PollMemory(), at_epoch=at)
    fragment = current.store().fragments()[FragmentKey(instance.pk, "lists")]
    return {
        name: [msgspec.json.decode(item.body) for item in items] for name, items in fragment.items.items()
    }


def task(number, started, **fields):
    upid = f"UPID:pve1:{number:08X}:0000C3D4:{started:08X}:vzdump:{fields.get('subject', '')}:root@pam:"
    return TaskReading(upid, "pve1", "vzdump", started_epoch=started, user="root@pam", **fields)


# --- PVE ----------------------------------------------------------------------------------------------------------


def test_a_backup_task_as_the_contract_has_it():
    facts = Facts(tasks=(task(6699, T1, subject="100", ended_epoch=T1 + 250, status="OK"),))

    (told,) = published(make_instance(), facts)["backupTasks"]

    assert told == {
        "id": "lab-UPID:pve1:00001A2B:0000C3D4:6955B900:vzdump:100:root@pam:",
        "node": "pve1",
        "type": "vzdump",
        "vmid": 100,
        "status": "OK",
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2026-01-01T00:04:10Z",
        "instance": "lab",
        "outcome": "ok",
        "user": "root@pam",
    }


TASKS = {
    "running": ({}, ("", "0001-01-01T00:00:00Z", 0, "running", None)),
    "a job that failed": (
        {"ended_epoch": T2, "status": "job errors"},
        ("job errors", "2026-01-01T01:00:00Z", 0, "failed", "job errors"),
    ),
    "warnings": (
        {"ended_epoch": T2, "status": "WARNINGS: 2"},
        ("WARNINGS: 2", "2026-01-01T01:00:00Z", 0, "warning", None),
    ),
    "a number in other digits is none": (
        {"ended_epoch": T2, "status": "OK", "subject": "²"},
        ("OK", "2026-01-01T01:00:00Z", 0, "ok", None),
    ),
    "nor is one without end": (
        {"ended_epoch": T2, "status": "OK", "subject": "9" * 5000},
        ("OK", "2026-01-01T01:00:00Z", 0, "ok", None),
    ),
}


@pytest.mark.parametrize(("fields", "expected"), TASKS.values(), ids=TASKS)
def test_how_a_backup_task_is_told(fields, expected):
    (told,) = published(make_instance(), Facts(tasks=(task(1, T1, **fields),)))["backupTasks"]

    assert (
        told["status"],
        told["endTime"],
        told["vmid"],
        told["outcome"],
        told.get("error"),
    ) == expected


def test_tasks_of_the_cluster_and_of_the_nodes_are_told_once_the_newest_first():
    newer, older = task(1, T2, ended_epoch=T2 + 9, status="OK"), task(2, T1, ended_epoch=T1 + 9, status="OK")
    facts = Facts(
        tasks=(newer, TaskReading("UPID:x", "pve1", "qmstart", "100", started_epoch=T2)),
        backup_tasks={"pve1": (newer, older)},
    )

    told = published(make_instance(), facts)["backupTasks"]

    assert [one["startTime"] for one in told] == ["2026-01-01T01:00:00Z", "2026-01-01T00:00:00Z"]


def volume(storage, name, **fields):
    known = {"vmid": 100, "kind": "qemu", "created_epoch": T1, "size_bytes": 5, "format": "vma.zst"} | fields
    return BackupVolumeReading(f"{storage}:backup/{name}", **known)


def test_a_backup_in_a_storage_as_the_contract_has_it():
    facts = Facts(
        storages=(StorageConfigReading("nas", "nfs", is_shared=True),),
        volumes={("nas", ""): (volume("nas", "a", notes="web", is_protected=True, verification="ok"),)},
    )

    (told,) = published(make_instance(), facts)["storageBackups"]

    assert told == {
        "id": "lab-nas:backup/a",
        "storage": "nas",
        "node": "nas",
        "type": "qemu",
        "vmid": 100,
        "time": "2026-01-01T00:00:00Z",
        "ctime": 1767225600,
        "size": 5,
        "format": "vma.zst",
        "notes": "web",
        "protected": True,
        "volid": "nas:backup/a",
        "isPBS": False,
        "verified": False,
        "instance": "lab",
        "verification": "ok",
    }


STORAGES = {
    "a local one": (StorageConfigReading("s", "dir"), ("s", "pve1"), ("pve1", False, False)),
    "a shared one": (StorageConfigReading("s", "nfs", is_shared=True), ("s", ""), ("s", False, False)),
    "a PBS": (StorageConfigReading("s", "pbs", is_shared=True), ("s", ""), ("s", True, True)),
    "a PBS by its name": (StorageConfigReading("pbs-x", "dir"), ("pbs-x", "pve1"), ("pbs-x", True, True)),
    "one whose definition is not told": (None, ("s", "pve1"), ("pve1", False, False)),
}


@pytest.mark.parametrize(("config", "key", "expected"), STORAGES.values(), ids=STORAGES)
def test_where_a_backup_lies(config, key, expected):
    facts = Facts(storages=(config,) if config else (), volumes={key: (volume("s", "a", verification="ok"),)})

    (told,) = published(make_instance(), facts)["storageBackups"]

    assert (told["node"], told["isPBS"], told["verified"]) == expected


def test_a_volume_that_several_nodes_see_is_told_once():
    one = volume("local", "a")
    facts = Facts(
        volumes={("local", "pve1"): (one,), ("local", "pve2"): (one, volume("local", "b", created_epoch=T2))}
    )

    told = published(make_instance(), facts)["storageBackups"]

    assert [entry["volid"] for entry in told] == ["local:backup/b", "local:backup/a"]


def test_what_a_backup_does_not_tell_is_the_unknown_of_the_contract():
    bare = BackupVolumeReading("nas:backup/odd")

    (told,) = published(make_instance(), Facts(volumes={("nas", ""): (bare,)}))["storageBackups"]

    assert (told["type"], told["vmid"], told["time"], told["ctime"], told["size"]) == (
        "unknown",
        0,
        "0001-01-01T00:00:00Z",
        0,
        0,
    )


def test_a_snapshot_of_a_guest_as_the_contract_has_it():
    snapshot = GuestSnapshotReading("pre-upgrade", T1, "before\nthe kernel", "clean", has_memory=True)
    facts = Facts(guests={100: GuestFacts(snapshots=(snapshot,)), 101: GuestFacts(snapshots=(snapshot,))})

    (told,) = published(make_instance(), facts, memory_of(GuestReading(100, "qemu", "pve1", "running")))[
        "guestSnapshots"
    ]

    assert told == {
        "id": "lab-pve1-100-pre-upgrade",
        "name": "pre-upgrade",
        "node": "pve1",
        "type": "qemu",
        "vmid": 100,
        "time": "2026-01-01T00:00:00Z",
        "vmstate": True,
        "instance": "lab",
        "description": "before\nthe kernel",
        "parent": "clean",
    }


def test_snapshots_follow_their_guest_to_another_node():
    instance = make_instance()
    facts = Facts(guests={100: GuestFacts(snapshots=(GuestSnapshotReading("s", T1),))})
    published(instance, facts, memory_of(GuestReading(100, "qemu", "pve1", "running")))

    moved = published(instance, facts, memory_of(GuestReading(100, "qemu", "pve2", "running")))

    assert [one["id"] for one in moved["guestSnapshots"]] == ["lab-pve2-100-s"]


def test_guests_that_are_not_to_be_monitored_have_no_snapshots_here():
    instance = make_instance(monitor_vms=False)
    facts = Facts(
        guests={vmid: GuestFacts(snapshots=(GuestSnapshotReading("s", T1),)) for vmid in (100, 101)}
    )
    guests = memory_of(
        GuestReading(100, "qemu", "pve1", "running"), GuestReading(101, "lxc", "pve1", "running")
    )

    assert [one["vmid"] for one in published(instance, facts, guests)["guestSnapshots"]] == [101]


# --- PBS ----------------------------------------------------------------------------------------------------------


def backup(kind="vm", identity="100", at=T1, **fields):
    return BackupSnapshotReading(kind, identity, at, **({"size_bytes": 7} | fields))


def on_server(place, *snapshots):
    datastore, _, namespace = place.partition("/")
    grouped = {}
    for one in snapshots:
        grouped.setdefault(f"{one.kind}/{one.id}", []).append(one)
    return Facts(
        backups={
            (datastore, namespace): NamespaceBackups(
                snapshots={name: tuple(members) for name, members in grouped.items()}
            )
        }
    )


def test_a_backup_on_a_pbs_as_the_contract_has_it():
    instance = make_instance("pbs")
    owned = {"main/dev|vm/100": Attribution("attributed", "lab", 100)}
    current.store().save(JUDGEMENT, Judgement(attributions={instance.pk: owned}))

    (told,) = published(instance, on_server("main/dev", backup(comment="web", verification="ok")))[
        "pbsBackups"
    ]

    assert told == {
        "id": "pbs-vault-main-dev-vm-100-1767225600",
        "instance": "vault",
        "datastore": "main",
        "namespace": "dev",
        "backupType": "vm",
        "vmid": "100",
        "backupTime": "2026-01-01T00:00:00Z",
        "size": 7,
        "protected": False,
        "verified": True,
        "comment": "web",
        "verification": "ok",
        "attribution": "attributed",
        "guestInstance": "lab",
        "guestVmid": 100,
    }


def test_the_root_namespace_leaves_two_dashes_and_an_unfinished_backup_has_no_size():
    (told,) = published(make_instance("pbs"), on_server("main/", backup(size_bytes=None)))["pbsBackups"]

    assert (told["id"], told["size"], told["unfinished"]) == ("pbs-vault-main--vm-100-1767225600", 0, True)


def test_ids_that_meet_because_names_hold_dashes_are_told_apart():
    facts = on_server("a/b-c", backup())
    facts.backups |= on_server("a-b/c", backup()).backups

    told = published(make_instance("pbs"), facts)["pbsBackups"]

    assert [one["id"] for one in told] == [
        "pbs-vault-a-b-c-vm-100-1767225600",
        "pbs-vault-a-b-c-vm-100-1767225600~2",
    ]


HOSTILE = ("a/b", "line\nbreak", '"><script>', "nul\0", "../..", "𝕡-🏠", "-", "")


def test_texts_of_hosts_arrive_as_they_are():
    instance = make_instance("pbs")
    facts = on_server("main/", *(backup("host", name, comment=name) for name in HOSTILE))

    told = published(instance, facts)["pbsBackups"]

    assert sorted(one["vmid"] for one in told) == sorted(HOSTILE)
    assert len({one["id"] for one in told}) == 8


def test_twenty_thousand_backups_are_listed_newest_first():
    instance = make_instance("pbs")
    facts = on_server(
        "main/", *(backup("vm", str(100 + number % 1000), T1 + number) for number in range(20_000))
    )

    lists.publish(instance, facts, PollMemory(), at_epoch=AT)

    items = current.store().fragments()[FragmentKey(instance.pk, "lists")].items["pbsBackups"]
    assert len(items) == 20_000
    assert [items[0].id, items[-1].id] == [
        "pbs-vault-main--vm-1099-1767245599",
        "pbs-vault-main--vm-100-1767225600",
    ]


# --- order, and when it is published ------------------------------------------------------------------------------


def test_the_lists_of_two_instances_are_one_with_the_newest_first():
    for number, (name, at) in enumerate((("a", T1), ("b", T2), ("c", T1 + 60))):
        instance = make_instance("pbs", name=name, number=number)
        published(instance, on_server("main/", backup(at=at), backup("vm", "9" + str(number), T1)))

    told = msgspec.json.decode(STATE.current().body)["pbsBackups"]

    assert [(one["instance"], one["vmid"]) for one in told] == [
        ("b", "100"),
        ("c", "100"),
        ("a", "100"),
        ("a", "90"),
        ("b", "91"),
        ("c", "92"),
    ]


def test_the_order_of_one_instance_is_that_of_several():
    same = [backup("vm", str(number)) for number in (300, 100, 200)]
    published(make_instance("pbs", name="a"), on_server("main/", *same))
    alone = [item.id for item in items_in(current.store().fragments(), "pbsBackups")]

    published(make_instance("pbs", name="z"), on_server("main/", backup(at=T1 - 5)))
    together = [item.id for item in items_in(current.store().fragments(), "pbsBackups")]

    assert together[:3] == alone


def test_nothing_is_published_while_nothing_has_changed():
    instance, facts = make_instance("pbs"), on_server("main/", backup())
    assert lists.publish(instance, facts, PollMemory(), at_epoch=AT) is True
    assert lists.publish(instance, facts, PollMemory(), at_epoch=AT + 10) is False

    facts.version += 1
    assert lists.publish(instance, facts, PollMemory(), at_epoch=AT + 20) is False

    facts.backups, facts.version = on_server("main/", backup(), backup(at=T2)).backups, facts.version + 1
    assert lists.publish(instance, facts, PollMemory(), at_epoch=AT + 30) is True


def test_another_judgement_is_published():
    instance, facts = make_instance("pbs"), on_server("main/", backup())
    published(instance, facts)

    owned = {"main/|vm/100": Attribution("ambiguous")}
    current.store().save(JUDGEMENT, Judgement(version=2, attributions={instance.pk: owned}))

    assert published(instance, facts)["pbsBackups"][0]["attribution"] == "ambiguous"


def test_a_login_that_is_refused_for_good_takes_the_lists_away_until_it_is_accepted():
    instance, facts = make_instance("pbs"), on_server("main/", backup())
    assert len(published(instance, facts)["pbsBackups"]) == 1

    assert published(instance, facts, PollMemory(login_is_refused=True))["pbsBackups"] == []
    assert len(published(instance, facts)["pbsBackups"]) == 1
