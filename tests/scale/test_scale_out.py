"""Web, worker and beat as processes of their own on real Redis and PostgreSQL servers."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.process.running import PulseProcess, until
from tests.scale.conftest import POLLING_SECONDS, TOKEN, Scaled

pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]


def guests(part: PulseProcess) -> list[dict[str, Any]]:
    """Return the guests in the state of a web process."""
    state = part.state(token=TOKEN)
    return [*state["vms"], *state["containers"]]


def messages(
    part: PulseProcess, *, seconds: float, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Return the first wanted message that a WebSocket of the original protocol gets."""
    headers = {"X-API-Token": TOKEN}
    deadline = time.monotonic() + seconds
    with connect(f"ws://127.0.0.1:{part.port}/ws", additional_headers=headers, max_size=None) as socket:
        while (left := deadline - time.monotonic()) > 0:
            raw = socket.recv(timeout=left)
            message = json.loads(gzip.decompress(raw) if isinstance(raw, bytes) else raw)
            if wanted(message):
                return message
    raise AssertionError("no such message in time")


def slowest(part: PulseProcess, requests: list[tuple[str, str]]) -> tuple[float, set[int]]:
    """Return how long the slowest of the requests took, and their statuses."""
    longest, statuses = 0.0, set()
    for method, path in requests:
        begun = time.monotonic()
        statuses.add(part.request(method, path, token=TOKEN)[0])
        longest = max(longest, time.monotonic() - begun)
    return longest, statuses


def test_an_instance_added_at_one_web_process_is_seen_at_the_other(webs):
    _, second = webs

    found = until(lambda: guests(second), seconds=30, what="guests at the second web process")

    assert len(found) >= 10
    assert {guest["instance"] for guest in found} == {"production"}


def test_what_a_worker_has_collected_is_told_by_a_web_process_and_so_is_what_it_collects_later(webs):
    _, second = webs
    guest = until(lambda: guests(second), seconds=30, what="guests")[0]

    def tasks_at() -> str:
        _, report = second.request("GET", "/api/diagnostics/pve-0", token=TOKEN)
        return str(next((lane["newestRead"] for lane in report["lanes"] if lane["lane"] == "tasks"), ""))

    def details() -> dict[str, Any]:
        _, found = second.request("GET", f"/api/resources/{guest['id']}", token=TOKEN)
        return dict(found["details"])

    configuration = until(lambda: details()["configuration"], seconds=60, what="the configuration")
    first = until(tasks_at, seconds=30, what="the first reading of the tasks")
    until(lambda: tasks_at() > first, seconds=60, what="the next reading of the tasks")

    assert configuration["name"] == guest["name"]
    assert details()["configuration"] == configuration


def test_polls_reach_the_websockets_of_the_second_web_process(webs):
    _, second = webs

    message = messages(
        second,
        seconds=20,
        wanted=lambda message: message["type"] == "rawData" and bool(message["data"]["vms"]),
    )

    assert len(message["data"]["vms"]) >= 5


def test_a_change_at_one_web_process_is_told_to_the_browsers_of_the_other(webs):
    first, second = webs
    headers = {"X-API-Token": TOKEN}
    with connect(f"ws://127.0.0.1:{second.port}/ws", additional_headers=headers, max_size=None) as socket:
        socket.recv(timeout=10)
        _, rows = first.request("GET", "/api/config/nodes", token=TOKEN)
        first.request("PUT", f"/api/config/nodes/{rows[0]['id']}", {"monitorBackups": True}, token=TOKEN)

        kinds = []
        while "nodes_changed" not in kinds:
            raw = socket.recv(timeout=10)
            kinds.append(json.loads(raw)["type"])

    assert kinds[-1] == "nodes_changed"


def test_two_beats_do_no_harm(scaled: Scaled, webs):
    scaled.start("beat")
    until(lambda: guests(webs[0]), seconds=30, what="guests")
    scaled.estate.request("POST", "/traffic/reset")
    begun = time.monotonic()

    until(lambda: scaled.polls() >= 4, seconds=60, what="four polls")
    seconds = time.monotonic() - begun

    # Four polls need three whole intervals; a claimed instance is never polled by both.
    assert seconds > 2.5 * POLLING_SECONDS


def test_a_redis_that_comes_back_empty_is_filled_again(scaled: Scaled, webs):
    first, second = webs
    until(lambda: guests(first), seconds=30, what="guests before")
    scaled.redis.stop()
    assert first.answers()

    scaled.redis.start()
    since = time.time()

    def polled_since() -> bool:
        status, state = second.request("GET", "/api/state", token=TOKEN)
        return status == 200 and bool(state["vms"]) and newest_sight(state) > since

    until(polled_since, seconds=45, what="fresh guests at the second web process")
    assert len(guests(first)) >= 10


def newest_sight(state: dict[str, Any]) -> float:
    """Return the epoch seconds at which the state was last renewed by a poll."""
    from datetime import datetime

    return datetime.fromisoformat(state["lastUpdate"].replace("Z", "+00:00")).timestamp()


def test_with_redis_gone_the_api_still_answers(scaled: Scaled, webs):
    first, _ = webs
    until(lambda: guests(first), seconds=30, what="guests before")
    scaled.redis.stop()
    try:
        longest, statuses = slowest(
            first, [("GET", "/api/health"), ("GET", "/api/config/nodes"), ("GET", "/api/state")]
        )
    finally:
        scaled.redis.start()

    assert statuses == {200}
    assert longest < 3


def test_a_redis_that_is_a_black_hole_hangs_no_request(scaled: Scaled, webs):
    first, _ = webs
    until(lambda: guests(first), seconds=60, what="guests before")
    scaled.redis.freeze()
    try:
        longest, statuses = slowest(
            first, [("GET", "/api/health"), ("GET", "/api/config/nodes"), ("GET", "/api/state")]
        )
    finally:
        scaled.redis.thaw()

    assert statuses == {200}
    assert longest < 3


def test_with_postgresql_gone_the_answer_is_503_and_it_comes_back(scaled: Scaled, webs):
    first, _ = webs
    until(lambda: guests(first), seconds=60, what="guests before")
    scaled.postgres.stop()
    try:
        begun = time.monotonic()
        status, answer = first.request("GET", "/api/config/nodes", token=TOKEN)
        seconds = time.monotonic() - begun
        health = first.answers()
    finally:
        scaled.postgres.start()

    assert (status, answer["code"]) == (503, "unavailable")
    assert seconds < 6
    assert health
    until(
        lambda: first.request("GET", "/api/config/nodes", token=TOKEN)[0] == 200,
        seconds=15,
        what="answers again",
    )


@pytest.mark.parametrize("verb", ["web", "beat", "worker"])
def test_a_signal_ends_each_part_with_0(scaled: Scaled, webs, verb):
    part = scaled.start(verb)
    ready = {"web": "address", "beat": "beat: Starting", "worker": "ready"}[verb]
    until(lambda: ready in part.log, seconds=30, what=f"{verb} has started")

    code, seconds = part.end(seconds=30)

    assert code == 0
    assert seconds < 10


def test_a_part_without_its_servers_is_refused_with_78(tmp_path):
    with PulseProcess(tmp_path / "data", "worker") as worker:
        code = worker.wait_for_exit()

    assert code == 78
    assert "`pulse worker` needs PULSE_REDIS_URL and PULSE_DATABASE_URL" in worker.log
