"""Sending an answer in all the wrong ways."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fake_proxmox.faults import Fault
from tests.fake_proxmox.http import Answer

if TYPE_CHECKING:
    from tests.fake_proxmox.server import FakeServer

#: Head of a TLS record with a handshake message, and the first byte of a ServerHello: a promise that is not kept.
_HALF_A_SERVER_HELLO = b"\x16\x03\x03\x00\x7a\x02"


@dataclass(frozen=True)
class Wire:
    """The two sides of a connection, and the socket below TLS."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    connection: socket.socket


async def say_nothing(connection: socket.socket, *, begins: bool) -> None:
    """A connection is held, at most with the beginning of a TLS handshake, until the client leaves."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while await loop.sock_recv(connection, 65_536):
            if begins:
                await loop.sock_sendall(connection, _HALF_A_SERVER_HELLO)
                begins = False


async def deliver_badly(server: FakeServer, fault: Fault, answer: Answer, wire: Wire) -> None:
    """The answer is sent as a fault of DELIVERY_KINDS wants it; the connection is over then."""
    options, body = fault.options, answer.body
    match fault.kind:
        case "hang":
            await _until_gone(wire.reader)
        case "drip":
            await _drip(server, wire, server.head(answer, closes=True, length=len(body)) + body, options)
        case "reset":
            server.send(wire.writer, server.head(answer, closes=True, length=len(body)))
            server.send(wire.writer, body[: options.get("after_bytes", 100)])
            await wire.writer.drain()
            _reset(wire)
        case "truncate":
            server.send(wire.writer, server.head(answer, closes=True, length=len(body)))
            server.send(wire.writer, body[: options.get("after_bytes", 100)])
        case "wrong-length":
            length = max(0, len(body) + options.get("delta", -10))
            server.send(wire.writer, server.head(answer, closes=True, length=length) + body)
        case "endless":
            await _stream_without_end(server, answer, wire, options)


async def _drip(server: FakeServer, wire: Wire, data: bytes, options: dict[str, float]) -> None:
    step = options.get("bytes_per_second", 10)
    # At least ten writes a second, so that no read of the client ever times out on its own.
    size, pause = max(1, int(step / 10)), max(0.1, 1 / step)
    for at in range(0, len(data), size):
        server.send(wire.writer, data[at : at + size])
        await wire.writer.drain()
        await asyncio.sleep(pause)


async def _stream_without_end(
    server: FakeServer, answer: Answer, wire: Wire, options: dict[str, float]
) -> None:
    answer.headers = [("Transfer-Encoding", "chunked")]
    server.send(wire.writer, server.head(answer, closes=True, length=None))
    server.send(wire.writer, b"9\r\n" + b'{"data":[' + b"\r\n")
    chunk = b'{"type":"node","node":"x"},' * 1_200
    framed = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
    pause = len(framed) / options.get("bytes_per_second", 4_000_000)
    while True:
        server.send(wire.writer, framed)
        await wire.writer.drain()
        await asyncio.sleep(pause)


async def _until_gone(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


def _reset(wire: Wire) -> None:
    """Cut a connection so that the client sees a reset, not an end."""
    # With a linger time of zero, closing sends RST.
    wire.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.writer.transport.abort()
