"""What happens on the fake Proxmox, as events: each once, whoever tells of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError

from monitoring.collecting import happening, run
from monitoring.history import events
from monitoring.models import HistoryEvent
from monitoring.polling import restoring
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from nodes import editing
from nodes.drafts import Draft
from nodes.models import Datastore, Guest, Node, Storage
from tests.conftest import NOON
from tests.fake_proxmox import PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import moment, turn, with_token

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(autouse=True)
def nothing_kept():
    """This process has kept nothing yet."""
    happening._kept.clear()
    events._waiting.clear()


@pytest.fixture
def cluster(fake_cluster, watch):
    """Three hosts that were looked at for a while, and an account that may see everything."""
    watched = with_token(watch(fake_cluster), fake_cluster)
    watched.site = fake_cluster
    turn(watched, times=3)
    return watched


def of_guest(watched, vmid):
    """What is kept of a guest since the first look: (kind, code, text, outcome)."""
    row = Guest.objects.get(instance=watched.instance, vmid=vmid)
    return told(object_kind="guest", object_id=row.pk)


def told(**wanted):
    """What is kept, since the first look, of such an object."""
    rows = HistoryEvent.objects.filter(start_epoch__gt=NOON.timestamp(), **wanted).order_by(
        "start_epoch", "pk"
    )
    return [(row.kind, row.code, row.text, row.outcome) for row in rows]


def place_of(watched, vmid):
    """The node of a guest, and another one."""
    node = Guest.objects.get(instance=watched.instance, vmid=vmid).node_name
    other = next(one for one in sorted(Node.objects.values_list("name", flat=True)) if one != node)
    return node, other


# --- migrations -------------------------------------------------------------------------------------------------------


def test_a_migration_that_no_task_tells_is_one_event_of_the_guest(cluster):
    node, other = place_of(cluster, 101)

    cluster.site.migrate_guest(101, other)
    turn(cluster, times=4)

    assert of_guest(cluster, 101) == [("migration", "moved", f"from {node} to {other}", "")]


def test_a_migration_is_one_event_when_its_task_is_seen_first(cluster):
    node, other = place_of(cluster, 101)

    upid = cluster.site.start_task(node, "qmigrate", "101")
    turn(cluster, times=3)
    running = of_guest(cluster, 101)
    cluster.site.migrate_guest(101, other)
    cluster.site.finish_task(upid)
    turn(cluster, times=4)

    assert running == [("migration", "qmigrate", "by root@pam", "running")]
    assert of_guest(cluster, 101) == [("migration", "qmigrate", f"from {node} to {other}, by root@pam", "ok")]


def test_a_migration_is_one_event_when_the_move_is_seen_first(cluster):
    node, other = place_of(cluster, 101)

    upid = cluster.site.start_task(node, "qmigrate", "101")
    cluster.site.migrate_guest(101, other)
    cluster.site.finish_task(upid)
    cluster.poll(after=5)
    seen = of_guest(cluster, 101)
    turn(cluster, times=4)

    assert seen == [("migration", "moved", f"from {node} to {other}", "")]
    assert of_guest(cluster, 101) == [("migration", "qmigrate", f"from {node} to {other}, by root@pam", "ok")]


def test_a_request_to_high_availability_and_the_migration_that_follows_are_one_event(cluster):
    node, other = place_of(cluster, 101)

    cluster.site.finish_task(cluster.site.start_task(node, "hamigrate", "101"))
    turn(cluster, times=3)
    asked = of_guest(cluster, 101)
    upid = cluster.site.start_task(node, "qmigrate", "101")
    cluster.site.migrate_guest(101, other)
    cluster.site.finish_task(upid)
    turn(cluster, times=4)

    assert asked == [("migration", "hamigrate", "by root@pam", "ok")]
    assert of_guest(cluster, 101) == [("migration", "qmigrate", f"from {node} to {other}, by root@pam", "ok")]


# --- power, settings, guests ------------------------------------------------------------------------------------------


def test_a_guest_that_is_stopped_and_started_is_seen(cluster):
    cluster.site.stop_guest(100)
    turn(cluster, times=2)
    cluster.site.start_guest(100)
    turn(cluster, times=2)

    assert of_guest(cluster, 100) == [("power", "stopped", "", ""), ("power", "started", "", "")]


def test_a_task_that_stops_a_guest_is_told_in_place_of_what_was_seen(cluster):
    node, _ = place_of(cluster, 100)

    upid = cluster.site.start_task(node, "qmshutdown", "100", user="anna@pve")
    cluster.site.stop_guest(100)
    cluster.site.finish_task(upid)
    turn(cluster, times=4)

    assert of_guest(cluster, 100) == [("power", "qmshutdown", "by anna@pve", "ok")]


def test_what_is_changed_of_a_guest_is_told_with_before_and_after(cluster):
    cluster.site.rename_guest(100, "renamed")
    cluster.site.change_guest(101, tags="blue", cpus=12, memory_bytes=3 << 30)
    before = Guest.objects.get(vmid=100).name
    turn(cluster)

    assert of_guest(cluster, 100) == [("configuration", "name", f"from {before} to renamed", "")]
    codes = {code: text for _, code, text, _ in of_guest(cluster, 101)}
    assert codes.keys() == {"tags", "cpus", "memory"}
    assert codes["tags"].endswith(" to blue")
    assert codes["cpus"].endswith(" to 12 CPUs")
    assert codes["memory"].endswith(" to 3.0 GiB")


def test_guests_that_come_and_go_are_told(cluster):
    cluster.site.add_guest(4711, "fresh")
    turn(cluster)
    cluster.site.remove_guest(4711)
    turn(cluster)

    node = Guest.objects.get(vmid=4711).node_name
    assert of_guest(cluster, 4711) == [
        ("configuration", "created", f"fresh (4711) on {node}", ""),
        ("configuration", "removed", f"fresh (4711) on {node}", ""),
    ]


def test_a_node_that_booted_is_told_with_when(cluster):
    name = sorted(Node.objects.values_list("name", flat=True))[-1]
    cluster.site.kill_node(name)
    turn(cluster, times=4)
    cluster.site.revive_node(name)
    turn(cluster, times=4)

    row = Node.objects.get(name=name)
    assert [code for _, code, _, _ in told(object_kind="node", object_id=row.pk)] == ["rebooted"]


def test_a_storage_of_another_size_is_told(cluster):
    cluster.site.set_storage("nfs-iso", total_bytes=40 << 40)
    turn(cluster, times=2)

    row = Storage.objects.get(name="nfs-iso")
    ((kind, code, text, _),) = told(object_kind="storage", object_id=row.pk)
    assert (kind, code) == ("configuration", "size")
    assert text.endswith(" to 40.0 TiB")


def test_hours_in_which_nothing_happens_leave_no_events(cluster):
    turn(cluster, times=30)

    assert told().count(("power", "stopped", "", "")) == 0
    assert [one for one in told() if one[1] not in ("vzdump", "aptupdate")] == []


# --- tasks ------------------------------------------------------------------------------------------------------------


def test_a_backup_of_one_guest_is_its_event_from_its_begin_to_its_end(cluster):
    node, _ = place_of(cluster, 102)

    upid = cluster.site.start_task(node, "vzdump", "102")
    turn(cluster, times=3)
    running = of_guest(cluster, 102)
    cluster.site.fail_task(upid, "no space left on device")
    turn(cluster, times=3)

    assert running == [("backup", "vzdump", "by root@pam", "running")]
    assert of_guest(cluster, 102) == [("backup", "vzdump", "no space left on device, by root@pam", "failed")]
    row = HistoryEvent.objects.get(key=upid)
    assert row.start_epoch == NOON.timestamp() + 30
    assert row.end_epoch == NOON.timestamp() + 60


def test_a_run_over_several_guests_is_told_of_each_that_its_log_names(cluster):
    node, _ = place_of(cluster, 100)
    log = [
        "INFO: Starting Backup of VM 100 (qemu)",
        "INFO: Finished Backup of VM 100 (00:00:20)",
        "INFO: Starting Backup of VM 101 (qemu)",
        "ERROR: Backup of VM 101 failed - no space left",
    ]

    upid = cluster.site.start_task(node, "vzdump", "", log=log)
    cluster.server.clock.advance(50)
    cluster.seconds += 50
    cluster.site.fail_task(upid)
    turn(cluster, times=8)

    run_of_node = HistoryEvent.objects.get(key=upid)
    assert (run_of_node.object_kind, run_of_node.outcome) == ("node", "failed")
    assert of_guest(cluster, 100) == [("backup", "vzdump", "by root@pam", "ok")]
    assert of_guest(cluster, 101) == [("backup", "vzdump", "no space left, by root@pam", "failed")]
    first = HistoryEvent.objects.get(key=f"{upid} 100")
    assert first.end_epoch - first.start_epoch == 20


def test_snapshots_and_restores_have_their_kinds_and_consoles_are_not_kept(cluster):
    node, _ = place_of(cluster, 100)
    for kind in ("qmsnapshot", "qmrestore", "vncproxy", "imgcopy"):
        cluster.site.finish_task(cluster.site.start_task(node, kind, "100"))

    turn(cluster, times=3)

    assert {(kind, code) for kind, code, _, _ in of_guest(cluster, 100)} == {
        ("snapshot", "qmsnapshot"),
        ("restore", "qmrestore"),
        ("task", "imgcopy"),
    }


def test_tasks_are_kept_once_also_by_a_process_that_begins_anew(cluster):
    before = HistoryEvent.objects.count()
    happening._kept.clear()

    turn(cluster, times=4)

    assert before > 0
    assert HistoryEvent.objects.count() == before


def test_a_task_that_ran_and_is_not_listed_any_more_has_ended_somehow(cluster):
    node, _ = place_of(cluster, 100)
    upid = cluster.site.start_task(node, "vzdump", "100")
    turn(cluster, times=3)

    with cluster.site.changing():
        cluster.site.model.tasks = [one for one in cluster.site.model.tasks if one.upid != upid]
    turn(cluster, times=3)

    row = HistoryEvent.objects.get(key=upid)
    assert (row.outcome, row.end_epoch is not None) == ("", True)


def test_a_task_of_a_guest_without_a_row_is_told_of_its_node(cluster):
    node, _ = place_of(cluster, 100)
    cluster.site.finish_task(cluster.site.start_task(node, "qmdestroy", "9999"))

    turn(cluster, times=3)

    row = Node.objects.get(name=node)
    assert ("configuration", "qmdestroy", "guest 9999, by root@pam", "ok") in told(
        object_kind="node", object_id=row.pk
    )


def test_tasks_of_a_backup_server_are_those_of_its_datastores(fake_pbs, watch):
    watched = watch(fake_pbs, "pbs")
    turn(watched, times=4)
    fake_pbs.site.finish_task(fake_pbs.site.start_task("backup", "main:vm/100"))
    upid = fake_pbs.site.start_task("garbage_collection", "main")
    fake_pbs.site.fail_task(upid, "chunk is missing")

    turn(watched, times=6)

    row = Datastore.objects.get(name="main")
    assert told(object_kind="datastore", object_id=row.pk) == [
        ("backup", "backup", "vm/100, by root@pam", "ok"),
        ("task", "garbage_collection", "chunk is missing, by root@pam", "failed"),
    ]


# --- what must not be told --------------------------------------------------------------------------------------------


def test_a_host_that_is_silent_for_a_while_has_not_changed(cluster):
    for server in cluster.site.servers:
        server.faults.add("down")
    turn(cluster, times=6)
    for server in cluster.site.servers:
        server.faults.clear()
    turn(cluster, times=3)

    assert [one for one in told() if one[1] not in ("vzdump", "aptupdate")] == []


def test_a_move_while_pulse_did_not_run_is_told_with_the_span_in_which_it_was(cluster):
    node, other = place_of(cluster, 101)
    last = moment(cluster)
    current.install(MemoryStore())
    cluster.site.migrate_guest(101, other)
    cluster.server.clock.advance(3600)
    cluster.seconds += 3600

    restoring.restore_inventory(moment(cluster))
    turn(cluster, times=2)

    row = HistoryEvent.objects.get(code="moved")
    assert row.text == f"from {node} to {other}"
    assert row.end_epoch == int(moment(cluster).timestamp()) - 10
    assert last - timedelta(minutes=5) <= NOON + timedelta(seconds=row.start_epoch - NOON.timestamp()) <= last


@pytest.mark.parametrize("step", [-86_400, -3600, 3600, 86_400])
def test_a_step_of_the_clock_tells_nothing_that_did_not_happen(fake_pve, watch, step):
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched, times=3)
    before = HistoryEvent.objects.count()

    watched.seconds += step
    turn(watched, times=3)

    assert before > 0
    assert HistoryEvent.objects.count() == before


def test_what_is_switched_off_has_not_gone(cluster):
    editing.change(cluster.instance.pk, Draft(kind="pve", flags={"monitor_vms": False}), at=moment(cluster))
    turn(cluster, times=2)
    editing.change(cluster.instance.pk, Draft(kind="pve", flags={"monitor_vms": True}), at=moment(cluster))
    turn(cluster, times=2)

    assert [one for one in told() if one[1] in ("created", "removed")] == []


def test_what_could_not_be_written_is_written_with_the_next(cluster, monkeypatch):
    node, other = place_of(cluster, 101)
    write = events.write

    def full(*args):
        raise DatabaseError

    cluster.site.migrate_guest(101, other)
    monkeypatch.setattr(events, "write", full)
    turn(cluster)
    assert of_guest(cluster, 101) == []

    monkeypatch.setattr(events, "write", write)
    cluster.site.rename_guest(100, "renamed")
    turn(cluster)
    assert of_guest(cluster, 101) == [("migration", "moved", f"from {node} to {other}", "")]


def test_tasks_that_could_not_be_written_are_written_by_the_next_visit(cluster, monkeypatch):
    node, _ = place_of(cluster, 100)
    record = events.record_tasks

    def full(*args, **options):
        raise DatabaseError

    cluster.site.finish_task(cluster.site.start_task(node, "qmsnapshot", "100"))
    monkeypatch.setattr(events, "record_tasks", full)
    turn(cluster, times=3)
    assert of_guest(cluster, 100) == []

    monkeypatch.setattr(events, "record_tasks", record)
    turn(cluster, times=2)
    assert of_guest(cluster, 100) == [("snapshot", "qmsnapshot", "by root@pam", "ok")]


def test_two_hundred_guests_may_go_at_once_one_by_one_and_more_are_one_event(watch):
    with virtual_estate(PveSpec(name="lab", nodes=1, guests=260)) as estate:
        site = estate.site("lab")
        watched = with_token(watch(site), site)
        watched.server = estate
        watched.poll(after=10)
        watched.poll(after=10)
        shown = Guest.objects.order_by("vmid").values_list("vmid", flat=True)
        for vmid in list(shown[:230]):
            site.remove_guest(vmid)
        watched.poll(after=10)

    (row,) = HistoryEvent.objects.filter(code="removed")
    assert (row.object_kind, row.object_id) == ("instance", watched.instance.pk)
    assert row.text == "230 objects: no longer in the list"


def test_a_flaw_in_the_events_costs_nothing_that_was_read(cluster, monkeypatch, caplog):
    def broken(*args, **options):
        raise ValueError

    monkeypatch.setattr(happening, "record", broken)
    before = run.saved.facts_of(cluster.instance).tasks_epoch
    turn(cluster, times=3)

    assert run.saved.facts_of(cluster.instance).tasks_epoch > before
    assert caplog.text.count("what happened could not be kept") == 1
