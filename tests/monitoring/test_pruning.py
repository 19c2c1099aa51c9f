"""How long what happened is kept, and how much of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.history import pruning
from monitoring.models import BlindTime, HistoryEvent, HistoryPart
from monitoring.tasks import prune_history
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

T = int(NOON.timestamp())
DAY = 86_400


def keep(instance, start, *, kind="power", outcome="ok"):
    return HistoryEvent.objects.create(
        instance=instance, object_kind="instance", object_id=instance.pk, kind=kind, code="x", outcome=outcome,
        key=str(HistoryEvent.objects.count()), start_epoch=T + start,
    )  # fmt: skip


def test_what_happened_is_kept_for_two_years():
    instance = make_instance()
    keep(instance, -731 * DAY - 1)
    kept = keep(instance, -731 * DAY)
    BlindTime.objects.create(instance=instance, start_epoch=T - 732 * DAY, end_epoch=T, cause="stopped")
    last = BlindTime.objects.create(instance=instance, start_epoch=T - 700 * DAY, end_epoch=T, cause="paused")
    for age in (732, 730):
        HistoryPart.objects.create(
            instance=instance, kind="pool", owner_id=1, name=str(age), last_seen_at=NOON - timedelta(days=age)
        )

    assert pruning.prune(NOON) == 3
    assert list(HistoryEvent.objects.all()) == [kept]
    assert list(BlindTime.objects.all()) == [last]
    assert HistoryPart.objects.get().name == "730"


@pytest.mark.parametrize("step", [-DAY, -3600, 3600, DAY])
def test_a_step_of_the_clock_deletes_nothing_of_the_last_two_years(step):
    keep(make_instance(), -729 * DAY)

    assert pruning.prune(NOON + timedelta(seconds=step)) == 0


def test_of_too_many_of_one_instance_the_oldest_routine_goes_first(monkeypatch):
    monkeypatch.setattr(pruning, "MOST_EVENTS", 3)
    instance, other = make_instance(), make_instance()
    failed = keep(instance, -50, kind="backup", outcome="failed")
    keep(instance, -40, kind="backup")
    keep(instance, -30, kind="task")
    moved = keep(instance, -20, kind="migration")
    newest = keep(instance, -10, kind="backup")
    others = keep(other, -60)

    assert pruning.prune(NOON) == 2
    assert set(HistoryEvent.objects.all()) == {failed, moved, newest, others}


def test_where_nothing_is_routine_the_oldest_goes(monkeypatch):
    monkeypatch.setattr(pruning, "MOST_EVENTS", 1)
    monkeypatch.setattr(pruning, "MOST_BLIND_TIMES", 1)
    instance = make_instance()
    for start in (-30, -20, -10):
        newest = keep(instance, start)
        last = BlindTime.objects.create(
            instance=instance, start_epoch=T + start, end_epoch=T, cause="stopped"
        )

    pruning.prune(NOON)

    assert list(HistoryEvent.objects.all()) == [newest]
    assert list(BlindTime.objects.all()) == [last]


def test_a_task_that_nobody_has_seen_end_has_ended_somehow():
    instance = make_instance()
    long_ago, running = (keep(instance, -days * DAY, outcome="running") for days in (9, 7))

    pruning.prune(NOON)

    assert [HistoryEvent.objects.get(pk=one.pk).outcome for one in (long_ago, running)] == ["", "running"]


def test_one_run_deletes_so_many_and_the_next_goes_on(monkeypatch):
    monkeypatch.setattr(pruning, "MOST_AT_ONCE", 2)
    instance = make_instance()
    for number in range(3):
        keep(instance, -800 * DAY - number)

    assert [pruning.prune(NOON), pruning.prune(NOON)] == [2, 1]


def test_the_task_prunes_once_a_day_and_after_a_start(time_machine, monkeypatch):
    monkeypatch.setattr(pruning, "_last", {})
    instance, told = make_instance(), []
    for hours in (0, 1, 13):
        time_machine.move_to(NOON + timedelta(hours=hours), tick=False)
        keep(instance, -800 * DAY - hours)
        told.append(prune_history())

    assert told == [1, 0, 2]
