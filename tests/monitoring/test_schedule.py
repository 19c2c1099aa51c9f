"""Which questions are due, and what their outcome means for the next time."""

from __future__ import annotations

import pytest

from monitoring.collecting import schedule
from monitoring.collecting.schedule import Question
from monitoring.known.lanes import NEVER, Lane, Progress
from monitoring.known.terms import TERMS
from nodes.proxmox.errors import AgentNotRunning, NotFound, PermissionDenied, ServerError, TimedOut

AT = 1767268800.0


def question(lane=Lane.GUEST_CONFIGURATION, subject=1, *, is_possible=True):
    return Question(lane, subject, print, (), is_possible)


def tried(next_in, **fields):
    return Progress(tried_epoch=AT - 50, done_epoch=AT - 50, next_epoch=AT + next_in, **fields)


def names(found):
    return [one.name for one in found]


# --- what is due --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("next_in", "expected"),
    [(-1.0, ["tasks"]), (0.0, ["tasks"]), (4.0, ["tasks"]), (5.0, []), (60.0, [])],
    ids=["late", "now", "before half a visit", "after half a visit", "later"],
)
def test_what_is_due_before_the_middle_between_two_turns_comes_in_the_earlier_one(next_in, expected):
    progress = {Lane.TASKS: {"": tried(next_in)}}

    assert names(schedule.due([question(Lane.TASKS, "")], progress, epoch=AT)) == expected


def test_those_on_which_others_depend_come_first_then_late_and_new_ones_take_turns():
    every = [
        question(Lane.GUEST_SNAPSHOTS, 1),
        question(Lane.GUEST_CONFIGURATION, 1),
        question(Lane.VERSIONS, "a"),
        question(Lane.TASKS, ""),
        question(Lane.NODE_STORAGES, "a"),
        question(Lane.BACKUP_JOBS, ""),
    ]
    progress = {
        Lane.TASKS: {"": tried(-20)},
        Lane.NODE_STORAGES: {"a": tried(-30)},
        Lane.BACKUP_JOBS: {"": tried(50)},
    }

    found = schedule.due(every, progress, epoch=AT)

    assert names(found) == ["versions a", "tasks", "guest configuration 1", "storage a", "guest snapshots 1"]


def test_what_cannot_be_asked_now_is_not_due():
    away = question(is_possible=False)

    assert schedule.due([away], {}, epoch=AT) == []
    assert schedule.due([away], {Lane.GUEST_CONFIGURATION: {1: tried(-500)}}, epoch=AT) == []


# --- after a success ----------------------------------------------------------------------------------------------


def test_the_second_time_comes_sooner_than_the_period_at_another_moment_for_each():
    waits = [
        schedule.succeeded(question(subject=vmid).key, NEVER, epoch=AT).next_epoch - AT for vmid in range(200)
    ]

    assert min(waits) >= 2160.0
    assert max(waits) <= 7200.0
    assert len({round(wait) // 720 for wait in waits}) == 7


def test_later_times_drift_apart_by_a_twentieth_of_the_period():
    known = Progress(tried_epoch=AT - 100, done_epoch=AT - 100)
    waits = [
        schedule.succeeded(question(subject=vmid).key, known, epoch=AT).next_epoch - AT for vmid in range(200)
    ]

    assert 6840.0 <= min(waits) < 6912.0
    assert 7488.0 < max(waits) <= 7560.0


def test_what_there_is_nothing_of_is_asked_less_often():
    known = Progress(tried_epoch=AT - 100, done_epoch=AT - 100)
    pools = question(Lane.ZFS_POOLS, "pve1").key

    waits = [
        schedule.succeeded(pools, known, epoch=AT, is_idle=is_idle).next_epoch - AT
        for is_idle in (False, True)
    ]

    assert waits == [pytest.approx(300.0, rel=0.05), pytest.approx(3600.0, rel=0.05)]


def test_every_lane_has_its_terms_but_the_poll_itself():
    assert set(Lane) - TERMS.keys() == {Lane.LIVE}


def test_a_success_ends_the_failures():
    known = Progress(
        tried_epoch=AT - 100, done_epoch=AT - 500, failures=3, code="server_error", message="it failed"
    )

    after = schedule.succeeded(question().key, known, epoch=AT)

    assert (after.failures, after.code, after.message) == (0, "", "")
    assert (after.tried_epoch, after.done_epoch) == (AT, AT)


# --- after a failure ----------------------------------------------------------------------------------------------

FAILURES = {
    "first": (0, Lane.NODE_STORAGES, ServerError("x"), 60.0),
    "second": (1, Lane.NODE_STORAGES, ServerError("x"), 120.0),
    "fourth": (3, Lane.NODE_STORAGES, TimedOut("x"), 480.0),
    "never longer than an hour": (9, Lane.NODE_STORAGES, ServerError("x"), 3600.0),
    "nor with a longer period": (30, Lane.CERTIFICATES, ServerError("x"), 3600.0),
    "a dead agent is left alone for longer": (0, Lane.AGENT_FILESYSTEMS, AgentNotRunning("x"), 300.0),
    "for not longer than its period": (0, Lane.GUEST_DETAILS, AgentNotRunning("x"), 120.0),
    "the host asked for time": (0, Lane.NODE_STORAGES, ServerError("x", retry_after_seconds=200), 200.0),
    "for absurdly much of it": (0, Lane.NODE_STORAGES, ServerError("x", retry_after_seconds=1e9), 3600.0),
}


@pytest.mark.parametrize(("before", "lane", "error", "wait"), FAILURES.values(), ids=FAILURES)
def test_each_failure_in_a_row_doubles_the_wait(before, lane, error, wait):
    known = Progress(tried_epoch=AT - 60, failures=before)

    after = schedule.failed(question(lane).key, known, error, epoch=AT)

    assert after.next_epoch - AT == wait
    assert after.failures == before + 1


@pytest.mark.parametrize(
    ("error", "code"), [(PermissionDenied("x"), "permission_denied"), (NotFound("x"), "not_found")]
)
def test_what_is_refused_is_left_alone_for_half_an_hour(error, code):
    after = schedule.failed(question(Lane.CEPH, "").key, NEVER, error, epoch=AT)

    assert 1800.0 <= after.next_epoch - AT <= 1890.0
    assert after.code == code


def test_a_failure_keeps_when_it_went_well_and_says_what_happened():
    known = Progress(tried_epoch=AT - 60, done_epoch=AT - 900)

    after = schedule.failed(question().key, known, ServerError("The node is on fire"), epoch=AT)

    assert after.done_epoch == AT - 900
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
def test_something_that_happened_makes_an_question_due_soon(known, since, wait):
    happened = {(Lane.GROUPS, "main"): since, (Lane.GROUPS, "other"): AT, (Lane.TASKS, ""): AT}

    after = schedule.hastened({Lane.GROUPS: {"main": known}}, happened, epoch=AT)

    assert after[Lane.GROUPS]["main"].next_epoch - AT == wait
    assert after.keys() | after[Lane.GROUPS].keys() == {Lane.GROUPS, "main"}


def test_other_rights_make_due_what_was_refused_and_nothing_else():
    progress = {
        Lane.CEPH: {"": Progress(AT - 10, 0.0, AT + 1700, 1, "permission_denied")},
        Lane.HA: {"": Progress(AT - 10, 0.0, AT + 1700, 1, "not_found")},
    }

    after = schedule.permitted(progress, epoch=AT)

    assert [after[lane][""].next_epoch - AT for lane in (Lane.CEPH, Lane.HA)] == [0.0, 1700.0]


def test_an_question_that_is_not_to_be_repeated_soon_waits_longer_and_never_less():
    rare = question(Lane.SMART, ("pve1", "sda"))
    first = schedule.failed(rare.key, NEVER, TimedOut("no answer"), epoch=AT)
    third = schedule.failed(rare.key, Progress(failures=2), TimedOut("no answer"), epoch=AT)

    assert (first.next_epoch - AT, third.next_epoch - AT) == (10800.0, 10800.0)


def test_another_credential_forgets_failures():
    refused = Progress(AT - 10, 0.0, AT + 1700, 1, "permission_denied")
    progress = {Lane.CEPH: {"": refused}, Lane.TIME: {"pve1": refused, "pve2": tried(30)}}

    assert schedule.renewed(progress) == {Lane.TIME: {"pve2": tried(30)}}


def test_questions_whose_subject_is_gone_are_forgotten():
    wanted = [question(subject=1), question(subject=2)]
    still_there = {Lane.GUEST_CONFIGURATION: {1: tried(1)}}
    progress = {Lane.GUEST_CONFIGURATION: {1: tried(1), 3: tried(1)}, Lane.TIME: {"pve1": tried(1)}}

    assert schedule.forgotten(progress, wanted) == still_there
    assert schedule.forgotten(still_there, wanted) is still_there


def test_a_clock_that_was_set_back_leaves_nothing_in_the_future():
    progress = {Lane.TIME: {"pve1": Progress(AT + 7200, AT + 7200, AT + 9000), "pve2": tried(30)}}

    after = schedule.caught_up(progress, epoch=AT)

    assert after == {Lane.TIME: {"pve1": Progress(AT, AT, AT), "pve2": tried(30)}}


# --- the seldom calls of the live lane ----------------------------------------------------------------------------

USE = (Lane.DATASTORE_USE, "")
REFUSED = Progress(AT - 60, 0.0, AT + 1740, 1, "permission_denied")
LIVE = {
    "never asked": (NEVER, False, True),
    "a poll that comes a little early": (Progress(AT - 29.6, AT - 29.6, AT + 0.4), False, True),
    "not yet": (Progress(AT - 20, AT - 20, AT + 10), False, False),
    "not yet, but wanted": (Progress(AT - 20, AT - 20, AT + 10), True, True),
    "refused": (REFUSED, False, False),
    "refused, and wanted": (REFUSED, True, False),
    "refused half an hour ago": (Progress(AT - 1800, 0.0, AT, 1, "permission_denied"), False, True),
}


@pytest.mark.parametrize(("known", "is_wanted", "expected"), LIVE.values(), ids=LIVE)
def test_when_a_live_call_is_due(known, is_wanted, expected):
    assert schedule.is_due(known, epoch=AT, is_wanted=is_wanted) is expected


def test_live_calls_keep_to_their_period_and_are_made_again_by_the_next_poll_after_a_failure():
    first = schedule.succeeded(USE, NEVER, epoch=AT)
    broken = schedule.failed(USE, first, ServerError("x", retry_after_seconds=99), epoch=AT + 30)
    refused = schedule.failed(USE, first, PermissionDenied("x"), epoch=AT + 30)
    queue = schedule.failed((Lane.MAIL_QUEUES, ("mail", "active")), NEVER, TimedOut("x"), epoch=AT)

    assert [one.next_epoch - AT for one in (first, broken, refused, queue)] == [30.0, 30.0, 1830.0, 60.0]
