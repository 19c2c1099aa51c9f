"""The connected clients of this process: encode once, send to all, never hold more than a slow one can take.

Everything here runs in the event loop but `Hub.hear`, which the store calls from any thread. While nobody is
connected nothing runs, is encoded or is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

import msgspec
from django.conf import settings

from monitoring.feed.cadence import Cadence, is_complete
from monitoring.feed.clients import BEHIND, Client
from monitoring.feed.frames import WholeFrames, encode_changes, framed
from monitoring.feed.members import AT_ONCE, Members
from monitoring.feed.state import STATE, WholeState
from monitoring.store.current import store
from monitoring.store.protocol import Tick
from monitoring.wire import messages
from monitoring.wire.fragments import Fragments
from pulse.lib.gzipping import compress

logger = logging.getLogger(__name__)

#: A client that takes nothing of a frame for this long is let go; sooner when memory for states is short.
BLOCKED_SECONDS = 30.0
BLOCKED_SECONDS_WHEN_SHORT = 5.0
#: What states on their way may take at once, over all clients: each state once, and of each client what it is being sent.
MOST_UNSENT_BYTES = 64 << 20
#: A client gets no more than one state in this time, however often it asks.
ANSWER_SECONDS = 1.0
PING_SECONDS = 30.0
#: How often the callers of open sockets are looked at again.
RECHECK_SECONDS = 3.0
#: How long the feed rests after an error of its own, which may come at once again.
AFTER_TROUBLE_SECONDS = 1.0
#: Small messages that wait for the loop to send them, from all threads together.
MOST_MESSAGES = 1000
UNAUTHORIZED, RESTARTING = 4401, 1012


class Hub:
    """All clients of one event loop, and what the delta clients among them have been told.

    `_pump` alone reads the store, numbers changes and hands out states, so that `seq` and what it stands for never
    drift apart: a state carries the `seq` of the last change in it.
    """

    def __init__(self, state: WholeState) -> None:
        self._state = state
        self.clients = Members()
        self.loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._wake = asyncio.Event()
        self._has_news = False
        self._heard_monotonic = 0.0  # when the first news came that was not looked at yet
        self._messages: deque[bytes] = deque(maxlen=MOST_MESSAGES)
        self._seq = 0
        self._fragments: Fragments = {}
        self._frames = WholeFrames(state)
        self._cadence = Cadence(0.0)
        self._sent: Fragments = {}  # what the last rawData was made of
        self._is_full = False  # somebody waits until others have taken their states
        self._pinged_monotonic = 0.0

    # --- clients come and go ---------------------------------------------------------------------------------

    def join(self, client: Client) -> None:
        """Serve one more client: welcome, its first state, then what happens."""
        self.clients.add(client)
        client.on_gone = self.leave
        client.on_idle = self._idle
        client.tell(framed(client, messages.WELCOME))
        if not self._tasks:
            self._start()
        self._wake.set()

    def leave(self, client: Client) -> None:
        """Forget a client and what waits for it."""
        client.forget()
        if self.clients.remove(client) and not self.clients:
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
        self.clients.are_leaving = True
        leaving = list(self.clients)
        for client in leaving:
            client.close(RESTARTING)
        await asyncio.gather(*(client.ended() for client in leaving))

    def _idle(self, client: Client) -> None:
        if client in self.clients and (client.wants is not None or self._is_full):
            self._wake.set()

    def _start(self) -> None:
        now = time.monotonic()
        self._pinged_monotonic = now
        self._cadence = Cadence(now)
        self._has_news = False
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
        self._fragments = self._sent = {}
        self._frames.forget()
        self._state.clients = 0

    # --- what the store tells --------------------------------------------------------------------------------

    def hear(self, tick: Tick) -> None:
        """Note a tick, in whatever thread it happened; those that come together are looked at together."""
        if tick.kind == "message":
            self._messages.append(tick.message)
        elif not self._has_news:
            self._heard_monotonic = time.monotonic()
            self._has_news = True
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self.loop.call_soon_threadsafe(self._wake.set)

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
            self._sent = self._fragments  # who is here now begins with it
            while True:
                await self._safely(self._pass_on)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds_to_raw()):
                        await self._wake.wait()
                self._wake.clear()
        finally:
            unsubscribe()

    async def _safely(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception:  # one bad fragment must not end the feed
            logger.exception("the live feed could not pass on what happened")
            await asyncio.sleep(AFTER_TROUBLE_SECONDS)

    async def _pass_on(self) -> None:
        while self._messages:
            await self._send_to_all(self._messages.popleft())
        if self._has_news:
            self._has_news = False
            self._cadence.changed(self._heard_monotonic)
            await self._read_store()
        now, interval = time.monotonic(), settings.POLLING_INTERVAL_SECONDS
        if self._cadence.is_due(now, interval, is_complete=is_complete(self._sent, self._fragments)):
            self._cadence.sent(now)
            self._sent = self._fragments
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
        self._frames.forget()
        async for client in self.clients.with_pauses():
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
        # Who has none comes first, then whose last one is oldest: a crowd that cannot be served at once is served in turn.
        waiting.sort(key=lambda client: client.given_monotonic)
        on_their_way = OnTheirWay(self.clients)
        for position, client in enumerate(waiting, start=1):
            if client.wants is None or client not in self.clients:
                continue
            if not (self._frames.is_made(client.wants) or on_their_way.has_room_for_another()):
                self._is_full = True  # a new state is not made as long as nobody can be sent it
                break
            frame = await self._frames.get(client.wants, self._fragments, self._seq)
            if not on_their_way.has_room(client, frame):
                self._is_full = True  # the clock lets go who keeps the others waiting
                break
            client.give(frame)
            on_their_way.add(client)
            if position % AT_ONCE == 0:
                await asyncio.sleep(0)

    # --- small messages --------------------------------------------------------------------------------------

    async def _send_to_all(self, message: bytes) -> None:
        text, packed = message.decode(), compress(message)
        async for client in self.clients.with_pauses():
            client.tell(packed if client.protocol == "delta" else text)
        await asyncio.sleep(0)  # a burst of messages must not look like clients that do not read

    # --- the clock -------------------------------------------------------------------------------------------

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.look_after(time.monotonic())

    def look_after(self, now: float) -> None:
        """Let go who is stuck, look again at who waits, ping when it is time; called every second."""
        if self._state.clients != len(self.clients):
            self._state.clients = len(self.clients)
            self._frames.forget()
        if now - self._pinged_monotonic >= PING_SECONDS:
            self._pinged_monotonic = now
            self._messages.append(messages.clock("ping", time.time()))
        is_short = OnTheirWay(self.clients).total_bytes > MOST_UNSENT_BYTES // 2
        patience = BLOCKED_SECONDS_WHEN_SHORT if is_short else BLOCKED_SECONDS
        for client in self.clients:
            if client.is_stuck(now, patience):
                client.close(BEHIND)
        self._wake.set()

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_SECONDS)
            await self.recheck()

    async def recheck(self) -> None:
        """Close the sockets of callers who have lost the right to them."""
        for client in await self.clients.unwelcome():
            client.close(UNAUTHORIZED)


class OnTheirWay:
    """The memory of whole states that are being sent: each state once, and of each client what it holds for itself."""

    def __init__(self, clients: Iterable[Client]) -> None:
        self.total_bytes = self._largest_bytes = 0
        self._states: set[int] = set()
        for client in clients:
            self.add(client)

    def has_room_for_another(self) -> bool:
        """Return whether a state as large as the largest of them may be made beside them."""
        return not self.total_bytes or self.total_bytes + self._largest_bytes <= MOST_UNSENT_BYTES

    def has_room(self, client: Client, state: bytes) -> bool:
        """Return whether one more client may be sent a state; one always may."""
        more_bytes = client.socket.own_bytes(state) + (0 if id(state) in self._states else len(state))
        return not self.total_bytes or self.total_bytes + more_bytes <= MOST_UNSENT_BYTES

    def add(self, client: Client) -> None:
        """Count the state that a client is being sent, if there is one."""
        if client.whole is None:
            return
        self.total_bytes += client.copied_bytes
        if id(client.whole) not in self._states:
            self._states.add(id(client.whole))
            self.total_bytes += len(client.whole)
            self._largest_bytes = max(self._largest_bytes, len(client.whole))


def can_take(client: Client, now: float) -> bool:
    """Return whether a client wants a state, has nothing on its way, and was not answered just now."""
    if client.wants is None or not client.is_idle:
        return False
    return not client.has_asked or now - client.answered_monotonic >= ANSWER_SECONDS


_hub: Hub | None = None
_hub_lock = threading.Lock()


def hub() -> Hub:
    """Return the hub of the running event loop, made when the first client comes."""
    global _hub
    with _hub_lock:
        if _hub is None or _hub.loop is not asyncio.get_running_loop():
            _hub = Hub(STATE)
        return _hub


def close_all() -> asyncio.Task[None] | None:
    """Begin to close every socket of the running event loop with 1012; None when there is none."""
    if _hub is None or _hub.loop is not asyncio.get_running_loop() or not _hub.clients:
        return None
    return asyncio.create_task(_hub.close_all())
