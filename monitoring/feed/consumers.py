"""The consumer of `/ws`: check the caller, register with the hub, hand over what the client asks; nothing else."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from channels.consumer import AsyncConsumer, get_handler_name
from channels.exceptions import StopConsumer
from django.conf import settings

from monitoring.feed import hub
from monitoring.feed.clients import Client
from monitoring.feed.frames import framed
from monitoring.feed.sockets import Socket
from monitoring.wire import messages
from pulse.lib.auth import Caller
from pulse.lib.clients import arrival_of_scope, headers_of_scope
from pulse.lib.errors import ApiError, error_body
from pulse.lib.headers import cors_headers, security_headers
from pulse.lib.pace import Pace

MOST_INPUT_BYTES = 64 << 10
#: Messages from one client in a window. Pulse's own server counts frames of every kind before they come here.
MOST_MESSAGES = 30
WINDOW_SECONDS = 10.0
TOO_LARGE, TOO_MANY = 1009, 4429


class Visitor(NamedTuple):
    """Who opens a socket, and the address under which their sockets are counted, empty for this machine."""

    caller: Caller
    address: str


class FeedConsumer(AsyncConsumer):
    """One WebSocket, by either protocol of state.md 7.

    `resolve` returns who opens the socket or raises ApiError; `still_valid` says whether a caller would be let in again.
    The composition root passes both: this app does not know how callers are found.
    """

    def __init__(
        self,
        *,
        resolve: Callable[[Mapping[str, Any]], Awaitable[Visitor]],
        still_valid: Callable[[Caller], Awaitable[bool]],
    ) -> None:
        self.resolve = resolve
        self.still_valid = still_valid
        self.client: Client | None = None
        self.pace = Pace(MOST_MESSAGES, WINDOW_SECONDS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve the socket; whatever ends it, the hub forgets it."""
        try:
            await super().__call__(scope, receive, send)  # type: ignore[no-untyped-call]
        finally:
            if self.client is not None:
                self.hub.leave(self.client)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the handler of a message; Channels would first visit a thread to tidy up database connections."""
        await getattr(self, get_handler_name(message))(message)

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept the socket and begin to send, or refuse it with a JSON error."""
        self.hub = hub.hub()
        try:
            self.hub.clients.check_room("")  # before anything is looked up
            visitor = await self.resolve(self.scope)
            await self.hub.clients.turn()
            self.hub.clients.check_room(visitor.address)
        except ApiError as refusal:
            await self.refuse(refusal)
            raise StopConsumer from None
        # The answer names one of these or none: what else is offered may be a token.
        offered = self.scope.get("subprotocols", ())
        chosen = next((name for name in (messages.DELTA, messages.ORIGINAL) if name in offered), None)
        await self.base_send({"type": "websocket.accept", "subprotocol": chosen})
        self.client = Client(
            "delta" if chosen == messages.DELTA else "original",
            Socket(self.base_send),
            visitor.caller,
            self.still_valid,
            address=visitor.address,
        )
        self.hub.join(self.client)

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer `ping` and `requestData`; everything else is ignored, floods end the connection."""
        content = message.get("text") or message.get("bytes") or ""
        if self.client is None:
            return
        if size_bytes(content) > MOST_INPUT_BYTES:
            self.client.close(TOO_LARGE)
            return
        if not self.pace.is_kept(time.monotonic()):
            self.client.close(TOO_MANY)
            return
        kind = messages.request_of(content)
        if kind == "ping":
            self.client.tell(framed(self.client, messages.clock("pong", time.time())))
        elif kind == "requestData":
            self.hub.ask_again(self.client)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """End with the socket."""
        raise StopConsumer

    async def refuse(self, refusal: ApiError) -> None:
        """Refuse the handshake: with status and JSON where the server can, else by closing."""
        if "websocket.http.response" not in (self.scope.get("extensions") or {}):
            await self.base_send({"type": "websocket.close"})
            return
        body = error_body(refusal.status, refusal.message, code=refusal.code, details=refusal.details)
        arrival = arrival_of_scope(self.scope, headers_of_scope(self.scope))
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **security_headers(self.scope["path"], is_secure=arrival.scheme == "https"),
            "Cache-Control": "no-store",
            **cors_headers(arrival.origin, settings.ALLOWED_ORIGINS),
            **refusal.headers,
        }
        raw_headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        start = {"type": "websocket.http.response.start", "status": refusal.status, "headers": raw_headers}
        await self.base_send(start)
        await self.base_send({"type": "websocket.http.response.body", "body": body})


def size_bytes(content: str | bytes) -> int:
    """Return how long a message was on the wire."""
    return len(content.encode(errors="surrogatepass") if isinstance(content, str) else content)
