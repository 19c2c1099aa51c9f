"""What a hostile host can cost: time until the deadline, and memory up to a bound."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest

from nodes.proxmox import answers
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer, ProxmoxError, TimedOut, TooLarge
from tests.memory import MIB, memory_is_bounded
from tests.nodes.servers import Link, always, ask, scripted

pytestmark = pytest.mark.slow

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json"
ONE_MIB = b" " * MIB


@pytest.mark.parametrize("piece", [b"1,", b"{},", b"[],", b'"a",', b'{"a":[]},', b"[[[[1]]]],"])
def test_json_that_unfolds_to_many_objects_is_refused_before_it_does(piece: bytes) -> None:
    body = b'{"data":[' + piece * (30 * MIB // len(piece)) + b"1]}"

    with (
        scripted(always(body), tls=False) as server,
        memory_is_bounded(),
        pytest.raises(TooLarge, match="more than 600000 values"),
    ):
        ask(server.target())


def test_more_rows_than_any_cluster_has_are_refused() -> None:
    body = b'{"data":[' + b"1," * 200_000 + b"1]}"

    with (
        scripted(always(body), tls=False) as server,
        pytest.raises(TooLarge, match="more than 200000 entries"),
    ):
        ask(server.target())


@pytest.mark.parametrize("depth", [63, 64])
def test_nesting_is_limited_to_64_levels(depth: int) -> None:
    body = b'{"data":' + b"[" * depth + b"]" * depth + b"}"

    with scripted(always(body), tls=False) as server:
        if depth == 63:
            assert ask(server.target()).total is None
        else:
            with pytest.raises(BadAnswer, match="nested more than 64"):
                ask(server.target())


def test_depth_is_measured_through_lists_and_objects() -> None:
    assert answers.is_deeper_than([{"a": [1]}], 2) is True
    assert answers.is_deeper_than([{"a": [1]}], 3) is False
    assert answers.is_deeper_than("text", 0) is False


def test_a_silent_host_does_not_outlast_the_limit_of_one_call() -> None:
    def script(link: Link) -> None:
        link.request()
        link.server.has_ended.wait()

    with scripted(script) as server, Client(server.target()) as client:
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"within 0\.2 s"):
            client.get("/version", timeout_seconds=0.2)

        assert time.monotonic() - started < 1.5


def test_all_calls_together_end_with_the_lifetime() -> None:
    def script(link: Link) -> None:
        while link.request():
            if not link.server.has_ended.wait(0.15):
                link.answer(b'{"data":1}')

    with scripted(script) as server, Client(server.target(), lifetime_seconds=0.4) as client:
        client.get("/version")
        with pytest.raises(TimedOut):
            [client.get("/version") for _ in range(5)]

    assert len(server.requests) <= 3


def test_waiting_for_a_turn_counts_against_the_deadline() -> None:
    has_two = threading.Barrier(3)

    def script(link: Link) -> None:
        link.request()
        has_two.wait()
        link.server.has_ended.wait()

    def hold(client: Client) -> None:
        with suppress(ProxmoxError):
            client.get("/held")

    with scripted(script) as server, Client(server.target()) as client:
        holders = [threading.Thread(target=hold, args=(client,)) for _ in range(2)]
        for holder in holders:
            holder.start()
        has_two.wait(10)
        with pytest.raises(TimedOut, match="still busy with other calls"):
            client.get("/third", timeout_seconds=0.2)
        server.has_ended.set()
        for holder in holders:
            holder.join(10)

    assert len(server.requests) == 2
