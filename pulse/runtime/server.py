"""The HTTP and WebSocket server: uvicorn, with bounded request heads and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from asyncio import TimerHandle, Transport
from collections.abc import Awaitable, Callable, Generator
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pulse.lib.errors import error_body
from pulse.runtime.refusals import StartRefused

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 32 << 10
MAX_HEADERS = 100
#: From the first byte (or the connection) to the end of the request's head.
HEAD_SECONDS = 15.0
#: Longer than the 60 s for which common reverse proxies keep their connections, so that they close first.
KEEP_ALIVE_SECONDS = 65
#: WebSocket messages from clients; what the server sends is not limited by this.
MAX_MESSAGE_BYTES = 64 << 10
PING_SECONDS = 30.0
PONG_SECONDS = 60.0
#: How long answers under way may take at the end.
GRACE_SECONDS = 3
BACKLOG = 1024


class HeadTooLarge(Exception):
    """The request line and headers are longer than MAX_HEAD_BYTES, or more than MAX_HEADERS."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 protocol, which by itself takes heads of any size and waits for them for ever."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.is_reading_head = True
        self.head_bytes = 0
        self.refusal = HTTPStatus.BAD_REQUEST
        self.head_timer: TimerHandle | None = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.stop_head_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came; answer 431 to a head that has no end."""
        if self.is_reading_head:
            self.head_bytes += len(data)
            if self.head_timer is None:
                self.head_timer = self.loop.call_later(HEAD_SECONDS, self.give_up)
        super().data_received(data)
        if self.is_reading_head and self.head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is too large."""
        self.stop_head_timer()
        self.is_reading_head = False
        self.head_bytes = 0
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self.refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise HeadTooLarge
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Take what follows as the next head."""
        self.is_reading_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse the connection in the API's error shape; uvicorn would answer plain text."""
        body = error_body(self.refusal, "the request cannot be read", code="bad_request")
        head = (
            f"HTTP/1.1 {self.refusal.value} {self.refusal.phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def stop_head_timer(self) -> None:
        """Stop waiting for a head."""
        if self.head_timer is not None:
            self.head_timer.cancel()
            self.head_timer = None

    def give_up(self) -> None:
        """Close a connection whose head did not arrive in time."""
        self.head_timer = None
        if not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """uvicorn in the main thread, which ends with 0 after SIGTERM or SIGINT and awaits `on_stop` first."""

    def __init__(self, application: Any, *, on_stop: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                loop="asyncio",
                http=BoundedHttpProtocol,
                ws="websockets-sansio",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                backlog=BACKLOG,
                ws_max_size=MAX_MESSAGE_BYTES,
                ws_ping_interval=PING_SECONDS,
                ws_ping_timeout=PONG_SECONDS,
                ws_per_message_deflate=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self.on_stop = on_stop
        self.wake = asyncio.Event()

    def serve_until_stopped(self, listener: socket.socket) -> None:
        """Serve on the listening socket until a signal; return when every connection is closed or given up.

        The loop is left as it is: threads that still hang in it must not delay the end of the process.
        """
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self.serve(sockets=[listener]))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT. uvicorn would raise the signal again at the end, and exit by it."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        yield

    def stop(self) -> None:
        """Begin to end; a second signal changes nothing, the end is seconds away."""
        self.should_exit = True
        self.wake.set()

    async def main_loop(self) -> None:
        """Renew the Date header once a second; uvicorn wakes up ten times as often."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.wake.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell the application first, then close connections: WebSockets with 1012, service restart."""
        await self.on_stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket: from now on clients are kept waiting, not refused. Raises StartRefused."""
    listener = bound(host, port)
    listener.listen(BACKLOG)
    return listener


def check_port(host: str, port: int) -> None:
    """Raise StartRefused if nobody could listen there now."""
    bound(host, port).close()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket with the address, not listening yet. Raises StartRefused with the reason."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise StartRefused(
            f"PULSE_BIND={host} is not an address of this machine ({error.strerror})"
        ) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise StartRefused(
            f"cannot listen on {host} port {port} ({error.strerror}); "
            "stop what uses it, or set PORT to another port"
        ) from None
    return listener
