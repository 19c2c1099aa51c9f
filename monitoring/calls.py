"""What one poll asks of its instance: within one deadline, and nothing that the account was refused not long ago."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Protocol, TypeVar

from monitoring import lanes
from monitoring.memory import PollMemory
from nodes.connecting import Connection
from nodes.proxmox.client import Client
from nodes.proxmox.errors import NotFound, PermissionDenied, ProxmoxError, TimedOut

Result = TypeVar("Result")
Reading = TypeVar("Reading", covariant=True)


class Call(Protocol[Reading]):
    """A function of nodes.proxmox.pve or pbs."""

    def __call__(self, client: Client, *, timeout_seconds: float | None = None) -> Reading: ...


class Calls:
    """The calls of one poll. Every method raises ProxmoxError and nothing else; any thread may use them."""

    def __init__(
        self, connection: Connection, memory: PollMemory, *, at: float, deadline_seconds: float
    ) -> None:
        self.connection = connection
        self._memory = memory
        self._at = at
        self._until = time.monotonic() + deadline_seconds
        self._refused: list[str] = []
        self._made_before = connection.meter.calls
        self._failed_before = connection.meter.failed_calls

    @property
    def made(self) -> int:
        """How many calls the poll has made so far, logins and second tries not counted."""
        return self.connection.meter.calls - self._made_before

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return self.connection.meter.failed_calls - self._failed_before

    def seconds_left(self) -> float:
        """Return how much of the poll's time is left; negative when it is over."""
        return self._until - time.monotonic()

    def ask(self, call: Call[Result]) -> Result:
        """Return what the call reads from the first address of the instance that answers."""

        def once(client: Client) -> Result:
            return call(client, timeout_seconds=self._limit(math.inf))

        return self.connection.ask(once)

    def ask_here(self, call: Call[Result], *, longest_seconds: float) -> Result:
        """Return what the call reads from the address in use.

        For calls that the asked host hands on to another node: a node that hangs says nothing about the address.
        """
        return call(self.connection.client(), timeout_seconds=self._limit(longest_seconds))

    def unless_refused(self, path: str, ask: Callable[[], Result]) -> Result | None:
        """Return what `ask` reads; None when the account may not ask it, now or not long ago."""
        if self._memory.denied_until.get(path, 0.0) > self._at:
            return None
        try:
            return ask()
        except (PermissionDenied, NotFound):
            self._refused.append(path)
            return None

    def remember_refusals(self) -> None:
        """Ask no more, for a while, what was refused in this poll. For a poll that succeeded otherwise.

        When everything is refused the account itself is the matter, and all is well once it has its rights back.
        """
        until = self._at + lanes.DENIAL_SECONDS
        self._memory.denied_until |= dict.fromkeys(self._refused, until)

    def _limit(self, longest_seconds: float) -> float:
        left = min(self.seconds_left(), longest_seconds)
        if left <= 0:
            raise TimedOut("The host took so long that no time was left for this poll")
        return left


def quietly(ask: Callable[[], Result]) -> Result | None:
    """Return what `ask` reads, None when it fails: the last reading stays, and the next poll tries again."""
    try:
        return ask()
    except ProxmoxError:
        return None


def beside(work: Callable[[], Result]) -> Callable[[], Result]:
    """Begin the work in a thread of its own; the answer waits for it and returns, or raises, what it came to.

    A daemon: a host that hangs must not hold up the end of the process.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    try:
        # In a copy of this context: its calls are written into the same ledger.
        threading.Thread(target=copy_context().run, args=(run,), name="poll-beside", daemon=True).start()
    except RuntimeError:  # no thread to be had: one after the other, then
        run()
    return future.result
