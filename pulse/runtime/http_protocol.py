"""HTTP/1.1 on one connection: uvicorn's protocol, with a bound on everything that a client can make it keep.

By itself it takes heads and trailers of any size, waits for them for ever, and queues whatever requests come in one read.
"""

from __future__ import annotations

import logging
from asyncio import TimerHandle, Transport
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pulse.runtime.places import Place, Places, key_of
from pulse.runtime.plain_refusals import plain_refusal
from pulse.runtime.socket_protocol import BoundedSocketProtocol

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 32 << 10
MAX_HEADERS = 100
#: From the first byte (or the connection) to the end of the request's head.
HEAD_SECONDS = 15.0
#: Requests of one connection that wait while one is answered.
MAX_QUEUED = 8
#: What the parser gets at once: it cannot be stopped inside.
PIECE_BYTES = 16 << 10
HEAD_END = b"\r\n\r\n"
#: How long the rest of a body may take that nobody reads, its request being answered.
REST_SECONDS = 10.0


class BadHead(Exception):
    """The head of a request is too large, or can be read in two ways."""


class PatientFlow(FlowControl):
    """Reads on only while nothing waits: uvicorn would after each answer, and for each body that is read."""

    def __init__(self, transport: Transport, must_wait: Callable[[], bool]) -> None:
        super().__init__(transport)
        self.must_wait = must_wait

    def resume_reading(self) -> None:
        """Read on, unless something waits."""
        if not self.must_wait():
            super().resume_reading()


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection. What it has read and not parsed waits in `unparsed`, and nothing more is read meanwhile."""

    def __init__(self, *arguments: Any, places: Places, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.places = places
        self.place: Place | None = None
        self.unparsed = b""
        self.is_reading_head = True
        self.body_left = 0  # of a body with a length
        self.mute_bytes = 0  # parsed since the last end of a head, byte of a body, or end of a request
        self.queued_bytes: deque[int] = deque()  # of each head in the queue, the newest first as there
        self.active: RequestResponseCycle | None = None
        self.refusal = HTTPStatus.BAD_REQUEST
        self.is_refused = False
        self.head_timer: TimerHandle | None = None
        self.rest_timer: TimerHandle | None = None

    # --- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head, unless there is no place for one more connection."""
        super().connection_made(transport)
        self.flow = PatientFlow(transport, self.must_wait)
        self.place = self.places.take(key_of(self.client[0] if self.client else ""), transport.abort)
        if self.place is None:
            logger.debug("a connection was refused: all places are taken")
            transport.abort()
            return
        self.head_timer = self.loop.call_later(HEAD_SECONDS, self.give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self.stop_timers()
        self.unparsed = b""
        self.pipeline.clear()
        if self.place is not None:
            self.place.leave()
        if self.is_answering and self.active is not None:
            self.active.disconnected = True
            self.active.message_event.set()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with its place; not while requests before are being answered."""
        if self.is_answering:
            self.send_400_response("")
            return
        self.unparsed = b""
        self.stop_timers()
        if self.place is not None:
            self.place.work()
        super().handle_websocket_upgrade()
        successor = self.transport.get_protocol()
        if isinstance(successor, BoundedSocketProtocol):
            successor.place = self.place

    @property
    def is_answering(self) -> bool:
        """Whether a request is under way."""
        return self.active is not None and not self.active.response_complete

    @property
    def is_over(self) -> bool:
        """Whether nothing more of this connection will be parsed here."""
        return self.is_refused or self.transport.is_closing() or self.transport.get_protocol() is not self

    # --- what is read ------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as the queue has room."""
        self.unparsed += data
        self.parse()

    def must_wait(self) -> bool:
        """Return whether nothing more may be read now."""
        return bool(self.pipeline or self.unparsed or self.is_refused)

    def parse(self) -> None:
        """Parse piece by piece until the queue is full; then read on, or wait until requests have been answered."""
        unparsed, position = self.unparsed, 0
        while position < len(unparsed) and self.has_room() and not self.is_over:
            if self.is_reading_head and self.head_timer is None:
                self.head_timer = self.loop.call_later(HEAD_SECONDS, self.give_up)
            end = self.end_of_piece(unparsed, position)
            self.mute_bytes += end - position
            super().data_received(unparsed[position:end])
            position = end
            if self.mute_bytes > MAX_HEAD_BYTES and not self.is_over:
                self.refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                self.send_400_response("")
        self.unparsed = b"" if self.is_over else unparsed[position:]
        if self.must_wait() and not self.transport.is_closing():
            self.flow.pause_reading()

    def has_room(self) -> bool:
        """Return whether one more request may be queued; all their heads together are bounded as one is."""
        return len(self.pipeline) < MAX_QUEUED and sum(self.queued_bytes) < MAX_HEAD_BYTES

    def end_of_piece(self, unparsed: bytes, position: int) -> int:
        """Return where a piece ends that holds the end of one head at most."""
        if self.body_left:
            return min(position + self.body_left, position + PIECE_BYTES, len(unparsed))
        end = unparsed.find(HEAD_END, position, position + PIECE_BYTES)
        return end + len(HEAD_END) if end >= 0 else min(position + PIECE_BYTES, len(unparsed))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; a trailer after the body says nothing, whatever its name."""
        if self.is_reading_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start or queue the request, unless its head is too large or can be read in two ways."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self.refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise BadHead
        check_head(self.parser.get_http_version(), self.headers)
        self.stop_timers()
        self.is_reading_head = False
        self.mute_bytes = 0
        self.body_left = length_of(self.headers)
        super().on_headers_complete()
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.queued_bytes.appendleft(size)

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self.mute_bytes = 0
        self.body_left = max(0, self.body_left - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Take what follows as the next head."""
        self.is_reading_head = True
        self.mute_bytes = self.body_left = 0
        self.stop_timers()
        super().on_message_complete()

    # --- what is answered --------------------------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.active = cycle
        if self.place is not None:
            self.place.work()
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the queue, with what is not parsed, or with what was refused behind it."""
        was_last = not self.pipeline
        if self.queued_bytes:
            self.queued_bytes.pop()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if was_last and self.is_refused:
            self.tell_refusal()
            return
        if was_last and self.place is not None:
            self.place.rest()
        if was_last and not self.is_reading_head:
            self.rest_timer = self.loop.call_later(REST_SECONDS, self.end)
        self.parse()
        self.flow.resume_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and the connection with it, once requests before it are answered."""
        logger.debug("a connection was refused with %d: %s", self.refusal.value, msg)
        self.is_refused = True
        self.stop_timers()
        self.flow.pause_reading()
        broken = None if self.is_reading_head else self.cycle
        if broken is not None and broken is self.active:
            if broken.response_started:
                self.end()
            else:
                self.tell_refusal()
        else:
            if broken is not None:
                self.pipeline.popleft()
                self.queued_bytes.popleft()
            if not self.is_answering:
                self.tell_refusal()

    def tell_refusal(self) -> None:
        """Answer in the API's error shape, where uvicorn would in plain text, and close."""
        if not self.transport.is_closing():
            known = {"client": self.client, "scheme": self.scheme, "headers": self.headers or ()}
            self.transport.write(plain_refusal(self.refusal, "the request cannot be read", scope=known))
            self.transport.close()

    # --- time --------------------------------------------------------------------------------------------------

    def stop_timers(self) -> None:
        """Stop waiting for a head, or for the rest of a body."""
        for timer in (self.head_timer, self.rest_timer):
            if timer is not None:
                timer.cancel()
        self.head_timer = self.rest_timer = None

    def give_up(self) -> None:
        """Close a connection whose head did not arrive in time; one that is kept waiting by us has more."""
        self.head_timer = None
        if self.is_answering:
            self.head_timer = self.loop.call_later(HEAD_SECONDS, self.give_up)
            return
        self.end()

    def end(self) -> None:
        """Close the connection."""
        if not self.transport.is_closing():
            self.transport.close()


def check_head(version: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise BadHead for what a proxy in front may read otherwise; the parser has refused most of it.

    Source: RFC 9112 sections 2.3, 3.2 and 6.1.
    """
    names = [name for name, _ in headers]
    if version not in ("1.0", "1.1") or names.count(b"host") > 1:
        raise BadHead
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if codings and (codings != [b"chunked"] or version == "1.0"):
        raise BadHead


def length_of(headers: list[tuple[bytes, bytes]]) -> int:
    """Return the length that a head gives its body, 0 for none."""
    lengths = [value for name, value in headers if name == b"content-length" and value.isdigit()]
    return int(lengths[0]) if lengths else 0
