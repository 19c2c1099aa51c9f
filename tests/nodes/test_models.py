"""What the models themselves promise: constraints, the words of an instance, who is due."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_endpoint, make_guest, make_instance, make_storage

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("field", ["number", "name", "host"])
def test_two_instances_of_a_kind_never_share(field):
    first = make_instance()

    with pytest.raises(IntegrityError), transaction.atomic():
        make_instance(**{field: getattr(first, field)})


def test_a_pve_and_a_pbs_may_share_number_and_name():
    make_instance("pve", name="home")
    make_instance("pbs", name="home")

    assert [instance.wire_id for instance in Instance.objects.all()] == ["pve-0", "pbs-0"]


@pytest.mark.parametrize(
    "make_twice",
    [
        pytest.param(lambda instance: make_guest(instance, 101), id="guest"),
        pytest.param(lambda instance: make_endpoint(instance, "pve1"), id="endpoint"),
        pytest.param(lambda instance: make_storage(instance, "local"), id="storage"),
    ],
)
def test_inventory_is_unique_within_its_instance(make_twice):
    instance = make_instance()
    make_twice(instance)

    with pytest.raises(IntegrityError), transaction.atomic():
        make_twice(instance)


@pytest.mark.parametrize(("kind", "key"), [("pve", "home"), ("pbs", "pbs-home")])
def test_the_health_key_tells_pbs_apart(kind, key):
    assert make_instance(kind, name="home").health_key == key


@pytest.mark.parametrize(
    ("fields", "is_unchecked"),
    [
        ({}, True),
        ({"fingerprint": "ab" * 32}, False),
        ({"verify_tls": True}, False),
        ({"host": "http://192.0.2.10", "verify_tls": True}, True),
    ],
    ids=str,
)
def test_a_connection_that_anybody_could_listen_to_is_marked(fields, is_unchecked):
    assert make_instance(**fields).is_tls_unchecked is is_unchecked


def test_a_new_instance_and_one_whose_time_has_come_are_due():
    make_instance(name="new")
    make_instance(name="now", next_poll_at=NOON)
    make_instance(name="later", next_poll_at=NOON + timedelta(seconds=1))
    make_instance(name="paused", is_paused=True)

    due = Instance.objects.due(NOON, longest=timedelta(minutes=10), usual=timedelta(seconds=20))
    assert list(due.values_list("name", flat=True)) == ["new", "now"]


def test_a_claim_succeeds_once():
    instance = make_instance()
    later = NOON + timedelta(seconds=10)

    claims = [Instance.objects.claim(instance.pk, due_at=None, next_poll_at=later) for _ in range(2)]

    assert claims == [True, False]


def test_poll_soon_makes_due_at_once():
    instance = make_instance(next_poll_at=NOON)

    assert Instance.objects.poll_soon([instance.pk]) == 1
    assert Instance.objects.get().next_poll_at is None


def test_all_are_made_due_whatever_they_wait_for_but_those_that_are_paused():
    make_instance(name="late", next_poll_at=NOON)
    make_instance(name="backs off", next_poll_at=NOON + timedelta(minutes=5))
    make_instance(name="paused", next_poll_at=NOON, is_paused=True)

    assert Instance.objects.poll_all_soon() == 2
    assert list(Instance.objects.values_list("next_poll_at", flat=True)) == [None, None, NOON]


def test_no_migration_is_missing(capsys):
    call_command("makemigrations", "nodes", check=True, dry_run=True)

    assert "No changes detected" in capsys.readouterr().out
