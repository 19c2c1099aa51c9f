"""One accepted WebSocket as the hub writes to it: a frame at a time, with the server's back-pressure."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

#: A peer that has been told to close, and does not, is cut off after this long.
LINGER_SECONDS = 15.0
#: What the system holds for one peer, where it would grow to megabytes; twice this in its own counting.
SEND_BUFFER_BYTES = 256 << 10
#: As `struct linger`: the system drops what the peer has not read, instead of offering it for minutes.
RESET = struct.pack("ii", 1, 0)

AsgiSend = Callable[[dict[str, Any]], Awaitable[None]]


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
        transport = getattr(server, "transport", None)
        self._transport = transport if isinstance(transport, asyncio.Transport) else None
        self._connection = self._transport.get_extra_info("socket") if self._transport is not None else None
        if self._connection is not None:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def send(self, frame: str | bytes) -> None:
        """Send text or binary; return when the peer has read all but the last kilobytes of it."""
        key = "text" if isinstance(frame, str) else "bytes"
        await self._send({"type": "websocket.send", key: frame})
        del frame  # it may be long until there is room, and the server has its own copy
        if self._has_room is not None:
            await self._has_room.wait()

    def unsent_bytes(self) -> int:
        """Return how much the server holds that the peer has not taken; 0 where it does not tell."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    async def close(self, code: int) -> None:
        """Send the close frame once there is room for it; a peer that does not answer is cut off later."""
        await self._send({"type": "websocket.close", "code": code})
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """End the connection now and drop what was not read, where the server lets us; the peer sees a reset."""
        if self._transport is None:
            return
        if self._connection is not None:
            with contextlib.suppress(OSError):  # closed already
                self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._transport.abort()
