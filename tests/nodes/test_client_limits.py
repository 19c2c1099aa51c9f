"""What a hostile host can cost: time until the deadline, and memory up to a bound."""

from __future__ import annotations

import threading
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from nodes.proxmox import answers
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer, ProxmoxError, TimedOut, TooLarge, Unreachable
from tests.nodes.servers import Link, Script, always, ask, scripted

MIB = 1 << 20
#: Two bodies of the limit: one while it grows into the other.
MEMORY_LIMIT_BYTES = 80 * MIB


@contextmanager
def memory_is_bounded(limit_bytes: int = MEMORY_LIMIT_BYTES) -> Iterator[None]:
    """Fail when Python's memory grows by more than the limit at any moment inside."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit_bytes, f"{peak / MIB:.0f} MiB"


def pouring(head: str, piece: bytes) -> Script:
    """A script that sends the head and then the same piece until the client has had enough."""

    def script(link: Link) -> None:
        link.request()
        link.send(head.encode())
        while not link.server.has_ended.is_set():
            link.send(piece)

    return script


def gzip_of(piece: bytes, count: int) -> bytes:
    """Return the piece, repeated, as a gzip file; made without holding it unpacked."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return b"".join([packer.compress(piece) for _ in range(count)] + [packer.flush()])


HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json"
ONE_MIB = b" " * MIB


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (f"{HEAD}\r\nContent-Length: {40 * MIB}\r\n\r\n", b'{"data":[' + b"1," * 32768),
        (f"{HEAD}\r\nConnection: close\r\n\r\n", b"x" * 65536),
        (f"{HEAD}\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        (f"{HEAD}\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x" * 65536),
        (f"{HEAD}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: yes\r\n" * 4096),
    ],
    ids=["40 MiB", "no end", "chunks without end", "chunk mark without end", "trailers without end"],
)
def test_an_answer_without_end_costs_bounded_memory(head: str, piece: bytes) -> None:
    with (
        scripted(pouring(head, piece), tls=False) as server,
        memory_is_bounded(16 * MIB),
        pytest.raises(ProxmoxError) as caught,
    ):
        ask(server.target(), max_body_bytes=4 * MIB)

    assert isinstance(caught.value, TooLarge | Unreachable)


def test_a_gzip_bomb_costs_bounded_memory() -> None:
    bomb = gzip_of(ONE_MIB, 256)

    with (
        scripted(always(bomb, "200 OK", "Content-Encoding: gzip"), tls=False) as server,
        memory_is_bounded(),
        pytest.raises(TooLarge, match="more than 32 MiB"),
    ):
        ask(server.target())

    assert len(bomb) < MIB


def test_a_gzip_bomb_in_an_error_costs_little() -> None:
    bomb = gzip_of(ONE_MIB, 64)
    script = always(bomb, "500 Oops", "Content-Encoding: gzip")

    with (
        scripted(script, tls=False) as server,
        memory_is_bounded(8 * MIB),
        pytest.raises(ProxmoxError, match="Oops"),
    ):
        ask(server.target())


def test_a_redirect_with_a_huge_body_costs_little() -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: {1024 * MIB}\r\n\r\n"

    with (
        scripted(pouring(head, ONE_MIB), tls=False) as server,
        memory_is_bounded(8 * MIB),
        pytest.raises(BadAnswer, match="redirect"),
    ):
        ask(server.target())


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


def test_an_answer_at_the_limit_is_read() -> None:
    body = b'{"data":"' + b"x" * (MIB - 11) + b'"}'

    with scripted(always(body), tls=False) as server:
        answer = ask(server.target(), max_body_bytes=MIB)

    assert len(str(answer.data)) == MIB - 11


def test_an_answer_one_byte_over_the_limit_is_refused() -> None:
    body = b'{"data":"' + b"x" * (MIB - 10) + b'"}'

    with scripted(always(body), tls=False) as server, pytest.raises(TooLarge):
        ask(server.target(), max_body_bytes=MIB)


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


def dripping(before: bytes) -> Script:
    """A script that sends this and then a blank every 20 ms."""

    def script(link: Link) -> None:
        link.request()
        link.send(before)
        while not link.server.has_ended.wait(0.02):
            link.send(b" ")

    return script


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
@pytest.mark.parametrize(
    "before",
    [b"", b"HTTP/1.1 200 OK\r\nX-Slow:", b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"],
    ids=["status line", "head", "body"],
)
def test_a_slow_drip_ends_at_the_deadline(before: bytes, tls: bool) -> None:
    with scripted(dripping(before), tls=tls) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"within 0\.3 s"):
            ask(server.target(), timeout_seconds=10.0, deadline_seconds=0.3)

        assert 0.3 <= time.monotonic() - started < 1.5


def test_a_drip_of_interim_answers_ends_at_the_deadline() -> None:
    def script(link: Link) -> None:
        link.request()
        while not link.server.has_ended.wait(0.02):
            link.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    with scripted(script) as server, pytest.raises(TimedOut):
        ask(server.target(), deadline_seconds=0.3)


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
