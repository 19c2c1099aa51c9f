"""Accepting connections, also while the process has no descriptor left.

asyncio's own loop of `accept` goes on after "too many open files", for each place in the backlog once, with a log entry
each and a thousand timers that do the same a second later.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from asyncio import Task, TimerHandle
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

#: Connections that are accepted before the loop serves others; fewer than the files in reserve.
AT_ONCE = 16
#: How long nothing is accepted after the system had no descriptor or no memory for it.
PAUSE_SECONDS = 0.5
#: After so long without a failure it is over; one line says so.
CALM_SECONDS = 30.0


class Acceptor:
    """Accepts at one listening socket; stands where uvicorn keeps the servers of asyncio."""

    def __init__(self, listener: socket.socket, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self.listener = listener
        self.make_protocol = make_protocol
        self.loop = asyncio.get_running_loop()
        self._timer: TimerHandle | None = None
        self._failed_at: float | None = None
        self._beginning: set[Task[Any]] = set()
        listener.setblocking(False)
        self._listen()

    def accept(self) -> None:
        """Accept who is waiting, a bounded number at once."""
        for _ in range(AT_ONCE):
            try:
                connection, _ = self.listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._note_success()
            connection.setblocking(False)
            beginning = self.loop.create_task(
                self.loop.connect_accepted_socket(self.make_protocol, connection)
            )
            self._beginning.add(beginning)
            beginning.add_done_callback(self._begun)

    def close(self) -> None:
        """Accept no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.loop.remove_reader(self.listener)

    async def wait_closed(self) -> None:
        """Return at once: connections are awaited by who serves them."""

    def _listen(self) -> None:
        self._timer = None
        self.loop.add_reader(self.listener, self.accept)

    def _pause(self, error: OSError) -> None:
        """Leave the others in the queue of the system for a moment; it would report them again at once."""
        self.loop.remove_reader(self.listener)
        self._timer = self.loop.call_later(PAUSE_SECONDS, self._listen)
        if self._failed_at is None:
            logger.warning("connections have to wait: they cannot be accepted (%s)", error.strerror)
        self._failed_at = self.loop.time()

    def _note_success(self) -> None:
        if self._failed_at is not None and self.loop.time() - self._failed_at >= CALM_SECONDS:
            self._failed_at = None
            logger.warning("connections are accepted again")

    def _begun(self, beginning: Task[Any]) -> None:
        self._beginning.discard(beginning)
        if not beginning.cancelled() and beginning.exception() is not None:
            logger.debug("a connection ended as it began: %s", beginning.exception())
