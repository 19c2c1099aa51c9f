"""When an instance is polled next: in the turn that it shares with others, once in each interval."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from monitoring.polling import turns
from monitoring.polling.turns import next_poll_at
from nodes import editing
from nodes.models import Instance, InstanceQuerySet
from tests.conftest import NOON
from tests.factories import make_instance


def seconds_until_next(pk, late_seconds, *, interval):
    """How long after noon an instance is polled next that is polled so long after noon."""
    return (next_poll_at(pk, NOON + timedelta(seconds=late_seconds), interval) - NOON).total_seconds()


@pytest.mark.parametrize(
    ("late", "expected"),
    [(0, 10), (0.9, 10), (4.9, 10), (5, 10), (5.1, 20), (9.9, 20), (10.4, 20), (3600.3, 3610)],
    ids=str,
)
def test_a_turn_comes_once_in_an_interval_however_late_the_last_poll_was(late, expected):
    assert seconds_until_next(1, late, interval=10) == expected


@pytest.mark.parametrize(
    ("interval", "late", "expected"), [(3, 1, 3), (3, 1.6, 6), (60, 2, 60), (3600, 0, 3600)]
)
def test_other_intervals_have_their_own_turns(interval, late, expected):
    assert seconds_until_next(5, late, interval=interval) == expected


def test_fourteen_instances_that_were_added_one_after_the_other_share_a_turn():
    nexts = {seconds_until_next(pk, 0.3 * pk, interval=10) for pk in range(1, 15)}

    assert nexts == {10}


def test_a_large_estate_takes_turns_over_half_the_interval():
    nexts = [seconds_until_next(pk, 0, interval=10) for pk in range(300)]

    assert (min(nexts), max(nexts)) == (10.0, 14.6875)
    assert len(set(nexts)) == 16
    assert max(nexts.count(seconds) for seconds in set(nexts)) == 32


# --- the plan of one process -----------------------------------------------------------------------------------------


class Process:
    """A process that plans alone: its two clocks, which go on together unless one is set, and what it reads of the rows."""

    def __init__(self):
        self.plan = turns.Plan()
        self.monotonic = 1_000.0
        self.at = NOON

    def take(self, *, after=0.0, read=None):
        """The instances that are due after so many seconds."""
        self.monotonic += after
        self.at += timedelta(seconds=after)
        read = read or (lambda: Instance.objects.polled().values_list("pk", "next_poll_at"))
        return self.plan.take(read, at=self.at, monotonic=self.monotonic, interval=10.0)

    def polls_in(self, seconds):
        """How many polls begin in so many seconds, looked at each second as the schedule does."""
        return sum(len(self.take(after=1)) for _ in range(seconds))


STEPS = [timedelta(hours=-1), timedelta(hours=1), timedelta(days=-1), timedelta(days=1)]


@pytest.fixture
def process():
    return Process()


@pytest.mark.django_db
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_an_instance_is_polled_on_when_the_clock_is_set(process, step):
    make_instance()
    process.take()
    assert process.polls_in(30) == 3

    process.at += step + timedelta(seconds=3)  # not a whole number of intervals

    assert process.polls_in(20) >= 1
    assert process.polls_in(600) == 60


@pytest.mark.django_db
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_after_a_start_with_another_clock_all_are_due_at_once(process, step):
    instance = make_instance(next_poll_at=NOON + timedelta(seconds=300))
    process.at += step

    assert process.take() == [instance.pk]


@pytest.mark.django_db
def test_a_poll_writes_no_row(process, django_assert_num_queries):
    make_instance()
    process.take()

    with django_assert_num_queries(60) as asked:
        assert process.polls_in(60) == 6
    assert {query["sql"].split()[0] for query in asked.captured_queries} == {"SELECT"}


@pytest.mark.django_db
def test_who_asks_for_a_poll_gets_it_at_the_next_look_each_time(process):
    instance = make_instance()
    process.take()

    for _ in range(2):
        Instance.objects.poll_soon([instance.pk])
        assert process.take(after=1) == [instance.pk]
        assert process.take(after=1) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "expected"), [(100, 100), (86_400, 600)], ids=["asked for", "too long"])
def test_a_poll_that_was_put_off_waits_for_so_long_and_no_longer_than_anything_may(
    process, seconds, expected
):
    instance = make_instance()
    process.take()
    Instance.objects.filter(pk=instance.pk).update(next_poll_at=NOON + timedelta(seconds=seconds))
    process.take()

    assert process.polls_in(expected - 1) == 0
    assert process.polls_in(1) == 1


@pytest.mark.django_db
def test_a_database_that_cannot_be_read_stops_no_poll(process):
    instance = make_instance()
    process.take()

    def broken():
        raise OperationalError("disk I/O error")

    assert process.take(after=10, read=broken) == [instance.pk]


@pytest.mark.django_db
def test_a_database_that_cannot_be_written_stops_no_poll_and_makes_none_every_second(process, monkeypatch):
    make_instance()

    def full(*args, **values):
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(InstanceQuerySet, "claim", full)

    assert len(process.take()) == 1
    assert process.polls_in(60) == 6


@pytest.mark.django_db
def test_one_that_is_paused_is_polled_no_more_and_at_once_when_it_is_resumed(process):
    instance = make_instance()
    process.take()
    editing.pause(instance.pk)
    assert process.polls_in(20) == 0

    editing.resume(instance.pk)

    assert process.take(after=1) == [instance.pk]


# --- where several plan ----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "ahead_seconds", "is_due"),
    [
        ("ok", 15, False),
        ("ok", 21, True),
        ("ok", 3_600, True),
        ("ok", 86_400, True),
        ("login-failed", 300, False),
        ("failing", 599, False),
        ("failing", 601, True),
        ("failing", 3_600, True),
        ("failing", 86_400, True),
    ],
)
def test_what_would_wait_for_longer_than_anything_lets_it_wait_is_due(state, ahead_seconds, is_due):
    instance = make_instance(state=state, next_poll_at=NOON + timedelta(seconds=ahead_seconds))

    assert turns.claimed(NOON, interval=10.0) == ([instance.pk] if is_due else [])
    assert turns.claimed(NOON, interval=10.0) == []
