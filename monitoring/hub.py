"""The connected clients of this process: encode once, send to all, never queue more than a slow one can take.

Everything here runs in the event loop; only `_told` is called from other threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import msgspec
from django.conf import settings

from monitoring import fragments, messages, state
from monitoring.fragments import Fragment
from monitoring.store import Tick, store

logger = logging.getLogger(__name__)

Protocol = Literal["original", "delta"]
#: Sends one frame, text for the original protocol and bytes for delta clients; returns when the socket took it.
Send = Callable[[str | bytes], Awaitable[None]]
Close = Callable[[int], Awaitable[None]]

MOST_CLIENTS = 10_000
#: Changes and small messages that wait for one client; a delta client with more begins again with a state.
MOST_WAITING = 16
#: A client that took nothing for this long is let go.
BLOCKED_SECONDS = 30.0
PING_SECONDS = 30.0
RESTARTING = 1012


class Client:
    """One open socket. `big` is the one whole state that waits for it: a newer one takes its place."""

    def __init__(self, protocol: Protocol, send: Send, close: Close) -> None:
        self.protocol = protocol
        self.send = send
        self.close = close
        self.big: str | bytes | None = None
        self.small: deque[str | bytes] = deque()
        self.is_ready = False  # has its first state, or it waits in `big`
        self.sending_since: float | None = None
        self.wake = asyncio.Event()
        self.task: asyncio.Task[None] | None = None
        self.leave: Callable[[], None] = lambda: None

    def put(self, frame: str | bytes) -> bool:
        """Let a small frame wait its turn; False when too many wait already."""
        if len(self.small) >= MOST_WAITING:
            return False
        self.small.append(frame)
        self.wake.set()
        return True

    def put_state(self, frame: str | bytes) -> None:
        """Let a whole state wait, in the place of an older one that still does."""
        self.big = frame
        self.is_ready = True
        self.wake.set()

    def take(self) -> str | bytes | None:
        """Return the next frame: a delta client needs its state before the changes to it."""
        if self.small and (self.protocol == "original" or self.big is None):
            return self.small.popleft()
        frame, self.big = self.big, None
        return frame


class Hub:
    """All clients of one event loop, and what the delta clients among them have been told."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._seq = 0
        self._told_fragments: dict[int, Fragment] = {}
        self._is_behind = asyncio.Event()
        self._raw_at = 0.0
        self._unsubscribe = store().subscribe(self._told)
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._keep_time())]

    # --- joining and leaving -----------------------------------------------------------------------------------

    async def join(self, protocol: Protocol, send: Send, close: Close) -> Client | None:
        """Serve one more client: welcome, then its first state; None when there are too many."""
        if len(self.clients) >= MOST_CLIENTS:
            return None
        client = Client(protocol, send, close)
        client.leave = lambda: self.leave(client)
        self.clients.add(client)
        state.clients = len(self.clients)
        client.put(self._framed(client, messages.WELCOME))
        client.task = asyncio.create_task(self._write(client))
        await self.give_state(client, "initialState")
        return client

    def leave(self, client: Client) -> None:
        """Forget a client and what waits for it."""
        self.clients.discard(client)
        state.clients = len(self.clients)
        if client.task is not None:
            client.task.cancel()
        client.small.clear()
        client.big = None

    async def give_state(self, client: Client, kind: str = "rawData") -> None:
        """Let the newest whole state wait for a client."""
        async with self._lock:
            if client.protocol == "delta":
                await self._flush()
                frame: str | bytes = await asyncio.to_thread(self._delta_state)
                client.small.clear() if client.is_ready else None
            else:
                frame = await asyncio.to_thread(self._raw_state, kind)
            client.put_state(frame)

    def stop(self) -> None:
        """Stop telling; the server closes the sockets, or `close_clients` does."""
        for task in self._tasks:
            task.cancel()
        self._unsubscribe()

    async def close_clients(self, code: int = RESTARTING) -> None:
        """Close every socket, so that clients come back at once to the next process."""
        closing = [close_quietly(client, code) for client in list(self.clients)]
        await asyncio.gather(*closing)

    # --- what the store tells ------------------------------------------------------------------------------------

    def _told(self, tick: Tick) -> None:
        """Hear of a tick in whatever thread it happened."""
        if not self.clients:
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended
            if tick.kind == "message":
                self._loop.call_soon_threadsafe(self.send_small, tick.message)
            else:
                self._loop.call_soon_threadsafe(self._is_behind.set)

    def send_to(self, client: Client, message: bytes) -> None:
        """Send one small message to one client."""
        client.put(self._framed(client, message))

    def send_small(self, message: bytes) -> None:
        """Send one small message to everybody."""
        text = message.decode()
        packed: bytes | None = None
        for client in self.clients:
            if client.protocol == "delta":
                packed = packed or state.compress(message)
                client.put(packed)
            else:
                client.put(text)

    async def _follow(self) -> None:
        """Pass on what changed, as it changes; ticks that come meanwhile are one."""
        while True:
            await self._is_behind.wait()
            self._is_behind.clear()
            try:
                async with self._lock:
                    if any(client.protocol == "delta" for client in self.clients):
                        await self._flush()
                if time.monotonic() - self._raw_at >= settings.POLLING_INTERVAL_SECONDS * 0.9:
                    await self._send_raw()
            except Exception:  # one bad fragment must not end the feed
                logger.exception("the live feed could not pass on a change")

    async def _keep_time(self) -> None:
        """Send the whole state once per interval even when nothing changes; ping; let go who is stuck."""
        pinged_at = time.monotonic()
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            if now - self._raw_at >= settings.POLLING_INTERVAL_SECONDS:
                with contextlib.suppress(Exception):
                    await self._send_raw()
            if now - pinged_at >= PING_SECONDS:
                pinged_at = now
                self.send_small(messages.clock("ping", time.time()))
            for client in [one for one in self.clients if is_stuck(one, now)]:
                self.leave(client)
                asyncio.create_task(close_quietly(client, 1013))  # noqa: RUF006  ends by itself

    async def _send_raw(self) -> None:
        """Give the whole state to every client of the original protocol."""
        self._raw_at = time.monotonic()
        originals = [client for client in self.clients if client.protocol == "original" and client.is_ready]
        if originals:
            frame = await asyncio.to_thread(self._raw_state, "rawData")
            for client in originals:
                client.put_state(frame)

    async def _flush(self) -> None:
        """Send delta clients what has changed since they were told last; the lock is held."""
        now = store().fragments()
        before = self._told_fragments
        self._told_fragments = now
        listeners = [client for client in self.clients if client.protocol == "delta" and client.is_ready]
        if not listeners or now == before:
            return
        top = msgspec.json.encode(state.top(now))
        for frame in self._change_frames(before, now, top):
            for client in listeners:
                if client.is_ready and not client.put(frame):
                    client.is_ready = False
                    client.small.clear()
        behind = [client for client in listeners if not client.is_ready]
        if behind:
            frame = await asyncio.to_thread(self._delta_state)
            for client in behind:
                client.put_state(frame)

    def _change_frames(
        self, before: Mapping[int, Fragment], now: Mapping[int, Fragment], top: bytes
    ) -> list[bytes]:
        frames: list[bytes] = []
        for pk in [*before, *(pk for pk in now if pk not in before)]:
            old, new = before.get(pk), now.get(pk)
            if old is not None and new is not None and old.version == new.version:
                continue
            if old is not None and new is not None and new.based_on == old.version:
                collections = new.changes
            else:
                collections = fragments.whole_change(old, new)
            self._seq += 1
            name = new.name if new is not None else old.name if old is not None else ""
            frames.append(state.compress(messages.changes(self._seq, name, top, collections)))
        return frames

    # --- frames ----------------------------------------------------------------------------------------------------

    def _delta_state(self) -> bytes:
        body = state.document(self._told_fragments).body
        return state.compress(messages.numbered_state(self._seq, body))

    def _raw_state(self, kind: str) -> str:
        return messages.whole(kind, state.current().body).decode()

    def _framed(self, client: Client, message: bytes) -> str | bytes:
        return state.compress(message) if client.protocol == "delta" else message.decode()

    async def _write(self, client: Client) -> None:
        """Send what waits for one client, one frame after the other, as fast as it reads."""
        try:
            while True:
                frame = client.take()
                if frame is None:
                    client.wake.clear()
                    await client.wake.wait()
                    continue
                client.sending_since = time.monotonic()
                await client.send(frame)
                client.sending_since = None
        except asyncio.CancelledError:
            raise
        except Exception as error:  # the socket is gone, however its server says so
            logger.debug("a client of the feed is gone: %s", type(error).__name__)
            self.leave(client)


def is_stuck(client: Client, now: float) -> bool:
    """Return whether a client has taken nothing for too long."""
    return client.sending_since is not None and now - client.sending_since > BLOCKED_SECONDS


async def close_quietly(client: Client, code: int) -> None:
    """Close a socket that may be gone already."""
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(code), 2.0)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}
_hubs_lock = threading.Lock()


def hub() -> Hub:
    """Return the hub of the running event loop, made when the first client comes."""
    loop = asyncio.get_running_loop()
    with _hubs_lock:
        for gone in [known for known in _hubs if known.is_closed()]:
            del _hubs[gone]
        if loop not in _hubs:
            _hubs[loop] = Hub()
        return _hubs[loop]


def close_all() -> asyncio.Task[None] | None:
    """Begin to close every socket of the running event loop with 1012, service restart."""
    with _hubs_lock:
        known = _hubs.pop(asyncio.get_running_loop(), None)
    if known is None:
        return None
    known.stop()
    return asyncio.create_task(known.close_clients())
