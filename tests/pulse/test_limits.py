"""pulse.lib.limits and pulse.lib.counts: a window per client, bounded, and never lifted because something failed."""

from __future__ import annotations

import pickle
import tracemalloc
from datetime import timedelta

import pytest
import redis
import time_machine
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import RequestFactory

from accounts.door import check_rate
from pulse.lib import counts, limits
from pulse.lib.auth import Access, Limit, Policy
from pulse.lib.counts import SharedCounts
from pulse.lib.errors import ApiError
from pulse.lib.logs import Told
from tests.conftest import NOON

TRANSFER = Limit("transfer", 5, 60)


def allowed(instants: list[float], client: str = "a", limit: Limit = TRANSFER) -> list[bool]:
    """Return which of the requests so many seconds after noon may go on."""
    answers = []
    for seconds in instants:
        with time_machine.travel(NOON + timedelta(seconds=seconds), tick=False):
            answers.append(limits.hit(limit, client).is_allowed)
    return answers


def test_the_sixth_request_in_a_window_is_refused():
    assert allowed([0, 1, 2, 3, 4, 5]) == [True] * 5 + [False]


def test_whoever_waits_as_long_as_was_told_may_come_again(still_noon):
    for _ in range(5):
        limits.hit(TRANSFER, "a")
    wait = limits.hit(TRANSFER, "a").wait_seconds

    assert 1 <= wait <= 60
    assert allowed([wait - 1, wait]) == [False, True]


def test_refused_requests_do_not_lengthen_the_wait(still_noon):
    for _ in range(50):
        limits.hit(TRANSFER, "a")
    wait = limits.hit(TRANSFER, "a").wait_seconds

    assert allowed([wait] * 6) == [True] * 5 + [False]


def test_clients_and_buckets_are_counted_apart(still_noon):
    allowed([0] * 5)

    assert allowed([0], client="b") == [True]
    assert allowed([0], limit=Limit("other", 5, 60)) == [True]
    assert allowed([0]) == [False]


def test_not_all_windows_end_at_the_same_moment(still_noon):
    waits = set()
    for n in range(20):
        allowed([0] * 5, client=str(n))
        waits.add(limits.hit(TRANSFER, str(n)).wait_seconds)

    assert len(waits) > 10


def test_a_verdict_tells_what_is_left_and_how_long_to_wait(still_noon):
    headers = [limits.hit(Limit("two", 2, 60), "a").headers for _ in range(3)]

    assert headers == [
        {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1"},
        {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0"},
        {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "Retry-After": "28"},
    ]


def test_a_look_counts_nothing(still_noon):
    looks = [limits.look(TRANSFER, "a") for _ in range(9)]
    allowed([0] * 4)

    assert {look.is_allowed for look in looks} == {True}
    assert limits.look(TRANSFER, "a").is_allowed
    allowed([0])
    assert not limits.look(TRANSFER, "a").is_allowed


def test_a_clock_that_was_set_back_locks_nobody_out():
    allowed([3600] * 6)

    assert allowed([0]) == [True]


@pytest.mark.slow
def test_100_000_addresses_take_a_bounded_amount_of_memory():
    tracemalloc.start()
    try:
        for n in range(100_000):
            limits.hit(TRANSFER, f"198.{n >> 16}.{n >> 8 & 255}.{n & 255}")
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert size < 20 << 20


@pytest.mark.slow
def test_a_busy_client_is_not_forgotten_because_others_come(still_noon):
    allowed([0] * 5)
    for n in range(40_000):
        limits.hit(TRANSFER, str(n))
        if n % 1000 == 0:
            limits.hit(TRANSFER, "a")

    assert allowed([0]) == [False]


# --- With Redis ---------------------------------------------------------------------------------------------------


class FakeRedis(LocMemCache):
    """A Redis that answers, or raises what it was told to raise."""

    def __init__(self):
        super().__init__("a redis", {})
        self.failure = None
        self.questions = 0

    def ask(self, question, *args):
        self.questions += 1
        if self.failure is not None:
            raise self.failure
        return question(*args)

    def add(self, *args):
        return self.ask(super().add, *args)

    def incr(self, *args):
        return self.ask(super().incr, *args)

    def get(self, *args):
        return self.ask(super().get, *args)


@pytest.fixture
def fake_redis(settings, monkeypatch, still_noon):
    """The Redis that several processes share."""
    fake = FakeRedis()
    monkeypatch.setattr(counts, "redis_of", lambda url: fake)
    monkeypatch.setattr(SharedCounts, "paused_until", 0.0)
    monkeypatch.setattr(SharedCounts, "told", Told())
    shared = {"BACKEND": "pulse.lib.counts.SharedCounts", "LOCATION": "redis://192.0.2.1/0"}
    settings.CACHES = settings.CACHES | {"limits": shared}
    yield fake
    caches["limits"].clear()
    fake.clear()


SILENT = redis.ConnectionError("connection refused by redis://user:secret@host")


def test_processes_count_together(fake_redis):
    allowed([0] * 3)
    caches["limits"].clear()  # another process remembers nothing

    assert allowed([0] * 3) == [True, True, False]


def test_without_an_answer_from_redis_the_process_counts_alone(fake_redis):
    fake_redis.failure = SILENT

    assert allowed([0] * 6) == [True] * 5 + [False]
    assert not limits.look(TRANSFER, "a").is_allowed


def test_a_silent_redis_is_not_asked_for_every_request_and_told_once(fake_redis, caplog):
    fake_redis.failure = SILENT

    allowed([0] * 6)

    assert fake_redis.questions == 1
    assert [record.getMessage() for record in caplog.records] == [
        "rate limits are counted by each process alone: ConnectionError"
    ]


def test_a_redis_that_stays_silent_is_told_once_and_so_is_its_return(fake_redis, caplog, monkeypatch):
    caplog.set_level("INFO", logger="pulse.lib.counts")
    for failure in (SILENT, SILENT, None, None):
        fake_redis.failure = failure
        monkeypatch.setattr(SharedCounts, "paused_until", 0.0)
        allowed([0])

    assert [record.getMessage() for record in caplog.records] == [
        "rate limits are counted by each process alone: ConnectionError",
        "rate limits are counted together again",
    ]


def test_redis_is_asked_again_after_a_pause(fake_redis, monkeypatch):
    fake_redis.failure = SILENT
    allowed([0])
    fake_redis.failure = None

    monkeypatch.setattr(SharedCounts, "paused_until", 0.0)

    assert allowed([0] * 5) == [True] * 5  # the one of the pause is known here alone
    assert allowed([0]) == [False]


def test_what_redis_counted_is_remembered_for_the_time_when_it_is_silent(fake_redis):
    allowed([0] * 5)

    fake_redis.failure = SILENT

    assert allowed([0]) == [False]


def test_a_redis_that_falls_silent_within_one_request_does_not_refuse_it(fake_redis, monkeypatch):
    allowed([0])
    caches["limits"].clear()

    def silent(*args):
        raise SILENT

    monkeypatch.setattr(fake_redis, "incr", silent)

    assert allowed([0]) == [True]


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


def test_fifty_forged_addresses_are_one_client(still_noon):
    statuses = [knock(HTTP_X_FORWARDED_FOR=f"198.51.100.{n}") for n in range(50)]

    assert statuses == [None] * 5 + [429] * 45


def test_a_new_connection_is_the_same_client(still_noon):
    statuses = [knock(REMOTE_PORT=str(50_000 + n)) for n in range(6)]

    assert statuses[-1] == 429


def test_the_addresses_of_one_ipv6_network_are_one_client(still_noon):
    statuses = [knock(REMOTE_ADDR=f"2001:db8::{n:x}") for n in range(6)]

    assert statuses[-1] == 429
    assert knock(REMOTE_ADDR="2001:db8:0:1::1") is None


def test_clients_without_an_address_share_one_limit(still_noon):
    assert [knock(REMOTE_ADDR="") for _ in range(6)][-1] == 429


def test_the_limit_is_counted_before_method_and_credential(remote, with_api_token, still_noon):
    path = "/api/config/nodes/test-connection"
    statuses = [remote.get(path).status_code for _ in range(40)]

    assert statuses == [405] * 10 + [429] * 30


def test_a_limited_answer_tells_the_limit(api):
    response = api.post("/api/config/nodes/test-connection", "{}", content_type="application/json")

    left = int(response.headers["X-RateLimit-Limit"]) - int(response.headers["X-RateLimit-Remaining"])
    assert left == 1


def test_a_count_that_is_no_number_is_never_unpickled(tmp_path):
    sentinel = tmp_path / "sentinel"
    planted = pickle.dumps(Planted(sentinel))

    assert counts.Numbers().loads(planted) is None
    assert not sentinel.exists()


def test_nothing_but_a_number_is_written_as_a_count():
    assert counts.Numbers().dumps(7) == 7
    with pytest.raises(TypeError, match="only numbers are counted, not str"):
        counts.Numbers().dumps("7")


def test_a_count_of_the_wrong_type_is_counted_alone_and_the_others_go_on_together(fake_redis, caplog):
    fake_redis.failure = redis.ResponseError("WRONGTYPE Operation against a key")

    assert allowed([0]) == [True]
    assert SharedCounts.paused_until == 0.0
    assert caplog.records == []


class Planted:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, sentinel):
        self.sentinel = sentinel

    def __reduce__(self):
        return (open, (str(self.sentinel), "w"))
