"""The connected clients of this process: encode once, send to all, never hold more than a slow one can take.

Everything here runs in the event loop but `Hub.hear`, which the store calls from any thread. While nobody is
connected nothing runs, is encoded or is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from django.conf import settings

from monitoring.feed.cadence import Cadence
from monitoring.feed.changes import steps_between
from monitoring.feed.clients import BEHIND, Client, Whole
from monitoring.feed.state import STATE, StateDocument, WholeState
from monitoring.store.current import store
from monitoring.store.protocol import Tick
from monitoring.wire import messages
from monitoring.wire.fragments import Fragments
from pulse.lib.gzipping import compress

logger = logging.getLogger(__name__)

MOST_CLIENTS = 10_000
#: Open files that sockets leave to everything else.
RESERVED_FILES = 256
#: Sockets of one address; this machine, where a reverse proxy may stand, is not counted.
MOST_PER_ADDRESS = 64
#: A client that takes nothing of a frame for this long is let go; sooner when memory for states is short.
BLOCKED_SECONDS = 30.0
BLOCKED_SECONDS_WHEN_SHORT = 5.0
#: Whole states that may be on their way at once, over all clients.
MOST_UNSENT_BYTES = 256 << 20
#: A client gets no more than one state in this time, however often it asks.
ANSWER_SECONDS = 1.0
PING_SECONDS = 30.0
#: How often the callers of open sockets are looked at again.
RECHECK_SECONDS = 3.0
#: How long the feed rests after an error of its own, which may come at once again.
AFTER_TROUBLE_SECONDS = 1.0
#: After so many clients the loop serves others for a moment.
AT_ONCE = 100
#: Small messages that wait for the loop to send them, from all threads together.
MOST_MESSAGES = 1000
UNAUTHORIZED, RESTARTING = 4401, 1012


class Full(Exception):
    """No more sockets are served: from this address, or at all."""

    def __init__(self, *, for_address: bool) -> None:
        super().__init__()
        self.for_address = for_address


class Hub:
    """All clients of one event loop, and what the delta clients among them have been told.

    `_pump` alone reads the store, numbers changes and hands out states, so that `seq` and what it stands for never
    drift apart: a state carries the `seq` of the last change in it.
    """

    def __init__(self, state: WholeState) -> None:
        self._state = state
        self.clients: set[Client] = set()
        self._addresses: Counter[str] = Counter()
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._has_news = False
        self._messages: deque[bytes] = deque(maxlen=MOST_MESSAGES)
        self._is_restarting = False
        self._seq = 0
        self._fragments: Fragments = {}
        self._frames: dict[Whole, str | bytes] = {}
        self._document: StateDocument | None = None
        self._cadence = Cadence(0.0)
        self._is_published = False  # since the last rawData
        self._is_full = False  # somebody waits until others have taken their states
        self._pinged_at = 0.0

    # --- clients come and go ---------------------------------------------------------------------------------

    def check_room(self, address: str) -> None:
        """Raise Full when a socket from this address is one too many; an empty address is this machine."""
        if self._is_restarting or len(self.clients) >= most_clients():
            raise Full(for_address=False)
        if address and self._addresses[address] >= MOST_PER_ADDRESS:
            raise Full(for_address=True)

    def join(self, client: Client) -> None:
        """Serve one more client: welcome, its first state, then what happens."""
        self.clients.add(client)
        self._addresses[client.address] += 1
        client.on_gone = self.leave
        client.on_idle = self._idle
        client.tell(framed(client, messages.WELCOME))
        if not self._tasks:
            self._start()
        self._wake.set()

    def leave(self, client: Client) -> None:
        """Forget a client and what waits for it."""
        client.forget()
        if client not in self.clients:
            return
        self.clients.remove(client)
        self._addresses[client.address] -= 1
        if not self._addresses[client.address]:
            del self._addresses[client.address]
        if not self.clients:
            self._stop()

    def ask_again(self, client: Client) -> None:
        """Let a client have the newest state; asking again before it has come changes nothing."""
        if client.wants is None:
            client.has_asked = True
        if client.protocol == "delta":
            client.begin_again()
        else:
            client.wants = client.wants or "rawData"
        self._wake.set()

    async def close_all(self) -> None:
        """Close every socket with 1012, service restart, and serve no more."""
        self._is_restarting = True
        leaving = list(self.clients)
        for client in leaving:
            client.close(RESTARTING)
        await asyncio.gather(*(client.ended() for client in leaving))

    def _idle(self, client: Client) -> None:
        if client in self.clients and (client.wants is not None or self._is_full):
            self._wake.set()

    def _start(self) -> None:
        now = time.monotonic()
        self._pinged_at = now
        self._cadence = Cadence(now)
        self._has_news = self._is_published = False
        self._state.clients = len(self.clients)
        self._tasks = [
            asyncio.create_task(self._pump()),
            asyncio.create_task(self._keep_time()),
            asyncio.create_task(self._keep_checking()),
        ]

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        self._messages.clear()
        self._fragments = {}
        self._frames = {}
        self._document = None
        self._state.clients = 0

    # --- what the store tells --------------------------------------------------------------------------------

    def hear(self, tick: Tick) -> None:
        """Note a tick, in whatever thread it happened; those that come together are looked at together."""
        if tick.kind == "message":
            self._messages.append(tick.message)
        else:
            self._has_news = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake.set)

    async def _pump(self) -> None:
        """Pass on what happened, as it happens."""
        # In a thread: the first contact with Redis may take seconds.
        subscribing = asyncio.ensure_future(asyncio.to_thread(store().subscribe, self.hear))
        try:
            unsubscribe = await asyncio.shield(subscribing)
        except asyncio.CancelledError:
            subscribing.add_done_callback(lambda done: done.result()())
            raise
        try:
            await self._safely(self._read_store)
            while True:
                await self._safely(self._turn)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds_to_raw()):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            unsubscribe()

    async def _safely(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except Exception:  # one bad fragment must not end the feed
            logger.exception("the live feed could not pass on what happened")
            await asyncio.sleep(AFTER_TROUBLE_SECONDS)

    async def _turn(self) -> None:
        while self._messages:
            await self._tell_all(self._messages.popleft())
        if self._has_news:
            self._has_news = False
            self._is_published = True
            await self._read_store()
        now, interval = time.monotonic(), settings.POLLING_INTERVAL_SECONDS
        if self._cadence.is_due(now, interval, published=self._is_published):
            self._cadence.sent(now, published=self._is_published)
            self._is_published = False
            for client in self.clients:
                if client.protocol == "original":
                    client.wants = client.wants or "rawData"
                    client.has_asked = False
        await self._hand_out(now)

    def _seconds_to_raw(self) -> float:
        return max(0.0, self._cadence.deadline(settings.POLLING_INTERVAL_SECONDS) - time.monotonic())

    async def _read_store(self) -> None:
        """Take over what the store has now, and tell the delta clients that are in step."""
        before = self._fragments
        now = await asyncio.to_thread(store().fragments)
        if now == before:
            return
        frames: list[bytes] = []
        if any(client.in_step for client in self.clients):
            top = msgspec.json.encode(self._state.top(now, clients=self._state.clients))
            frames = await asyncio.to_thread(encode_changes, before, now, top, first=self._seq + 1)
        self._fragments = now
        self._seq += len(frames)
        self._forget_frames()
        async for client in self._each():
            for frame in frames:
                if client.in_step:
                    client.change(frame)

    # --- whole states ----------------------------------------------------------------------------------------

    async def _hand_out(self, now: float) -> None:
        """Give each client that wants a state, and can take one, the newest."""
        self._is_full = False
        waiting = [client for client in self.clients if can_take(client, now)]
        if not waiting:
            return
        unsent = sum(client.unsent_bytes for client in self.clients)
        for position, client in enumerate(waiting, start=1):
            if client.wants is None or client not in self.clients:
                continue
            frame = await self._frame(client.wants)
            if unsent and unsent + len(frame) > MOST_UNSENT_BYTES:
                self._is_full = True  # the clock lets go who keeps the others waiting
                break
            unsent += len(frame)
            client.give(frame)
            if position % AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _frame(self, kind: Whole) -> str | bytes:
        """Return the message with the whole state, encoded once for all clients."""
        if self._document is None:
            self._forget_frames()
            self._document = await asyncio.to_thread(self._state.document, self._fragments)
        if kind not in self._frames:
            self._frames[kind] = await asyncio.to_thread(encode_whole, kind, self._seq, self._document.body)
        return self._frames[kind]

    def _forget_frames(self) -> None:
        self._frames.clear()
        self._document = None

    # --- small messages --------------------------------------------------------------------------------------

    async def _tell_all(self, message: bytes) -> None:
        text, packed = message.decode(), compress(message)
        async for client in self._each():
            client.tell(packed if client.protocol == "delta" else text)
        await asyncio.sleep(0)  # a burst of messages must not look like clients that do not read

    async def _each(self) -> AsyncIterator[Client]:
        """Yield every client, with pauses in which the loop serves others."""
        for position, client in enumerate(list(self.clients), start=1):
            if client in self.clients:
                yield client
            if position % AT_ONCE == 0:
                await asyncio.sleep(0)

    # --- the clock -------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.look_after(time.monotonic())

    def look_after(self, now: float) -> None:
        """Let go who is stuck, look again at who waits, ping when it is time; called every second."""
        if self._state.clients != len(self.clients):
            self._state.clients = len(self.clients)
            self._forget_frames()
        if now - self._pinged_at >= PING_SECONDS:
            self._pinged_at = now
            self._messages.append(messages.clock("ping", time.time()))
        is_short = sum(client.unsent_bytes for client in self.clients) > MOST_UNSENT_BYTES // 2
        patience = BLOCKED_SECONDS_WHEN_SHORT if is_short else BLOCKED_SECONDS
        for client in list(self.clients):
            if client.is_stuck(now, patience):
                client.close(BEHIND)
        self._wake.set()

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            await self.recheck()

    async def recheck(self) -> None:
        """Close the sockets of callers who have lost the right to them; each caller is asked about once."""
        checks = {client.caller: client.may_stay for client in self.clients}
        refused = set()
        for caller, may_stay in checks.items():
            try:
                if not await may_stay(caller):
                    refused.add(caller)
            except Exception:
                logger.exception("the caller of an open socket could not be checked")
                refused.add(caller)
        for client in list(self.clients):
            if client.caller in refused:
                client.close(UNAUTHORIZED)


def most_clients() -> int:
    """Return how many sockets are served: polls, requests and the database need open files too."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MOST_CLIENTS
    return min(MOST_CLIENTS, max(files - RESERVED_FILES, files // 2))


def can_take(client: Client, now: float) -> bool:
    """Return whether a client wants a state, has nothing on its way, and was not answered just now."""
    if client.wants is None or not client.is_idle:
        return False
    return not client.has_asked or now - client.answered_at >= ANSWER_SECONDS


def encode_changes(before: Fragments, now: Fragments, top: bytes, *, first: int) -> list[bytes]:
    """Return one frame per instance that differs, numbered from `first`; `top` travels in the last."""
    steps = list(steps_between(before, now))
    return [
        compress(messages.changes(seq, name, collections, top if seq == first + len(steps) - 1 else None))
        for seq, (name, collections) in enumerate(steps, start=first)
    ]


def encode_whole(kind: Whole, seq: int, body: bytes) -> str | bytes:
    """Return the frame of a whole state: compressed for delta clients, text for the others."""
    if kind == "state":
        return compress(messages.numbered_state(seq, body))
    return messages.whole(kind, body).decode()


def framed(client: Client, message: bytes) -> str | bytes:
    """Return a small message as the client's protocol has it."""
    return compress(message) if client.protocol == "delta" else message.decode()


_hub: Hub | None = None
_hub_loop: asyncio.AbstractEventLoop | None = None
_hub_lock = threading.Lock()


def hub() -> Hub:
    """Return the hub of the running event loop, made when the first client comes."""
    global _hub, _hub_loop
    loop = asyncio.get_running_loop()
    with _hub_lock:
        if _hub is None or _hub_loop is not loop:
            _hub, _hub_loop = Hub(STATE), loop
        return _hub


def close_all() -> asyncio.Task[None] | None:
    """Begin to close every socket of the running event loop with 1012; None when there is none."""
    if _hub is None or _hub_loop is not asyncio.get_running_loop() or not _hub.clients:
        return None
    return asyncio.create_task(_hub.close_all())
