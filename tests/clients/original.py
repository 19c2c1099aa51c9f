"""A client of the original `/ws` protocol, as the original web UI behaves (state.md 7 and 8 of the contract).

It shares no code with the product. It keeps what is on screen over a break, replies to the JSON ping, and comes
back after 1, 2, 4, ... seconds, at most 30, for ever.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

#: The parts of the state that the UI replaces when a message has them.
PARTS = [
    "nodes",
    "vms",
    "containers",
    "storage",
    "pbs",
    "pbsBackups",
    "metrics",
    "pveBackups",
    "performance",
    "connectionHealth",
    "stats",
    "activeAlerts",
    "recentlyResolved",
]
LONGEST_WAIT_SECONDS = 30.0


class OriginalClient:
    """One browser tab; an async context manager that connects, listens and reconnects."""

    def __init__(
        self, url: str, *, first_wait_seconds: float = 1.0, headers: dict[str, str] | None = None
    ) -> None:
        self.url = url
        self.first_wait_seconds = first_wait_seconds
        self.headers = headers or {}
        self.messages: list[dict[str, Any]] = []
        self.received_at: list[float] = []
        self.state: dict[str, Any] = {}
        self.is_loading = True
        self.connections = 0
        self.close_codes: list[int | None] = []
        self.waits: list[float] = []
        self.socket: ClientConnection | None = None
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> OriginalClient:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        wait = self.first_wait_seconds
        while True:
            try:
                options = {"max_size": None, "compression": None, "additional_headers": self.headers}
                async with connect(self.url, **options) as self.socket:
                    self.connections += 1
                    wait = self.first_wait_seconds
                    await self._listen(self.socket)
            except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError):
                pass
            if self.socket is not None:
                self.close_codes.append(self.socket.close_code)
            self.socket = None
            await self._tell()
            self.waits.append(wait)
            await asyncio.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)

    async def _listen(self, socket: ClientConnection) -> None:
        async for frame in socket:
            assert isinstance(frame, str), "the original protocol has text frames only"
            message = json.loads(frame)
            self.messages.append(message)
            self.received_at.append(time.monotonic())
            await self._apply(socket, message)
            await self._tell()

    async def _apply(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        if message["type"] in ("initialState", "rawData"):
            self.state |= {name: message["data"][name] for name in PARTS if name in message["data"]}
            self.state["lastUpdate"] = message["data"].get("lastUpdate")
        if message["type"] == "initialState":
            self.is_loading = False
        if message["type"] == "ping":
            await socket.send(json.dumps({"type": "pong", "data": {"timestamp": int(time.time() * 1000)}}))

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Any, *, seconds: float = 5.0) -> None:
        """Return when the condition holds after some message; a TimeoutError when it does not in time."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def next_of(self, kind: str, *, seconds: float = 5.0) -> dict[str, Any]:
        """Return the next message of a type that is yet to come."""
        before = len(self.of(kind))
        await self.until(lambda: len(self.of(kind)) > before, seconds=seconds)
        return self.of(kind)[before]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type so far."""
        return [message for message in self.messages if message["type"] == kind]

    def types(self) -> list[str]:
        """Return the types of all messages so far."""
        return [message["type"] for message in self.messages]

    async def send(self, message: object) -> None:
        """Send a message; text goes out as it is."""
        assert self.socket is not None
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
