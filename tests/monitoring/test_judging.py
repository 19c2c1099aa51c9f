"""One judgement over several instances: whose each backup is, which guests are safe, which runs were missed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from monitoring.backups.judgement import JUDGEMENT, estate_of, judge
from monitoring.backups.missed import missed_backup, missed_server_run
from monitoring.backups.storages import sources_of
from monitoring.collecting import judging
from monitoring.collecting.evidence import collected, collected_of
from monitoring.known.facts import FACTS, Facts, JobHistory, NamespaceBackups, NodeFacts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.models import CollectedFacts
from monitoring.store import current
from nodes.models import Instance
from nodes.proxmox.readings.access import PermissionsReading
from nodes.proxmox.readings.backup_server import BackupGroupReading, BackupSnapshotReading, ServerJobReading
from nodes.proxmox.readings.backups import (
    BackupJobReading,
    BackupVolumeReading,
    StorageConfigReading,
    TaskReading,
    VzdumpGuestReading,
)
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from pulse.lib.instants import instant
from tests.conftest import NOON
from tests.factories import make_guest, make_instance
from tests.fake_proxmox import PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import turn, with_token

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

AT = int(NOON.timestamp())
HOUR, DAY = 3600, 86400
ALL = PermissionsReading(
    {"/": frozenset({"Sys.Audit", "Datastore.Allocate", "Datastore.Audit", "VM.Audit"})},
    {"/": frozenset({"Sys.Audit", "Datastore.Allocate", "Datastore.Audit", "VM.Audit"})},
)
AUDITOR = PermissionsReading(
    {"/": frozenset({"Sys.Audit", "Datastore.Audit", "VM.Audit"})},
    {"/": frozenset({"Sys.Audit", "Datastore.Audit", "VM.Audit"})},
)
DAILY = BackupJobReading("nightly", schedule="02:00", storage="nas", covers_all=True)
NAS = StorageConfigReading("nas", "nfs", ("backup",), is_shared=True, server="10.0.0.9", path="/mnt/nas")


def upid(number, started=AT):
    return f"UPID:pve1:{number:08X}:00000001:{started:08X}:vzdump::root@pam:"


def host(*vmids, **facts):
    """A PVE with these guests, a nightly job into `nas`, and rights to see everything; read just now."""
    instance = make_instance()
    known = {
        "permissions": ALL,
        "jobs": (DAILY,),
        "jobs_epoch": float(AT),
        "storages": (NAS,),
        "storages_epoch": float(AT),
        "uncovered_epoch": float(AT),
        "nodes": {"pve1": NodeFacts(time_zone="UTC")},
        "tasks_epoch": AT,
    }
    reading = ResourcesReading(
        guests=tuple(GuestReading(vmid, "qemu", "pve1", "running", name=f"g{vmid}") for vmid in vmids)
    )
    return collected(instance, Facts(**(known | facts)), PollMemory(reading=reading), reading.guests)


def volumes(*told, storage="nas", read_epoch=AT):
    """Backups in a storage, (vmid, age in hours), as facts of a PVE."""
    readings = tuple(
        BackupVolumeReading(
            f"{storage}:backup/vzdump-qemu-{vmid}-{hours}.vma.zst", vmid, "qemu", AT - hours * HOUR, 5
        )
        for vmid, hours in told
    )
    return {"volumes": {(storage, ""): readings}, "volumes_epoch": {(storage, ""): float(read_epoch)}}


def judgement_of(*known):
    """The judgement over these; a PBS is called `vault`."""
    servers = [one for one in known if one.name.startswith("vault")]
    hosts = [one for one in known if one not in servers]
    return judge(hosts, servers, {}, version=1, at=NOON)


def coverages(*known):
    """Coverage of the guests of the first one."""
    judged = judgement_of(*known)
    return {
        vmid: (one.state, one.freshness, one.reason)
        for vmid, one in judged.coverage_of(known[0].instance_id).items()
    }


# --- coverage -----------------------------------------------------------------------------------------------------


def test_a_guest_with_a_backup_of_the_last_run_is_safe_and_one_without_is_not():
    found = coverages(host(100, 101, 102, **volumes((100, 10), (101, 40))))

    assert found == {
        100: ("covered", "good", ""),
        101: ("covered", "overdue", ""),
        102: ("covered", "never", ""),
    }


def test_an_auditor_gets_an_empty_list_which_says_nothing():
    found = coverages(host(100, **volumes(), permissions=AUDITOR))

    assert found == {100: ("unknown", "unknown", "no_permission")}


def test_a_job_list_that_the_account_may_not_see_is_unknown():
    none = PermissionsReading({"/": frozenset()}, {"/": frozenset()})

    found = coverages(host(100, permissions=none, jobs=(), jobs_epoch=0.0, uncovered_epoch=0.0))

    assert found == {100: ("unknown", "unknown", "no_permission")}


def test_a_storage_that_was_not_read_for_hours_says_nothing_about_the_runs_since():
    found = coverages(host(100, 101, **volumes((100, 40), (101, 9), read_epoch=AT - 6 * HOUR)))

    assert found == {
        100: ("covered", "unknown", "not_read_lately"),
        101: ("covered", "good", ""),
    }


def test_nothing_is_judged_where_backups_are_not_to_be_monitored():
    known = replace(host(100, **volumes((100, 10))), monitors_backups=False)

    assert coverages(known) == {}


def test_a_storage_on_local_disks_counts_as_read_when_the_slowest_node_was():
    known = host(100)
    known.facts.storages = (StorageConfigReading("local", "dir", ("backup",)),)
    known.facts.volumes = {("local", "pve1"): (), ("local", "pve2"): ()}
    known.facts.volumes_epoch = {("local", "pve1"): float(AT), ("local", "pve2"): float(AT - 6 * HOUR)}

    read, unread = sources_of(known, [], estate_of([known], []), at=NOON)

    assert (read, unread) == (set(), {"local": "not_read_lately"})


def test_a_log_tells_which_guest_of_a_job_failed_until_a_later_backup_is_there():
    task = TaskReading(
        upid(1),
        "pve1",
        "vzdump",
        started_epoch=AT - 10 * HOUR,
        ended_epoch=AT - 9 * HOUR,
        status="job errors",
    )
    results = (
        VzdumpGuestReading(100, "qemu", False, "disk full"),
        VzdumpGuestReading(101, "qemu", False, "disk full"),
    )
    known = host(
        100,
        101,
        **volumes((100, 40), (101, 3)),
        backup_tasks={"pve1": (task,)},
        task_results={task.upid: results},
    )

    judged = judgement_of(known).coverage_of(known.instance_id)

    assert judged[100].last_run.status == "disk full"
    assert judged[101].last_run is None


#: The hours since the backups of guest 100 in the place of two hosts that both have such a guest, and what is said of each.
CLAIMED = {
    "no backup": ((), ("covered", "never", "")),
    "one of the last run": ((10,), ("covered", "unknown", "ambiguous")),
    "one from before the last run": ((40,), ("covered", "overdue", "")),
    "both": ((10, 40), ("covered", "unknown", "ambiguous")),
}


@pytest.mark.parametrize(("hours", "expected"), CLAIMED.values(), ids=CLAIMED)
def test_a_guest_whose_backup_may_be_of_another_host_is_unknown_and_not_without_one(hours, expected):
    shared = StorageConfigReading("nas", "nfs", ("backup",), is_shared=True, server="10.0.0.9", export="/a")
    told = volumes(*((100, age) for age in hours)) | {"storages": (shared,)}

    assert coverages(host(100, **told), host(100, **told)) == {100: expected}


@pytest.mark.parametrize(("other_export", "expected"), [("/a", "unknown"), ("/b", "good")])
def test_equal_storage_ids_are_one_place_only_with_one_export(other_export, expected):
    one, other = (
        volumes((100, 10))
        | {"storages": (StorageConfigReading("nas", "nfs", ("backup",), server="10.0.0.9", export=export),)}
        for export in ("/a", other_export)
    )

    assert coverages(host(100, **one), host(100, **other))[100][1] == expected


def test_a_guest_whose_group_may_be_of_another_cluster_is_unknown_and_not_without_a_backup():
    told = {"storages": (into_vault("b@pbs"),), "jobs": (replace_storage(DAILY, "pbs"),)}
    lab, office = host(100, 101, **told), host(100, **told)

    found = coverages(lab, office, vault((100, "b@pbs")))

    assert found == {100: ("covered", "unknown", "ambiguous"), 101: ("covered", "never", "")}


def replace_storage(job, storage):
    return msgspec.structs.replace(job, storage=storage)


# --- whose a backup is --------------------------------------------------------------------------------------------


def vault(*groups, namespace="", read_epoch=AT, **facts):
    """A PBS `vault` with one backup of each of these groups, six hours old."""
    readings = tuple(BackupGroupReading("vm", str(vmid), AT - 6 * HOUR, 1, owner) for vmid, owner in groups)
    snapshots = {
        f"vm/{vmid}": (BackupSnapshotReading("vm", str(vmid), AT - 6 * HOUR, 100),) for vmid, _ in groups
    }
    place = NamespaceBackups(readings, float(read_epoch), snapshots, float(read_epoch))
    instance = make_instance("pbs", host="https://192.0.2.100:8007")
    return collected(instance, Facts(backups={("main", namespace): place}, **facts), PollMemory())


def into_vault(username, namespace="", server="192.0.2.100"):
    """The definition of a storage that leads to the vault."""
    return StorageConfigReading(
        "pbs",
        "pbs",
        ("backup",),
        True,
        server=server,
        datastore="main",
        namespace=namespace,
        username=username,
    )


TO_PBS = BackupJobReading("nightly", schedule="02:00", storage="pbs", covers_all=True)


def states(judged, server):
    return {
        key: (one.state, one.instance, one.vmid)
        for key, one in judged.attributions_of(server.instance_id).items()
    }


def test_two_clusters_with_the_same_numbers_in_one_namespace_are_told_apart_by_their_accounts():
    first = host(100, storages=(into_vault("a@pbs!pve"),), jobs=(TO_PBS,))
    second = host(100, storages=(into_vault("b@pbs!pve"),), jobs=(TO_PBS,))
    server = vault((100, "b@pbs!pve"))

    judged = judgement_of(first, second, server)

    assert states(judged, server) == {"main/|vm/100": ("attributed", "lab-2", 100)}
    assert judged.coverage_of(first.instance_id)[100].freshness == "never"
    assert judged.coverage_of(second.instance_id)[100].freshness == "good"


def test_what_nothing_tells_apart_belongs_to_nobody():
    first = host(100, storages=(into_vault(""),), jobs=(TO_PBS,))
    second = host(100, storages=(into_vault(""),), jobs=(TO_PBS,))
    server = vault((100, "root@pam"))

    judged = judgement_of(first, second, server)

    assert states(judged, server) == {"main/|vm/100": ("ambiguous", "", None)}


def test_a_paused_cluster_still_owns_its_backups():
    paused = replace(host(100, storages=(into_vault("a@pbs!pve"),), jobs=(TO_PBS,)), is_paused=True)
    other = host(100, storages=(into_vault("b@pbs!pve"),), jobs=(TO_PBS,))
    server = vault((100, "a@pbs!pve"))

    judged = judgement_of(paused, other, server)

    assert states(judged, server) == {"main/|vm/100": ("attributed", "lab", 100)}
    assert judged.coverage_of(other.instance_id)[100].freshness == "never"
    assert paused.instance_id not in judged.coverages


def test_facts_and_guests_of_a_paused_cluster_come_from_the_database():
    known = host(100, storages=(into_vault("a@pbs!pve"),))
    instance = Instance.objects.get(pk=known.instance_id)
    make_guest(instance, vmid=123, name="web")
    CollectedFacts.keep(instance, known.facts, at=NOON)
    instance.is_paused = True

    found = collected_of(instance)

    assert [one.name for one in found.facts.storages] == ["pbs"]
    assert [(one.vmid, one.name) for one in found.guests] == [(123, "web")]


def test_what_was_saved_of_another_host_says_nothing_about_a_paused_cluster():
    known = host(100, storages=(into_vault("a@pbs!pve"),))
    known.facts.asked_host = "https://192.0.2.99:8006"
    instance = Instance.objects.get(pk=known.instance_id)
    CollectedFacts.keep(instance, known.facts, at=NOON + timedelta(days=1))
    instance.is_paused = True

    assert collected_of(instance).facts.storages == ()


def test_an_instance_that_another_one_stands_for_is_no_second_owner():
    instance = make_instance()
    current.store().save(MEMORY, PollMemory(duplicate_of=99), of=instance.pk)

    assert collected_of(instance) is None


REASONS = {
    "read": ({}, {}, ""),
    "not yet": ({"backups": {}}, {}, "not_read_yet"),
    "no right there": ({"permissions": PermissionsReading({"/": frozenset()})}, {}, "no_permission"),
    "not to be monitored": ({}, {"monitors_datastores": False}, "server_not_monitored"),
}


@pytest.mark.parametrize(("facts", "fields", "reason"), REASONS.values(), ids=REASONS)
def test_why_backups_behind_a_storage_were_not_seen_on_the_pbs(facts, fields, reason):
    known = host(100, storages=(into_vault("a@pbs"),))
    server = vault((100, "a@pbs"))
    for name, value in facts.items():
        setattr(server.facts, name, value)
    server = replace(server, **fields)

    read, unread = sources_of(known, [server], estate_of([known], [server]), at=NOON)

    assert unread == ({"pbs": reason} if reason else {})
    assert read == (set() if reason else {"pbs"})


def test_a_pbs_that_was_silent_for_hours_says_nothing_about_the_runs_since():
    known = host(100, storages=(into_vault("a@pbs"),), jobs=(TO_PBS,))
    server = vault(read_epoch=AT - 5 * HOUR)

    assert coverages(known, server) == {100: ("unknown", "unknown", "not_read_lately")}


def test_a_pbs_that_pulse_does_not_know_is_judged_by_what_the_pve_lists():
    elsewhere = into_vault("a@pbs", server="198.51.100.7")
    known = host(100, 101, storages=(elsewhere,), jobs=(TO_PBS,), **volumes((100, 6), storage="pbs"))
    unseen = host(100, storages=(elsewhere,), jobs=(TO_PBS,))

    assert coverages(known) == {100: ("covered", "good", ""), 101: ("covered", "never", "")}
    assert coverages(unseen) == {100: ("unknown", "unknown", "server_not_monitored")}


# --- jobs ---------------------------------------------------------------------------------------------------------


def ran(number, started, *, status="OK", subject="", node="pve1"):
    return TaskReading(
        upid(number, started),
        node,
        "vzdump",
        subject,
        started_epoch=started,
        ended_epoch=started + 600,
        status=status,
    )


TWO = AT - 10 * HOUR  # 02:00
MISSED = {
    "it ran": ((ran(1, TWO + 2), ran(2, TWO - DAY)), {}, None),
    "it ran late": ((ran(1, TWO + 3000), ran(2, TWO - DAY)), {}, None),
    "it did not": ((ran(2, TWO - DAY),), {}, TWO),
    "somebody made one by hand": ((ran(1, TWO + 5, subject="777"), ran(2, TWO - DAY)), {}, TWO),
    "on another node": ((ran(1, TWO + 5, node="pve2"), ran(2, TWO - DAY)), {"node": "pve1"}, TWO),
    "nobody has looked since": ((ran(2, TWO - DAY),), {"looked": TWO + 60}, None),
    "the list does not reach back": ((ran(1, TWO + 5 * HOUR),), {}, None),
    "there never was a backup": ((), {}, TWO),
    "it is switched off": ((ran(2, TWO - DAY),), {"is_enabled": False}, None),
    "it was made today": ((ran(2, TWO - DAY),), {"seen_epoch": AT - HOUR}, None),
    "nobody can read its schedule": ((ran(2, TWO - DAY),), {"schedule": "at tea time"}, None),
}


@pytest.mark.parametrize(("tasks", "given", "expected"), MISSED.values(), ids=MISSED)
def test_a_run_that_was_missed(tasks, given, expected):
    looked, seen_epoch = given.get("looked", AT), given.get("seen_epoch", 0.0)
    changed = {key: value for key, value in given.items() if key not in ("looked", "seen_epoch")}
    job = BackupJobReading(**({"id": "nightly", "schedule": "02:00", "covers_all": True} | changed))
    facts = Facts(
        backup_tasks={"pve1": tasks},
        nodes={"pve1": NodeFacts(time_zone="UTC")},
        tasks_epoch=looked,
        job_history={"backup nightly": JobHistory("True 02:00", seen_epoch, seen_epoch)},
    )

    assert missed_backup(job, facts, tasks, at=NOON) == expected


def test_a_job_of_a_pbs_that_should_have_run_since_it_was_looked_at_is_not_known_to_be_missed():
    job = ServerJobReading("v1", "verify", "main", schedule="02:00", last_run_ended_epoch=TWO - DAY + 60)
    seen = {"verify v1": JobHistory("False 02:00", 0.0, AT - 9 * DAY)}
    host_facts = NodeFacts(time_zone="UTC")
    looked = Facts(host=host_facts, job_history=seen, server_jobs_epoch={"verify": AT})
    unlooked = Facts(host=host_facts, job_history=seen, server_jobs_epoch={"verify": TWO + 60})

    run = missed_server_run(job, looked, "verify v1", at=NOON)

    assert run == NOON - timedelta(hours=10)
    assert missed_server_run(job, unlooked, "verify v1", at=NOON) is None


def test_a_job_of_a_pve_is_shown_at_its_pbs_with_its_own_last_run_on_all_nodes():
    weekly = BackupJobReading("weekly", schedule="sat 05:00", storage="pbs", vmids=(100,))
    tasks = {
        "pve1": (ran(1, TWO + 2), ran(3, AT - 5 * DAY - 7 * HOUR, subject="100")),
        "pve2": (ran(2, TWO + 5, status="job errors", node="pve2"),),
    }
    known = host(100, storages=(into_vault("a@pbs"),), jobs=(TO_PBS, weekly), backup_tasks=tasks)
    server = vault()

    jobs = judgement_of(known, server).server_backup_jobs[server.instance_id]

    told = {
        job.id: (job.host, job.status, instant(job.last_run_ended_epoch), job.error, job.covers, job.vmids)
        for job in jobs
    }
    assert told == {
        "nightly": ("lab", "failed", "2026-01-01T02:10:05Z", "job errors", "all", ()),
        "weekly": ("lab", "ok", "2025-12-27T05:10:00Z", "", "guests", (100,)),
    }


# --- when it is judged --------------------------------------------------------------------------------------------


def test_it_is_judged_when_something_has_changed_and_when_time_went_on():
    instance = make_instance()
    facts = Facts(version=1)
    current.store().save(FACTS, facts, of=instance.pk)
    assert judging.judge_if_due(NOON) is True
    assert judging.judge_if_due(NOON + timedelta(seconds=10)) is False

    facts.version = 2
    assert judging.judge_if_due(NOON + timedelta(seconds=20)) is True

    guests = (GuestReading(100, "qemu", "pve1", "running"),)
    current.store().save(MEMORY, PollMemory(reading=ResourcesReading(guests=guests)), of=instance.pk)
    assert judging.judge_if_due(NOON + timedelta(seconds=30)) is True

    assert judging.judge_if_due(NOON + timedelta(seconds=329)) is False
    assert judging.judge_if_due(NOON + timedelta(seconds=330)) is True
    assert current.store().load(JUDGEMENT).version == 4


# --- against the fake ---------------------------------------------------------------------------------------------


def test_two_clusters_and_one_pbs_from_the_first_call_to_the_picture(watch):
    specs = (
        PveSpec(name="one", guests=4, backup_server="vault"),
        PveSpec(name="two", guests=4, backup_server="vault"),
        PbsSpec(name="vault", datastores=1, groups=0, namespaces=0),
    )
    with virtual_estate(*specs) as estate:
        kinds = {"one": "pve", "two": "pve", "vault": "pbs"}
        watched = {name: watch(estate.site(name), kind, name=name) for name, kind in kinds.items()}
        for name in ("one", "two"):
            with_token(watched[name], estate.site(name))
        for _ in range(6):
            estate.clock.advance(10)
            for one in watched.values():
                one.seconds += 10
                turn(one, after=0)
        judging.judge_if_due(NOON + timedelta(seconds=60))
        judged = current.store().load(JUDGEMENT)
        for one in watched.values():
            one.poll()

    owners = {
        (key.rpartition("|")[2], whose.instance)
        for key, whose in judged.attributions_of(watched["vault"].instance.pk).items()
    }
    assert {instance for _, instance in owners} <= {"one", "two", ""}
    for name in ("one", "two"):
        covered = judged.coverage_of(watched[name].instance.pk)
        assert {one.freshness for one in covered.values()} == {"good"}
        assert {guest["backupState"] for guest in watched[name].guests().values()} == {"good"}
        assert {guest["lastBackup"] > "2025-12-31" for guest in watched[name].guests().values()} == {True}
    (shown,) = watched["vault"].shown("pbs")
    assert {job["instance"] for job in shown["backupJobs"]} == {"one", "two"}
