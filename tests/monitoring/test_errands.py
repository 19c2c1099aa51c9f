"""Which errands are due, and what their outcome means for the next time."""

from __future__ import annotations

import pytest

from monitoring.collecting import schedule
from monitoring.collecting.schedule import Errand
from monitoring.known.facts import Progress
from nodes.proxmox.errors import AgentNotRunning, NotFound, PermissionDenied, ServerError, TimedOut

AT = 1767268800.0


def errand(name, period=100.0, rank=1, *, is_possible=True):
    lane, _, subject = name.partition("/")
    return Errand(lane, subject, period, print, (), rank, is_possible)


def tried(next_in, **fields):
    return Progress(tried_at=AT - 50, done_at=AT - 50, next_at=AT + next_in, **fields)


def names(found):
    return [one.name for one in found]


# --- what is due --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("next_in", "expected"),
    [(-1.0, ["tasks/"]), (0.0, ["tasks/"]), (4.0, ["tasks/"]), (5.0, []), (60.0, [])],
    ids=["late", "now", "before half a turn", "after half a turn", "later"],
)
def test_what_is_due_before_the_middle_between_two_turns_comes_in_the_earlier_one(next_in, expected):
    assert names(schedule.due([errand("tasks/")], {"tasks/": tried(next_in)}, at=AT)) == expected


def test_those_on_which_others_depend_come_first_then_late_and_new_ones_take_turns():
    every = [
        errand("snapshots/1", rank=4),
        errand("config/1", rank=2),
        errand("versions/a", rank=0),
        errand("tasks/", period=20.0),
        errand("storage/a", period=300.0),
        errand("jobs/", period=300.0),
    ]
    progress = {"tasks/": tried(-20), "storage/a": tried(-30), "jobs/": tried(50)}

    found = schedule.due(every, progress, at=AT)

    assert names(found) == ["versions/a", "tasks/", "config/1", "storage/a", "snapshots/1"]


def test_what_cannot_be_asked_now_is_not_due():
    away = errand("config/1", is_possible=False)

    assert schedule.due([away], {}, at=AT) == []
    assert schedule.due([away], {"config/1": tried(-500)}, at=AT) == []


# --- after a success ----------------------------------------------------------------------------------------------


def test_the_second_time_comes_sooner_than_the_period_at_another_moment_for_each():
    waits = [
        schedule.succeeded(errand(f"config/{vmid}", 1000.0), schedule.NEVER, at=AT).next_at - AT
        for vmid in range(200)
    ]

    assert min(waits) >= 300.0
    assert max(waits) <= 1000.0
    assert len({round(wait) // 100 for wait in waits}) == 7


def test_later_times_drift_apart_by_a_twentieth_of_the_period():
    known = Progress(tried_at=AT - 100, done_at=AT - 100)
    waits = [
        schedule.succeeded(errand(f"config/{vmid}", 1000.0), known, at=AT).next_at - AT for vmid in range(200)
    ]

    assert 950.0 <= min(waits) < 960.0
    assert 1040.0 < max(waits) <= 1050.0


def test_a_success_ends_the_failures():
    known = Progress(
        tried_at=AT - 100, done_at=AT - 500, failures=3, code="server_error", message="it failed"
    )

    after = schedule.succeeded(errand("config/1"), known, at=AT)

    assert (after.failures, after.code, after.message) == (0, "", "")
    assert (after.tried_at, after.done_at) == (AT, AT)


# --- after a failure ----------------------------------------------------------------------------------------------

FAILURES = {
    "first": (0, 300.0, ServerError("x"), 60.0),
    "second": (1, 300.0, ServerError("x"), 120.0),
    "fourth": (3, 300.0, TimedOut("x"), 480.0),
    "never longer than an hour": (9, 300.0, ServerError("x"), 3600.0),
    "nor with a longer period": (30, 21600.0, ServerError("x"), 3600.0),
    "a dead agent is left alone for longer": (0, 360.0, AgentNotRunning("x"), 300.0),
    "for not longer than its period": (0, 120.0, AgentNotRunning("x"), 120.0),
    "the host asked for time": (0, 300.0, ServerError("x", retry_after_seconds=200), 200.0),
    "for absurdly much of it": (0, 300.0, ServerError("x", retry_after_seconds=1e9), 3600.0),
}


@pytest.mark.parametrize(("before", "period", "error", "wait"), FAILURES.values(), ids=FAILURES)
def test_each_failure_in_a_row_doubles_the_wait(before, period, error, wait):
    known = Progress(tried_at=AT - 60, failures=before)

    after = schedule.failed(errand("config/1", period), known, error, at=AT)

    assert after.next_at - AT == wait
    assert after.failures == before + 1


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionDenied("x"), "permission_denied"), (NotFound("x"), "not_found")]
)
def test_what_is_refused_is_left_alone_for_half_an_hour(error, code):
    after = schedule.failed(errand("config/1", 30.0), schedule.NEVER, error, at=AT)

    assert 1800.0 <= after.next_at - AT <= 1890.0
    assert after.code == code


def test_a_failure_keeps_when_it_went_well_and_says_what_happened():
    known = Progress(tried_at=AT - 60, done_at=AT - 900)

    after = schedule.failed(errand("config/1"), known, ServerError("The node is on fire"), at=AT)

    assert after.done_at == AT - 900
    assert after.message.startswith("The node is on fire. ")


# --- what happened meanwhile --------------------------------------------------------------------------------------


HASTENED = {
    "something happened to it just now": (Progress(AT - 500, AT - 500, AT + 900), AT, 0.0),
    "not sooner than a minute after the last time": (Progress(AT - 20, AT - 20, AT + 900), AT, 40.0),
    "it was tried since": (Progress(AT - 20, AT - 20, AT + 900), AT - 30, 900.0),
    "it comes sooner anyway": (Progress(AT - 500, AT - 500, AT - 7), AT, -7.0),
    "after a failure": (Progress(AT - 500, 0.0, AT + 900, 4, "server_error"), AT, 0.0),
    "the account may not": (Progress(AT - 500, 0.0, AT + 900, 1, "permission_denied"), AT, 900.0),
    "this version cannot": (Progress(AT - 500, 0.0, AT + 900, 1, "not_found"), AT, 900.0),
}


@pytest.mark.parametrize(("known", "since", "wait"), HASTENED.values(), ids=HASTENED)
def test_something_that_happened_makes_an_errand_due_soon(known, since, wait):
    after = schedule.hastened({"config/1": known}, {"config/1": since, "config/2": AT}, at=AT)

    assert after["config/1"].next_at - AT == wait
    assert list(after) == ["config/1"]


def test_other_rights_make_due_what_was_refused_and_nothing_else():
    progress = {
        "a/": Progress(AT - 10, 0.0, AT + 1700, 1, "permission_denied"),
        "b/": Progress(AT - 10, 0.0, AT + 1700, 1, "not_found"),
    }

    after = schedule.permitted(progress, at=AT)

    assert {name: one.next_at - AT for name, one in after.items()} == {"a/": 0.0, "b/": 1700.0}


def test_an_errand_that_is_not_to_be_repeated_soon_waits_longer_and_never_less():
    rare = Errand("smart", "sda", 43200.0, print, retry_seconds=10800.0)
    first = schedule.failed(rare, schedule.NEVER, TimedOut("no answer"), at=AT)
    third = schedule.failed(rare, Progress(failures=2), TimedOut("no answer"), at=AT)

    assert (first.next_at - AT, third.next_at - AT) == (10800.0, 10800.0)


def test_another_credential_forgets_failures():
    progress = {"a/": Progress(AT - 10, 0.0, AT + 1700, 1, "permission_denied"), "b/": tried(30)}

    assert list(schedule.renewed(progress)) == ["b/"]


def test_errands_whose_subject_is_gone_are_forgotten():
    wanted = [errand("b"), errand("c")]

    assert list(schedule.forgotten({"a/": tried(1), "b/": tried(1)}, wanted)) == ["b/"]
    assert list(schedule.forgotten({"b/": tried(1)}, wanted)) == ["b/"]


def test_a_clock_that_was_set_back_leaves_nothing_in_the_future():
    progress = {"a/": Progress(AT + 7200, AT + 7200, AT + 9000), "b/": tried(30)}

    after = schedule.caught_up(progress, at=AT)

    assert (after["a/"].tried_at, after["a/"].done_at, after["a/"].next_at) == (AT, AT, AT)
    assert after["b/"] == progress["b/"]
