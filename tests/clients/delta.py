"""A client of the sub-protocol `pulse.delta.v1`: state, then numbered changes; after a gap the state again.

It shares no code with the product. Every frame of the server is binary, one gzip member of one JSON object.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.clients.apply import COLLECTIONS, apply_collections, by_id, in_order


class DeltaClient:
    """One page of our own; an async context manager. `losing` makes it miss the next changes."""

    def __init__(self, url: str, *, headers: dict[str, str] | None = None) -> None:
        self.url = url
        self.headers = headers or {}
        self.frame_bytes: list[int] = []
        self.messages: list[dict[str, Any]] = []
        self.resources: dict[str, dict[str, Any]] = {}
        self.top: dict[str, Any] = {}
        self.seq: int | None = None
        self.gaps = 0
        self.losing = 0  # so many of the next changes are lost
        self.socket: ClientConnection | None = None
        self.close_code: int | None = None
        self._changed = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> DeltaClient:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        options = {"max_size": None, "compression": None, "additional_headers": self.headers}
        try:
            async with connect(self.url, subprotocols=["pulse.delta.v1"], **options) as self.socket:
                assert self.socket.subprotocol == "pulse.delta.v1"
                async for frame in self.socket:
                    assert isinstance(frame, bytes), "the delta protocol has binary frames only"
                    self.frame_bytes.append(len(frame))
                    message = json.loads(gzip.decompress(frame))
                    self.messages.append(message)
                    await self._apply(message)
                    await self._tell()
        except ConnectionClosed:
            pass
        self.close_code = self.socket.close_code if self.socket else None
        await self._tell()

    async def _apply(self, message: dict[str, Any]) -> None:
        if message["type"] == "state":
            self.seq = message["seq"]
            self.resources = by_id(message["state"])
            resources = {*COLLECTIONS, "pveBackups"}
            self.top = {key: value for key, value in message["state"].items() if key not in resources}
        elif message["type"] == "changes":
            await self._apply_changes(message)

    async def _apply_changes(self, message: dict[str, Any]) -> None:
        if self.losing:
            self.losing -= 1
            return
        if self.seq is None:
            return  # the state has been asked for
        if message["seq"] != self.seq + 1:
            self.gaps += 1
            self.seq = None
            await self.send({"type": "requestData"})
            return
        self.seq = message["seq"]
        self.top |= message.get("top", {})
        apply_collections(self.resources, message["collections"])

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Any, *, seconds: float = 5.0) -> None:
        """Return when the condition holds after some message; a TimeoutError when it does not in time."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    def lists(self) -> dict[str, list[Any]]:
        """Return the resources as `/api/state` has them: lists in the documented order."""
        return {name: in_order(name, self.resources.get(name, {})) for name in COLLECTIONS}

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of a type so far."""
        return [message for message in self.messages if message["type"] == kind]

    async def send(self, message: object) -> None:
        """Send a message; text goes out as it is."""
        assert self.socket is not None
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
