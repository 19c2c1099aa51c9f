"""One visit of the slow lanes of one instance: what the questions read with, and where they keep what they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from monitoring.backups.attribution import BackupServer
from monitoring.collecting.calls import Calls
from monitoring.figures.instances import Figures
from monitoring.known.facts import Facts
from monitoring.known.lanes import Key, Lane
from monitoring.known.memory import PollMemory
from monitoring.known.terms import DENIALS
from nodes.models import Instance
from nodes.proxmox import limits
from nodes.proxmox.client import Client
from nodes.proxmox.errors import BadAnswer

Result = TypeVar("Result")

#: An answer that is not there by then does not come; longer where a call walks a whole storage.
CALL_SECONDS = 5.0
AGENT_SECONDS = 3.5
LISTING_SECONDS = 30.0
#: Failures to read the rights, whatever they were, after which the host is left to decide.
BELIEVED_UNREADABLE = 3


@dataclass(slots=True)
class Visit:
    """`memory` is what the last live poll left; `servers` are the PBS that Pulse knows, for a PVE.

    `hastened` collects questions that something has made due, with the instant at which it happened.
    """

    instance: Instance
    calls: Calls
    facts: Facts
    memory: PollMemory
    epoch: float
    servers: tuple[BackupServer, ...] = ()
    hastened: dict[Key, float] = field(default_factory=dict)

    @property
    def figures(self) -> Figures:
        """What is true of the instance by the last live poll."""
        return self.memory.figures

    def ask(
        self,
        function: Callable[..., Result],
        *args: Any,
        longest_seconds: float = CALL_SECONDS,
        **options: Any,
    ) -> Result:
        """Return what a function of nodes.proxmox reads with these arguments from the address in use."""

        def call(client: Client, *, timeout_seconds: float | None = None) -> Result:
            return function(client, *args, timeout_seconds=timeout_seconds, **options)

        return self.calls.ask_here(call, longest_seconds=longest_seconds)

    def may(self, path: str, *privileges: str) -> bool:
        """Return whether the account has one of the privileges at a path.

        False until its rights have been read, so that no host has to refuse what need not be asked; where they cannot be
        read the host decides.
        """
        held = self.facts.permissions
        if held is None:
            return self.rights_are_unreadable
        return any(held.has(path, privilege) for privilege in privileges)

    @property
    def rights_are_unreadable(self) -> bool:
        """Whether the account cannot be told what it may do; a host that was busy just now is asked again."""
        known = self.facts.progress_of(Lane.PERMISSIONS)
        if self.facts.permissions is not None or not known.code:
            return False
        return known.code in DENIALS or known.code == BadAnswer.code or known.failures >= BELIEVED_UNREADABLE

    def ahead_of_ours(self, told_epoch: int | None) -> float | None:
        """Return by how much a clock that was just told is ahead of ours, in whole minutes; None when it was not told."""
        return None if told_epoch is None else round((told_epoch - self.epoch) / 60) * 60.0

    def hasten(self, keys: Iterable[Key], *, since: float | None = None) -> None:
        """Let these questions come soon because of something that happened at an instant, just now unless told."""
        happened = since if since is not None else self.epoch + 0.001
        for key in keys:
            self.hastened[key] = max(self.hastened.get(key, 0.0), happened)

    def change(self, **values: Any) -> None:
        """Change facts of the instance that were not read just now; it is news when they differ from what is known."""
        for name, value in values.items():
            if getattr(self.facts, name) != value:
                setattr(self.facts, name, value)
                self.facts.is_news(name)

    def keep(self, **values: Any) -> None:
        """Keep facts of the instance that were just read."""
        self.change(**values)
        for name, epoch in self._instants(self.facts, values).items():
            setattr(self.facts, name, epoch)

    def keep_entry(self, name: str, key: Any, value: Any) -> None:
        """Keep one entry of a dict of facts that was just read. Raises BadAnswer when all of them together are too many."""
        known = getattr(self.facts, name)
        refuse_excess(name, value, (one for other, one in known.items() if other != key))
        if key not in known or known[key] != value:
            self.change(**{name: {**known, key: value}})
        for instants in self._instants(self.facts, (name,)):
            setattr(self.facts, instants, {**getattr(self.facts, instants), key: self.epoch})

    def keep_guest(self, vmid: int, **values: Any) -> None:
        """Keep facts of a guest that were just read. Raises BadAnswer when those of all guests together are too many."""
        known = self.facts.guest(vmid)
        refuse_excess_of(values, (one for other, one in self.facts.guests.items() if other != vmid))
        self.facts.set_guest(vmid, **values, **self._instants(known, values))
        self._compare(known, values)

    def keep_node(self, node: str, **values: Any) -> None:
        """Keep facts of a node that were just read. Raises BadAnswer when those of all nodes together are too many."""
        known = self.facts.node(node)
        refuse_excess_of(values, (one for other, one in self.facts.nodes.items() if other != node))
        self.facts.set_node(node, **values, **self._instants(known, values))
        self._compare(known, values)

    def keep_host(self, **values: Any) -> None:
        """Keep facts of the host itself, of a PBS, that were just read."""
        known = self.facts.host
        self.facts.host = msgspec.structs.replace(known, **values, **self._instants(known, values))
        self._compare(known, values)

    def _instants(self, known: msgspec.Struct, names: Iterable[str]) -> dict[str, float]:
        """Return when these facts were read, just now, for those beside which that is kept."""
        return {field: self.epoch for name in names if hasattr(known, field := f"{name}_epoch")}

    def _compare(self, known: msgspec.Struct, values: dict[str, Any]) -> None:
        changed = [name for name, value in values.items() if getattr(known, name) != value]
        if changed:
            self.facts.is_news(*changed)


#: Shorter lists are not added up: the subjects that they are of are bounded themselves.
SHORT = 8


def refuse_excess_of(values: Mapping[str, Any], others: Iterable[msgspec.Struct]) -> None:
    """Raise BadAnswer when one of these facts, together with the same of others, is longer than what is kept of an instance."""
    long = {name: value for name, value in values.items() if is_long(value)}
    if long:
        known = list(others)
        for name, value in long.items():
            refuse_excess(name, value, (getattr(one, name) for one in known))


def refuse_excess(name: str, value: Any, others: Iterable[Any]) -> None:
    """Raise BadAnswer when a list, together with those of its like, is longer than what is kept of an instance."""
    if is_long(value):
        refuse_too_many(name, len(value) + sum(len(one) for one in others))


def refuse_too_many(name: str, count: int) -> None:
    """Raise BadAnswer when so many are more than what is kept of an instance of the facts of this name."""
    limit = limits.TOTALS.get(name, limits.TOTAL)
    if count > limit:
        raise BadAnswer(f"All lists of this kind together have more than {limit:,} entries")


def is_long(value: Any) -> bool:
    """Return whether this is a list that might be too long together with others."""
    return isinstance(value, tuple | dict) and len(value) > SHORT
