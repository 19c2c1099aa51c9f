"""What a step of the clock does to sessions, lock-outs, tokens and rate limits (docs/clock.md)."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import caches

from accounts import lockout, sessions, tokens
from accounts.models import SignInFailure
from accounts.session_store import SessionStore
from accounts.tasks import prune_sessions
from pulse.lib import limits
from pulse.lib.auth import Access, Limit
from tests.conftest import NOON

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BACK = [-HOUR, -DAY]
STEPS = [-HOUR, HOUR, -DAY, DAY]


@pytest.fixture
def opened():
    """The key of a session that was opened at noon."""
    with time_machine.travel(NOON, tick=False):
        session = SessionStore()
        sessions.begin(session, at=NOON)
        session.save()
    return session.session_key


def is_open(key, at):
    """Whether the session of a key is found at an instant; it is touched then, as the door does."""
    with time_machine.travel(at, tick=False):
        session = SessionStore(key)
        if sessions.SIGNED_IN not in session:
            return False
        sessions.touch(session, at=at)
        session.save()
        return True


@pytest.mark.parametrize(
    ("step", "is_kept"), [(-HOUR, True), (HOUR, True), (-DAY, True), (DAY, False)], ids=str
)
def test_a_session_outlives_steps_but_one_over_its_idle_time(opened, step, is_kept):
    assert is_open(opened, NOON + step) is is_kept


def test_a_clock_that_was_a_day_ahead_for_a_while_has_ended_no_session_for_good(opened):
    with time_machine.travel(NOON + DAY, tick=False):
        prune_sessions()

    assert is_open(opened, NOON + timedelta(minutes=1))


@pytest.mark.parametrize("step", BACK, ids=str)
def test_a_session_lasts_no_longer_because_the_clock_was_set_back(opened, step):
    assert is_open(opened, NOON + step)

    assert is_open(opened, NOON + step + timedelta(hours=11, minutes=59))
    last = NOON + step + 7 * DAY
    at = NOON + step + timedelta(hours=22)
    while at < last:
        assert is_open(opened, at)
        at += timedelta(hours=10)
    assert not is_open(opened, last)


@pytest.mark.parametrize(
    ("step", "is_younger"), [(-HOUR, False), (HOUR, True), (-DAY, False), (DAY, False)], ids=str
)
def test_a_password_that_was_given_in_the_future_is_asked_for_again(opened, step, is_younger):
    session = SessionStore()
    sessions.begin(session, at=NOON)

    assert sessions.is_younger(session, HOUR, at=NOON + step) is is_younger


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_nobody_is_locked_out_for_longer_than_the_longest_lock(step):
    for _ in range(5):
        assert lockout.take("ada", "192.0.2.7", at=NOON) == 0
    assert lockout.take("ada", "192.0.2.7", at=NOON) == 900

    assert lockout.take("ada", "192.0.2.7", at=NOON + step) == 0
    assert SignInFailure.objects.count() == 1


def test_clocks_of_two_machines_that_differ_by_a_second_lock_alike():
    for _ in range(5):
        lockout.take("ada", "192.0.2.7", at=NOON)

    assert lockout.take("ada", "192.0.2.7", at=NOON - timedelta(seconds=1)) == 901


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_the_use_of_a_token_is_noted_by_the_clock_that_there_is_now(step):
    token, text = tokens.issue(name="ci", scopes=[Access.MONITORING_READ], at=NOON)
    tokens.find(text, at=NOON)

    tokens.find(text, at=NOON + step)

    token.refresh_from_db()
    assert token.last_used_at == NOON + step


@pytest.mark.parametrize(
    ("step", "is_found"), [(-HOUR, True), (HOUR, False), (-DAY, True), (DAY, False)], ids=str
)
def test_a_token_expires_by_the_clock_and_a_step_that_is_taken_back_ends_none_for_good(step, is_found):
    token, text = tokens.issue(name="ci", scopes=[Access.MONITORING_READ], at=NOON, expires_at=NOON + HOUR)

    assert (tokens.find(text, at=NOON + step) is not None) is is_found
    assert tokens.find(text, at=NOON) == token


@pytest.mark.parametrize("step", STEPS, ids=str)
def test_a_rate_limit_refuses_for_no_longer_than_its_window(step):
    caches["limits"].clear()
    limit = Limit("clock-step", 3, 60)
    with time_machine.travel(NOON, tick=False):
        verdicts = [limits.hit(limit, "client").is_allowed for _ in range(4)]
    assert verdicts == [True, True, True, False]

    with time_machine.travel(NOON + step, tick=False):
        first = limits.hit(limit, "client")
    with time_machine.travel(NOON + step + timedelta(seconds=60), tick=False):
        second = limits.hit(limit, "client")

    assert first.wait_seconds <= 60
    assert second.is_allowed
