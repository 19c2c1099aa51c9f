"""Floods of WebSocket frames of every kind, handshakes that are none, and a thousand clients that return at once.

Source: security.md A61, reliability.md B42.
"""

from __future__ import annotations

import itertools
import json
import select
import statistics
import subprocess
import sys
import time

import pytest

from tests.attacks.peers import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    TOKEN,
    answer_to,
    close_code,
    dial,
    frame,
    handshake,
    open_feed,
    push,
    request,
    statuses,
)
from tests.attacks.watching import seconds_of, watched
from tests.process.running import ROOT, PulseProcess

pytestmark = [pytest.mark.xdist_group("attacks")]


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    """Pulse with a token; however much strangers send, its log tells of each kind of refusal once."""
    data_dir = tmp_path_factory.mktemp("sockets") / "data"
    variables = {"API_TOKEN": TOKEN, "PULSE_BIND": "127.0.0.1", "ALLOWED_ORIGINS": "https://panel.test"}
    with PulseProcess(data_dir, **variables) as pulse:
        pulse.healthy()
        before = pulse.log
        yield pulse
        told = pulse.log.removeprefix(before).splitlines()
        assert all(" accounts.refusals: " in line for line in told), told
        assert len(told) <= 3  # a wrong token, a foreign origin, a foreign Host


def test_a_flood_of_pings_is_cut_and_costs_nothing(pulse):
    pings = frame(PING, b"x" * 125) * 500

    with watched(pulse) as watch, open_feed(pulse.port, buffer_bytes=4096) as peer:
        sent, _ = push(peer, itertools.repeat(pings), seconds=8, reads=False)

    assert sent < 32_000_000
    assert watch.growth_mib < 15
    assert watch.is_served


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(frame(PING) * 31, id="pings"),
        pytest.param(frame(PONG, b"any") * 31, id="pongs"),
        pytest.param(frame(TEXT, b"{}") * 31, id="texts"),
        pytest.param(frame(BINARY, b"{}") * 31, id="binary"),
        pytest.param(
            frame(TEXT, is_last=False) + frame(CONTINUATION, is_last=False) * 31, id="empty fragments"
        ),
        pytest.param((frame(PING) + frame(PONG) + frame(TEXT, b"{}")) * 11, id="all kinds together"),
    ],
)
def test_thirty_frames_in_ten_seconds_are_taken_and_one_more_closes_with_4429(pulse, flood):
    with open_feed(pulse.port) as peer:
        peer.sendall(flood)
        assert close_code(peer) == 4429


def test_thirty_frames_at_once_are_taken(pulse):
    with open_feed(pulse.port) as peer:
        peer.sendall(frame(PING) * 29 + frame(CLOSE, b"\x03\xe8"))
        assert close_code(peer) == 1000


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(frame(TEXT, b"x" * 65_537), 1009, id="too long"),
        pytest.param(frame(TEXT, b"x" * 60_000, is_last=False) + frame(CONTINUATION, b"x" * 60_000), 1009, id="in parts"),
        pytest.param(frame(TEXT, b"\xff\xfe"), 1007, id="no text"),
        pytest.param(b"\x81\x05hello", 1002, id="without a mask"),
        pytest.param(frame(0x3), 1002, id="a reserved opcode"),
        pytest.param(bytes([0xC1]) + frame(TEXT)[1:], 1002, id="a reserved bit"),
        pytest.param(frame(PING, b"x" * 126), 1002, id="a long ping"),
        pytest.param(frame(PING, is_last=False), 1002, id="a ping in parts"),
        pytest.param(frame(CONTINUATION, b"x"), 1002, id="the middle of nothing"),
    ],
)  # fmt: skip
def test_a_frame_that_is_wrong_closes_with_its_code(pulse, content, code):
    with open_feed(pulse.port) as peer:
        peer.sendall(content)
        assert close_code(peer) == code


def test_a_message_in_parts_without_an_end_is_cut(pulse):
    parts = itertools.chain(
        [frame(TEXT, b"x", is_last=False)], itertools.repeat(frame(CONTINUATION, is_last=False) * 1000)
    )

    with watched(pulse) as watch, open_feed(pulse.port) as peer:
        push(peer, parts, seconds=5, reads=False)

    assert watch.growth_mib < 10


# --- Handshakes ---------------------------------------------------------------------------------------------------

TOKEN_HEADER = f"X-API-Token: {TOKEN}"
BASIC = ("Connection: Upgrade", "Upgrade: websocket")
HANDSHAKES = {
    "no credential": (handshake(), 401, "unauthorized"),
    "a wrong token": (handshake("X-API-Token: wrong"), 401, "unauthorized"),
    "a foreign origin": (handshake(TOKEN_HEADER, "Origin: https://evil.test"), 403, "origin_not_allowed"),
    "another path": (handshake(TOKEN_HEADER, path="/other"), 404, "not_found"),
    "no key": (request("/ws", *BASIC, "Sec-WebSocket-Version: 13", TOKEN_HEADER), 400, "bad_request"),
    "an old version": (request("/ws", *BASIC, "Sec-WebSocket-Version: 8", "Sec-WebSocket-Key: " + "A" * 22 + "==", TOKEN_HEADER), 400, "bad_request"),
    "a short key": (request("/ws", *BASIC, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAA", TOKEN_HEADER), 400, "bad_request"),
    "another method": (handshake(TOKEN_HEADER).replace(b"GET", b"POST", 1), 400, "bad_request"),
    "a header of 9,000 letters": (handshake(TOKEN_HEADER, "A: " + "b" * 9_000), 400, "bad_request"),
    "letters beyond ASCII": (handshake("X-API-Token: \u00e4"), 401, "unauthorized"),
}  # fmt: skip
SECURITY = {
    b"x-content-type-options: nosniff",
    b"x-frame-options: sameorigin",
    b"referrer-policy: strict-origin-when-cross-origin",
    b"cache-control: no-store",
    b"content-type: application/json",
}


@pytest.mark.parametrize(("content", "status", "code"), HANDSHAKES.values(), ids=HANDSHAKES)
def test_a_refused_handshake_has_the_shape_and_the_headers_of_every_refusal(pulse, content, status, code):
    answer = answer_to(pulse.port, content)

    head, _, body = answer.partition(b"\r\n\r\n")
    told = json.loads(body)
    assert statuses(answer) == [status]
    assert (told["code"], told["status_code"]) == (code, status)
    assert set(head.lower().split(b"\r\n")) >= SECURITY
    assert b"content-security-policy: default-src 'none'" in head.lower()


def test_a_handshake_that_never_ends_is_cut(pulse):
    with dial(pulse.port, seconds=25) as peer:
        begun = time.monotonic()
        peer.sendall(handshake(TOKEN_HEADER)[:-2])
        assert peer.recv(1) == b""

    assert time.monotonic() - begun < 20


# --- The herd -----------------------------------------------------------------------------------------------------

CLIENTS = 1000


def test_a_thousand_clients_return_within_thirty_seconds_and_others_hardly_notice(pulse):
    command = [sys.executable, "-m", "tests.attacks.herd", str(pulse.port), str(CLIENTS)]
    waits = []
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as herd:
        assert herd.stdout is not None
        try:
            while not select.select([herd.stdout], [], [], 0.05)[0]:
                waits.append(seconds_of(pulse))
                begun = time.monotonic()
                pulse.state(token=TOKEN)
                waits.append(time.monotonic() - begun)
            took = json.loads(herd.stdout.readline())
        finally:
            herd.terminate()

    assert len(took) == CLIENTS
    assert max(took) < 30
    assert statistics.quantiles(waits, n=20)[-1] < 0.5
