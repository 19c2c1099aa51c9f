"""pulse.lib.limits: a sliding window per client, bounded, and never lifted because something failed."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta

import pytest
import redis
import time_machine
from django.test import RequestFactory

from accounts.door import check_rate
from pulse.lib import limits
from pulse.lib.auth import Access, Limit, Policy
from pulse.lib.errors import ApiError
from pulse.lib.limits import MemoryWindows, RedisWindows
from tests.conftest import NOON

TRANSFER = Limit("transfer", 5, 60)
T = NOON.timestamp()


def allowed(windows: MemoryWindows, instants: list[float], client: str = "a") -> list[bool]:
    """Return which of the requests at the instants may go on."""
    return [windows.hit(TRANSFER, client, at=T + at).is_allowed for at in instants]


def test_the_sixth_request_in_a_minute_is_refused():
    assert allowed(MemoryWindows(), [0, 1, 2, 3, 4, 5]) == [True] * 5 + [False]


def test_the_window_slides_with_each_request():
    windows = MemoryWindows()
    allowed(windows, [0, 30, 30, 30, 30])

    # The first has left at 60, the other four have not: one more, no two.
    assert allowed(windows, [59.9, 60, 60]) == [False, True, False]
    assert allowed(windows, [90, 90, 90, 90, 90]) == [True] * 4 + [False]


def test_refused_requests_do_not_count():
    windows = MemoryWindows()
    allowed(windows, [0, 0, 0, 0, 0, *range(1, 60)])

    assert allowed(windows, [60] * 6) == [True] * 5 + [False]


def test_clients_and_buckets_are_counted_apart():
    windows = MemoryWindows()
    allowed(windows, [0] * 5)

    assert windows.hit(TRANSFER, "b", at=T).is_allowed
    assert windows.hit(Limit("other", 5, 60), "a", at=T).is_allowed
    assert not windows.hit(TRANSFER, "a", at=T).is_allowed


def test_a_verdict_tells_what_is_left_and_how_long_to_wait():
    windows = MemoryWindows()
    headers = [windows.hit(Limit("two", 2, 60), "a", at=T + at).headers for at in (0, 0.5, 30.2)]

    assert headers == [
        {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1"},
        {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "Retry-After": "30"},
    ]


def test_whoever_has_shown_the_right_credential_begins_anew():
    windows = MemoryWindows()
    allowed(windows, [0] * 5)

    windows.forget(TRANSFER, "a")
    windows.forget(Limit("never used", 1, 1), "a")

    assert allowed(windows, [0]) == [True]


def test_a_clock_that_was_set_back_locks_nobody_out():
    windows = MemoryWindows()
    allowed(windows, [3600] * 5)

    assert allowed(windows, [0]) == [True]


@pytest.mark.slow
def test_200_000_addresses_take_a_bounded_amount_of_memory():
    windows = MemoryWindows()
    tracemalloc.start()
    try:
        for n in range(200_000):
            windows.hit(TRANSFER, f"198.{n >> 16}.{n >> 8 & 255}.{n & 255}", at=T)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(windows) == 20_000
    assert size < 20 << 20


def test_the_client_that_was_quiet_longest_is_forgotten_first():
    windows = MemoryWindows(max_clients=2)
    allowed(windows, [0] * 5, client="busy")
    windows.hit(TRANSFER, "b", at=T)
    allowed(windows, [1], client="busy")
    windows.hit(TRANSFER, "c", at=T)

    assert allowed(windows, [2], client="busy") == [False]


def test_a_flood_in_one_bucket_does_not_push_out_another():
    windows = MemoryWindows(max_clients=10)
    allowed(windows, [0] * 5)
    for n in range(100):
        windows.hit(Limit("other", 1, 60), str(n), at=T)

    assert allowed(windows, [1]) == [False]


# --- With Redis ---------------------------------------------------------------------------------------------------


@pytest.fixture
def silent_redis(settings, monkeypatch):
    """A Redis that never answers; returns how often it was asked."""
    settings.PULSE_REDIS_URL = "redis://127.0.0.1:1/0"
    asked = []

    def silent(self, **kwargs):
        asked.append(1)
        raise redis.ConnectionError("connection refused by redis://user:secret@host")

    monkeypatch.setattr("redis.commands.core.Script.__call__", silent)
    limits.shared.cache_clear()
    yield asked
    limits.shared.cache_clear()


def test_without_an_answer_from_redis_the_process_counts_alone(silent_redis):
    verdicts = [limits.hit(TRANSFER, "a", at=T).is_allowed for _ in range(6)]

    assert verdicts == [True] * 5 + [False]


def test_a_silent_redis_is_not_asked_for_every_request_and_told_once(silent_redis, caplog):
    for _ in range(6):
        limits.hit(TRANSFER, "a", at=T)

    assert len(silent_redis) == 1
    assert [record.getMessage() for record in caplog.records] == [
        "rate limits are counted by each process alone: ConnectionError"
    ]


def test_what_redis_allowed_is_remembered_for_the_time_when_it_is_silent(settings, monkeypatch):
    settings.PULSE_REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(RedisWindows, "hit", lambda self, limit, client: limits.Verdict(limit, True, 0, 0))
    for _ in range(5):
        limits.hit(TRANSFER, "a", at=T)

    monkeypatch.setattr(RedisWindows, "hit", lambda self, limit, client: None)

    assert not limits.hit(TRANSFER, "a", at=T).is_allowed


# --- At the door --------------------------------------------------------------------------------------------------

LIMITED = Policy(methods={"GET": Access.PUBLIC}, limit=TRANSFER)


def knock(**extra: str) -> int | None:
    """Send one request to a limited route; the status of its refusal."""
    request = RequestFactory(**({"REMOTE_ADDR": "192.0.2.7"} | extra)).get("/")
    try:
        check_rate(request, LIMITED)
    except ApiError as refusal:
        return refusal.status
    return None


def test_the_clock_moves_the_window():
    with time_machine.travel(NOON, tick=False):
        assert [knock() for _ in range(6)] == [None] * 5 + [429]
    with time_machine.travel(NOON + timedelta(seconds=60), tick=False):
        assert knock() is None


def test_fifty_forged_addresses_are_one_client():
    statuses = [knock(HTTP_X_FORWARDED_FOR=f"198.51.100.{n}") for n in range(50)]

    assert statuses == [None] * 5 + [429] * 45


def test_a_new_connection_is_the_same_client():
    statuses = [knock(REMOTE_PORT=str(50_000 + n)) for n in range(6)]

    assert statuses[-1] == 429


def test_the_addresses_of_one_ipv6_network_are_one_client():
    statuses = [knock(REMOTE_ADDR=f"2001:db8::{n:x}") for n in range(6)]

    assert statuses[-1] == 429
    assert knock(REMOTE_ADDR="2001:db8:0:1::1") is None


def test_clients_without_an_address_share_one_limit():
    assert [knock(REMOTE_ADDR="") for _ in range(6)][-1] == 429


def test_the_limit_is_counted_before_method_and_credential(remote, with_api_token):
    path = "/api/config/nodes/test-connection"
    statuses = [remote.get(path).status_code for _ in range(40)]

    first_refused = statuses.index(429)
    assert statuses == [405] * first_refused + [429] * (40 - first_refused)
    assert first_refused > 0


def test_a_limited_answer_tells_the_limit(api):
    response = api.post("/api/config/nodes/test-connection", "{}", content_type="application/json")

    left = int(response.headers["X-RateLimit-Limit"]) - int(response.headers["X-RateLimit-Remaining"])
    assert left == 1
