"""The right to do something that only one worker may do at a time, in memory and in Redis."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import redis

from monitoring.store import current, memory
from monitoring.store.current import KINDS
from monitoring.store.leases import lease
from monitoring.store.memory import MemoryStore
from monitoring.store.redis import RedisStore
from tests.ports import own_port
from tests.scale.servers import RedisServer


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis") / "server")
    yield server
    server.stop()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.scale)])
def store(request):
    """Each of the two places in which rights are kept."""
    if request.param == "memory":
        yield MemoryStore()
        return
    server = request.getfixturevalue("server")
    redis.Redis.from_url(server.url).flushall()
    kept = RedisStore(server.url, KINDS)
    yield kept
    kept.close()


def test_a_right_is_one_holders_until_it_is_given_back(store):
    first = store.take("polling:1", b"first", seconds=60)
    second = store.take("polling:1", b"second", seconds=60)
    another = store.take("polling:2", b"second", seconds=60)
    store.give_back("polling:1", b"first")

    assert (first, second, another) == (True, False, True)
    assert store.take("polling:1", b"second", seconds=60)


def test_whoever_lost_a_right_does_not_take_it_from_the_next_holder(store):
    store.take("polling:1", b"second", seconds=60)

    store.give_back("polling:1", b"first")

    assert not store.take("polling:1", b"third", seconds=60)


def test_the_right_of_a_holder_that_was_killed_ends_by_itself(monkeypatch):
    store, now = MemoryStore(), 1000.0
    monkeypatch.setattr(memory.time, "monotonic", lambda: now)
    store.take("polling:1", b"killed", seconds=60)

    now = 1060.0

    assert store.take("polling:1", b"next", seconds=60)


def test_a_lease_is_over_at_the_end_of_its_block():
    current.install(MemoryStore())
    try:
        with lease("polling:1", 60) as held, lease("polling:1", 60) as held_twice:
            assert (held, held_twice) == (True, False)
        with lease("polling:1", 60) as held:
            assert held
    finally:
        current.install(None)


def test_without_redis_nobody_has_the_right():
    store = RedisStore(f"redis://127.0.0.1:{own_port()}/0", KINDS)

    assert not store.take("polling:1", b"mark", seconds=60)
    store.give_back("polling:1", b"mark")


@pytest.mark.scale
def test_a_right_in_redis_is_plain_bytes_that_end(server):
    client, store = redis.Redis.from_url(server.url), RedisStore(server.url, KINDS)
    client.flushall()

    store.take("polling:1", b"\x80mark", seconds=60)

    assert client.get("pulse:3:lease:polling:1") == b"\x80mark"
    assert 0 < client.pttl("pulse:3:lease:polling:1") <= 60_000
    store.close()


@pytest.mark.scale
def test_a_right_that_never_ends_is_nobodys(server):
    client, store = redis.Redis.from_url(server.url), RedisStore(server.url, KINDS)
    client.flushall()
    client.rpush("pulse:3:lease:polling:1", pickle.dumps(Path("planted")))

    assert store.take("polling:1", b"mark", seconds=60)
    store.close()
