"""Two web processes are one door: a token that is revoked at one, and the tries that one has counted, hold at the other.

Source: security.md A9, A11.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time

import pytest
import redis
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.process.running import PulseProcess, until
from tests.scale.conftest import TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]

TEST = "/api/config/nodes/test-connection"
#: What a token that only reads may ask for; a handshake, too, asks who comes.
PATHS = ("/api/security/me", "/api/state", "/ws")


@pytest.fixture(scope="module")
def doors(scaled: Scaled) -> tuple[PulseProcess, PulseProcess]:
    """Two web processes; nobody polls."""
    first, second = scaled.start("web"), scaled.start("web")
    first.healthy()
    second.healthy()
    return first, second


def opened(part: PulseProcess, token: str) -> ClientConnection:
    """Return a WebSocket that has had its first message."""
    address = f"ws://127.0.0.1:{part.port}/ws"
    socket = connect(address, additional_headers={"X-API-Token": token}, max_size=None)
    socket.recv(timeout=10)
    return socket


def end_of(socket: ClientConnection, ends: list[tuple[int, float]]) -> None:
    """Read until it is closed; note the code and the instant."""
    try:
        while True:
            socket.recv(timeout=20)
    except ConnectionClosed as closed:
        ends.append((closed.rcvd.code if closed.rcvd else 1006, time.monotonic()))


def test_a_token_that_is_revoked_at_one_is_refused_at_the_other_within_a_second_and_its_sockets_end_within_five(
    doors,
):
    first, second = doors
    body = {"name": "ci", "scopes": ["monitoring:read"]}
    _, made = first.request("POST", "/api/security/tokens", body, token=TOKEN)
    text = made["token"]
    for part in doors:  # both know it, and may have kept it
        assert [part.request("GET", "/api/security/me", token=text)[0] for _ in range(3)] == [200] * 3
    ends: list[tuple[int, float]] = []

    with opened(first, text) as one, opened(second, text) as other, opened(second, TOKEN) as of_somebody_else:
        readers = [threading.Thread(target=end_of, args=(socket, ends)) for socket in (one, other)]
        for reader in readers:
            reader.start()
        assert first.request("DELETE", f"/api/security/tokens/{made['id']}", token=TOKEN)[0] in (200, 204)
        revoked = time.monotonic()
        statuses = [part.request("GET", path, token=text)[0] for part in doors for path in PATHS]
        asked = time.monotonic()
        for reader in readers:
            reader.join(15)
        of_somebody_else.ping().wait(5)

    assert statuses == [401] * 2 * len(PATHS)
    assert asked - revoked < 1
    assert [code for code, _ in ends] == [4401, 4401]
    assert max(at for _, at in ends) - revoked < 5


def test_neither_redis_nor_postgresql_holds_a_token_or_a_password(scaled: Scaled, doors):
    first, second = doors
    body = {"name": "kept", "scopes": ["monitoring:read", "settings:write"]}
    _, made = first.request("POST", "/api/security/tokens", body, token=TOKEN)
    secrets = {TOKEN, made["token"], "Canary-wrong-token", "Canary-password-of-a-host"}
    for token in secrets:
        second.request("GET", "/api/security/me", token=token)
    host = {
        "type": "pve",
        "host": "https://192.0.2.1:8006",
        "user": "a@pam",
        "password": "Canary-password-of-a-host",
    }
    assert second.request("POST", "/api/config/nodes", host, token=TOKEN)[0] == 201

    kept = redis_text(scaled) + postgres_text(scaled)

    assert "accounts_apitoken" in kept
    assert made["token"].split("_")[1] in kept  # its public half
    assert "rl:" in kept
    assert [secret for secret in secrets if secret in kept] == []


def redis_text(scaled: Scaled) -> str:
    """Return every key of Redis with what lies under it."""
    client = redis.Redis.from_url(scaled.redis.url)
    readers = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: client.zrange(name, 0, -1),
    }
    return repr([(name, readers[client.type(name)](name)) for name in client.scan_iter(count=1000)])


def postgres_text(scaled: Scaled) -> str:
    """Return every table of the database."""
    dumped = scaled.postgres.folder / "dump.sql"
    where = ("-h", "127.0.0.1", "-p", str(scaled.postgres.port), "-U", "pulse")
    scaled.postgres.run("pg_dump", *where, "-f", dumped, "pulse")
    return dumped.read_text()


def tried(part: PulseProcess) -> tuple[int, int]:
    """Return the status of one test of a connection, and how long the limit has still to run."""
    connection = http.client.HTTPConnection("127.0.0.1", part.port, timeout=20)
    with contextlib.closing(connection):
        # A body that is refused: what counts is that it came.
        connection.request("POST", TEST, json.dumps({}), {"X-API-Token": TOKEN})
        answer = connection.getresponse()
        answer.read()
    return answer.status, int(answer.headers.get("Retry-After", 0))


def exhausted(part: PulseProcess) -> int:
    """Use up the limit at one process, early in a window; return how many tries passed in the last one."""
    passed = 0

    def is_over() -> bool:
        nonlocal passed
        status, wait_seconds = tried(part)
        passed = passed + 1 if status == 400 else passed
        # Whoever meets the end of a window begins again, or the other process would be in the next one.
        return status == 429 and wait_seconds > 10

    until(is_over, seconds=90, what="the limit")
    return passed


def test_tries_are_counted_together(doors):
    first, second = doors

    exhausted(first)

    assert [tried(second)[0] for _ in range(3)] == [429] * 3


def test_without_redis_each_counts_for_itself_from_where_it_was_and_none_without_end(scaled: Scaled, doors):
    first, second = doors
    exhausted(first)
    scaled.redis.stop()
    try:
        at_first = [tried(first)[0] for _ in range(3)]
        at_second = [tried(second)[0] for _ in range(25)]
    finally:
        scaled.redis.start()

    assert at_first == [429] * 3
    assert set(at_second) <= {400, 429}
    # Ten pass in a window, and at most two windows are met.
    assert at_second.count(400) <= 20
    assert 429 in at_second
