"""What polling writes and the feed reads, in whichever of its two places it is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Literal, Protocol, cast

import msgspec

from monitoring.known.kinds import Kept, Kind, Outline, Outlined
from monitoring.wire.fragments import Fragment, FragmentKey, Located


class Tick(msgspec.Struct, frozen=True):
    """News of the store: a fragment is new or gone, or there is a message for all clients."""

    kind: Literal["state", "gone", "message"]
    key: FragmentKey | None = None
    version: int = 0
    message: bytes = b""


Listener = Callable[[Tick], None]


class Outlines(dict[tuple[str, int], Outline]):
    """Outlines by the name of their kind and their instance; those of nothing are left out."""

    def of(self, kind: Kind[Any, Outlined], instance_id: int) -> Outlined:
        """Return the outline of what is kept of an instance."""
        return cast("Outlined", self.get((kind.name, instance_id))) or kind.outline()


class StateStore(Protocol):
    """Fragments and news of them, and whatever else is kept of an instance or of all of them.

    What is loaded is read only, except by the one who holds the lease of the instance and saves it afterwards. It may be the
    object that others have too, which see at once what is set on it, or one that shares its values with theirs. Hence even
    the holder replaces dicts and tuples of what is kept in parts instead of editing them, but for what the kind names as
    edited. What was not saved may be gone at the next load.
    """

    def publish(self, fragment: Fragment) -> None:
        """Replace the fragment with this key, unless a newer one is there."""

    def remove(self, instance_id: int) -> None:
        """Forget an instance: its fragments and what is kept of it."""

    def fragments(self) -> dict[FragmentKey, Fragment]:
        """Return the fragments; the dict is the caller's."""

    def find(self, identity: str) -> Located | None:
        """Return the resource of the state with this id, without looking at all of them."""

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call the listener with every tick from now on; the result ends that. It is called in any thread, and must not block."""

    @property
    def has_listeners(self) -> bool:
        """Whether anybody may be told of news, in this process or in another."""

    def broadcast(self, message: bytes) -> None:
        """Send one encoded message to every client of every process."""

    def load(self, kind: Kind[Kept, Any], *, of: int | None = None) -> Kept | None:
        """Return what is kept of an instance, or of all of them, as one save left it; None when nothing is."""

    def save(self, kind: Kind[Kept, Any], kept: Kept, *, of: int | None = None) -> None:
        """Keep this in place of what was kept; what is kept in parts and was not replaced since it was loaded counts as the same."""

    def take(self, name: str, mark: bytes, *, seconds: int) -> bool:
        """Take a right for so many seconds, under a mark of one's own; False when somebody has it, or nobody can tell."""

    def give_back(self, name: str, mark: bytes) -> None:
        """Give a right back, unless it is over and has another mark by now."""

    def show_life(self, part: str, *, seconds: float) -> None:
        """Show that a part of Pulse is alive; it counts as gone when it has not done so again for so long."""

    def lives(self, part: str) -> bool | None:
        """Return whether a part has shown itself in time, None when nobody can tell."""

    def outlines(self, kinds: Collection[Kind[Any, Any]], instance_ids: Collection[int]) -> Outlines:
        """Return the outlines of what is kept of these instances; cheap."""
