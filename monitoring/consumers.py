"""The consumer of `/ws`: check the caller, register with the hub, hand over what the client asks; nothing else."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer

from monitoring import hub, messages
from pulse.lib.auth import Caller
from pulse.lib.errors import error_body

#: How often an open socket's caller is looked at again.
RECHECK_SECONDS = 3.0
MOST_INPUT_BYTES = 64 << 10
#: Messages from one client in ten seconds.
MOST_MESSAGES = 30
WINDOW_SECONDS = 10.0
UNAUTHORIZED, TOO_LARGE, TOO_MANY, OVERLOADED = 4401, 1009, 4429, 1013


class Refused(Exception):
    """A socket that may not be opened: HTTP status, sentence, code."""

    def __init__(self, status: int, message: str, code: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code


class FeedConsumer(AsyncConsumer):
    """One WebSocket, by either protocol of state.md 7.

    `resolve` returns who opens the socket or raises Refused; `still_valid` says whether the caller would be let in
    again. The composition root passes both: this app does not know how callers are found.
    """

    resolve: Callable[[Any], Awaitable[Caller]]
    still_valid: Callable[[Caller], Awaitable[bool]]

    def __init__(self, *, resolve: Any, still_valid: Any) -> None:
        self.resolve = resolve
        self.still_valid = still_valid
        self.client: hub.Client | None = None
        self.checker: asyncio.Task[None] | None = None
        self.received: deque[float] = deque()

    async def websocket_connect(self, message: dict[str, Any]) -> None:
        """Accept the socket and begin to send, or refuse it with a JSON error."""
        try:
            caller = await self.resolve(self.scope)
        except Refused as refused:
            await self.refuse(refused)
            raise StopConsumer from None
        is_delta = messages.DELTA in self.scope.get("subprotocols", ())
        accept: dict[str, Any] = {"type": "websocket.accept"}
        if is_delta:
            accept["subprotocol"] = messages.DELTA
        await self.transmit(accept)
        send = self.send_bytes if is_delta else self.send_text
        self.client = await hub.hub().join("delta" if is_delta else "original", send, self.close)
        if self.client is None:
            await self.close(OVERLOADED)
            raise StopConsumer
        self.checker = asyncio.create_task(self.keep_checking(caller))

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        """Answer `ping` and `requestData`; everything else is ignored, floods end the connection."""
        text, data = message.get("text"), message.get("bytes")
        if len(text or data or b"") > MOST_INPUT_BYTES:
            await self.close(TOO_LARGE)
            return
        now = time.monotonic()
        self.received.append(now)
        while self.received[0] < now - WINDOW_SECONDS:
            self.received.popleft()
        if len(self.received) > MOST_MESSAGES:
            await self.close(TOO_MANY)
            return
        kind = messages.request_of(text, data)
        if self.client is None:
            return
        if kind == "ping":
            hub.hub().send_to(self.client, messages.clock("pong", time.time()))
        elif kind == "requestData":
            await hub.hub().give_state(self.client)

    async def websocket_disconnect(self, message: dict[str, Any]) -> None:
        """Forget the socket."""
        self.leave()
        raise StopConsumer

    async def keep_checking(self, caller: Caller) -> None:
        """Close the socket soon after its caller has lost the right to it."""
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            if not await self.still_valid(caller):
                await self.close(UNAUTHORIZED)
                return

    async def send_text(self, frame: str | bytes) -> None:
        """Send a text frame; returns when the socket has room for the next one."""
        await self.transmit({"type": "websocket.send", "text": frame})

    async def send_bytes(self, frame: str | bytes) -> None:
        """Send a binary frame; returns when the socket has room for the next one."""
        await self.transmit({"type": "websocket.send", "bytes": frame})

    async def close(self, code: int) -> None:
        """Close the socket with a code."""
        self.leave()
        await self.transmit({"type": "websocket.close", "code": code, "reason": ""})

    async def transmit(self, message: dict[str, Any]) -> None:
        """Send one ASGI message."""
        await self.send(message)  # type: ignore[no-untyped-call]

    def leave(self) -> None:
        """Stop everything that runs for this socket."""
        if self.client is not None:
            self.client.leave()
            self.client = None
        if self.checker is not None and self.checker is not asyncio.current_task():
            self.checker.cancel()

    async def refuse(self, refused: Refused) -> None:
        """Refuse the handshake: with status and JSON where the server can, else by closing."""
        if "websocket.http.response" not in self.scope.get("extensions", {}):
            await self.transmit({"type": "websocket.close", "code": UNAUTHORIZED})
            return
        body = error_body(refused.status, refused.message, code=refused.code)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        start = {"type": "websocket.http.response.start", "status": refused.status, "headers": headers}
        await self.transmit(start)
        await self.transmit({"type": "websocket.http.response.body", "body": body})
