"""What polling writes and the feed reads, in whichever of its two places it is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from monitoring.backups.judgement import Judgement
from monitoring.wire.fragments import Fragment, FragmentKey

if TYPE_CHECKING:
    from monitoring.known.facts import Facts
    from monitoring.known.memory import PollMemory


class Tick(msgspec.Struct, frozen=True):
    """News of the store: an instance has a new fragment, an instance is gone, or a message for all clients."""

    kind: Literal["state", "gone", "message"]
    key: FragmentKey | None = None
    version: int = 0
    message: bytes = b""


class Outline(msgspec.Struct, frozen=True):
    """By what one tells, without loading it, whether what is known of an instance has changed for the judgement.

    `duplicate_of` is as in PollMemory, `listed` is its `listed_mark`, `facts_version` the `version` of the facts.
    """

    duplicate_of: int = 0
    listed: int | None = None
    facts_version: int = 0


Listener = Callable[[Tick], None]


class StateStore(Protocol):
    """What polling writes and the feed reads. Listeners are called in any thread and must not block.

    What is loaded is read only, except by the one who holds the lease of the instance and saves it afterwards: the poller its
    memory, the collector its facts. It may be the object that others have too, which see at once what is set on it, or one that
    shares its values with theirs. Hence even these two replace dicts and tuples of facts instead of editing them; `costs`
    alone is edited, by `monitoring.known.costs`. What was not saved may be gone at the next load.
    """

    def publish(self, fragment: Fragment) -> None:
        """Replace the fragment of its instance, unless a newer one is there."""

    def remove(self, instance_id: int) -> None:
        """Forget an instance: its fragments and what was remembered of it."""

    def fragments(self) -> dict[FragmentKey, Fragment]:
        """Return the fragments; the dict is the caller's."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call the listener with every tick from now on; the result ends that."""

    def broadcast(self, message: bytes) -> None:
        """Send one encoded message to every client of every process."""

    def load_memory(self, instance_id: int) -> PollMemory | None:
        """Return what the last poll of the instance left for the next one."""

    def save_memory(self, instance_id: int, memory: PollMemory) -> None:
        """Keep what the next poll of the instance needs."""

    def load_facts(self, instance_id: int) -> Facts | None:
        """Return what the slow lanes know of the instance, None when they know nothing yet; never parts of two saves."""

    def save_facts(self, instance_id: int, facts: Facts) -> None:
        """Keep what the slow lanes know of the instance; what was not replaced since it was loaded counts as unchanged."""

    def outlines(self, instance_ids: Collection[int]) -> dict[int, Outline]:
        """Return the outline of each of these instances; cheap. That of one of which nothing is known is empty."""

    def load_judgement(self) -> Judgement:
        """Return what was last judged over all instances; nobody may change it."""

    def save_judgement(self, judgement: Judgement) -> None:
        """Keep a newer judgement."""
