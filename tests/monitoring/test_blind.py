"""When nothing was seen of an instance, and why."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.choices import SpanSource, Tier
from monitoring.history import blind
from monitoring.models import BlindTime, HistoryBatch, HistorySpan
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


def test_a_process_that_began_after_the_last_sample_did_not_run_before():
    assert resumed(make_instance(), began=T + 580).cause == "stopped"


def test_a_host_that_fell_silent_before_the_process_ended_is_the_cause():
    instance = make_instance(failing_since=NOON + timedelta(seconds=20))

    assert resumed(instance, began=T + 580).cause == "unreachable"


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

    assert resumed(instance).cause == "unreachable"


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
