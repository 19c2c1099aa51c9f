"""After a restart: the last known picture at once, and polls without waiting; what commands changed elsewhere is noticed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.backups.judgement import JUDGEMENT
from monitoring.known.facts import FACTS, Facts
from monitoring.models import CollectedFacts
from monitoring.polling import polls, restoring
from monitoring.store import current
from monitoring.store import saved as saved_facts
from monitoring.store.current import KINDS
from monitoring.store.memory import MemoryStore
from monitoring.store.redis import RedisStore
from nodes.models import Instance, Node
from tests.conftest import NOON
from tests.factories import make_guest
from tests.fake_proxmox import PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import facts_of, judge, moment, turn, with_token
from tests.monitoring.conftest import Watched
from tests.scale.servers import RedisServer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

LISTS = ("backupTasks", "storageBackups", "guestSnapshots")


def forget_everything():
    """A process that begins anew: nothing is in memory."""
    current.install(MemoryStore())


def restart(watched):
    """Begin anew and restore what the database holds."""
    forget_everything()
    restoring.restore_inventory(moment(watched))
    restoring.restore_collected(moment(watched))


def saved(watched):
    """All that is known of it by now is in the database."""
    CollectedFacts.keep(watched.instance, facts_of(watched), at=moment(watched))
    return watched


@pytest.fixture
def lab(fake_cluster, watch):
    """A cluster of which everything is known, judged and saved."""
    watched = with_token(watch(fake_cluster), fake_cluster)
    turn(watched, times=8)
    judge(watched)
    turn(watched)
    watched.poll(after=10)
    return saved(watched)


# --- the inventory ------------------------------------------------------------------------------------------------


def test_the_last_known_guests_are_shown_as_old(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    before = set(watched.guests())
    forget_everything()

    assert restoring.restore_inventory(NOON) == 1

    guests = watched.guests()
    assert set(guests) == before
    assert {(guest["status"], guest["stale"], guest["diskReason"]) for guest in guests.values()} == {
        ("unknown", True, "not_read_yet")
    }


# --- what was collected -------------------------------------------------------------------------------------------


def test_the_first_state_has_the_lists_and_how_the_backups_are(lab, document):
    before = document()
    restart(lab)

    after = document()

    assert after["pveBackups"] == before["pveBackups"]
    assert [len(after["pveBackups"][name]) > 0 for name in LISTS] == [True, True, True]
    states = {one["vmid"]: (one["backupState"], one["lastBackup"]) for one in before["vms"]}
    assert {one["vmid"]: (one["backupState"], one["lastBackup"]) for one in after["vms"]} == states
    assert {(one["status"], one["diskReason"]) for one in after["vms"]} == {("unknown", "not_read_yet")}
    addresses = {one["vmid"]: one.get("ipAddresses", []) for one in before["vms"]}
    assert any(addresses.values())
    assert {one["vmid"]: one.get("ipAddresses", []) for one in after["vms"]} == addresses


def test_the_first_poll_shows_how_full_disks_are(lab):
    before = {vmid: one["disk"] for vmid, one in lab.guests().items() if one.get("diskSource") == "agent"}
    restart(lab)

    lab.poll(after=10)

    after = lab.guests()
    assert len(before) > 5
    assert {vmid: after[vmid]["disk"] for vmid in before} == before


def test_what_an_agent_told_long_ago_is_shown_no_more(lab):
    lab.server.clock.advance(1900)
    lab.seconds += 1900
    restart(lab)

    lab.poll()

    assert [vmid for vmid, one in lab.guests().items() if one.get("diskSource") == "agent"] == []


def test_a_backup_server_has_its_backups_namespaces_and_jobs_at_once(fake_pbs, watch, document):
    vault = watch(fake_pbs, "pbs")
    turn(vault, times=4)
    judge(vault)
    turn(vault)
    vault.poll(after=10)
    saved(vault)
    before = document()
    restart(vault)

    after = document()

    assert len(after["pbsBackups"]) > 10
    assert after["pbsBackups"] == before["pbsBackups"]
    (server,), (known,) = after["pbs"], before["pbs"]
    assert (server["status"], server["stale"]) == ("unknown", True)
    for kind in ("verifyJobs", "pruneJobs"):
        assert server[kind] == known[kind] != []
    stores = {one["name"]: one.get("namespaces") for one in server["datastores"]}
    assert stores == {one["name"]: one.get("namespaces") for one in known["datastores"]}
    assert {one["status"] for one in server["datastores"]} == {"unknown"}


def test_backups_on_a_server_are_attributed_at_once(watch, document):
    specs = (PveSpec(name="lab", guests=6, backup_server="vault"), PbsSpec(name="vault", datastores=1))
    with virtual_estate(*specs) as estate:
        site, server = estate.site("lab"), estate.site("vault")
        host, vault = with_token(watch(site), site), watch(server, "pbs")
        host.server = vault.server = estate
        for _ in range(6):
            turn(host)
            vault.seconds = host.seconds
            turn(vault, after=0)
        judge(host)
        turn(vault, after=10)
        saved(host)
        saved(vault)
        before = {one["id"]: one["attribution"] for one in document()["pbsBackups"]}
        restart(host)

        assert "attributed" in before.values()
        assert {one["id"]: one["attribution"] for one in document()["pbsBackups"]} == before


def test_damaged_facts_cost_nothing_but_themselves(lab, fake_pve, document):
    other = with_token(Watched(fake_pve), fake_pve.site)
    turn(other, times=6)
    saved(other)
    CollectedFacts.objects.filter(instance=lab.instance).update(body=b"nonsense")
    restart(other)

    shown = document()

    assert {one["instance"] for one in shown["nodes"]} == {"lab", "lab-2"}
    assert {one["instance"] for one in shown["pveBackups"]["storageBackups"]} == {"lab-2"}


def test_facts_of_another_layout_are_left_alone(lab, document):
    CollectedFacts.objects.update(layout=0)
    restart(lab)

    assert document()["pveBackups"] == {"backupTasks": [], "storageBackups": [], "guestSnapshots": []}
    assert CollectedFacts.objects.count() == 1


def test_facts_of_the_host_before_an_edit_are_not_those_of_the_new_one(lab, document):
    Instance.objects.update(host="https://198.51.100.1:8006", version=7)
    restart(lab)

    assert document()["pveBackups"] == {"backupTasks": [], "storageBackups": [], "guestSnapshots": []}
    assert {one.get("backupState") for one in document()["vms"]} == {None}


def test_one_instance_whose_lists_cannot_be_made_keeps_none_from_the_others(
    lab, fake_pve, document, monkeypatch
):
    other = with_token(Watched(fake_pve), fake_pve.site)
    turn(other, times=6)
    saved(other)
    original = restoring.restore

    def broken(instance, memory, facts, *known, **moment):
        if instance.pk == lab.instance.pk and facts.guests:
            raise RuntimeError("a flaw")
        return original(instance, memory, facts, *known, **moment)

    monkeypatch.setattr(restoring, "restore", broken)
    restart(other)

    assert {one["instance"] for one in document()["pveBackups"]["storageBackups"]} == {"lab-2"}


def test_what_was_polled_meanwhile_is_not_made_old_again(lab):
    forget_everything()
    restoring.restore_inventory(moment(lab))
    lab.poll(after=10)

    restoring.restore_collected(moment(lab))

    assert {one["status"] for one in lab.shown("nodes")} == {"online"}


def test_a_paused_instance_gets_nothing_back(lab):
    Instance.objects.update(is_paused=True)
    restart(lab)

    assert current.store().fragments() == {}
    assert current.store().load(FACTS, of=lab.instance.pk) is None


@pytest.fixture
def redis_store(tmp_path):
    """A store on a Redis of the test's own."""
    server = RedisServer(tmp_path / "redis")
    kept = RedisStore(server.url, KINDS)
    yield kept
    kept.close()
    server.stop()


def test_facts_that_are_in_the_store_already_win_over_saved_ones(lab, redis_store):
    current.install(redis_store)
    redis_store.save(
        FACTS, Facts(asked_host=lab.instance.host, server_version="the newer"), of=lab.instance.pk
    )

    restoring.restore_inventory(moment(lab))
    restoring.restore_collected(moment(lab))

    assert redis_store.load(FACTS, of=lab.instance.pk).server_version == "the newer"


def test_what_was_saved_comes_into_a_redis_that_lost_it(lab, redis_store):
    current.install(redis_store)

    restoring.restore_inventory(moment(lab))
    restoring.restore_collected(moment(lab))

    assert redis_store.load(FACTS, of=lab.instance.pk).guests.keys() == set(lab.guests())
    assert len(redis_store.load(JUDGEMENT).coverages[lab.instance.pk]) == len(lab.guests())


def test_restoring_asks_no_host(lab):
    for server in lab.server.servers:
        server.traffic.reset()

    restart(lab)

    assert [server.traffic.snapshot()["total"] for server in lab.server.servers] == [0, 0, 0]


# --- what is saved ------------------------------------------------------------------------------------------------


def test_when_only_instants_have_changed_they_are_saved_a_little_later(lab):
    facts = facts_of(lab)
    at = moment(lab)
    facts.saved_epoch, facts.saved_touched = at.timestamp(), facts.touched
    facts.visited_epoch = at.timestamp() + 10
    CollectedFacts.objects.all().delete()

    saved_facts.save(lab.instance, facts, at=at + timedelta(seconds=890))
    assert CollectedFacts.objects.count() == 0

    saved_facts.save(lab.instance, facts, at=at + timedelta(seconds=900))
    assert CollectedFacts.objects.count() == 1


def test_facts_of_a_host_that_is_not_asked_any_more_are_not_saved_again(lab):
    facts = facts_of(lab)
    at = moment(lab)
    facts.saved_epoch, facts.saved_touched = at.timestamp(), facts.touched
    CollectedFacts.objects.all().delete()

    saved_facts.save(lab.instance, facts, at=at + timedelta(days=1))

    assert CollectedFacts.objects.count() == 0


# --- nodes that were away -----------------------------------------------------------------------------------------


def node_named(watched, name):
    """One node as a client sees it."""
    return next(node for node in watched.shown("nodes") if node["name"] == name)


def test_a_node_that_was_away_before_a_restart_keeps_since_when(fake_cluster, watch):
    watched = watch(fake_cluster)
    watched.poll()
    victim = fake_cluster.servers[2].name
    fake_cluster.kill_node(victim)
    watched.poll(after=40)
    watched.poll(after=3600)

    restart(watched)
    known = node_named(watched, victim)
    assert (known["status"], known["lastSeen"]) == ("unknown", "2026-01-01T12:00:40Z")

    watched.poll(after=10)
    still = node_named(watched, victim)
    assert (still["status"], still["lastSeen"]) == ("offline", "2026-01-01T12:00:40Z")

    restart(watched)
    assert node_named(watched, victim)["lastSeen"] == "2026-01-01T12:00:40Z"


def test_guests_of_a_node_that_is_away_for_long_are_kept_over_a_start(fake_cluster, watch):
    watched = watch(fake_cluster)
    watched.poll()
    victim = fake_cluster.servers[2].name
    fake_cluster.kill_node(victim)
    watched.poll(after=40)
    watched.poll(after=3600)
    restart(watched)

    watched.poll(after=10)

    theirs = [guest for guest in watched.guests().values() if guest["node"] == victim]
    assert [(one["vmid"], one["status"], one["stale"]) for one in theirs] == [
        (vmid, "unknown", True) for vmid in (102, 105, 108, 111)
    ]


def test_a_node_that_has_returned_is_not_absent_any_more(fake_cluster, watch):
    watched = watch(fake_cluster)
    watched.poll()
    victim = fake_cluster.servers[2].name
    fake_cluster.kill_node(victim)
    watched.poll(after=40)
    fake_cluster.revive_node(victim)

    watched.poll(after=40)

    assert Node.objects.filter(absent_since=None).count() == 3


def test_absence_is_written_when_a_node_goes_and_not_at_every_poll(
    fake_cluster, watch, django_assert_num_queries, django_assert_max_num_queries
):
    watched = watch(fake_cluster)
    watched.poll()
    fake_cluster.kill_node(fake_cluster.servers[2].name)
    watched.poll(after=40)
    with django_assert_max_num_queries(50) as told:
        watched.poll(after=10)

    assert [one["sql"] for one in told.captured_queries if "absent_since" in one["sql"]] == []


def test_a_node_that_was_never_online_was_never_seen(fake_cluster, watch):
    victim = fake_cluster.servers[2].name
    fake_cluster.kill_node(victim)
    watched = watch(fake_cluster)

    watched.poll()
    assert node_named(watched, victim)["lastSeen"] == "0001-01-01T00:00:00Z"

    restart(watched)
    assert node_named(watched, victim)["lastSeen"] == "0001-01-01T00:00:00Z"


def test_a_poller_that_has_lost_its_memory_does_not_move_the_instant(fake_cluster, watch):
    watched = watch(fake_cluster)
    watched.poll()
    fake_cluster.kill_node(fake_cluster.servers[2].name)
    watched.poll(after=40)
    forget_everything()

    watched.poll(after=600)

    (absent,) = Node.objects.exclude(absent_since=None)
    assert absent.absent_since == NOON + timedelta(seconds=40)


# --- changed by commands ------------------------------------------------------------------------------------------


def test_what_was_paused_by_another_process_leaves_the_state(fake_pve, watch, document):
    watched = watch(fake_pve)
    watched.poll()
    Instance.objects.update(is_paused=True)  # as a command in another process leaves it: no signal comes here

    assert polls.drop_removed() == 1

    assert document()["nodes"] == []


def test_what_was_deleted_by_another_process_leaves_the_state(fake_pve, watch, document):
    watched = watch(fake_pve)
    watched.poll()
    Instance.objects.all().delete()  # what follows on commit stays undone, as in the process that did not do it

    assert polls.drop_removed() == 1

    assert document()["connectionHealth"] == {}


def test_nothing_is_dropped_while_all_is_polled(fake_pve, watch, django_assert_num_queries):
    watched = watch(fake_pve)
    watched.poll()
    make_guest(watched.instance, vmid=999)

    with django_assert_num_queries(1):
        assert polls.drop_removed() == 0
