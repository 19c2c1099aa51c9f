"""Rows of the inventory: what is gone, what comes back as itself, and what is deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from nodes import inventory
from nodes.models import Guest
from nodes.proxmox.readings.live import GuestReading, NodeReading, ResourcesReading
from tests.conftest import NOON
from tests.factories import make_guest, make_instance, make_node

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def listed(*vmids, skipped=0):
    guests = tuple(GuestReading(vmid, "qemu", "pve1", "running", name=f"guest-{vmid}") for vmid in vmids)
    return ResourcesReading((NodeReading("pve1", "online"),), guests, skipped=skipped)


def apply(instance, reading, *, at=NOON, written=None):
    inventory.apply(instance, reading, {}, absent=(), written={} if written is None else written, at=at)


def rows(instance):
    return dict(Guest.objects.filter(instance=instance).order_by("vmid").values_list("vmid", "gone_at"))


@pytest.fixture
def small(monkeypatch):
    """Three guests may be there, so that six that are gone are kept."""
    monkeypatch.setitem(inventory.LIMITS, "Guest", 3)


def test_the_limits_of_the_inventory_are_those_of_the_readings():
    assert inventory.LIMITS == {"Node": 256, "Guest": 20_000, "Storage": 5_000, "Datastore": 1_000}
    assert inventory.GONE_FOR.days == 731
    assert inventory.GONE_FACTOR == 2


def test_a_guest_that_was_away_for_almost_two_years_is_the_same_row():
    instance = make_instance()
    apply(instance, listed(100, 101))
    before = Guest.objects.get(vmid=101).pk
    apply(instance, listed(100), at=NOON + HOUR)

    apply(instance, listed(100, 101), at=NOON + 730 * DAY)

    assert Guest.objects.get(vmid=101).pk == before
    assert rows(instance) == {100: None, 101: None}


def test_a_guest_that_is_gone_for_two_years_is_deleted_though_nothing_else_changes():
    instance, written = make_instance(), {}
    apply(instance, listed(100, 101), written=written)
    apply(instance, listed(100), at=NOON + HOUR, written=written)
    apply(instance, listed(100), at=NOON + 731 * DAY, written=written)
    kept = rows(instance)

    apply(instance, listed(100), at=NOON + 732 * DAY, written=written)

    assert kept == {100: None, 101: NOON + HOUR}
    assert rows(instance) == {100: None}


@pytest.mark.parametrize("step", [-DAY, -HOUR, HOUR, DAY])
def test_a_step_of_the_clock_deletes_nobody_who_was_away_for_days(step):
    instance, written = make_instance(), {}
    apply(instance, listed(100, 101), written=written)
    apply(instance, listed(100), at=NOON + HOUR, written=written)

    apply(instance, listed(100), at=NOON + 7 * DAY + step, written=written)

    assert rows(instance) == {100: None, 101: NOON + HOUR}


def test_beyond_twice_of_what_may_be_there_the_oldest_that_are_gone_are_deleted_at_once(small):
    instance = make_instance()
    other = make_guest(make_instance(), 100, gone_at=NOON - DAY)
    for hour in range(5):
        apply(instance, listed(*range(100 + 3 * hour, 103 + 3 * hour)), at=NOON + hour * HOUR)

    assert list(rows(instance)) == [106, 107, 108, 109, 110, 111, 112, 113, 114]
    assert Guest.objects.filter(pk=other.pk).exists()


def test_a_list_that_is_never_whole_does_not_keep_what_it_named_once(small):
    instance = make_instance()
    for hour in range(9):
        apply(instance, listed(*range(100 + 3 * hour, 103 + 3 * hour), skipped=1), at=NOON + hour * HOUR)

    assert len(rows(instance)) <= 12
    assert [vmid for vmid, gone_at in rows(instance).items() if gone_at is None][-3:] == [124, 125, 126]


def test_a_list_with_unreadable_rows_marks_nothing_as_gone():
    instance = make_instance()
    apply(instance, listed(100, 101))

    apply(instance, listed(100, skipped=1), at=NOON + HOUR)

    assert rows(instance) == {100: None, 101: None}


def test_a_change_looks_at_no_row_that_is_gone(django_assert_num_queries):
    instance = make_instance()
    for vmid in range(500, 600):
        make_guest(instance, vmid, gone_at=NOON)
    for vmid in range(100, 103):
        make_guest(instance, vmid)
    looked_at = []
    create = Guest.from_db
    Guest.from_db = classmethod(lambda cls, *row: looked_at.append(1) or create(*row))
    try:
        apply(instance, listed(100, 101), at=NOON + HOUR)
    finally:
        del Guest.from_db

    assert len(looked_at) == 3


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="asks SQLite how it finds them")
def test_the_rows_that_are_there_are_found_by_an_index():
    instance = make_instance()

    plan = Guest.there(instance).explain()

    assert "guest_gone" in plan
    assert connection.vendor == "sqlite"


def test_a_node_that_was_away_has_the_id_it_had():
    home, lab = make_instance(name="home"), make_instance(name="home-lab")
    make_node(home, "lab-pve", wire_id="home-lab-pve")
    first = inventory.claim_node_ids(lab, ["pve"], known={}, at=NOON)
    home.delete()

    again = inventory.claim_node_ids(lab, ["pve", "pve2"], known={}, at=NOON)

    assert (first, again) == ({"pve": "home-lab-pve-2"}, {"pve": "home-lab-pve-2", "pve2": "home-lab-pve2"})
