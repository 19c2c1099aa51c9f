"""Bodies that hardly move: who sends them holds up nobody else, and strangers are refused before theirs is awaited."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from tests.attacks.peers import TOKEN, answer_to, dial, request, said, statuses
from tests.process.running import PulseProcess, until

#: Behind a trusted proxy clients are told apart by what it says of them.
PROXY = "127.0.0.1"
ATTACKER, OTHER = "X-Forwarded-For: 203.0.113.1", "X-Forwarded-For: 203.0.113.2"

pytestmark = [pytest.mark.xdist_group("attacks")]


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    """Pulse with a token, behind a proxy of this machine that it trusts."""
    data_dir = tmp_path_factory.mktemp("bodies") / "data"
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "PULSE_TRUSTED_PROXIES": PROXY}
    with PulseProcess(data_dir, **variables) as pulse:
        pulse.healthy()
        yield pulse
        assert "Traceback" not in pulse.log


def head(path: str, *headers: str, length: int = 1000) -> bytes:
    """The head of a form or a JSON body that does not follow."""
    return request(path, f"Content-Length: {length}", "Sec-Fetch-Site: same-origin", *headers, method="POST")


@pytest.fixture
def slow(pulse):
    """Opens connections that have each sent one of the contents, and say no more."""
    with ExitStack() as opened:

        def open_all(*contents: bytes) -> list[socket.socket]:
            peers = [opened.enter_context(dial(pulse.port)) for _ in contents]
            for peer, content in zip(peers, contents, strict=True):
                peer.sendall(content)
            return peers

        yield open_all


def timed(pulse: PulseProcess, content: bytes) -> tuple[list[int], float]:
    """The statuses of an answer and how long it took."""
    begun = time.monotonic()
    return statuses(answer_to(pulse.port, content)), time.monotonic() - begun


FORM = b"username=nobody&password=wrong"


def sign_in(client: str, *, in_two: bool = False) -> tuple[bytes, bytes]:
    """A sign-in, whole or with its body after the head."""
    content = head(
        "/login", client, "Connection: close", "Content-Type: application/x-www-form-urlencoded",
        length=len(FORM),
    )  # fmt: skip
    return (content, FORM) if in_two else (content + FORM, b"")


@pytest.mark.parametrize("in_two", [False, True], ids=["whole", "in two parts"])
def test_slow_bodies_of_one_address_hold_up_no_sign_in_of_another(pulse, slow, in_two):
    slow(*[head("/login", ATTACKER)] * 80)
    first, second = sign_in(OTHER, in_two=in_two)

    with dial(pulse.port) as peer:
        peer.sendall(first)
        begun = time.monotonic()
        answer = said(peer, second)
        took = time.monotonic() - begun

    assert statuses(answer) == [401]
    assert took < 3


def test_slow_bodies_hold_up_no_write_of_a_token_even_from_the_same_address(pulse, slow):
    slow(*[head("/login", ATTACKER)] * 80)
    write = head(
        "/api/config/nodes/test-config", ATTACKER, f"X-API-Token: {TOKEN}", "Connection: close", length=2
    )

    with dial(pulse.port) as peer:
        peer.sendall(write)
        begun = time.monotonic()
        answer = said(peer, b"{}")
        took = time.monotonic() - begun

    assert statuses(answer) == [400]
    assert took < 3


def test_one_address_has_four_places_for_bodies_of_strangers(pulse, slow):
    peers = slow(*[head("/login", "X-Forwarded-For: 203.0.113.4")] * 10)

    answers = [statuses(said(peer)) for peer in peers]

    assert sorted(answers) == [[408]] * 4 + [[429]] * 6


def test_an_ipv6_network_is_one_address(pulse, slow):
    peers = slow(*(head("/login", f"X-Forwarded-For: 2001:db8::{number}") for number in range(10)))

    assert sorted(statuses(said(peer)) for peer in peers) == [[408]] * 4 + [[429]] * 6


@pytest.mark.parametrize(
    ("method", "path", "header", "status"),
    [
        pytest.param("POST", "/api/config/nodes", "A: b", 401, id="none"),
        pytest.param("POST", "/api/config/nodes", "X-API-Token: wrong", 401, id="wrong"),
        pytest.param("POST", "/api/config/nodes", "Cookie: pulse_session=" + "a" * 32, 401, id="no session"),
        pytest.param("PATCH", "/api/config/nodes", f"X-API-Token: {TOKEN}", 405, id="method"),
        pytest.param("POST", "/api/nothing", f"X-API-Token: {TOKEN}", 404, id="path"),
    ],
)
def test_who_may_not_write_is_told_before_the_body(pulse, method, path, header, status):
    content = request(path, "Content-Length: 1000", "Connection: close", header, method=method)

    answered, took = timed(pulse, content)

    assert answered == [status]
    assert took < 3


def test_nobody_is_told_to_go_on_whose_body_is_not_wanted(pulse):
    content = head("/api/config/nodes", "Expect: 100-continue", "Connection: close")

    assert statuses(answer_to(pulse.port, content)) == [401]


def test_who_may_write_is_told_to_go_on(pulse):
    content = head("/api/config/nodes/test-config", "Expect: 100-continue", f"X-API-Token: {TOKEN}", length=2)

    with dial(pulse.port, seconds=2) as peer:
        peer.sendall(content)
        assert peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert statuses(said(peer, b"{}")) == [400]


def test_a_request_is_counted_once_however_its_body_comes(pulse):
    path, client = "/api/config/nodes/test-config", "X-Forwarded-For: 203.0.113.7"
    content = head(path, client, f"X-API-Token: {TOKEN}", "Connection: close", length=2)

    def left(first: bytes, second: bytes) -> int:
        with dial(pulse.port) as peer:
            peer.sendall(first)
            lines = said(peer, second).lower().split(b"\r\n")
        return int(next(line for line in lines if line.startswith(b"x-ratelimit-remaining")).split()[1])

    remaining = [left(content + b"{}", b""), left(content, b"{}"), left(content + b"{}", b"")]

    assert remaining == [9, 8, 7]


def is_cut(peer: socket.socket) -> bool:
    """Whether the connection has ended by now; one more byte of the body goes out."""
    try:
        peer.sendall(b"a")
    except OSError:
        return True
    return False


def test_a_body_that_drips_is_cut_within_seconds(slow):
    begun = time.monotonic()
    [peer] = slow(head("/login", "X-Forwarded-For: 203.0.113.8"))

    until(lambda: is_cut(peer), seconds=12, what="it is cut")

    assert time.monotonic() - begun > 3


def test_the_rest_of_a_body_that_was_refused_is_not_awaited_for_ever(slow):
    [peer] = slow(head("/api/config/nodes", length=1_000_000))

    until(lambda: is_cut(peer), seconds=20, what="it is cut")


def test_many_slow_heads_hold_up_nobody(pulse, slow):
    slow(*[b"GET / HTTP/1.1\r\nHost: "] * 300)

    answered, took = timed(pulse, request("/api/version", "Connection: close"))

    assert answered == [200]
    assert took < 1
