"""One accepted WebSocket as the hub writes to it: a frame at a time, with the server's back-pressure."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from pulse.lib.transports import reset, transport_of

#: A longer frame leaves in pieces of this size, so that nobody needs a copy of a whole state of their own.
PIECE_BYTES = 256 << 10
#: A peer that has been told to close, and does not, is cut off after this long.
LINGER_SECONDS = 15.0
#: What the system holds for one peer, where it would grow to megabytes; twice this in its own counting.
SEND_BUFFER_BYTES = 256 << 10

AsgiSend = Callable[[dict[str, Any]], Awaitable[None]]


class Utf8(bytes):
    """The content of a text frame as it goes over the wire: all who get it share these bytes."""


class Pieces:
    """Long frames as fragments (RFC 6455 5.4), each sent when the peer has read the one before.

    `left_bytes`: of the frame on its way, which the server was not given yet. What is left of it once the socket `is_closing`
    is not sent any more.
    """

    def __init__(self, has_room: asyncio.Event, transport: asyncio.Transport, messages: Any) -> None:
        self._has_room, self._transport, self._messages = has_room, transport, messages
        self.left_bytes = 0
        self.is_closing = False

    async def send(self, frame: bytes) -> None:
        """Send a frame; raises ConnectionResetError when its peer has gone."""
        begin = self._messages.send_text if isinstance(frame, Utf8) else self._messages.send_binary
        whole = memoryview(frame)
        try:
            for start in range(0, len(whole), PIECE_BYTES):
                await self._has_room.wait()
                if self.is_closing:
                    return
                if self._transport.is_closing():
                    raise ConnectionResetError
                piece = whole[start : start + PIECE_BYTES]
                self.left_bytes = len(whole) - start - len(piece)
                send = self._messages.send_continuation if start else begin
                send(piece, fin=not self.left_bytes)
                self._transport.write(b"".join(self._messages.data_to_send()))
        finally:
            self.left_bytes = 0


class Socket:
    """What ASGI offers, and what it lacks where the server is uvicorn.

    ASGI's `send` returns when the frame is buffered, and a socket whose peer never reads cannot be closed by it:
    the close frame would wait behind the rest. uvicorn's protocol object, which its `send` belongs to, has what is
    missing. Another server is used as far as ASGI goes, and then holds what a slow peer has not read.
    """

    def __init__(self, send: AsgiSend) -> None:
        self._send = send
        server = getattr(send, "__self__", None)
        has_room = getattr(server, "writable", None)
        self._has_room = has_room if isinstance(has_room, asyncio.Event) else None
        self._transport = transport_of(send)
        messages = getattr(server, "conn", None)
        self._pieces: Pieces | None = None
        if self._has_room is not None and self._transport is not None and messages is not None:
            self._pieces = Pieces(self._has_room, self._transport, messages)
        connection = self._transport.get_extra_info("socket") if self._transport is not None else None
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def send(self, frame: str | bytes) -> None:
        """Send text or binary; return when the peer has read all but the last kilobytes of it."""
        if self._pieces is not None and isinstance(frame, bytes) and len(frame) > PIECE_BYTES:
            await self._pieces.send(frame)
        elif isinstance(frame, str):
            await self._send({"type": "websocket.send", "text": frame})
        elif isinstance(frame, Utf8):
            await self._send({"type": "websocket.send", "text": frame.decode()})
        else:
            await self._send({"type": "websocket.send", "bytes": frame})
        del frame  # it may be long until there is room, and the server has its own copy
        if self._has_room is not None:
            await self._has_room.wait()

    def unsent_bytes(self) -> int:
        """Return how much of what was sent the peer has not taken; 0 where the server does not tell."""
        held_bytes = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return held_bytes + (self._pieces.left_bytes if self._pieces is not None else 0)

    def own_bytes(self, frame: bytes) -> int:
        """Return what it takes to send a frame beside the frame itself, at most."""
        return len(frame) if self._pieces is None else min(len(frame), PIECE_BYTES)

    async def close(self, code: int) -> None:
        """Send the close frame once there is room for it; a peer that does not answer is cut off later."""
        if self._pieces is not None:
            self._pieces.is_closing = True
        await self._send({"type": "websocket.close", "code": code})
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """End the connection now and drop what was not read, where the server lets us; the peer sees a reset."""
        if self._transport is not None:
            reset(self._transport)
