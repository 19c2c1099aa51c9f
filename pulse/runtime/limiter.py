"""A bound on the requests that Django works on at once.

Under ASGI every synchronous view gets a thread, without a bound: 300 slow requests make 301 threads. Here a
request waits for one of a few lanes, each with one thread that serves request after request; the queue in front
is bounded, and what does not fit is told to come back. Neither a client that sends slowly nor one that reads
slowly holds a lane: bodies are read before, answers are written after. Long answers that are sent while they are made hold one,
but only a few at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asgiref.sync import ThreadSensitiveContext

from pulse.lib.clients import arrival_of_scope, headers_of_scope
from pulse.lib.errors import error_body
from pulse.lib.headers import security_headers
from pulse.lib.transports import reset, transport_of
from pulse.runtime.bodies import (
    GRACE_SECONDS,
    MAX_KNOWN,
    MAX_KNOWN_PER_CLIENT,
    MAX_STRANGERS,
    MAX_STRANGERS_PER_CLIENT,
    READ_SECONDS,
    Admission,
    BodyPlaces,
    Message,
    NoPlace,
    Receive,
    Scope,
    has_body,
    is_said_too_large,
    read_body,
    replay,
    what_is_here,
    with_length,
)

Send = Callable[[Message], Awaitable[None]]
#: An ASGI application; servers and Django disagree about the exact mappings.
Application = Callable[[Any, Any, Any], Awaitable[None]]
#: Looks at the head of a request whose body has not come: whose body it is, or the answer that refuses it.
Admit = Callable[[Scope], Awaitable[Admission | list[Message]]]

logger = logging.getLogger(__name__)

LANES = 16
MAX_WAITING = 64
#: A client on a slow line may take this long to read an answer; less while too much waits to be read.
WRITE_SECONDS = 60.0
WRITE_SECONDS_WHEN_SHORT = 5.0
#: Answers that clients have still to take, all together; one that many take, such as the state, counts once.
MOST_UNSENT_BYTES = 32 << 20
#: Handed to the server at once: it holds what a client has not taken.
PIECE_BYTES = 256 << 10
#: An answer that comes in pieces and is longer than this is passed on while it is made, lane held: so many at once,
#: and each piece has to be taken soon.
MAX_HELD_BYTES = 64 << 10
MAX_STREAMS = 4
TAKE_SECONDS = 10.0
RETRY_AFTER_SECONDS = 2

#: Answered in lanes of their own: whoever watches Pulse must not be told that it is dead because it is busy.
ALWAYS_SERVED = frozenset({"/api/health", "/api/ready"})


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


async def admit_anybody(scope: Scope) -> Admission:
    """Let every body come: for an application that does not look at heads."""
    return Admission(client=(scope.get("client") or ("",))[0])


class Limiter:
    """An ASGI application for HTTP: at most `lanes` requests inside `app`, `waiting` in front of it."""

    def __init__(
        self,
        app: Application,
        *,
        max_body_bytes: int,
        admit: Admit = admit_anybody,
        lanes: int = LANES,
        max_waiting: int = MAX_WAITING,
        grace_seconds: float = GRACE_SECONDS,
        read_seconds: float = READ_SECONDS,
        write_seconds: float = WRITE_SECONDS,
        take_seconds: float = TAKE_SECONDS,
    ) -> None:
        self.app = app
        self.max_body_bytes = max_body_bytes
        self.admit = admit
        self.grace_seconds = grace_seconds
        self.read_seconds = read_seconds
        self.write_seconds = write_seconds
        self.lanes = Lanes(lanes, max_waiting, name="request")
        self.reserved = Lanes(1, MAX_WAITING, name="health")
        self.known = BodyPlaces(MAX_KNOWN, MAX_KNOWN_PER_CLIENT)
        self.strangers = BodyPlaces(MAX_STRANGERS, MAX_STRANGERS_PER_CLIENT)
        self.unsent = Unsent()
        self.streams = Streams(MAX_STREAMS, take_seconds, write_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        try:
            await self.take(scope, receive, send)
        except Full:
            await refuse(send, scope, 503, "Pulse is answering as many requests as it can")
        except NoPlace as no_place:
            if no_place.is_own:
                await refuse(send, scope, 429, "too many requests of yours are still being sent")
            else:
                await refuse(send, scope, 503, "too many requests are being read")

    async def take(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, if there is one and its sender may come in, and serve; raises Full and NoPlace."""
        if not has_body(scope):
            await self.serve(scope, receive, send)
            return
        if is_said_too_large(scope, self.max_body_bytes):
            await self.serve(scope, replay(b"", receive), send)
            return
        part = await what_is_here(scope, receive)
        if part is None or part.get("more_body", False):
            await self.await_body(scope, receive, send, part)
        elif part["type"] == "http.request":
            await self.serve_with(part.get("body", b""), scope, receive, send)

    async def await_body(self, scope: Scope, receive: Receive, send: Send, part: Message | None) -> None:
        """Look at the head of the request, then wait for the rest of its body."""
        async with self.lane_for(scope) as inside:
            admission = await self.admit(scope)
            inside.is_over = True
        if not isinstance(admission, Admission):
            for message in admission:
                await send(message)
            return
        places = self.known if admission.is_known else self.strangers
        with places.place(admission.client):
            try:
                body = await read_body(
                    receive,
                    self.max_body_bytes,
                    part,
                    grace_seconds=self.grace_seconds,
                    most_seconds=self.read_seconds,
                )
            except TimeoutError:
                await refuse(send, scope, 408, "the request body did not arrive in time")
                return
        if body is not None:
            await self.serve_with(body, {**scope, **admission.carried}, receive, send)

    async def serve_with(self, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request whose body was read."""
        whole = body[: self.max_body_bytes + 1]
        scope = {**scope, "headers": with_length(scope["headers"], whole)}
        await self.serve(scope, replay(whole, receive), send)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request whose body is at hand through a lane, then write its answer."""
        answer = Answer(send, self.streams)
        try:
            with self.streams.counted(answer):
                async with self.lane_for(scope) as inside:
                    await self.app(scope, receive, answer.hold)
                    inside.is_over = answer.is_complete
            limit = asyncio.timeout(self.write_seconds)
            async with limit:
                with self.unsent.counted(answer, limit):
                    await answer.flush()
        except TimeoutError:
            transport = transport_of(send)
            if transport is None:  # the server closes the connection of an application that raises
                raise
            logger.debug("an answer was not read in time")
            reset(transport)
            while (await receive())["type"] != "http.disconnect":
                pass

    @asynccontextmanager
    async def lane_for(self, scope: Scope) -> AsyncIterator[Inside]:
        """Hold a lane inside, in whose thread Django works; raises Full."""
        lanes = self.reserved if scope["path"] in ALWAYS_SERVED else self.lanes
        lane = await lanes.take()
        inside = Inside()
        try:
            async with ThreadSensitiveContext(executor=lane):
                yield inside
        finally:
            if inside.is_over:
                lanes.give_back(lane)
            else:
                lanes.give_back_when_idle(lane)


class Inside:
    """What goes on in a lane; its thread may still be at work when it is not over."""

    is_over = False


class Unsent:
    """The answers that clients have still to take; when they are too many together, all have less time."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._bodies: dict[int, list[int]] = {}  # by identity: how many answers have it, and its length
        self._limits: dict[asyncio.Timeout, None] = {}

    @contextmanager
    def counted(self, answer: Answer, limit: asyncio.Timeout) -> Iterator[None]:
        """Count an answer inside; its limit may come closer."""
        bodies = [body for message in answer.messages if (body := message.get("body"))]
        self._limits[limit] = None
        for body in bodies:
            entry = self._bodies.setdefault(id(body), [0, len(body)])
            entry[0] += 1
            self.size_bytes += len(body) if entry[0] == 1 else 0
        if self.size_bytes > MOST_UNSENT_BYTES:
            self._hurry()
        try:
            yield
        finally:
            del self._limits[limit]
            for body in bodies:
                entry = self._bodies[id(body)]
                entry[0] -= 1
                if not entry[0]:
                    del self._bodies[id(body)]
                    self.size_bytes -= len(body)

    def _hurry(self) -> None:
        soon = asyncio.get_running_loop().time() + WRITE_SECONDS_WHEN_SHORT
        for limit in self._limits:
            when = limit.when()
            if when is not None and when > soon and not limit.expired():
                limit.reschedule(soon)


class Streams:
    """The answers that are passed on while they are made, each of which holds a lane."""

    def __init__(self, most: int, take_seconds: float, write_seconds: float) -> None:
        self.most, self.take_seconds, self.write_seconds = most, take_seconds, write_seconds
        self._ends: dict[int, float] = {}  # by answer: when it has to be over

    @contextmanager
    def counted(self, answer: Answer) -> Iterator[None]:
        """Forget the answer in the end, whether it became a stream or not."""
        try:
            yield
        finally:
            self._ends.pop(id(answer), None)

    def limit(self, answer: Answer) -> asyncio.Timeout:
        """Return how long a client may take for what an answer holds now; raises Full for one more stream than there may be."""
        now = asyncio.get_running_loop().time()
        if id(answer) not in self._ends and len(self._ends) >= self.most:
            raise Full
        end = self._ends.setdefault(id(answer), now + self.write_seconds)
        return asyncio.timeout_at(min(end, now + self.take_seconds))


class Answer:
    """The messages of an answer, held until the lane is free again."""

    def __init__(self, send: Send, streams: Streams) -> None:
        self.send = send
        self.streams = streams
        self.messages: list[Message] = []
        self.held_bytes = 0
        self.is_complete = False

    async def hold(self, message: Message) -> None:
        """Keep the message; an answer that comes in pieces and is too long to keep goes out as it comes."""
        self.messages.append(message)
        self.held_bytes += len(message.get("body", b""))
        self.is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        if self.held_bytes > MAX_HELD_BYTES and not self.is_complete:
            async with self.streams.limit(self):
                await self.flush()

    async def flush(self) -> None:
        """Send what is held, a piece whenever the client has taken the last but one."""
        messages, self.messages = self.messages, []
        if self.is_complete and messages and messages[0]["type"] == "http.response.start":
            messages[0]["headers"] = with_whole_length(messages[0], self.held_bytes)
        self.held_bytes = 0
        for message in messages:
            for piece in pieces_of(message):
                await self.send(piece)


def pieces_of(message: Message) -> Iterator[Message]:
    """Yield the message, with a long body one after the other in parts."""
    body = memoryview(message.get("body", b""))
    if len(body) <= PIECE_BYTES:
        yield message
        return
    for start in range(0, len(body), PIECE_BYTES):
        end = start + PIECE_BYTES
        follows = end < len(body) or message.get("more_body", False)
        yield {**message, "body": body[start:end], "more_body": follows}


def with_whole_length(start: Message, length: int) -> list[tuple[bytes, bytes]]:
    """Return the headers of an answer that is held as a whole: with its length, it needs no chunks."""
    headers = list(start["headers"])
    if start["status"] in (204, 304) or any(name.lower() == b"content-length" for name, _ in headers):
        return headers
    return [*headers, (b"content-length", str(length).encode())]


async def refuse(send: Send, scope: Scope, status: int, message: str) -> None:
    """Answer with the API's error shape, the headers of every answer, and when to come back."""
    body = error_body(status, message, code="request_timeout" if status == 408 else "")
    arrival = arrival_of_scope(scope, headers_of_scope(scope))
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **security_headers(scope["path"], is_secure=arrival.scheme == "https"),
        "Cache-Control": "no-store",
        "Connection": "close",
    }
    if status in (429, 503):
        fields["Retry-After"] = str(RETRY_AFTER_SECONDS)
    headers = [(name.lower().encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
