"""A number is used again: which backups are of the guest that has it now."""

from __future__ import annotations

import pytest

from monitoring.backups.births import birth_of
from monitoring.known.facts import GuestFacts, NamespaceBackups
from nodes.proxmox.guests import read_guest_config
from nodes.proxmox.readings.backup_server import BackupGroupReading, BackupSnapshotReading
from nodes.proxmox.readings.backups import BackupVolumeReading
from nodes.proxmox.readings.guests import GuestConfigReading
from tests.monitoring.test_judging import (
    AT,
    DAILY,
    HOUR,
    host,
    into_vault,
    judgement_of,
    replace_storage,
    vault,
)

pytestmark = pytest.mark.django_db

MINUTE = 60
METAS = {
    "as PVE writes it": ("creation-qemu=10.0.2,ctime=1700000000", 1700000000),
    "in another order": ("ctime=1700000000,creation-qemu=10.0.2", 1700000000),
    "without an instant": ("creation-qemu=10.0.2", None),
    "of no time": ("creation-qemu=10.0.2,ctime=0", None),
    "no number": ("ctime=yesterday", None),
    "negative": ("ctime=-5", None),
    "none": (None, None),
    "no text": ({"ctime": 5}, None),
}


@pytest.mark.parametrize(("meta", "expected"), METAS.values(), ids=METAS)
def test_when_a_machine_was_made_is_told_by_its_configuration(meta, expected):
    assert read_guest_config({"meta": meta}).made_epoch == expected


@pytest.mark.parametrize(("ahead", "is_believed"), [(-HOUR, True), (4 * MINUTE, True), (HOUR, False)])
def test_an_instant_that_had_not_come_when_it_was_read_is_not_believed(ahead, is_believed):
    known = GuestFacts(config=GuestConfigReading(made_epoch=AT + ahead), config_epoch=float(AT))

    assert (birth_of(known) is not None) is is_believed


def backed_up(*hours, made=None, notes="", name="g100"):
    """A PVE whose guest was made so many hours ago, with backups on its own disks of so many hours ago."""
    readings = tuple(
        BackupVolumeReading(f"nas:backup/vzdump-qemu-100-{age}.vma.zst", 100, "qemu", round(AT - age * HOUR), 5,
                            notes=notes)
        for age in hours
    )  # fmt: skip
    made_epoch = None if made is None else round(AT - made * HOUR)
    config = GuestConfigReading(name=name, made_epoch=made_epoch)
    return host(
        100,
        guests={100: GuestFacts(config=config, config_epoch=float(AT))},
        volumes={("nas", ""): readings},
        volumes_epoch={("nas", ""): float(AT)},
    )


#: Hours since the guest was made (None: not told) and since its backups; how they are, and which is the last good one.
AGES = {
    "made before its backups": (100, (10, 40), "good", 10),
    "not told": (None, (10, 40), "good", 10),
    "made after all of them": (5, (10, 40), "never", None),
    "made between them": (20, (10, 40), "good", 10),
    "backed up as soon as it was made": (10, (10,), "good", 10),
    "the clock of the backup a little behind": (10, (10.07,), "good", 10.07),
    "made minutes after the last one": (9.8, (10,), "never", None),
    "made between two, and its own run was missed": (39, (38, 60), "overdue", 38),
    "no backup yet, none due": (5, (), "never", None),
}


@pytest.mark.parametrize(("made", "hours", "freshness", "last_good"), AGES.values(), ids=AGES)
def test_a_backup_from_before_a_guest_was_made_is_not_its_own(made, hours, freshness, last_good):
    known = backed_up(*hours, made=made)

    judged = judgement_of(known).coverage_of(known.instance_id)[100]

    assert judged.freshness == freshness
    assert judged.last_good_epoch == (None if last_good is None else round(AT - last_good * HOUR))


def test_what_was_due_before_a_guest_was_made_is_not_due_of_it():
    young, old = backed_up(made=5), backed_up(made=100)

    dues = [judgement_of(one).coverage_of(one.instance_id)[100].due_epoch for one in (young, old)]

    assert dues == [None, AT - 10 * HOUR - 24 * HOUR]


#: What the newest backup carries as its note, the name of the guest, whether its age is told, and the name to doubt by.
DOUBTS = {
    "another name": ("oldmail", "g100", None, "oldmail"),
    "its own name": ("g100", "g100", None, ""),
    "its own name in another case": ("G100", "g100", None, ""),
    "its own name among others": ("lab: g100", "g100", None, ""),
    "a sentence": ("before the update", "g100", None, ""),
    "no note": ("", "g100", None, ""),
    "a renamed guest whose age is told": ("oldmail", "g100", 100, ""),
}


@pytest.mark.parametrize(("notes", "name", "made", "expected"), DOUBTS.values(), ids=DOUBTS)
def test_another_name_on_the_newest_backup_is_a_doubt_where_no_age_is_told(notes, name, made, expected):
    known = backed_up(10, 40, made=made, notes=notes, name=name)

    judged = judgement_of(known).coverage_of(known.instance_id)[100]

    assert (judged.freshness, judged.other_name) == ("good", expected)


def test_a_note_that_several_guests_have_is_no_name():
    known = host(
        100,
        101,
        volumes={
            ("nas", ""): tuple(
                BackupVolumeReading(f"nas:backup/{vmid}", vmid, "qemu", AT - HOUR, 5, notes="nightly")
                for vmid in (100, 101)
            )
        },
        volumes_epoch={("nas", ""): float(AT)},
    )

    judged = judgement_of(known).coverage_of(known.instance_id)

    assert [one.other_name for one in judged.values()] == ["", ""]


def test_a_group_of_an_earlier_guest_is_that_of_one_that_is_gone():
    lab = host(
        100,
        storages=(into_vault("b@pbs"),),
        jobs=(replace_storage(DAILY, "pbs"),),
        guests={100: GuestFacts(config=GuestConfigReading(made_epoch=AT - HOUR), config_epoch=float(AT))},
    )
    server = vault((100, "b@pbs"))

    judged = judgement_of(lab, server)

    (whose,) = judged.attributions_of(server.instance_id).values()
    assert (whose.state, whose.vmid, whose.guest_is_known) == ("attributed", 100, False)
    assert whose.evidence[-1][0] == "age"
    assert judged.coverage_of(lab.instance_id)[100].last_good_epoch is None


def test_a_group_that_goes_on_with_a_new_guest_keeps_only_what_is_newer():
    lab = host(
        100,
        storages=(into_vault("b@pbs"),),
        jobs=(replace_storage(DAILY, "pbs"),),
        guests={
            100: GuestFacts(config=GuestConfigReading(made_epoch=AT - 30 * HOUR), config_epoch=float(AT))
        },
    )
    server = vault()
    taken = tuple(
        BackupSnapshotReading("vm", "100", AT - age * HOUR, 100, verification=state)
        for age, state in ((6, "ok"), (40, "failed"), (64, "failed"))
    )
    group = BackupGroupReading("vm", "100", AT - 6 * HOUR, 3, "b@pbs")
    server.facts.backups = {("main", ""): NamespaceBackups((group,), float(AT), {"vm/100": taken}, float(AT))}

    judged = judgement_of(lab, server).coverage_of(lab.instance_id)[100]

    assert (judged.freshness, judged.failed_verification_count) == ("good", 0)


def test_of_two_clusters_with_the_number_it_is_that_of_the_guest_that_existed():
    told = {"storages": (into_vault("b@pbs"),), "jobs": (replace_storage(DAILY, "pbs"),)}
    young = {100: GuestFacts(config=GuestConfigReading(made_epoch=AT - HOUR), config_epoch=float(AT))}
    lab, office = host(100, **told, guests=young), host(100, **told)

    judged = judgement_of(lab, office, vault((100, "b@pbs")))

    assert judged.coverage_of(lab.instance_id)[100].freshness == "never"
    assert judged.coverage_of(office.instance_id)[100].freshness == "good"
