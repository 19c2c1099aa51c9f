"""What Pulse itself fails at is told: in the diagnostics and as a concern, never as the fault of a host, never not at all."""

from __future__ import annotations

import pytest

from monitoring.backups.coverage import Coverage
from monitoring.collecting import judging
from monitoring.concerns.unread import failing_tasks
from monitoring.known.troubles import NO_TROUBLES, TROUBLES, Trouble, with_failure, without_failure
from monitoring.polling.pve_picture import coverage_now
from monitoring.store.current import store
from monitoring.tasks import judge_backups
from pulse.diagnostics import report
from pulse.runtime import local, troubles
from tests.conftest import NOON
from tests.monitoring.collected import turn, with_token

AT = NOON.timestamp()
JUDGING = "monitoring.tasks.judge_backups"


class Odd(KeyError):
    """What nobody has thought of."""


@pytest.fixture(autouse=True)
def nothing_fails_yet(fresh_store):
    """Every test begins in a process that has seen nothing fail, and leaves one."""
    troubles._failing.clear()
    yield
    troubles._failing.clear()


def run_task(task, *args):
    """Run a task as a thread of this process does."""
    local.run_task(task, args, {}, "1", 0)


def own(watched):
    """The sentences about Pulse itself."""
    return [one["text"] for one in watched.shown("concerns") if one["code"] == "internal_error"]


@pytest.mark.django_db
def test_a_task_that_fails_is_told_until_it_succeeds(fake_pve, watch, monkeypatch, time_machine):
    time_machine.move_to(NOON, tick=False)
    watched = watch(fake_pve)
    monkeypatch.setattr(judging, "judge_if_due", broken)

    run_task(judge_backups)
    run_task(judge_backups)
    watched.poll()

    assert report(AT).errors == [
        "the task monitoring.tasks.judge_backups fails (Odd), 2 times since 2026-01-01T12:00:00Z; the log has the details"
    ]
    assert own(watched) == [
        "Pulse itself fails (Odd): the backups are not judged any more. Its log has the details"
    ]
    assert watched.row().state == "ok"

    monkeypatch.undo()
    run_task(judge_backups)
    watched.poll(after=10)

    assert (report(AT + 10).errors, own(watched)) == ([], [])


def broken(*args, **kwargs):
    """Fail as nobody has thought of."""
    raise Odd("boom")


@pytest.mark.django_db
def test_a_lane_that_pulse_stumbles_over_is_its_own_failure(fake_pve, watch, monkeypatch):
    watched = with_token(watch(fake_pve), fake_pve.site)
    monkeypatch.setattr("nodes.proxmox.hardware.certificates", broken)

    turn(watched, times=3)

    assert own(watched) == [
        (
            "Pulse itself fails with certificates: Pulse could not work with the answer (Odd). The log of Pulse has the "
            "details; please report it"
        )
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("place", "what"),
    [
        ("monitoring.collecting.pve.instance_questions", "nothing is read but the live figures"),
        ("monitoring.collecting.lists.publish", "the lists of backups cannot be made"),
    ],
)
def test_slow_lanes_that_break_off_are_told(place, what, fake_pve, watch, monkeypatch):
    watched = with_token(watch(fake_pve), fake_pve.site)
    turn(watched)
    monkeypatch.setattr(place, broken)

    turn(watched, times=2)
    watched.poll(after=10)
    assert own(watched) == [f"Pulse itself fails (Odd): {what}. Its log has the details"]

    monkeypatch.undo()
    turn(watched, times=2)
    assert own(watched) == []


@pytest.mark.django_db
def test_what_cannot_be_kept_is_told_by_the_next_poll(fake_pve, watch, monkeypatch):
    watched = watch(fake_pve)
    monkeypatch.setattr("monitoring.polling.outcomes.record_membership", broken)

    watched.poll()
    watched.poll(after=10)

    assert own(watched) == ["Pulse itself fails (Odd): what was read cannot be kept. Its log has the details"]


# --- rules ------------------------------------------------------------------------------------------------------------


def told(*failing, pk=7, not_kept="", judged=AT, at=AT):
    """The sentences for the instance with this key."""
    found = failing_tasks(failing, pk, not_kept=not_kept, judged_epoch=judged, at_epoch=at)
    return [one.text for one in found]


RULES = {
    "judging": ([Trouble(JUDGING, 0, "KeyError", AT, AT)], {}, 1),
    "a poll of this one": ([Trouble("monitoring.tasks.poll_instance", 7, "KeyError", AT, AT)], {}, 1),
    "a judgement of long ago": ([], {"judged": AT - 901}, 1),
    "a judgement of long ago whose task fails": (
        [Trouble(JUDGING, 0, "KeyError", AT, AT)],
        {"judged": AT - 901},
        1,
    ),
    "a poll of another one": ([Trouble("monitoring.tasks.poll_instance", 8, "KeyError", AT, AT)], {}, 0),
    "a task about no instance": ([Trouble("accounts.tasks.prune", 0, "KeyError", AT, AT)], {}, 0),
    "a judgement of a while ago": ([], {"judged": AT - 900}, 0),
    "nothing was judged yet": ([], {"judged": 0.0}, 0),
}


@pytest.mark.parametrize(("failing", "known", "count"), RULES.values(), ids=RULES.keys())
def test_which_failures_concern_an_instance(failing, known, count):
    assert len(told(*failing, **known)) == count


def test_failures_of_a_task_are_counted_and_forgotten_when_they_cease():
    once = with_failure(NO_TROUBLES, "t", 0, "KeyError", at_epoch=AT)
    twice = with_failure(once, "t", 0, "ValueError", at_epoch=AT + 10)

    assert twice.lasting(at_epoch=AT + 910) == [Trouble("t", 0, "ValueError", AT, AT + 10, 2)]
    assert twice.lasting(at_epoch=AT + 911) == []
    assert without_failure(twice, "t", 0) == NO_TROUBLES
    assert without_failure(twice, "t", 1) == twice


def test_a_verdict_over_backups_is_unknown_once_nobody_judges():
    good = {100: Coverage(100, "covered", "good", last_good_epoch=5, failed_verification_count=1)}

    assert coverage_now(good, AT, at_epoch=AT + 900) is good
    assert coverage_now(good, AT, at_epoch=AT + 901) == {
        100: Coverage(100, "unknown", "unknown", "not_read_lately", last_good_epoch=5)
    }


def test_a_store_that_fails_does_not_stop_the_task_that_is_noted(monkeypatch, fresh_store):
    monkeypatch.setattr(fresh_store, "save", broken)

    troubles.failed("t", (), Odd("boom"))

    assert store().load(TROUBLES) is None
