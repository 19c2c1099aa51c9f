"""A bound on the requests that Django works on at once.

Under ASGI every synchronous view gets a thread, without a bound: 300 slow requests make 301 threads. Here a
request waits for one of a few lanes, each with one thread that serves request after request; the queue in front
is bounded, and what does not fit is told to come back. Neither a client that sends slowly nor one that reads
slowly holds a lane: bodies are read before, answers are written after.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from pulse.lib.errors import error_body

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: An ASGI application; servers and Django disagree about the exact mappings.
Application = Callable[[Any, Any, Any], Awaitable[None]]

LANES = 16
MAX_WAITING = 64
#: Requests that are still sending their body.
MAX_READING = 64
READ_SECONDS = 15.0
#: A client on a slow line may take this long to read an answer.
WRITE_SECONDS = 60.0
#: An answer longer than this is passed on while it is made, lane held.
MAX_HELD_BYTES = 32 << 20
RETRY_AFTER_SECONDS = 2

#: Answered in lanes of their own: whoever watches Pulse must not be told that it is dead because it is busy.
ALWAYS_SERVED = frozenset({"/api/health"})


class Full(Exception):
    """As many requests as allowed are waiting already."""


class Lanes:
    """A few threads, each for one request at a time, and a bounded queue in front of them."""

    def __init__(self, count: int, max_waiting: int, *, name: str) -> None:
        self.count = count
        self.max_waiting = max_waiting
        self.name = name
        self._made = 0
        self._free: list[ThreadPoolExecutor] = []
        self._waiting: deque[asyncio.Future[ThreadPoolExecutor]] = deque()

    async def take(self) -> ThreadPoolExecutor:
        """Return a lane, the last used one first, once one is free; raises Full."""
        if self._free:
            return self._free.pop()
        if self._made < self.count:
            self._made += 1
            return ThreadPoolExecutor(1, thread_name_prefix=f"{self.name}-{self._made}")
        if len(self._waiting) >= self.max_waiting:
            raise Full
        turn: asyncio.Future[ThreadPoolExecutor] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(turn.result())
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def give_back(self, lane: ThreadPoolExecutor) -> None:
        """Hand the lane to whoever has waited longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(lane)
                return
        self._free.append(lane)

    def give_back_when_idle(self, lane: ThreadPoolExecutor) -> None:
        """Hand the lane on once its thread has ended what it does.

        When a client leaves, Django abandons the request while its view still runs: the next request must not
        wait behind it.
        """
        loop = asyncio.get_running_loop()
        end = lane.submit(int)
        end.add_done_callback(lambda _: loop.call_soon_threadsafe(self.give_back, lane))


class Limiter:
    """An ASGI application for HTTP: at most `lanes` requests inside `app`, `waiting` in front of it."""

    def __init__(
        self,
        app: Application,
        *,
        max_body_bytes: int,
        lanes: int = LANES,
        max_waiting: int = MAX_WAITING,
        read_seconds: float = READ_SECONDS,
        write_seconds: float = WRITE_SECONDS,
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.read_seconds = read_seconds
        self.write_seconds = write_seconds
        self.lanes = Lanes(lanes, max_waiting, name="request")
        self.reserved = Lanes(1, MAX_WAITING, name="health")
        self.reading = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        if has_body(scope):
            if self.reading >= MAX_READING:
                await refuse(send, 503, "too many requests are being read")
                return
            self.reading += 1
            try:
                async with asyncio.timeout(self.read_seconds):
                    body = await read_body(scope, receive, self.max_body_bytes)
            except TimeoutError:
                await refuse(send, 408, "the request body did not arrive in time")
                return
            finally:
                self.reading -= 1
            if body is None:
                return
            scope = {**scope, "headers": with_length(scope["headers"], body)}
            receive = replay(body, receive)
        await self.serve(scope, receive, send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request whose body is at hand through a lane, then write its answer."""
        lanes = self.reserved if scope["path"] in ALWAYS_SERVED else self.lanes
        try:
            lane = await lanes.take()
        except Full:
            await refuse(send, 503, "Pulse is answering as many requests as it can")
            return
        answer = Answer(send)
        is_finished = False
        try:
            async with ThreadSensitiveContext(executor=lane):
                await self.app(scope, receive, answer.hold)
            is_finished = answer.is_complete
        finally:
            if is_finished:
                lanes.give_back(lane)
            else:
                lanes.give_back_when_idle(lane)
        # uvicorn closes the connection of a request whose application raises: a reader that is too slow is cut.
        async with asyncio.timeout(self.write_seconds):
            await answer.flush()


class Answer:
    """The messages of an answer, held until the lane is free again."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.messages: list[Message] = []
        self.held_bytes = 0
        self.is_complete = False

    async def hold(self, message: Message) -> None:
        """Keep the message; an answer that is too long to keep goes out as it comes."""
        self.messages.append(message)
        self.held_bytes += len(message.get("body", b""))
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self.held_bytes > MAX_HELD_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Send what is held."""
        messages, self.messages = self.messages, []
        if self.is_complete and messages and messages[0]["type"] == "http.response.start":
            messages[0]["headers"] = with_whole_length(messages[0], self.held_bytes)
        self.held_bytes = 0
        for message in messages:
            await self.send(message)


def with_whole_length(start: Message, length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that is held as a whole: with its length, it needs no chunks."""
    headers = list(start["headers"])
    if start["status"] in (204, 304) or any(name.lower() == b"content-length" for name, _ in headers):
        return headers
    return [*headers, (b"content-length", str(length).encode())]


def has_body(scope: Scope) -> bool:
    """Return whether the head of the request announces a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes | None:
    """Return the body, at most `max_bytes` and one more: that one tells Django that it is too large.

    A body that says it is too large is not read at all: the view refuses it by its Content-Length. None means
    that the client has gone.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and (not value.isdigit() or int(value) > max_bytes):
            return b""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes or not message.get("more_body", False):
            return b"".join(parts)[: max_bytes + 1]


def with_length(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a body that came in pieces as if it had come whole: Django counts Content-Length."""
    headers = list(headers)
    if not any(name == b"transfer-encoding" for name, _ in headers):
        return headers
    rest = [(name, value) for name, value in headers if name not in (b"transfer-encoding", b"content-length")]
    return [*rest, (b"content-length", str(len(body)).encode())]


def replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the body at once, then whatever follows it (a disconnect)."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        while (message := await receive())["type"] != "http.disconnect":
            pass  # the rest of a body that nobody wants
        return message

    return receive_again


async def refuse(send: Send, status: int, message: str) -> None:
    """Answer with the API's error shape and when to come back."""
    body = error_body(status, message, code="request_timeout" if status == 408 else "")
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if status == 503:
        headers.append((b"retry-after", str(RETRY_AFTER_SECONDS).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
