"""Request bodies that are still under way: who may send one, for how long, and how slowly."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

#: Bodies under way of callers who have shown a good credential, in all and of one address (IPv6: one /64).
MAX_KNOWN, MAX_KNOWN_PER_CLIENT = 64, 16
#: The same of everybody else: sign-ins, setup, what is public. Apart, so that strangers keep nobody waiting.
MAX_STRANGERS, MAX_STRANGERS_PER_CLIENT = 32, 4
READ_SECONDS = 15.0
#: A body has this long to begin, and goes on as long as it keeps to the least rate.
GRACE_SECONDS = 5.0
LEAST_BYTES_PER_SECOND = 4 << 10


class NoPlace(Exception):
    """As many bodies as allowed are under way; `is_own` tells that they are the client's own."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__()
        self.is_own = is_own


class Admission(NamedTuple):
    """Whose body may come, and what its request carries on in its scope."""

    client: str  # as in pulse.lib.clients.limit_key
    is_known: bool = False  # a token or a session was shown, and is good
    carried: dict[str, Any] = {}


class BodyPlaces:
    """So many in all, so many of one client."""

    def __init__(self, most: int, most_per_client: int) -> None:
        self.most = most
        self.most_per_client = most_per_client
        self._clients: Counter[str] = Counter()

    @property
    def count(self) -> int:
        """How many are taken."""
        return self._clients.total()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """Hold a place inside; raises NoPlace."""
        if self._clients[client] >= self.most_per_client:
            raise NoPlace(is_own=True)
        if self.count >= self.most:
            raise NoPlace(is_own=False)
        self._clients[client] += 1
        try:
            yield
        finally:
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]


def has_body(scope: Scope) -> bool:
    """Return whether the head of the request announces a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def is_said_too_large(scope: Scope, max_bytes: int) -> bool:
    """Return whether the head says that the body is too large: it is not read at all, its Content-Length is refused."""
    return any(
        name == b"content-length" and (not value.isdigit() or int(value) > max_bytes)
        for name, value in scope["headers"]
    )


async def what_is_here(scope: Scope, receive: Receive) -> Message | None:
    """Return the part of the body that has come with the head, None when nothing has.

    Nothing is asked of a client that waits to be told to go on (Expect: 100-continue): to receive would tell it.
    """
    if any(name == b"expect" for name, _ in scope["headers"]):
        return None
    try:
        async with asyncio.timeout(0):
            return await receive()
    except TimeoutError:
        return None


async def read_body(
    receive: Receive, max_bytes: int, first: Message | None, *, grace_seconds: float, most_seconds: float
) -> bytes | None:
    """Return the body, at most `max_bytes` and one more: that one tells Django that it is too large.

    None means that the client has gone. Raises TimeoutError for one that is slower than LEAST_BYTES_PER_SECOND.
    """
    parts: list[bytes] = []
    size = 0
    began = asyncio.get_running_loop().time()
    async with asyncio.timeout(min(grace_seconds, most_seconds)) as limit:
        while True:
            message = first or await receive()
            first = None
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > max_bytes or not message.get("more_body", False):
                return b"".join(parts)[: max_bytes + 1]
            limit.reschedule(began + min(most_seconds, grace_seconds + size / LEAST_BYTES_PER_SECOND))


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
