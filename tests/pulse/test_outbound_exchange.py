"""What an answer may cost: time until the deadline, and memory up to a bound; and how it is put together."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest

from pulse.lib.outbound.errors import NotHttp, OutboundError, TimedOut, TooLarge, Unreachable
from tests.memory import MIB, memory_is_bounded
from tests.nodes.servers import Link, Script, always, answer, scripted
from tests.pulse.outbound import budget, fetch, session

pytestmark = pytest.mark.slow

DATA = b'{"data":{"version":"9.1"}}'
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json"
ONE_MIB = b" " * MIB


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
        pytest.raises(OutboundError) as caught,
    ):
        fetch(server, max_body_bytes=4 * MIB)

    assert isinstance(caught.value, TooLarge | Unreachable)


def test_a_gzip_bomb_costs_bounded_memory() -> None:
    bomb = gzip_of(ONE_MIB, 256)

    with (
        scripted(always(bomb, "200 OK", "Content-Encoding: gzip"), tls=False) as server,
        memory_is_bounded(),
        pytest.raises(TooLarge, match="more than 32 MiB"),
    ):
        fetch(server, max_body_bytes=32 * MIB)

    assert len(bomb) < MIB


def test_a_gzip_bomb_in_an_error_costs_little() -> None:
    bomb = gzip_of(ONE_MIB, 64)
    script = always(bomb, "500 Oops", "Content-Encoding: gzip")

    with scripted(script, tls=False) as server, memory_is_bounded(8 * MIB):
        answered = fetch(server, max_body_bytes=32 * MIB)

    assert (answered.status_code, answered.reason, answered.content) == (500, "Oops", b"")


def test_a_redirect_is_an_answer_and_its_huge_body_costs_little() -> None:
    head = f"HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: {1024 * MIB}\r\n\r\n"

    with scripted(pouring(head, ONE_MIB), tls=False) as server, memory_is_bounded(8 * MIB):
        answered = fetch(server)

    assert (answered.status_code, answered.headers["Location"]) == (302, "/other")
    assert len(server.requests) == 1


@pytest.mark.parametrize("head", [(), ("Content-Encoding: gzip",)], ids=["plain", "gzip"])
def test_an_answer_at_the_limit_is_read(head: tuple[str, ...]) -> None:
    body = b"x" * MIB
    script = always(gzip.compress(body) if head else body, "200 OK", *head)

    with scripted(script, tls=False) as server:
        answered = fetch(server, max_body_bytes=MIB)

    assert answered.content == body


@pytest.mark.parametrize("head", [(), ("Content-Encoding: gzip",)], ids=["plain", "gzip"])
def test_an_answer_one_byte_over_the_limit_is_refused(head: tuple[str, ...]) -> None:
    body = b"x" * (MIB + 1)
    script = always(gzip.compress(body) if head else body, "200 OK", *head)

    with scripted(script, tls=False) as server, pytest.raises(TooLarge, match="more than 1 MiB"):
        fetch(server, max_body_bytes=MIB)


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
            session().get(server.url, timeout=budget(server, 0.3, 10.0))

        assert 0.3 <= time.monotonic() - started < 1.5


def test_a_drip_of_interim_answers_ends_at_the_deadline() -> None:
    def script(link: Link) -> None:
        link.request()
        while not link.server.has_ended.wait(0.02):
            link.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    with scripted(script) as server, pytest.raises(TimedOut):
        session().get(server.url, timeout=budget(server, 0.3, 10.0))


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_compressed_answers_are_unfolded(size: int) -> None:
    body = gzip.compress(b"x" * size)
    with scripted(always(body, "200 OK", "Content-Encoding: gzip")) as server:
        answered = fetch(server)

    assert answered.content == b"x" * size


def test_chunked_answers_are_put_together() -> None:
    chunks = b'a\r\n{"data":{"\r\n10\r\nversion":"9.1"}}\r\n0\r\n\r\n'
    script = always(chunks, "200 OK", "Transfer-Encoding: chunked")
    with scripted(script) as server, session() as own:
        own.get(server.url)
        answered = own.get(server.url)

    assert answered.json() == {"data": {"version": "9.1"}}
    assert server.connections == 1


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip"])
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    with (
        scripted(always(DATA, "200 OK", f"Content-Encoding: {coding}")) as server,
        pytest.raises(NotHttp, match="not asked for"),
    ):
        fetch(server)


def test_a_compressed_answer_that_is_cut_off_is_no_answer() -> None:
    body = gzip.compress(b'{"data":[1,2,3]}')[:-9]
    with (
        scripted(always(body, "200 OK", "Content-Encoding: gzip")) as server,
        pytest.raises(Unreachable, match="in the middle"),
    ):
        fetch(server)


def test_rubbish_that_claims_to_be_compressed_is_refused() -> None:
    with (
        scripted(always(DATA, "200 OK", "Content-Encoding: gzip")) as server,
        pytest.raises(NotHttp, match="cannot be decompressed"),
    ):
        fetch(server)


def test_a_silence_within_the_call_is_bounded_by_itself() -> None:
    def script(link: Link) -> None:
        link.request()
        link.server.has_ended.wait()

    with scripted(script) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut, match=r"within 0\.2 s"):
            session().get(server.url, timeout=budget(server, 8.0, 0.2))

        assert 0.2 <= time.monotonic() - started < 4.0


def test_a_call_that_is_over_connects_no_more() -> None:
    with scripted(always(DATA)) as server, pytest.raises(TimedOut):
        session().get(server.url, timeout=budget(server, 0.0))

    assert server.connections == 0


def test_one_budget_counts_what_all_requests_of_a_call_receive() -> None:
    whole = len(answer(DATA))
    with scripted(always(DATA), tls=False) as server, session() as own:
        spent = budget(server, 10.0)
        own.get(server.url, timeout=spent)
        own.post(server.url, data=b"x", timeout=spent)

    assert spent.received_bytes == 2 * whole
