"""The connection behind an ASGI `send`: what ASGI lacks where the server is uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

#: As `struct linger`: the system drops what the peer has not read, instead of offering it for minutes.
RESET = struct.pack("ii", 1, 0)


def transport_of(send: object) -> asyncio.Transport | None:
    """Return the transport of uvicorn's protocol object, which its `send` belongs to; None with another server."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    return transport if isinstance(transport, asyncio.Transport) else None


def reset(transport: asyncio.Transport) -> None:
    """End the connection now and drop what was not read; the peer sees a reset."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):  # closed already
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
