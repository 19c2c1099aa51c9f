"""One client of the live feed: what waits for it, and the one frame that is on its way to it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal

from monitoring.feed.sockets import Socket
from pulse.lib.auth import Caller

logger = logging.getLogger(__name__)

Protocol = Literal["original", "delta"]
#: The message that carries a whole state; `state` is the one of the delta protocol.
Whole = Literal["initialState", "rawData", "state"]

#: A delta client with more changes waiting begins again with a state.
MOST_CHANGES = 64
#: A client that lets more small messages wait is let go.
MOST_SMALL = 64
#: Less than this is no movement: a peer that takes byte by byte holds a frame for ever.
LEAST_MOVE_BYTES = 64 << 10
#: How long a close frame may take to leave.
CLOSE_SECONDS = 1.0
BEHIND = 1013


class Client:
    """One open socket.

    `wants` is the whole state that it is to have next: wanted twice is wanted once, and what it gets is the newest.
    A delta client is `in_step` from its state on, until it cannot take the changes that follow.
    """

    def __init__(
        self,
        protocol: Protocol,
        socket: Socket,
        caller: Caller,
        may_stay: Callable[[Caller], Awaitable[bool]],
        *,
        address: str = "",
    ) -> None:
        self.protocol = protocol
        self.socket = socket
        self.caller = caller
        self.may_stay = may_stay
        self.address = address  # under which it is counted; empty for this machine
        self.wants: Whole | None = "initialState" if protocol == "original" else "state"
        self.in_step = False
        self.has_asked = False  # `wants` is for a request of its own
        self.answered_monotonic = float("-inf")  # the last such request
        self.given_monotonic = float("-inf")  # its last whole state
        self.moved_monotonic: float | None = None  # when something of the frame on its way was last taken
        self.whole: bytes | None = None  # the state that waits for it or is on its way
        self._left_bytes = float("inf")  # of the frame on its way, at `moved_monotonic`
        self._small: deque[str | bytes] = deque()
        self._changes: deque[bytes] = deque()
        self._next_whole: bytes | None = None
        self._writer: asyncio.Task[None] | None = None
        self._end: asyncio.Task[None] | None = None
        self.on_idle: Callable[[Client], None] = lambda client: None
        self.on_gone: Callable[[Client], None] = lambda client: None

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for the client and nothing is on its way."""
        return self._writer is None and self._end is None

    def tell(self, frame: str | bytes) -> None:
        """Send a small message after those that wait."""
        if len(self._small) >= MOST_SMALL:
            self.close(BEHIND)
            return
        self._small.append(frame)
        self._write()

    def change(self, frame: bytes) -> None:
        """Send a change to a client that is in step; one too many, and it begins again."""
        if len(self._changes) >= MOST_CHANGES:
            self.begin_again()
            return
        self._changes.append(frame)
        self._write()

    def begin_again(self) -> None:
        """Let a delta client have the state instead of the changes that wait for it."""
        self._changes.clear()
        self.in_step = False
        self.wants = "state"

    def give(self, frame: bytes) -> None:
        """Send the whole state that the client wants."""
        self.given_monotonic = time.monotonic()
        if self.has_asked:
            self.answered_monotonic = self.given_monotonic
        self.has_asked = False
        self.wants = None
        self.in_step = self.protocol == "delta"
        self.whole = self._next_whole = frame
        self._write()

    @property
    def copied_bytes(self) -> int:
        """How much memory the state that the client is being sent takes for it alone, at most."""
        return self.socket.own_bytes(self.whole) if self.whole is not None else 0

    def is_stuck(self, now: float, patience_seconds: float) -> bool:
        """Return whether nothing of the frame on its way was taken for so long; to be asked every second or so."""
        if self.moved_monotonic is None:
            return False
        left = self.socket.unsent_bytes()
        if left <= self._left_bytes - LEAST_MOVE_BYTES:
            self._left_bytes, self.moved_monotonic = left, now
        return now - self.moved_monotonic > patience_seconds

    def close(self, code: int) -> None:
        """Drop what waits and close the socket, abruptly when its peer does not read."""
        if self._end is None:
            self._end = asyncio.create_task(self._close(code))

    async def ended(self) -> None:
        """Return when the socket is closed or given up."""
        if self._end is not None:
            await self._end

    def forget(self) -> None:
        """Stop writing: the socket is gone."""
        self._drop()
        if self._writer is not None:
            self._writer.cancel()

    def _drop(self) -> None:
        self._small.clear()
        self._changes.clear()
        self._next_whole = None
        if self._writer is None:
            self.whole = None

    def _write(self) -> None:
        if self._end is not None:
            self._drop()
        elif self._writer is None:
            self._writer = asyncio.create_task(self._send_all())

    async def _send_all(self) -> None:
        """Send what waits, one frame after the other, as fast as the client reads."""
        try:
            while self._small or self._next_whole is not None or self._changes:
                self.moved_monotonic, self._left_bytes = time.monotonic(), float("inf")
                # No variable keeps the frame: the socket may hold a copy of what is not taken.
                await self.socket.send(self._next())
                self.whole = self._next_whole
        except Exception as error:  # the socket is gone, however its server says so
            logger.debug("a client of the feed is gone: %s", type(error).__name__)
            self.socket.abort()
            self.on_gone(self)
        finally:
            self._writer = None
            self.moved_monotonic = None
            self.whole = None
        self.on_idle(self)

    def _next(self) -> str | bytes:
        """Take the next frame: the state comes before the changes that follow it."""
        if self._small:
            return self._small.popleft()
        if self._next_whole is not None:
            frame, self._next_whole = self._next_whole, None
            return frame
        return self._changes.popleft()

    async def _close(self, code: int) -> None:
        self._drop()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.socket.close(code)
        except Exception:  # it does not read, or is gone
            self.socket.abort()
        finally:
            self.on_gone(self)
