"""Whoever can write to Redis runs no code in Pulse, and stops nothing: pickles and rubbish under every key, of every type."""

from __future__ import annotations

import base64
import json
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from monitoring.known.forecasts import FORECASTS
from monitoring.store.current import KINDS
from monitoring.store.keys import OWN_KINDS, TICKS, key
from tests.process.running import PulseProcess, until
from tests.scale.conftest import TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(300)]

#: The keys of the store, of the rate limits and of Celery's broker. There are no others.
STORE = re.compile(r"pulse:3:(?P<kind>[a-z]+)(:.*)?")
OTHERS = re.compile(
    r":1:rl:[0-9a-f]+|:1:token-.*|celery|_kombu\.binding.*|unacked|unacked_index|unacked_mutex"
)
STORED = {*OWN_KINDS, *(kind.name for kind in KINDS)}

Write = Callable[[redis.Redis, str, bytes], object]
#: How to leave something under a key, in each type that Redis has.
TYPES: dict[str, Write] = {
    "string": lambda client, name, planted: client.set(name, planted),
    "list": lambda client, name, planted: client.rpush(name, planted),
    "set": lambda client, name, planted: client.sadd(name, planted),
    "sorted set": lambda client, name, planted: client.zadd(name, {planted: 1}),
    "hash": lambda client, name, planted: client.hset(
        name, mapping={"#": planted, "*": planted, "~": planted, "1:resources": planted, planted: planted}
    ),
    "stream": lambda client, name, planted: client.xadd(name, {"planted": planted}),
}


class Planted:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.sentinel), "w"))


def forms(sentinel: Path) -> dict[str, bytes]:
    """Return what is planted: the pickle, and what is broken in other ways."""
    return {
        "pickle": pickle.dumps(Planted(sentinel)),
        "truncated msgpack": b"\x85\xa3key",
        "another shape": b"\x93\x01\x02\x03",
        "nothing": b"",
    }


def messages(sentinel: Path) -> Iterator[bytes]:
    """Yield what somebody could lay into the queue of the tasks."""
    planted = base64.b64encode(pickle.dumps(Planted(sentinel))).decode()
    properties = {
        "correlation_id": "planted",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "celery"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": "planted",
    }
    headers = {"task": "monitoring.tasks.dispatch_polls", "id": "planted", "lang": "py", "argsrepr": "()"}
    for kind in (
        "application/x-python-serialize",
        "application/data",
        "application/x-yaml",
        "application/json",
    ):
        yield json.dumps(
            {
                "body": planted,
                "content-encoding": "binary",
                "content-type": kind,
                "headers": headers,
                "properties": properties,
            }
        ).encode()
    yield pickle.dumps(Planted(sentinel))
    yield b"{"
    yield b"[]"
    yield json.dumps({"body": planted}).encode()


def existing(client: redis.Redis) -> list[str]:
    """Return the keys that are there now; each is of a declared kind."""
    names = sorted(name.decode() for name in client.scan_iter(count=1000))
    strange = [
        name
        for name in names
        if not OTHERS.fullmatch(name) and not ((found := STORE.fullmatch(name)) and found["kind"] in STORED)
    ]
    assert strange == []
    return names


def vms(part: PulseProcess) -> tuple[str, int]:
    """Return when the state was last renewed, and how many machines are in it."""
    state = part.state(token=TOKEN)
    return state["lastUpdate"], len(state["vms"])


def goes_on(part: PulseProcess) -> bool:
    """Wait until the state has been renewed by two more polls with all its machines."""
    for _ in range(2):
        since, _ = vms(part)
        until(
            lambda before=since: vms(part)[0] > before and vms(part)[1] >= 5,
            seconds=60,
            what="a newer state with machines",
        )
    return True


@pytest.mark.parametrize("kind", TYPES)
def test_what_is_planted_under_any_key_is_neither_run_nor_shown_and_polling_goes_on(
    scaled: Scaled, webs, tmp_path, kind
):
    client = redis.Redis.from_url(scaled.redis.url)
    sentinel = tmp_path / "sentinel"
    until(lambda: vms(webs[1])[1] >= 5, seconds=60, what="machines")
    until(lambda: client.exists(key("judgement")), seconds=60, what="the judgement")
    names = existing(client)
    kinds = {found["kind"] for name in names if (found := STORE.fullmatch(name))}
    # Forecasts are there after minutes only: something is planted where they will be.
    assert STORED - kinds <= {TICKS, "lease", "troubles", "notices", "forecasts"}, (
        "a kind of key that is never there is never tested"
    )
    rights = [key("lease", f"{what}:1") for what in ("polling", "collecting")]
    rights += [key(FORECASTS.name, 1)]

    for planted in forms(sentinel).values():
        for name in {*names, *rights}:
            client.delete(name)
            TYPES[kind](client, name, planted)
        client.publish(f"{key(TICKS)}:0", planted)

    assert goes_on(webs[0])
    assert goes_on(webs[1])
    assert not sentinel.exists()
    assert [part.process.poll() for part in scaled.parts] == [None] * len(scaled.parts)


def test_what_is_planted_in_the_queue_of_the_tasks_is_refused_and_the_worker_goes_on(
    scaled: Scaled, webs, tmp_path
):
    client = redis.Redis.from_url(scaled.redis.url)
    sentinel = tmp_path / "sentinel"
    until(lambda: vms(webs[1])[1] >= 5, seconds=60, what="machines")

    for message in messages(sentinel):
        client.lpush("celery", message)
        client.hset("unacked", "planted", message)
        client.zadd("unacked_index", {"planted": 1})

    assert goes_on(webs[0])
    assert not sentinel.exists()
    assert [part.process.poll() for part in scaled.parts] == [None] * len(scaled.parts)
