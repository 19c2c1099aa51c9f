"""Requests that come again within a second, word for word, and whose answer is known without asking Django again.

Who watches whether Pulse is alive, or asks for a state that has not changed, costs half a millisecond for finding out
once more who it is and which headers it is due. Within a second that is what it was (accounts.sockets believes as long
who holds a socket): the head of the last answer is sent again, under an id of its own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Hashable, Mapping
from typing import NamedTuple

from pulse.lib.clients import is_loopback
from pulse.runtime.bodies import Message, Receive, Scope, has_body
from pulse.runtime.limiter import Application, Send

#: How long a request like the last one is believed to be due the same answer.
SECONDS = 1.0
#: Different requests that are remembered; of more, all are forgotten.
MOST = 1024
#: A request with more in its head than programs send is not remembered.
MOST_BYTES = 4 << 10


class Head(NamedTuple):
    """The head of an answer; names are lower case."""

    status: int
    headers: list[tuple[bytes, bytes]]

    def get(self, name: bytes) -> bytes:
        """Return the value of a header, empty when there is none."""
        return next((value for header, value in self.headers if header == name), b"")


#: Returns the body of the answer now, None when it may be another than this head belongs to.
Again = Callable[[Head], bytes | None]


class Repeats:
    """An ASGI application for HTTP: answers again itself, by the functions of `again` by their paths, else passes on."""

    def __init__(self, app: Application, again: Mapping[str, Again], *, clock: Callable[[], float]) -> None:
        self.app = app
        self.again = again
        self._clock = clock
        self._known: dict[Hashable, tuple[float, Head]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        again = self.again.get(scope["path"])
        if again is None or not is_memorable(scope):
            await self.app(scope, receive, send)
            return
        request = key_of(scope)
        at, head = self._known.get(request, (float("-inf"), None))
        body = again(head) if head is not None and self._clock() - at < SECONDS else None
        if head is not None and body is not None:
            await send({"type": "http.response.start", "status": head.status, "headers": renewed(head, body)})
            await send({"type": "http.response.body", "body": body})
            return
        await self.app(scope, receive, self.remembering(request, send))

    def remembering(self, request: Hashable, send: Send) -> Send:
        """Return a `send` that remembers the head of a good answer to this request."""
        begun = self._clock()

        async def remember(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (200, 304):
                if len(self._known) >= MOST:
                    self._known.clear()
                self._known[request] = begun, Head(message["status"], list(message["headers"]))
            await send(message)

        return remember


def is_memorable(scope: Scope) -> bool:
    """Return whether a request changes nothing, is short, and is all here."""
    if scope["method"] not in ("GET", "HEAD") or has_body(scope):
        return False
    size = len(scope.get("query_string", b"")) + sum(
        len(name) + len(value) for name, value in scope["headers"]
    )
    return size <= MOST_BYTES


def key_of(scope: Scope) -> Hashable:
    """Return what makes two requests the same: all that anybody may look at who decides about one.

    On this machine also the connection, whose other end may be a person or a service.
    """
    host, port = scope.get("client") or ("", 0)
    return (
        host,
        port if is_loopback(host) else 0,
        scope["method"],
        scope["scheme"],
        scope["http_version"],
        scope["path"],
        scope.get("raw_path"),
        scope.get("query_string"),
        tuple(scope["headers"]),
    )


def renewed(head: Head, body: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers for the answer now: its own id, and its own length where one is told."""
    own = {b"x-request-id": secrets.token_hex(8).encode(), b"content-length": str(len(body)).encode()}
    return [(name, own.get(name, value)) for name, value in head.headers]
