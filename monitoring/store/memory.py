"""The store of one process that does everything."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from monitoring.known.kinds import Kept, Kind
from monitoring.store.local import LocalFragments
from monitoring.store.protocol import Outlines, Tick
from monitoring.wire.fragments import keys_of


class MemoryStore(LocalFragments):
    """See StateStore."""

    def __init__(self) -> None:
        super().__init__()
        self._kept: dict[tuple[str, int | None], Any] = {}
        #: Rights by name: the mark of who has it, and until when by the monotonic clock.
        self._taken: dict[str, tuple[bytes, float]] = {}
        #: Until when each part of Pulse counts as alive, by the same clock.
        self._alive_until: dict[str, float] = {}

    def remove(self, instance_id: int) -> None:
        """See StateStore."""
        with self._lock:
            self._kept = {place: kept for place, kept in self._kept.items() if place[1] != instance_id}
        self.drop(keys_of(instance_id))

    def broadcast(self, message: bytes) -> None:
        """See StateStore."""
        self.tell(Tick("message", message=message))

    def load(self, kind: Kind[Kept, Any], *, of: int | None = None) -> Kept | None:
        """See StateStore."""
        with self._lock:
            kept: Kept | None = self._kept.get((kind.name, of))
        return kept

    def save(self, kind: Kind[Kept, Any], kept: Kept, *, of: int | None = None) -> None:
        """See StateStore."""
        with self._lock:
            self._kept[kind.name, of] = kept

    def take(self, name: str, mark: bytes, *, seconds: int) -> bool:
        """See StateStore."""
        now_monotonic = time.monotonic()
        with self._lock:
            taken = self._taken.get(name)
            if taken is not None and now_monotonic < taken[1]:
                return False
            self._taken[name] = (mark, now_monotonic + seconds)
        return True

    def give_back(self, name: str, mark: bytes) -> None:
        """See StateStore."""
        with self._lock:
            if name in self._taken and self._taken[name][0] == mark:
                del self._taken[name]

    def show_life(self, part: str, *, seconds: float) -> None:
        """See StateStore."""
        self._alive_until[part] = time.monotonic() + seconds

    def lives(self, part: str) -> bool | None:
        """See StateStore."""
        return time.monotonic() < self._alive_until.get(part, 0.0)

    def outlines(self, kinds: Collection[Kind[Any, Any]], instance_ids: Collection[int]) -> Outlines:
        """See StateStore."""
        with self._lock:
            by_key = {
                (kind, pk): self._kept[kind.name, pk]
                for kind in kinds
                for pk in instance_ids
                if (kind.name, pk) in self._kept
            }
        return Outlines({(kind.name, pk): kind.outline_of(kept) for (kind, pk), kept in by_key.items()})
