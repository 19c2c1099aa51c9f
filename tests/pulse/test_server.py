"""The server around the application: bounded request heads, message sizes, the end of connections."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import websockets
from websockets.exceptions import ConnectionClosed

from pulse.runtime import http_protocol
from pulse.runtime.refusals import StartRefused
from pulse.runtime.server import Server, check_port, listen

PATIENCE_SECONDS = 10

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Echo over WebSockets, answer `ok` over HTTP."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": str(len(message["text"]))})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class Running:
    """A server on a free port of this machine."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.listener = listen("127.0.0.1", 0)
        self.port = self.listener.getsockname()[1]
        self.server = Server(application, on_stop=self.stop)

    async def stop(self) -> None:
        """Note that the end was told."""
        self.told.append("stop")

    async def say(self, data: bytes) -> bytes:
        """Send raw bytes; return what came until the server closed the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(data)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await reader.read()
        finally:
            writer.close()


@pytest_asyncio.fixture
async def running() -> AsyncIterator[Running]:
    running = Running()
    serving = asyncio.create_task(running.server.serve(sockets=[running.listener]))
    yield running
    running.server.stop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await serving


async def test_an_ordinary_request_is_served_without_naming_the_server(running):
    answer = await running.say(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nserver:" not in answer.lower()
    assert b"\r\ndate: " in answer.lower()


async def test_a_second_request_on_the_connection_is_served_too(running):
    answer = await running.say(
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )

    assert answer.count(b"HTTP/1.1 200 OK") == 2


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"a" * 33_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="long path"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 33_000 + b"\r\n\r\n", id="long header"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 101 + b"\r\n", id="many headers"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 33_000, id="a header without an end"),
    ],
)
async def test_a_head_that_is_too_large_is_refused(running, head):
    answer = await running.say(head)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status_code"] == 431


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="both lengths",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", id="two"
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", id="blank before the colon"),
    ],
)
async def test_a_head_that_can_be_read_in_two_ways_is_refused(running, head):
    answer = await running.say(head)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad_request"


VIA_TLS = b"Host: x\r\nX-Forwarded-Proto: https\r\n"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET / HTTP/1.1\r\n" + VIA_TLS + b"A: b\r\n" * 101 + b"\r\n", id="too large"),
        pytest.param(b"GET / HTTP/1.1\r\n" + VIA_TLS + b"A: b\r\nB : x\r\n\r\n", id="wrong after that"),
        pytest.param(
            b"GET /ws HTTP/1.1\r\n" + VIA_TLS + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            id="no key",
        ),
    ],
)
@pytest.mark.parametrize(("trusted", "is_asked"), [(["127.0.0.1"], True), ([], False)])
async def test_a_refusal_asks_for_strict_transport_where_a_proxy_has_said_tls(
    head, trusted, is_asked, running, settings
):
    settings.PULSE_TRUSTED_PROXIES = trusted

    answer = await running.say(head)

    assert answer.startswith(b"HTTP/1.1 4")
    assert (b"\r\nstrict-transport-security: max-age=31536000\r\n" in answer) is is_asked


@pytest.mark.parametrize("beginning", [b"", b"GET / HT"], ids=["nothing", "half a line"])
async def test_a_connection_without_a_whole_head_is_closed_in_time(beginning, monkeypatch):
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.05)
    running = Running()
    serving = asyncio.create_task(running.server.serve(sockets=[running.listener]))

    answer = await running.say(beginning)
    running.server.stop()
    await serving

    assert answer == b""


async def test_a_websocket_message_of_64_kib_is_taken_and_a_longer_one_is_not(running):
    async with websockets.connect(f"ws://127.0.0.1:{running.port}/") as socket:
        await socket.send("x" * (64 << 10))
        assert await socket.recv() == "65536"

        await socket.send("x" * ((64 << 10) + 1))
        with pytest.raises(ConnectionClosed) as end:
            await socket.recv()

    assert end.value.rcvd.code == 1009


async def test_websockets_are_not_compressed_one_by_one(running):
    async with websockets.connect(f"ws://127.0.0.1:{running.port}/") as socket:
        assert "Sec-WebSocket-Extensions" not in socket.response.headers


async def test_the_end_is_told_to_the_application_and_to_websockets(running):
    async with websockets.connect(f"ws://127.0.0.1:{running.port}/") as socket:
        await socket.send("hello")
        assert await socket.recv() == "5"

        running.server.stop()
        with pytest.raises(ConnectionClosed) as end:
            await socket.recv()

    assert end.value.rcvd.code == 1012
    assert running.told == ["stop"]


async def test_a_port_that_is_taken_is_told_with_the_way_out():
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]

    with listener, pytest.raises(StartRefused, match=rf"port {port} \(Address already in use\); .* set PORT"):
        check_port("127.0.0.1", port)


async def test_an_address_of_another_machine_is_told():
    with pytest.raises(StartRefused, match=r"cannot listen on 192\.0\.2\.1 port"):
        check_port("192.0.2.1", 7655)


async def test_a_name_that_does_not_resolve_is_told():
    with pytest.raises(
        StartRefused, match=r"PULSE_BIND=no-such-name\.invalid is not an address of this machine"
    ):
        check_port("no-such-name.invalid", 7655)


async def test_ipv6_can_be_listened_on():
    with listen("::1", 0) as listener:
        assert listener.getsockname()[0] == "::1"
