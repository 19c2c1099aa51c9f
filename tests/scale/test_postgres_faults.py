"""A PostgreSQL that hangs, or lets everybody wait for a lock, is told in time, and holds up nothing that needs it not."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.process.running import PulseProcess, until
from tests.scale.conftest import TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]

#: More than a web process has connections, and as many as it has lanes.
CROWD = 16
NEEDS_DATABASE = "/api/config/nodes"


def asked(part: PulseProcess, path: str) -> tuple[int, Any, float]:
    """Return status, answer, and how long it took."""
    begun = time.monotonic()
    status, answer = part.request("GET", path, token=TOKEN)
    return status, answer, time.monotonic() - begun


def crowd(part: PulseProcess, path: str) -> list[tuple[int, Any, float]]:
    """Return what comes of many who ask the same at once."""
    with ThreadPoolExecutor(CROWD) as pool:
        return list(pool.map(lambda _: asked(part, path), range(CROWD)))


def is_back(part: PulseProcess, *, seconds: float) -> None:
    """Wait until everybody in a crowd is answered again."""
    until(
        lambda: {status for status, *_ in crowd(part, NEEDS_DATABASE)} == {200},
        seconds=seconds,
        what="reads are answered again",
    )


def test_a_postgresql_that_hangs_is_told_within_3_s_and_reads_are_back_5_s_after_it(scaled: Scaled, webs):
    first, _ = webs
    until(lambda: first.state(token=TOKEN)["vms"], seconds=60, what="guests")
    crowd(first, NEEDS_DATABASE)  # as many connections as there are
    scaled.postgres.freeze()
    try:
        told = crowd(first, NEEDS_DATABASE)
        again = crowd(first, NEEDS_DATABASE)
        state, health = asked(first, "/api/state"), asked(first, "/api/health")
    finally:
        scaled.postgres.thaw()

    assert {(status, answer["code"]) for status, answer, _ in [*told, *again]} == {(503, "unavailable")}
    assert all(answer["error"] for _, answer, _ in told)
    assert max(seconds for *_, seconds in told) < 3
    assert max(seconds for *_, seconds in again) < 3
    assert (state[0], health[0]) == (200, 200)
    assert state[1]["vms"]
    assert max(state[2], health[2]) < 1
    is_back(first, seconds=5)


def test_a_table_that_somebody_has_locked_is_told_within_3_s(scaled: Scaled, webs):
    first, _ = webs
    with psycopg.connect(scaled.postgres.url) as other:
        other.execute("LOCK TABLE nodes_instance IN ACCESS EXCLUSIVE MODE")
        told = crowd(first, NEEDS_DATABASE)
        state = asked(first, "/api/state")

    assert {(status, answer["code"]) for status, answer, _ in told} == {(503, "unavailable")}
    assert max(seconds for *_, seconds in told) < 5  # twice as many ask as there are connections
    assert min(seconds for *_, seconds in told) < 3
    assert state[0] == 200
    is_back(first, seconds=5)


def test_a_postgresql_that_was_away_for_longer_is_used_again_at_once(scaled: Scaled, webs):
    first, _ = webs
    is_back(first, seconds=30)
    scaled.postgres.stop()
    try:
        for _ in range(8):
            assert {status for status, *_ in crowd(first, NEEDS_DATABASE)} == {503}
    finally:
        scaled.postgres.start()

    is_back(first, seconds=5)
    since = first.state(token=TOKEN)["lastUpdate"]
    until(lambda: first.state(token=TOKEN)["lastUpdate"] > since, seconds=30, what="polling goes on")
