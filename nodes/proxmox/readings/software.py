"""What runs on one node, and from where its packages come."""

from __future__ import annotations

from typing import Annotated

import msgspec

from nodes.proxmox.values import Name, Text, Truth, Word, text_of

#: Words of systemd for a unit that nobody wants to run, or that is not there.
OFF = frozenset({"disabled", "masked", "masked-runtime", "not-found", "bad"})


class ServiceReading(msgspec.Struct, frozen=True, gc=False):
    """A row of GET /nodes/{node}/services: a unit in the words of systemd, "" for what is not told."""

    name: Annotated[Name, "service"]
    state: Annotated[Word, "state"] = ""  # SubState: running, dead, failed, exited, auto-restart, ...
    active_state: Annotated[Word, "active-state"] = ""  # active, inactive, failed, activating, ...
    unit_state: Annotated[Word, "unit-state"] = ""  # enabled, static, disabled, masked, not-found, ...

    @property
    def has_failed(self) -> bool:
        """Whether systemd has given it up although somebody wants it."""
        return "failed" in (self.active_state, self.state) and self.unit_state not in OFF

    @property
    def is_down(self) -> bool:
        """Whether it does not run although somebody wants it; one that is starting or stopping is neither up nor down."""
        is_dead = self.active_state in ("", "inactive") and self.state == "dead"
        return self.has_failed or (is_dead and self.unit_state not in OFF)


class RepositoryProblemReading(msgspec.Struct, frozen=True, gc=False):
    """What Proxmox finds wrong with a file of package repositories: it cannot be read, or a warning about what is in it."""

    path: Annotated[Text, "path"]
    message: Annotated[str, text_of(300), "message"]


class StandardRepositoryReading(msgspec.Struct, frozen=True, gc=False):
    """A repository that Proxmox offers; `is_enabled` is None for one that is not set up."""

    name: Annotated[Text, "name"]
    is_enabled: Annotated[Truth, "status"] = None


class RepositoriesReading(msgspec.Struct, frozen=True):
    """GET /nodes/{node}/apt/repositories: from where a node gets its packages."""

    problems: tuple[RepositoryProblemReading, ...] = ()
    standard: tuple[StandardRepositoryReading, ...] = ()
