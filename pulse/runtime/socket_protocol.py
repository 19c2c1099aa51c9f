"""One WebSocket: uvicorn's protocol, with a bound on how often a client may speak, whatever kind of frame it sends.

By itself it answers every ping, keeps the pongs of a client that does not read, and keeps fragments without an end.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidState
from websockets.frames import Frame
from websockets.http11 import Request

from pulse.lib.pace import Pace
from pulse.runtime.places import Place
from pulse.runtime.plain_refusals import plain_refusal

logger = logging.getLogger(__name__)

#: Frames of one client in a window: messages, fragments of them, pings and pongs together (security.md A61).
MOST_FRAMES = 30
WINDOW_SECONDS = 10.0
TOO_MANY = 4429
INVALID_TEXT = 1007
#: What the parser gets at once: it cannot be stopped inside, and the shortest frame has 6 bytes.
PIECE_BYTES = 4 << 10
#: How long a client that was cut gets to take the close frame.
CUT_SECONDS = 3.0
#: What may still come from it meanwhile, and is dropped.
MOST_DROPPED_BYTES = 1 << 20


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """One WebSocket; `place` is that of its connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.place: Place | None = None
        self.pace = Pace(MOST_FRAMES, WINDOW_SECONDS)
        self.is_cut = False
        self.dropped_bytes = 0

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self.place is not None:
            self.place.leave()
        super().connection_lost(exc)

    def start_keepalive(self) -> None:
        """Begin to ping a client that was let in, which from now on the application counts."""
        if self.place is not None:
            self.place.let_in()
        super().start_keepalive()

    # --- frames ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take what came piece by piece, until the client has said too much; then all of it is dropped."""
        for start in range(0, len(data), PIECE_BYTES):
            if self.is_cut or self.transport.is_closing():
                self.drop(len(data) - start)
                return
            super().data_received(data[start : start + PIECE_BYTES])
            if self.conn.handshake_exc is not None and not self.handshake_complete:
                self.refuse("the handshake cannot be read")

    def drop(self, size_bytes: int) -> None:
        """Count what comes after the end; whoever goes on is cut off."""
        self.dropped_bytes += size_bytes
        if self.dropped_bytes > MOST_DROPPED_BYTES:
            self.transport.abort()

    def handle_ping(self) -> None:
        """Answer a ping."""
        if self.may_go_on():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take a pong."""
        if self.may_go_on():
            super().handle_pong(event)

    def handle_cont(self, event: Frame) -> None:
        """Take a later fragment of a message."""
        if self.may_go_on():
            super().handle_cont(event)

    def handle_text(self, event: Frame) -> None:
        """Take a text, or its first fragment."""
        if self.may_go_on():
            super().handle_text(event)

    def handle_bytes(self, event: Frame) -> None:
        """Take a binary message, or its first fragment."""
        if self.may_go_on():
            super().handle_bytes(event)

    def may_go_on(self) -> bool:
        """Count a frame, which shows that the client is alive; False once there are too many."""
        if self.is_cut:
            return False
        if self.pong_timer is not None:
            self.pong_timer.cancel()
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        if self.pace.is_kept(self.loop.time()):
            return True
        self.cut(TOO_MANY)
        return False

    def cut(self, code: int) -> None:
        """Say why, stop to listen, and close as soon as the client has taken it, or soon."""
        logger.debug("a WebSocket was closed with %d", code)
        self.is_cut = True
        self.stop_keepalive()
        if not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
            try:
                self.conn.send_close(code)
            except InvalidState:  # the handshake is not over, or the client has closed already
                self.transport.abort()
                return
            self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        # Not closed at once (uvicorn would, without this timer, when the application ends): with frames in the system that nobody has read the client would see a reset instead.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.close_timer = self.loop.call_later(CUT_SECONDS, self.transport.abort)

    def send_receive_event_to_app(self) -> None:
        """Pass on a whole message; a text that is none ends the connection, and is no error of ours."""
        if self.curr_msg_data_type == "text" and not is_text(b"".join(self.frames)):
            self.frames = []
            self.cut(INVALID_TEXT)
            return
        super().send_receive_event_to_app()

    async def send(self, message: Any) -> None:
        """Send what the application says; a handshake that it has refused is over, which uvicorn would log as an error."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    # --- handshakes --------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        """Begin the handshake, or refuse one that is wrong in itself."""
        if self.conn.accept(event).status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            self.refuse("this is not the handshake of a WebSocket of version 13", event)
            return
        super().handle_connect(event)

    def handle_parser_exception(self) -> None:
        """End a connection whose frames cannot be read."""
        logger.debug("a WebSocket cannot be read: %s", self.conn.parser_exc)
        super().handle_parser_exception()

    def refuse(self, message: str, event: Request | None = None) -> None:
        """Answer 400 instead of opening the WebSocket."""
        self.is_cut = self.close_sent = self.handshake_complete = True
        told = () if event is None else event.headers.raw_items()
        raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in told
        ]
        known = {"path": "/ws", "client": self.client, "scheme": self.scheme, "headers": raw_headers}
        headers = {"Sec-WebSocket-Version": "13"}
        self.transport.write(plain_refusal(HTTPStatus.BAD_REQUEST, message, scope=known, headers=headers))
        self.transport.close()


def is_text(content: bytes) -> bool:
    """Return whether the bytes are UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
