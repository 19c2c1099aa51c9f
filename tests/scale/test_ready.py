"""Whether Pulse does its work: each part that fails is told in time, and nothing is made up for when it is back."""

from __future__ import annotations

import signal
import threading
import time

import pytest
import redis

from tests.process.running import PulseProcess, until
from tests.scale.conftest import POLLING_SECONDS, TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(240)]

#: Three intervals, and what it takes to look.
LOST_SECONDS = 3 * POLLING_SECONDS + 4
BACK_SECONDS = 15


def failing(part: PulseProcess) -> set[str]:
    """Return which parts a web process says do not work."""
    status, answer = part.request("GET", "/api/ready")
    assert (status == 200) is ("details" not in answer)
    return set(answer.get("details", ()))


def becomes(part: PulseProcess, expected: set[str], *, seconds: float) -> None:
    """Wait until just these parts are said not to work; health goes on all the time."""
    until(lambda: failing(part) == expected, seconds=seconds, what=f"{expected or 'nothing'} is said to fail")
    assert part.answers()


@pytest.fixture
def ready(webs) -> PulseProcess:
    """A web process that says that everything works, with a cluster that is polled."""
    web = webs[0]
    becomes(web, set(), seconds=60)
    until(lambda: web.state(token=TOKEN)["vms"], seconds=60, what="guests")
    return web


def pause(seconds: float) -> None:
    """Let real processes run for so long."""
    threading.Event().wait(seconds)


def test_a_frozen_beat_is_told_within_three_intervals_and_nothing_is_made_up_for(scaled: Scaled, ready):
    beat = scaled.parts[3].process
    beat.send_signal(signal.SIGSTOP)
    try:
        becomes(ready, {"beat"}, seconds=LOST_SECONDS)
        pause(2 * POLLING_SECONDS)
        scaled.estate.request("POST", "/traffic/reset")
    finally:
        beat.send_signal(signal.SIGCONT)

    until(lambda: scaled.polls() >= 1, seconds=BACK_SECONDS, what="a poll")
    pause(1)
    assert scaled.polls() == 1
    becomes(ready, set(), seconds=BACK_SECONDS)


def test_of_a_worker_that_was_down_each_host_is_polled_once_when_one_is_back(scaled: Scaled, ready):
    client = redis.Redis.from_url(scaled.redis.url)
    scaled.parts[2].kill()
    becomes(ready, {"worker"}, seconds=LOST_SECONDS)
    until(lambda: client.llen("celery") >= 20, seconds=60, what="tasks wait in the queue")
    scaled.estate.request("POST", "/traffic/reset")

    scaled.parts[2] = scaled.start("worker")

    until(
        lambda: scaled.polls() >= 1, seconds=75, what="a poll"
    )  # a killed holder loses its right after 60 s
    pause(1)
    assert scaled.polls() == 1
    until(lambda: client.llen("celery") <= 2, seconds=10, what="what has expired is gone")
    becomes(ready, set(), seconds=BACK_SECONDS)


def test_a_redis_that_hangs_is_told_and_so_is_its_return(scaled: Scaled, ready):
    scaled.redis.freeze()
    try:
        becomes(ready, {"redis"}, seconds=10)
    finally:
        scaled.redis.thaw()

    becomes(ready, set(), seconds=BACK_SECONDS)


def test_a_postgresql_that_hangs_is_told_and_so_is_its_return(scaled: Scaled, ready):
    scaled.postgres.freeze()
    begun = time.monotonic()
    try:
        until(lambda: "database" in failing(ready), seconds=10, what="the database is said to fail")
        asked = [timed(ready) for _ in range(20)]
    finally:
        scaled.postgres.thaw()

    assert time.monotonic() - begun < 15
    assert max(asked) < 0.5
    becomes(ready, set(), seconds=BACK_SECONDS)


def timed(part: PulseProcess) -> float:
    """Return how long health and readiness take together."""
    begun = time.monotonic()
    part.request("GET", "/api/ready")
    assert part.answers()
    return time.monotonic() - begun
