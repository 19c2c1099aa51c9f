"""Turns of the slow lanes against the fake Proxmox: what is known after some, and what a host is asked."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.collecting import pbs, pve, run, schedule
from monitoring.known.facts import FACTS
from monitoring.known.lanes import Lane
from monitoring.models import CollectedFacts
from monitoring.polling import restoring
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from monitoring.wire.fragments import FragmentKey
from nodes import editing
from nodes.models import Instance
from tests.factories import make_instance
from tests.fake_proxmox import PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import (
    MONITOR,
    asked,
    facts_of,
    forget_time,
    moment,
    progress_of,
    refusals,
    reset,
    turn,
    with_token,
)

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture
def host(fake_pve, watch):
    """One host, and an account that may see everything."""
    return with_token(watch(fake_pve), fake_pve.site)


@pytest.fixture
def cluster(fake_cluster, watch):
    """Three hosts, and an account that may see everything."""
    return with_token(watch(fake_cluster), fake_cluster)


class Slow:
    """Stands for the module `time` before a host that takes so many seconds for each call."""

    def __init__(self, seconds):
        self.seconds, self.now = seconds, 0.0

    def monotonic(self):
        self.now += self.seconds / 2
        return self.now


# --- what is known ------------------------------------------------------------------------------------------------


def test_after_some_turns_everything_is_known_of_a_host(host, fake_pve):
    turn(host, times=8)

    facts = facts_of(host)
    (name,) = facts.nodes
    node = facts.nodes[name]
    assert {one.code for one in progress_of(host).values()} == {""}
    assert all(one.done_epoch for one in progress_of(host).values())
    assert sorted(facts.guests) == list(range(100, 114))
    assert all(one.config is not None and one.snapshots_epoch for one in facts.guests.values())
    assert (node.version, node.time_zone) == ("9.2.4", "Europe/Vienna")
    assert node.storages
    assert node.zfs_pools
    assert node.disks
    assert node.certificates
    assert [job.id for job in facts.jobs] == ["backup-7a31c9e0-nightly", "backup-e4f1aa02-old"]
    assert sorted(facts.volumes) == [("local", "pve"), ("nas-backup", "")]
    assert facts.volumes[("nas-backup", "")]


def test_one_turn_is_enough_for_a_small_host_also_for_what_depends_on_what_it_has_just_found(watch):
    with virtual_estate(PveSpec(name="lab", guests=4, agents=1)) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site.servers[0]), site)

        turn(watched)

    facts = facts_of(watched)
    assert [name for name, one in progress_of(watched).items() if not one.done_epoch] == []
    assert {vmid for vmid, one in facts.guests.items() if one.disk_epoch} == {100}
    assert sorted(facts.job_volumes) == ["backup-7a31c9e0-nightly", "backup-e4f1aa02-old"]


def test_a_turn_plans_once_when_nothing_new_was_read(host, monkeypatch):
    turn(host, times=8)
    planned = []
    monkeypatch.setattr(run, "planned", lambda visit: planned.append(visit.epoch) or [])

    turn(host)

    assert len(planned) == 1


def test_after_some_turns_everything_is_known_of_a_pbs(fake_pbs, watch):
    watched = watch(fake_pbs, "pbs")

    turn(watched, times=4)

    facts = facts_of(watched)
    assert {one.code for one in progress_of(watched).values()} == {""}
    assert sorted(facts.namespaces) == ["archive", "main", "offsite"]
    assert all(place.groups_epoch and place.snapshots_epoch for place in facts.backups.values())
    assert {
        name for place in facts.backups.values() for name in place.snapshots
    } == {f"{group.kind}/{group.id}" for place in facts.backups.values() for group in place.groups}  # fmt: skip
    assert sorted(facts.server_jobs) == ["prune", "sync", "verify"]
    assert facts.host.time_zone == "Etc/UTC"


def test_a_turn_is_taken_about_every_ten_seconds_however_often_a_host_is_polled(host):
    assert turn(host) is True
    assert turn(host, after=5) is False
    assert turn(host, after=5) is True


def test_one_turn_makes_a_limited_number_of_calls(watch):
    with virtual_estate(PveSpec(name="lab", nodes=4, guests=100)) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site)
        watched.server = estate
        watched.poll(after=10)
        reset(site.servers)

        run.collect(watched.instance.pk, moment(watched))

        assert sum(server.traffic.snapshot()["total"] for server in site.servers) == 60


def test_in_steady_state_nothing_is_refused_and_two_calls_at_most_are_under_way(cluster, fake_cluster):
    turn(cluster, times=8)
    reset(fake_cluster.servers)

    turn(cluster, times=360)

    assert refusals(fake_cluster.servers) == {}
    peaks = [server.traffic.snapshot()["inFlightPeak"] for server in fake_cluster.servers]
    assert max(peak for one in peaks for peak in one.values()) <= 2


# --- rights -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "privileges",
    [
        {"/": ("Sys.Audit", "Datastore.Audit", "VM.Audit")},
        {"/vms": ("VM.Audit",)},
        {"/vms/101": ("VM.Audit", "VM.GuestAgent.Audit")},
        {"/": ()},
    ],
    ids=["auditor without agent", "guests only", "one guest only", "nothing"],
)
def test_an_account_that_may_little_is_never_refused_in_the_slow_lanes(privileges, fake_pve, watch):
    watched = with_token(watch(fake_pve), fake_pve.site, privileges)
    turn(watched)
    reset([fake_pve])

    turn(watched, times=12)

    statuses = fake_pve.traffic.snapshot()["statuses"]
    assert set(statuses) == {"200"}


def test_a_storage_whose_backups_the_account_may_not_see_is_not_asked(fake_pve, watch):
    auditor = {
        "/": ("Sys.Audit", "Datastore.Audit", "VM.Audit"),
        "/storage/local": ("Datastore.Audit", "Datastore.Allocate"),
    }
    watched = with_token(watch(fake_pve), fake_pve.site, auditor)

    turn(watched, times=6)

    assert asked([fake_pve], "/storage/local/content") == 1
    assert asked([fake_pve], "/storage/nas-backup/content") == 0
    assert sorted(facts_of(watched).volumes) == [("local", "pve")]


def test_backups_are_no_longer_shown_once_the_account_may_not_see_them(host, fake_pve):
    turn(host, times=4)
    assert facts_of(host).volumes[("nas-backup", "")]

    fake_pve.site.set_privileges(fake_pve.token_id, {"/": ("Sys.Audit", "Datastore.Audit", "VM.Audit")})
    forget_time(host, "permissions")
    turn(host, times=2)

    assert facts_of(host).volumes == {}


def test_a_refusal_is_remembered_for_half_an_hour(host, fake_pve):
    fake_pve.faults.add("403", path="/nodes/pve/time")
    turn(host, times=3)
    reset([fake_pve])

    turn(host, times=170)
    assert asked([fake_pve], "/nodes/pve/time") == 0

    turn(host, times=20)
    assert asked([fake_pve], "/nodes/pve/time") == 1
    assert progress_of(host)["time pve"].code == "permission_denied"


def test_what_was_refused_is_tried_as_soon_as_the_account_has_other_rights(host, fake_pve):
    fault = fake_pve.faults.add("403", path="/nodes/pve/time")
    turn(host, times=3)
    fake_pve.faults.clear(fault)

    fake_pve.site.set_privileges(fake_pve.token_id, {"/": (*MONITOR, "Sys.Syslog")})
    forget_time(host, "permissions")
    turn(host, times=2)

    assert facts_of(host).nodes["pve"].time_zone == "Europe/Vienna"


def test_a_refused_login_ends_the_turn(host, fake_pve):
    turn(host, times=3)
    forget_time(host, "tasks", "permissions", "storage", "disks", "versions")
    host.poll(after=10)
    reset([fake_pve])
    fake_pve.site.revoke_token(fake_pve.token_id)

    run.collect(host.instance.pk, moment(host))

    assert fake_pve.traffic.snapshot()["statuses"] == {"401": 1}


# --- hosts in trouble ---------------------------------------------------------------------------------------------


def test_a_node_that_is_dead_is_not_asked_and_known_again_without_a_flood_when_it_is_back(
    cluster, fake_cluster
):
    turn(cluster, times=10)
    victim = fake_cluster.servers[2].name
    known = facts_of(cluster).guests
    theirs = {vmid for vmid, guest in cluster.guests().items() if guest["node"] == victim}
    fake_cluster.kill_node(victim)
    turn(cluster)
    reset(fake_cluster.servers)

    turn(cluster, times=60)

    assert theirs
    assert asked(fake_cluster.servers, f"/nodes/{victim}/") == 0
    assert {cluster.guests()[vmid]["status"] for vmid in theirs} == {"unknown"}
    assert {vmid: facts_of(cluster).guests[vmid].config for vmid in theirs} == {
        vmid: known[vmid].config for vmid in theirs
    }

    fake_cluster.revive_node(victim)
    turn(cluster, times=2)
    reset(fake_cluster.servers)
    turn(cluster)
    assert asked(fake_cluster.servers, f"/nodes/{victim}/") <= 20


def test_no_turn_is_taken_while_an_instance_does_not_answer(host, fake_pve, short_limits):
    turn(host, times=2)
    fake_pve.faults.add("500", path="/cluster/resources")
    reset([fake_pve])

    assert turn(host) is False

    assert set(fake_pve.traffic.snapshot()["requests"]) <= {
        "/cluster/resources",
        "/cluster/status",
    }


def test_a_node_that_hangs_is_left_alone_for_a_minute(cluster, fake_cluster):
    turn(cluster, times=8)
    victim = fake_cluster.servers[1].name
    forget_time(cluster, "guest configuration", "time", "versions")
    for server in fake_cluster.servers:
        server.faults.add("595", path=f"/nodes/{victim}/*")
    reset(fake_cluster.servers)

    turn(cluster, times=6)

    slow = asked(fake_cluster.servers, f"/nodes/{victim}/") - asked(
        fake_cluster.servers, f"/nodes/{victim}/status"
    )
    alone = asked(fake_cluster.servers, f"/nodes/{victim}/storage") + asked(
        fake_cluster.servers, f"/nodes/{victim}/disks"
    )
    assert slow - alone <= 2
    assert progress_of(cluster)["versions pve-01"].done_epoch


def test_a_slow_host_is_asked_less(host, fake_pve, monkeypatch):
    monkeypatch.setattr(run, "time", Slow(1.0))
    host.poll(after=10)
    reset([fake_pve])

    assert run.collect(host.instance.pk, moment(host)) is True

    assert fake_pve.traffic.snapshot()["total"] == 8
    assert facts_of(host).slowed_epoch == moment(host).timestamp()
    assert facts_of(host).rest_until_epoch > moment(host).timestamp() + 10
    assert turn(host) is False
    assert turn(host) is True


def test_one_lane_that_fails_holds_up_no_other(host, fake_pve):
    fake_pve.faults.add("500", path="/nodes/pve/qemu/*/config")

    turn(host, times=8)

    progress = facts_of(host).progress
    assert [lane for lane, known in progress.items() if any(one.code for one in known.values())] == [
        Lane.GUEST_CONFIGURATION
    ]
    assert progress[Lane.GUEST_SNAPSHOTS][100].done_epoch


def test_a_flaw_of_ours_in_one_question_stops_nothing_else(host, fake_pve, monkeypatch, caplog):
    def broken(turn, node):
        raise KeyError("surprise")

    monkeypatch.setattr(pve.nodes, "read_certificates", broken)

    turn(host, times=8)

    progress = progress_of(host)
    assert [name for name, one in progress.items() if one.code] == ["certificates pve"]
    assert progress["certificates pve"].message.startswith("Pulse could not work with the answer (KeyError)")
    assert "surprise" in caplog.text


def test_a_flaw_of_ours_in_planning_leaves_what_is_known(host, monkeypatch):
    turn(host, times=4)
    before = facts_of(host).progress

    monkeypatch.setattr(pve.backups, "storages_to_list", lambda *args: 1 / 0)

    assert turn(host) is True
    assert facts_of(host).progress == before


def test_two_workers_do_not_take_the_same_turn(host):
    host.poll(after=10)
    right = f"collecting:{host.instance.pk}"
    assert current.store().take(right, b"another", seconds=100)

    assert run.collect(host.instance.pk, moment(host)) is False

    assert not current.store().take(right, b"a third", seconds=100)


# --- what tasks hasten --------------------------------------------------------------------------------------------


TASKS = {
    "a backup": ("vzdump", "101", {"backup tasks pve", "backups local pve", "backups nas-backup"}),
    "a snapshot": ("qmsnapshot", "101", {"guest snapshots 101"}),
    "another option": ("qmconfig", "101", {"guest configuration 101"}),
    "a console": ("vncproxy", "101", set()),
}


@pytest.mark.parametrize(("kind", "subject", "expected"), TASKS.values(), ids=TASKS)
def test_a_task_that_ended_hastens_what_it_has_changed(kind, subject, expected, host, fake_pve):
    turn(host, times=12)
    upid = fake_pve.site.start_task("pve", kind, subject)
    turn(host, times=3)
    at, tasks = moment(host).timestamp(), facts_of(host).progress_of(Lane.TASKS)
    facts_of(host).progress = schedule.each(
        facts_of(host).progress,
        lambda one: (
            one if one is tasks else msgspec.structs.replace(one, tried_epoch=at - 900, next_epoch=at + 9000)
        ),
    )

    fake_pve.site.finish_task(upid)
    turn(host, times=4)

    at = moment(host).timestamp()
    lanes = ("backup tasks", "backups", "guest snapshots", "guest configuration")
    recent = {
        name
        for name, one in progress_of(host).items()
        if name.startswith(lanes) and at - one.tried_epoch < 60
    }
    assert recent == expected


def test_a_guest_that_was_started_is_read_again(host, fake_pve):
    fake_pve.site.stop_guest(101)
    turn(host, times=12)
    fake_pve.site.start_guest(101)
    reset([fake_pve])

    turn(host, times=2)
    assert asked([fake_pve], "/101/config") == 1

    turn(host, times=20)
    assert asked([fake_pve], "/101/config") == 1


def test_a_refused_storage_is_not_asked_after_each_backup(host, fake_pve):
    turn(host, times=4)
    fake_pve.faults.add("403", path="/nodes/pve/storage/nas-backup/content")
    forget_time(host, "backups")
    turn(host, times=2)
    reset([fake_pve])

    for _ in range(5):
        upid = fake_pve.site.start_task("pve", "vzdump", "101")
        turn(host, times=7)
        fake_pve.site.finish_task(upid)
    turn(host, times=7)

    assert asked([fake_pve], "/storage/nas-backup/content") == 0
    assert asked([fake_pve], "/storage/local/content") == 5


# --- agents -------------------------------------------------------------------------------------------------------

AGENTS = {
    "ok": "",
    "dead": "agent_not_running",
    "disabled": "agent_refused",
    "hung": "agent_timeout",
    "unsupported": "not_supported",
    "none": "agent_disabled",
}


@pytest.mark.parametrize(("state", "reason"), AGENTS.items(), ids=AGENTS)
def test_the_state_of_an_agent_is_the_reason_for_a_missing_figure(state, reason, host, fake_pve):
    fake_pve.site.set_agent(101, state)

    turn(host, times=8)
    host.poll(after=10)

    guest = host.guests()[101]
    assert guest["type"] == "qemu"
    assert guest.get("diskReason", "") == reason
    assert (guest["disk"]["used"] > 0) is (state == "ok")
    assert guest.get("diskSource", "") == ("agent" if state == "ok" else "")


def test_an_agent_that_the_account_may_not_ask_is_not_asked(fake_pve, watch):
    auditor = {"/": ("Sys.Audit", "Datastore.Audit", "VM.Audit")}
    watched = with_token(watch(fake_pve), fake_pve.site, auditor)

    turn(watched, times=8)
    watched.poll(after=10)

    assert asked([fake_pve], "/agent/") == 0
    assert watched.guests()[101]["diskReason"] == "no_permission"


def test_a_node_of_an_older_release_demands_another_privilege(watch):
    with virtual_estate(PveSpec(name="lab", guests=12, version="8.4")) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site, {"/": (*MONITOR, "VM.Monitor")})
        watched.server = estate
        turn(watched, times=8)
        assert asked(site.servers, "/agent/get-fsinfo") > 0

        site.set_privileges(site.token_id, {"/": MONITOR})
        forget_time(watched, "permissions")
        turn(watched)
        reset(site.servers)
        turn(watched, times=40)

        assert asked(site.servers, "/agent/") == 0
        assert refusals(site.servers) == {}


# --- edits, pauses, restarts --------------------------------------------------------------------------------------


def test_an_instance_that_is_removed_during_a_turn_leaves_nothing_behind(
    host, monkeypatch, django_capture_on_commit_callbacks
):
    host.poll(after=10)
    original = pve.cluster.read_tasks

    def read_and_remove(turn):
        original(turn)
        with django_capture_on_commit_callbacks(execute=True):
            editing.remove(host.instance.pk, at=moment(host))

    monkeypatch.setattr(pve.cluster, "read_tasks", read_and_remove)
    run.collect(host.instance.pk, moment(host))

    assert current.store().load(FACTS, of=host.instance.pk) is None
    assert current.store().fragments() == {}
    assert CollectedFacts.objects.count() == 0


def test_an_edit_during_a_turn_publishes_nothing_under_the_old_name(host, monkeypatch):
    host.poll(after=10)
    original = pve.cluster.read_tasks

    def read_and_rename(turn):
        original(turn)
        Instance.objects.filter(pk=host.instance.pk).update(name="renamed", version=99)

    monkeypatch.setattr(pve.cluster, "read_tasks", read_and_rename)
    run.collect(host.instance.pk, moment(host))
    assert FragmentKey(host.instance.pk, "lists") not in current.store().fragments()

    monkeypatch.setattr(pve.cluster, "read_tasks", original)
    turn(host)
    assert current.store().fragments()[FragmentKey(host.instance.pk, "lists")].name == "renamed"


def test_another_address_is_another_host_of_which_nothing_is_known(host, fake_cluster):
    turn(host, times=6)
    fake_cluster.set_privileges(fake_cluster.token_id, {"/": MONITOR})
    fresh = make_instance(
        name="other",
        host=fake_cluster.url,
        token_id=fake_cluster.token_id,
        token_value=fake_cluster.token_value,
    )
    fields = {"host": fresh.host, "uid": fresh.uid, "token_id": fresh.token_id, "sealed_token": fresh.sealed_token}  # fmt: skip
    fresh.delete()
    Instance.objects.filter(pk=host.instance.pk).update(**fields, version=50)

    turn(host)

    assert ("nas-backup", "") not in facts_of(host).volumes
    assert "pve" not in facts_of(host).nodes


def test_a_paused_instance_is_not_asked(host, fake_pve, django_capture_on_commit_callbacks):
    turn(host, times=2)
    with django_capture_on_commit_callbacks(execute=True):
        editing.pause(host.instance.pk)
    reset([fake_pve])

    assert turn(host) is False

    assert fake_pve.traffic.snapshot()["total"] == 0
    assert current.store().load(FACTS, of=host.instance.pk) is None


def restart(watched):
    """Begin anew in another process: only the database is left."""
    current.install(MemoryStore())
    restoring.restore_inventory(moment(watched))


def test_facts_survive_a_restart_and_hardly_anything_is_asked_again(host, fake_pve):
    turn(host, times=40)
    facts_of(host).saved_epoch = 0.0
    facts_of(host).touched += 1
    turn(host)
    backups = [
        item.id
        for item in current.store()
        .fragments()[FragmentKey(host.instance.pk, "lists")]
        .items["storageBackups"]
    ]
    restart(host)
    reset([fake_pve])

    turn(host)

    shown = current.store().fragments()[FragmentKey(host.instance.pk, "lists")].items["storageBackups"]
    assert backups
    assert [item.id for item in shown] == backups
    assert fake_pve.traffic.snapshot()["total"] <= 12


def test_what_was_collected_before_a_restart_is_shown_while_the_host_is_down(host, fake_pve, short_limits):
    turn(host, times=8)
    facts_of(host).saved_epoch = 0.0
    facts_of(host).touched += 1
    turn(host)
    restart(host)
    fake_pve.stop()

    assert turn(host) is False

    fragment = current.store().fragments()[FragmentKey(host.instance.pk, "lists")]
    assert len(fragment.items["storageBackups"]) > 10
    assert len(fragment.items["guestSnapshots"]) > 0


def test_saved_facts_that_are_damaged_are_none(host):
    turn(host, times=2)
    row = CollectedFacts.objects.get()
    for body in (b"", b"nonsense", bytes(row.body)[:-30], bytes(row.body)[:40] + b"\0" * 60):
        row.body = body
        assert row.facts() is None


def test_a_clock_that_was_set_back_does_not_stop_the_lanes(host):
    turn(host, times=3)
    host.seconds -= 7200

    assert turn(host, after=10) is True
    assert all(one.tried_epoch <= moment(host).timestamp() for one in progress_of(host).values())


# --- what is forgotten --------------------------------------------------------------------------------------------


def test_a_guest_that_is_gone_is_forgotten(host, fake_pve):
    turn(host, times=6)

    fake_pve.site.remove_guest(101)
    turn(host)

    assert 101 not in facts_of(host).guests
    assert [name for name in progress_of(host) if name.endswith(" 101")] == []


def test_backups_in_a_storage_that_is_gone_are_forgotten(host, fake_pve):
    turn(host, times=4)

    fake_pve.site.remove_storage("nas-backup")
    forget_time(host, "storage configuration")
    turn(host, times=2)

    assert sorted(facts_of(host).volumes) == [("local", "pve")]


def test_nobody_is_shown_backups_that_are_not_to_be_monitored(host):
    turn(host, times=4)

    Instance.objects.filter(pk=host.instance.pk).update(monitor_backups=False, version=9)
    turn(host, times=2)

    fragment = current.store().fragments()[FragmentKey(host.instance.pk, "lists")]
    assert (fragment.items["backupTasks"], fragment.items["storageBackups"]) == ((), ())
    assert facts_of(host).volumes == {}


# --- storages behind a PBS ----------------------------------------------------------------------------------------


@pytest.fixture
def vaulted(watch):
    """A host that stores in a PBS of the same estate."""
    specs = (PveSpec(name="lab", guests=6, backup_server="vault"), PbsSpec(name="vault", datastores=1))
    with virtual_estate(*specs) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site)
        watched.server = estate
        yield watched, estate


def test_backups_on_a_pbs_that_pulse_does_not_know_are_listed_through_the_pve(vaulted):
    watched, _ = vaulted

    turn(watched, times=4)

    assert facts_of(watched).volumes[("pbs-vault", "")]


@pytest.mark.parametrize("by", ["host", "fingerprint"])
def test_backups_on_a_pbs_that_pulse_knows_are_not_listed_twice(by, vaulted):
    watched, estate = vaulted
    vault = estate.site("vault")
    turn(watched, times=4)
    known = {"host": vault.url} if by == "host" else {"fingerprint": vault.model.fingerprint.lower().replace(":", "")}  # fmt: skip

    make_instance("pbs", **known)
    forget_time(watched, "backups")
    reset(estate.site("lab").servers)
    turn(watched, times=2)

    assert sorted(facts_of(watched).volumes) == [("local", "lab"), ("nas-backup", "")]
    assert asked(estate.site("lab").servers, "/storage/pbs-vault/content") == 0


# --- PBS ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(fake_pbs, watch):
    """A PBS of which everything is known."""
    watched = watch(fake_pbs, "pbs")
    turn(watched, times=4)
    return watched


def place(watched, datastore, namespace=""):
    return facts_of(watched).backups[datastore, namespace]


def test_a_new_backup_is_seen_by_reading_its_group_alone(vault, fake_pbs):
    at = fake_pbs.site.add_backup("main", "vm", "777")
    forget_time(vault, "groups")
    reset([fake_pbs])

    turn(vault)

    assert [one.taken_epoch for one in place(vault, "main").snapshots["vm/777"]] == [at]
    assert asked([fake_pbs], "/main/snapshots") == 1


def test_many_new_backups_are_read_by_one_listing(vault, fake_pbs):
    for number in range(20):
        fake_pbs.site.add_backup("main", "vm", str(700 + number))
    forget_time(vault, "groups")
    reset([fake_pbs])

    turn(vault, times=9)

    assert asked([fake_pbs], "/main/snapshots") == 1
    assert {f"vm/{700 + number}" for number in range(20)} <= place(vault, "main").snapshots.keys()


def test_a_group_that_cannot_be_read_holds_up_no_other(vault, fake_pbs):
    for number in range(3):
        fake_pbs.site.add_backup("main", "vm", str(700 + number))
    fake_pbs.faults.add("status", path="/admin/datastore/main/snapshots", count=1, status=400)
    forget_time(vault, "groups")

    turn(vault)

    assert place(vault, "main").snapshots.keys() & {"vm/700", "vm/701", "vm/702"} == {"vm/701", "vm/702"}
    assert progress_of(vault)["groups main"].code == ""


def test_a_removed_group_goes_with_its_snapshots(vault, fake_pbs):
    name = next(name for name in place(vault, "main").snapshots if name.startswith("vm/"))

    fake_pbs.site.remove_backup("main", "vm", name.removeprefix("vm/"))
    forget_time(vault, "groups")
    turn(vault)

    assert name not in place(vault, "main").snapshots


def test_a_namespace_that_is_gone_takes_its_backups_along(vault, fake_pbs):
    fake_pbs.site.add_namespace("main", "new/deep")
    fake_pbs.site.add_backup("main", "vm", "777", namespace="new/deep")
    forget_time(vault, "namespaces")
    turn(vault, times=2)
    assert place(vault, "main", "new/deep").snapshots.keys() == {"vm/777"}

    fake_pbs.site.remove_namespace("main", "new/deep")
    forget_time(vault, "namespaces")
    turn(vault)

    assert ("main", "new/deep") not in facts_of(vault).backups


def test_a_datastore_that_is_gone_takes_its_backups_along(vault, fake_pbs):
    fake_pbs.site.remove_datastore("offsite")

    turn(vault, times=4)

    assert sorted(facts_of(vault).namespaces) == ["archive", "main"]
    assert [key for key in facts_of(vault).backups if key[0] == "offsite"] == []


def test_a_namespace_that_the_account_may_not_see_is_not_asked_and_disturbs_no_other(fake_pbs, watch):
    fake_pbs.site.add_namespace("main", "open")
    fake_pbs.site.add_namespace("main", "closed")
    fake_pbs.site.add_backup("main", "vm", "777", namespace="open")
    rights = {
        "/": ("Sys.Audit", "Datastore.Audit"),
        "/datastore/main/closed": ("Datastore.Modify",),
    }
    watched = with_token(watch(fake_pbs, "pbs"), fake_pbs.site, rights)

    turn(watched, times=4)

    assert [one.path for one in facts_of(watched).namespaces["main"]].count("closed") == 1
    assert refusals([fake_pbs]) == {}
    assert place(watched, "main", "open").snapshots.keys() == {"vm/777"}
    assert ("main", "closed") not in facts_of(watched).backups


def test_one_namespace_that_fails_disturbs_no_other(fake_pbs, watch):
    watched = watch(fake_pbs, "pbs")
    fake_pbs.faults.add("403", path="/admin/datastore/archive/*")

    turn(watched, times=4)

    assert place(watched, "main").snapshots
    assert place(watched, "offsite").snapshots


def test_a_place_whose_snapshots_do_not_fit_into_an_answer_is_read_group_by_group(
    fake_pbs, watch, monkeypatch
):
    from monitoring.collecting import pbs
    from nodes.proxmox.errors import TooLarge

    original = pbs.backup_server.snapshots

    def snapshots(client, store, namespace, *, kind="", **options):
        if store == "main" and not kind:
            raise TooLarge("The answer is larger than 16 MB")
        return original(client, store, namespace, kind=kind, **options)

    monkeypatch.setattr(pbs.backup_server, "snapshots", snapshots)
    watched = watch(fake_pbs, "pbs")

    turn(watched, times=8)

    known = place(watched, "main")
    assert known.is_large is True
    assert known.snapshots_epoch > 0
    assert known.snapshots.keys() == {f"{one.kind}/{one.id}" for one in known.groups}
    assert "snapshots main" not in progress_of(watched)

    at = fake_pbs.site.add_backup("main", "vm", "777")
    forget_time(watched, "groups")
    turn(watched)
    assert [one.taken_epoch for one in place(watched, "main").snapshots["vm/777"]] == [at]


def test_a_verification_that_ended_is_seen(vault, fake_pbs):
    task = fake_pbs.site.start_task("verificationjob", "main:v-1")
    name = next(name for name in place(vault, "main").snapshots if name.startswith("vm/"))
    turn(vault, times=4)
    fake_pbs.site.set_verification("main", "vm", name.removeprefix("vm/"), "failed")

    fake_pbs.site.finish_task(task)
    turn(vault, times=8)

    assert place(vault, "main").snapshots[name][0].verification == "failed"


def test_garbage_collections_of_which_one_cannot_be_read_are_as_old_as_the_last_complete_reading(
    fake_pbs, watch, monkeypatch
):
    monkeypatch.setattr(pbs, "version_of", lambda visit: (3, 1))  # asked for each datastore by itself
    watched = watch(fake_pbs, "pbs", monitor_garbage_jobs=True)
    turn(watched, times=4)
    read_epoch = facts_of(watched).server_jobs_epoch["garbage"]
    fake_pbs.faults.add("500", path="/admin/datastore/archive/gc")
    forget_time(watched, "jobs")

    turn(watched)

    facts = facts_of(watched)
    assert facts.progress_of(Lane.SERVER_JOBS, "garbage").code == "server_error"
    assert [job.store for job in facts.server_jobs["garbage"]] == ["archive", "main", "offsite"]
    assert facts.server_jobs_epoch["garbage"] == read_epoch
    assert facts.server_jobs_epoch["prune"] > read_epoch


BACKUP_TASKS = {
    "in the root": ("vm/100", {""}),
    "a namespace first": ("ns/dev:vm/100", {"dev"}),
    "a namespace last": ("vm/100:dev", {"dev"}),
    "one below another": ("dev/a/vm/100", {"dev", "dev/a"}),
    "a name that only contains it": ("develop:vm/100", set()),
}


@pytest.mark.parametrize(("subject", "expected"), BACKUP_TASKS.values(), ids=BACKUP_TASKS)
def test_a_backup_task_hastens_the_namespaces_that_it_may_be_in(subject, expected):
    from monitoring.collecting.pbs import is_told_in

    assert {one for one in ("", "dev", "dev/a", "prod") if is_told_in(subject, one)} == expected
