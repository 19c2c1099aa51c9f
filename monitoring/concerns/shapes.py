"""What a concern is: one fact that is wrong, by Proxmox's own word or by a rule that leaves no doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

Level = Literal["critical", "warning"]
CRITICAL: Level = "critical"
WARNING: Level = "warning"

DAY_SECONDS = 86_400
#: What Proxmox says of a failure, in a sentence about it; the details have the whole text.
WORDS_LIMIT = 160


class About(msgspec.Struct, frozen=True, gc=False):
    """The object that something is wrong with or has happened to, as it is known within its instance, wherever it is just now.

    `name` is that of a node, a storage or a datastore, of a storage that is not shared with its `node`; a guest is known by its vmid.
    """

    kind: Literal["instance", "node", "guest", "storage", "datastore", "server", "gateway"]
    name: str = ""
    node: str = ""
    vmid: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.vmid or self.name}/{self.node}"


#: The instance as a whole, its PBS and its PMG.
INSTANCE = About("instance")
SERVER = About("server")
GATEWAY = About("gateway")


class Concern(msgspec.Struct, frozen=True, gc=False):
    """One of them. `code` and `subject` name it at the object that it is `about`, for as long as it lasts.

    `text` is one sentence without its full stop. `read_epoch` is when a slow lane read the fact, in epoch seconds; 0 for what
    every poll reads anew.
    """

    code: str
    level: Level
    subject: str
    text: str
    read_epoch: float = 0.0
    about: About = INSTANCE


def concerning(about: About, concerns: Iterable[Concern]) -> Iterator[Concern]:
    """Yield the concerns as those of an object."""
    return (msgspec.structs.replace(one, about=about) for one in concerns)


def cut(words: str) -> str:
    """Return the words of a host, shortened where they would drown the sentence."""
    return words if len(words) <= WORDS_LIMIT else f"{words[: WORDS_LIMIT - 1].rstrip()}…"


def days_left(until: float, at_epoch: float) -> str:
    """Return how long it is until an instant in whole days, rounded down: it changes once a day."""
    days = int((until - at_epoch) // DAY_SECONDS)
    return "in less than a day" if days < 1 else "in 1 day" if days == 1 else f"in {days} days"


def listed(names: list[str], most: int = 3) -> str:
    """Return names as part of a sentence: `a, b and c`, `a, b, c and 4 more`."""
    if len(names) == 1:
        return names[0]
    if len(names) <= most:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{', '.join(names[:most])} and {len(names) - most} more"
