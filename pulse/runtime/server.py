"""The HTTP and WebSocket server: uvicorn, with bounded connections and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Awaitable, Callable, Generator
from typing import Any

import uvicorn

from pulse.runtime.accepting import Acceptor
from pulse.runtime.http_protocol import BoundedHttpProtocol
from pulse.runtime.places import places_of_process
from pulse.runtime.refusals import StartRefused
from pulse.runtime.socket_protocol import BoundedSocketProtocol

logger = logging.getLogger(__name__)

#: Longer than the 60 s for which common reverse proxies keep their connections, so that they close first.
KEEP_ALIVE_SECONDS = 65
#: WebSocket messages from clients; what the server sends is not limited by this.
MAX_MESSAGE_BYTES = 64 << 10
PING_SECONDS = 30.0
PONG_SECONDS = 60.0
#: How long answers under way may take at the end.
GRACE_SECONDS = 3
BACKLOG = 1024


class Server(uvicorn.Server):
    """uvicorn in the main thread, which ends with 0 after SIGTERM or SIGINT and awaits `on_stop` first."""

    def __init__(self, application: Any, *, on_stop: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                loop="asyncio",
                http=BoundedHttpProtocol,
                ws=BoundedSocketProtocol,
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
        self.places = places_of_process()

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

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on the listening sockets, each with an acceptor of our own."""
        await super().startup(sockets=[])
        acceptors: list[Any] = [Acceptor(listener, self.make_protocol) for listener in sockets or []]
        self.servers.extend(acceptors)

    def make_protocol(self) -> asyncio.Protocol:
        """Return what serves one new connection."""
        return BoundedHttpProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            places=self.places,
        )

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
