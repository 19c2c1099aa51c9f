"""What one connection without a credential can make Pulse keep: pipelined requests, trailers, heads, silence."""

from __future__ import annotations

import contextlib
import itertools
import json

import pytest

from tests.attacks.peers import TOKEN, answer_to, dial, push, request, said, statuses
from tests.attacks.watching import watched
from tests.process.running import PulseProcess

PROXY = "127.0.0.1"

pytestmark = [pytest.mark.xdist_group("attacks")]


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    """Pulse with a token, behind a proxy of this machine that it trusts."""
    data_dir = tmp_path_factory.mktemp("requests") / "data"
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "PULSE_TRUSTED_PROXIES": PROXY}
    with PulseProcess(data_dir, **variables) as pulse:
        pulse.healthy()
        yield pulse
        assert "Traceback" not in pulse.log
        assert " error " not in pulse.log


@pytest.mark.parametrize("reads", [True, False], ids=["reading the answers", "reading nothing"])
def test_a_million_pipelined_requests_cost_next_to_nothing(pulse, reads):
    thousand = request("/api/version") * 1000

    with watched(pulse) as watch, dial(pulse.port) as peer:
        push(peer, itertools.repeat(thousand, 1000), seconds=8, reads=reads)

    assert watch.growth_mib < 20
    assert watch.is_served


def test_pipelined_requests_are_answered_one_after_the_other_in_their_order(pulse):
    paths = ["/api/version", "/api/nothing", "/api/health", "/api/state"] * 10
    last = request("/api/version", "Connection: close")

    answers = answer_to(pulse.port, b"".join(request(path) for path in paths) + last)

    assert statuses(answers) == [200, 404, 200, 401] * 10 + [200]


def test_pipelined_requests_with_bodies_are_answered_in_their_order(pulse):
    body = b'{"a":"\r\n\r\n"}'
    post = request("/api/nothing", f"Content-Length: {len(body)}", method="POST", body=body)
    chunked = request(
        "/api/nothing", "Transfer-Encoding: chunked", method="POST", body=b"4\r\n\r\n\r\n\r\n0\r\n\r\n"
    )

    answers = answer_to(
        pulse.port, (post + request("/api/version") + chunked) * 8 + request("/", "Connection: close")
    )

    assert statuses(answers) == [404, 200, 404] * 8 + [302]


def test_what_cannot_be_read_is_refused_after_the_answers_to_what_came_before(pulse):
    answers = answer_to(pulse.port, request("/api/version") * 3 + b"no request\r\n\r\n")

    assert statuses(answers) == [200, 200, 200, 400]


# --- Trailers -----------------------------------------------------------------------------------------------------


def chunked(trailers: bytes, *headers: str, path: str = "/api/config/nodes/test-config") -> bytes:
    """A request with a body in chunks and trailers after it."""
    body = b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n"
    return request(
        path, "Transfer-Encoding: chunked", "Connection: close", *headers, method="POST", body=body
    )


@pytest.mark.parametrize(
    "trailer",
    [
        pytest.param(f"X-API-Token: {TOKEN}\r\n", id="token"),
        pytest.param(f"Authorization: Bearer {TOKEN}\r\n", id="bearer"),
        pytest.param("Cookie: pulse_session=abc\r\n", id="cookie"),
    ],
)
def test_a_trailer_authorises_nobody(pulse, trailer):
    answer = answer_to(pulse.port, chunked(trailer.encode()))

    assert statuses(answer) == [401]


def test_the_same_header_in_the_head_does_authorise(pulse):
    answer = answer_to(pulse.port, chunked(b"", f"X-API-Token: {TOKEN}"))

    assert statuses(answer) == [400]


def test_a_trailer_says_nothing_about_who_the_client_is(pulse):
    """Thirty tries of one client within a minute are refused for their tokens, then for their number; a trailer makes nobody another
    client. A new minute may begin meanwhile.
    """
    wrong = [
        answer_to(
            pulse.port,
            chunked(
                f"X-Forwarded-For: 198.51.100.{number}\r\n".encode(),
                "X-Forwarded-For: 203.0.113.9",
                f"X-API-Token: wrong-{number}",
                path="/api/config/nodes",
            ),
        )
        for number in range(70)
    ]

    found = [statuses(answer)[0] for answer in wrong]
    assert set(found) == {401, 429}
    assert found.index(429) >= 30
    assert found.count(401) <= 60


def test_trailers_without_an_end_are_cut_and_cost_nothing(pulse):
    head = request("/api/config/nodes", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n")
    trailers = itertools.chain([head], itertools.repeat(b"A: " + b"b" * 8_000 + b"\r\n", 6_250))

    with watched(pulse) as watch, dial(pulse.port) as peer:
        sent, _ = push(peer, trailers, seconds=10)

    assert sent < 8_000_000
    assert watch.growth_mib < 10


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(b"A: b\r\n" * 10_000, id="many trailers"),
        pytest.param(b"A: " + b"b" * 60_000, id="a trailer without an end"),
        pytest.param(b"1;" + b"x" * 60_000, id="an extension without an end"),
        pytest.param(b"0" * 60_000, id="a size without an end"),
    ],
)
def test_what_comes_between_the_parts_of_a_body_is_bounded_as_a_head_is(pulse, part):
    beginning = b"" if part.startswith((b"1;", b"0")) else b"0\r\n"
    content = request("/api/config/nodes", "Transfer-Encoding: chunked", method="POST", body=beginning + part)

    with dial(pulse.port) as peer, contextlib.suppress(ConnectionError):
        peer.sendall(content)
        while peer.recv(1 << 16):  # raises TimeoutError while the server waits for more
            pass


# --- Heads (security.md A64) --------------------------------------------------------------------------------------


HEADS = {
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "the same length twice": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nhello",
    "a length with a sign": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nhello",
    "a length beyond all numbers": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
    "length, then chunks": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks, then length": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "another coding": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding that is none": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "two codings": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a folded line": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n",
    "a bare carriage return": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n",
    "NUL in a name": b"GET / HTTP/1.1\r\nHost: x\r\nA\x00B: c\r\n\r\n",
    "NUL in the path": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "a method that is none": b"FROB / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method of 100 letters": b"G" * 100 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2 without TLS": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/9.9": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a tunnel": b"CONNECT other.test:443 HTTP/1.1\r\nHost: other.test:443\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "letters beyond ASCII in the path": b"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_head_that_may_be_read_in_two_ways_is_refused_and_the_connection_ends(pulse, head):
    answer = answer_to(pulse.port, head + request("/api/version"))

    assert statuses(answer) == [400]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad_request"


@pytest.mark.parametrize("size", [b"fffffffffffffffff", b"-1", b"0x5", b"5 5", b""])
def test_a_size_of_a_chunk_that_is_none_ends_the_connection(pulse, size):
    content = request(
        "/api/login", "Transfer-Encoding: chunked", method="POST", body=size + b"\r\nhello\r\n0\r\n\r\n"
    )

    answers = answer_to(pulse.port, content + request("/api/version"))

    assert statuses(answers) in ([400], [404])


# --- Hosts that are not ours --------------------------------------------------------------------------------------


def test_strangers_and_their_bad_requests_leave_no_line_in_the_log(tmp_path):
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "PULSE_ALLOWED_HOSTS": "pulse.test,127.0.0.1"}
    with PulseProcess(tmp_path / "data", **variables) as pulse:
        pulse.healthy()
        before = pulse.log
        for content in (
            request("/api/version"),
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET /%ff HTTP/1.1\r\nHost: pulse.test\r\n\r\n",
            b"no request\r\n\r\n",
        ):
            with dial(pulse.port, seconds=1) as peer:
                assert statuses(said(peer, content))[0] in (302, 400, 404)

        assert pulse.log == before
