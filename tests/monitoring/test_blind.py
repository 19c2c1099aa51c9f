"""When nothing was seen of an instance, and why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from monitoring.choices import SpanSource, Tier
from monitoring.history import blind, keeping
from monitoring.history.backfill import orders
from monitoring.known.memory import MEMORY
from monitoring.models import Backfill, BlindTime, HistoryBatch, HistorySpan
from monitoring.store import current
from monitoring.store.current import store
from monitoring.store.memory import MemoryStore
from nodes import editing
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

T = NOON.timestamp()


def resumed(instance, *, last=T, at=T + 600, began=T - 86_400):
    return blind.resumed(instance, last_epoch=last, at_epoch=at, began_epoch=began)


@pytest.mark.parametrize(
    ("interval", "seconds", "is_one"),
    [(10, 60, False), (10, 61, True), (5, 59, False), (30, 90, False), (30, 91, True)],
)
def test_a_blind_time_is_longer_than_three_polls_and_than_a_minute(settings, interval, seconds, is_one):
    settings.POLLING_INTERVAL_SECONDS = interval

    row = resumed(make_instance(), at=T + seconds)

    assert (row is not None) is is_one
    assert BlindTime.objects.count() == is_one


def test_a_host_that_did_not_answer_was_not_seen():
    row = resumed(make_instance(failing_since=NOON + timedelta(seconds=10)))

    assert (row.cause, row.start_epoch, row.end_epoch) == ("unreachable", T, T + 600)
    assert row.is_filled is False


@pytest.mark.parametrize("began", [T + 580, T - 86_400])
def test_where_no_poll_has_failed_nobody_has_polled(began):
    assert resumed(make_instance(), began=began).cause == "stopped"


def test_a_host_that_fell_silent_before_the_process_ended_is_the_cause():
    instance = make_instance(failing_since=NOON + timedelta(seconds=20))

    assert resumed(instance, began=T + 580).cause == "unreachable"


def test_a_host_that_fell_silent_later_is_the_cause_where_the_process_ran_all_the_time():
    instance = make_instance(failing_since=NOON + timedelta(seconds=300))

    assert resumed(instance).cause == "unreachable"


def test_a_host_that_was_silent_for_a_moment_after_the_start_is_not_the_cause():
    instance = make_instance(failing_since=NOON + timedelta(seconds=585))

    assert resumed(instance, began=T + 580).cause == "stopped"


def test_a_pause_is_the_cause_whatever_else_was(time_machine):
    instance = make_instance()
    time_machine.move_to(NOON + timedelta(seconds=100), tick=False)
    editing.pause(instance.pk)
    time_machine.move_to(NOON + timedelta(seconds=590), tick=False)
    instance = editing.resume(instance.pk)

    assert resumed(instance, began=T + 580).cause == "paused"


def test_a_pause_of_another_time_or_instance_is_not_the_cause(time_machine):
    instance, other = make_instance(), make_instance()
    time_machine.move_to(NOON - timedelta(hours=1), tick=False)
    editing.pause(instance.pk)
    instance = editing.resume(instance.pk)
    time_machine.move_to(NOON + timedelta(seconds=100), tick=False)
    editing.pause(other.pk)

    assert resumed(instance).cause == "stopped"


def test_the_same_blind_time_is_noted_once():
    instance = make_instance()

    assert resumed(instance) is not None
    assert resumed(instance, at=T + 610) is None
    assert BlindTime.objects.get().end_epoch == T + 600


@pytest.mark.parametrize("step", [-86_400, -3600, 3600, 86_400])
def test_a_step_of_the_clock_leaves_a_gap_or_none_and_nothing_else(step):
    row = resumed(make_instance(), at=T + 10 + step)

    assert (row is not None) is (step > 0)


def test_the_last_sample_before_a_start_is_in_a_batch_or_in_a_span():
    instance, other = make_instance(), make_instance()
    assert blind.last_sample_epoch(instance.pk) is None

    for tier, source, end in (
        (Tier.TEN_SECONDS, SpanSource.OWN, 100),
        (Tier.TEN_SECONDS, SpanSource.PROXMOX, 900),
        (Tier.HOUR, SpanSource.OWN, 800),
    ):
        HistorySpan.objects.create(instance=instance, tier=tier, source=source, start_epoch=0, end_epoch=end)
    HistoryBatch.objects.create(instance=other, start_epoch=700, body=b"")
    assert blind.last_sample_epoch(instance.pk) == 100

    HistoryBatch.objects.create(instance=instance, start_epoch=160, body=b"")
    assert blind.last_sample_epoch(instance.pk) == 160


# --- as polls go on ---------------------------------------------------------------------------------------------------


def told():
    return [(row.cause, row.start_epoch - T, row.end_epoch - T) for row in BlindTime.objects.order_by("pk")]


def test_a_host_that_answers_again_after_minutes_was_not_seen_meanwhile(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    watched.poll(after=10)
    fake_pve.faults.add("down")
    for _ in range(30):
        watched.poll(after=10)
    fake_pve.faults.clear()
    watched.poll(after=10, reconnects=True)
    watched.poll(after=10)

    assert told() == [("unreachable", 10, 320)]
    (order,) = Backfill.objects.all()
    assert (order.reason, order.start_epoch - T, order.end_epoch - T) == ("gap", 10, 320)


def test_a_process_that_did_not_run_has_not_seen(fake_pve, watch):
    watched = watch(fake_pve)
    for _ in range(8):
        watched.poll(after=10)
    memory = store().load(MEMORY, of=watched.instance.pk)
    keeping.write_head(watched.instance.pk, memory, before_epoch=float("inf"))
    current.install(MemoryStore())

    watched.poll(after=3600)
    watched.poll(after=10)

    assert told() == [("stopped", 80, 3680)]


def test_an_instance_that_was_paused_was_not_seen_because_of_that(fake_pve, watch, time_machine):
    watched = watch(fake_pve)
    for _ in range(8):
        watched.poll(after=10)
    memory = store().load(MEMORY, of=watched.instance.pk)
    keeping.write_head(watched.instance.pk, memory, before_epoch=float("inf"))
    time_machine.move_to(NOON + timedelta(seconds=85))
    editing.pause(watched.instance.pk)
    editing.resume(watched.instance.pk)
    current.install(MemoryStore())

    watched.poll(after=600)

    assert told() == [("paused", 80, 680)]


def test_the_first_sample_of_an_instance_ends_no_blind_time(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll(after=3600)

    assert told() == []


def test_a_blind_time_that_cannot_be_written_is_written_with_a_later_sample(fake_pve, watch, monkeypatch):
    def full(*args, **options):
        raise OperationalError

    watched = watch(fake_pve)
    watched.poll()
    resumed_by = blind.resumed
    monkeypatch.setattr(blind, "resumed", full)
    watched.poll(after=600)
    assert told() == []

    monkeypatch.setattr(blind, "resumed", resumed_by)
    watched.poll(after=10)
    assert told() == [("stopped", 0, 600)]


def test_a_blind_time_without_its_order_is_none_yet(fake_pve, watch, monkeypatch):
    def full(*args, **options):
        raise OperationalError

    watched = watch(fake_pve)
    watched.poll()
    fill_gap = orders.fill_gap
    monkeypatch.setattr(orders, "fill_gap", full)
    watched.poll(after=600)
    assert told() == []

    monkeypatch.setattr(orders, "fill_gap", fill_gap)
    watched.poll(after=10)
    assert told() == [("stopped", 0, 600)]
    assert Backfill.objects.count() == 1
