"""What one poll or visit asks of its instance: within one deadline, and nothing that the account was refused not long ago."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec.structs import replace

from monitoring.collecting import schedule
from monitoring.known.lanes import Key, Lane, Progress, Subject
from monitoring.known.memory import PollMemory
from nodes.connecting import Connection
from nodes.proxmox.client import Client
from nodes.proxmox.errors import NotFound, PermissionDenied, ProxmoxError, TimedOut
from nodes.proxmox.metering import accounted

Result = TypeVar("Result")
Reading = TypeVar("Reading", covariant=True)


class Call(Protocol[Reading]):
    """A function of nodes.proxmox.pve or pbs."""

    def __call__(self, client: Client, *, timeout_seconds: float | None = None) -> Reading: ...


class Calls:
    """The calls of one poll or visit. Every method raises ProxmoxError and nothing else."""

    def __init__(
        self, connection: Connection, memory: PollMemory, *, at_epoch: float, deadline_seconds: float
    ) -> None:
        self.connection = connection
        self._memory = memory
        self._epoch = at_epoch
        self._until = time.monotonic() + deadline_seconds
        self._refused: dict[Key, Progress] = {}
        #: How many calls were made so far, logins and second tries not counted, and how many of them failed.
        self.made = 0
        self.failed = 0

    def record(self, *, seconds: float, bytes_received: int, status: int | None, is_failure: bool) -> None:
        """Count one call; see nodes.proxmox.metering.Ledger. Others may use the same connection meanwhile."""
        self.made += 1
        self.failed += is_failure

    def seconds_left(self) -> float:
        """Return how much of the poll's time is left; negative when it is over."""
        return self._until - time.monotonic()

    def ask(self, call: Call[Result]) -> Result:
        """Return what the call reads from the first address of the instance that answers."""

        def once(client: Client) -> Result:
            return call(client, timeout_seconds=self._limit(math.inf))

        with accounted(self):
            return self.connection.ask(once)

    def ask_here(self, call: Call[Result], *, longest_seconds: float) -> Result:
        """Return what the call reads from the address in use.

        For calls that the asked host hands on to another node: a node that hangs says nothing about the address.
        """
        with accounted(self):
            return call(self.connection.client(), timeout_seconds=self._limit(longest_seconds))

    def ask_of(self, client: Client, call: Call[Result], *, longest_seconds: float) -> Result:
        """Return what the call reads from one certain address."""
        with accounted(self):
            return call(client, timeout_seconds=self._limit(longest_seconds))

    def when_due(
        self, lane: Lane, ask: Callable[[], Result], subject: Subject = "", *, is_wanted: bool = False
    ) -> Result | None:
        """Return what `ask` reads when it is due, or wanted now; None when it is not, or when the account may not ask it.

        Raises the ProxmoxError of a call that fails otherwise.
        """
        key, known = (lane, subject), self._memory.progress_of(lane, subject)
        if not schedule.is_due(known, epoch=self._epoch, is_wanted=is_wanted):
            return None
        try:
            found = ask()
        except (PermissionDenied, NotFound) as error:
            self._refused[key] = schedule.failed(key, known, error, epoch=self._epoch)
            return None
        except ProxmoxError as error:
            self._memory.note(*key, schedule.failed(key, known, error, epoch=self._epoch))
            raise
        self._memory.note(*key, schedule.succeeded(key, known, epoch=self._epoch))
        return found

    def is_due(self, lane: Lane) -> bool:
        """Return whether it is time for a lane."""
        return schedule.is_due(self._memory.progress_of(lane), epoch=self._epoch)

    def done(self, lane: Lane) -> None:
        """Note that a lane was asked, and has answered."""
        self._memory.note(
            lane, "", schedule.succeeded((lane, ""), self._memory.progress_of(lane), epoch=self._epoch)
        )

    def again(self, lane: Lane) -> None:
        """Let the next poll ask once more: the answer is not believed yet."""
        self._memory.note(lane, "", replace(self._memory.progress_of(lane), next_epoch=self._epoch))

    def remember_refusals(self) -> None:
        """Ask no more, for a while, what was refused in this poll. For a poll that succeeded otherwise.

        When everything is refused the account itself is the matter, and all is well once it has its rights back.
        """
        for key, progress in self._refused.items():
            self._memory.note(*key, progress)

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
