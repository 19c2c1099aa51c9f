"""After a restart: the last known picture at once, and polls without waiting; what commands changed elsewhere is noticed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring import polling, store
from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_guest, make_instance

pytestmark = pytest.mark.django_db


def restarted():
    """A process that begins anew: nothing is in memory."""
    store.install(store.MemoryStore())


def test_the_last_known_guests_are_shown_as_old(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    before = set(watched.guests())
    restarted()

    assert polling.restore(NOON) == 1

    guests = watched.guests()
    assert set(guests) == before
    assert {(guest["status"], guest["stale"]) for guest in guests.values()} == {("unknown", True)}


@pytest.mark.parametrize(
    ("seconds", "is_due"), [(9, True), (-100, True), (300, False)], ids=["soon", "late", "login backs off"]
)
def test_polls_that_are_due_soon_come_at_once(seconds, is_due, settings):
    instance = make_instance(next_poll_at=NOON + timedelta(seconds=seconds))

    polling.restore(NOON)

    instance.refresh_from_db()
    assert (instance.next_poll_at is None) is is_due


def test_a_paused_instance_is_not_made_due():
    make_instance(is_paused=True, next_poll_at=NOON)

    polling.restore(NOON)

    assert Instance.objects.get().next_poll_at == NOON


def test_what_was_paused_by_another_process_leaves_the_state(fake_pve, watch, document):
    watched = watch(fake_pve)
    watched.poll()
    Instance.objects.update(is_paused=True)  # as a command in another process leaves it: no signal comes here

    assert polling.drop_removed() == 1

    assert document()["nodes"] == []


def test_what_was_deleted_by_another_process_leaves_the_state(fake_pve, watch, document):
    watched = watch(fake_pve)
    watched.poll()
    Instance.objects.all().delete()  # what follows on commit stays undone, as in the process that did not do it

    assert polling.drop_removed() == 1

    assert document()["connectionHealth"] == {}


def test_nothing_is_dropped_while_all_is_polled(fake_pve, watch, django_assert_num_queries):
    watched = watch(fake_pve)
    watched.poll()
    make_guest(watched.instance, vmid=999)

    with django_assert_num_queries(1):
        assert polling.drop_removed() == 0


def test_a_node_that_was_never_online_was_never_seen(fake_cluster, watch):
    victim = fake_cluster.servers[2].name
    fake_cluster.kill_node(victim)
    watched = watch(fake_cluster)

    watched.poll()

    node = next(node for node in watched.shown("nodes") if node["name"] == victim)
    assert node["lastSeen"] == "0001-01-01T00:00:00Z"
