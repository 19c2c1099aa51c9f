"""The store of one process that does everything."""

from __future__ import annotations

from collections.abc import Collection

from monitoring.backups.judgement import NOTHING_JUDGED, Judgement
from monitoring.known.facts import Facts
from monitoring.known.memory import PollMemory
from monitoring.store.local import LocalFragments
from monitoring.store.protocol import Outline, Tick
from monitoring.wire.fragments import keys_of


class MemoryStore(LocalFragments):
    """See StateStore."""

    def __init__(self) -> None:
        super().__init__()
        self._memories: dict[int, PollMemory] = {}
        self._facts: dict[int, Facts] = {}
        self._judgement = NOTHING_JUDGED

    def remove(self, instance_id: int) -> None:
        """See StateStore."""
        with self._lock:
            self._memories.pop(instance_id, None)
            self._facts.pop(instance_id, None)
        self.drop(keys_of(instance_id))

    def broadcast(self, message: bytes) -> None:
        """See StateStore."""
        self.tell(Tick("message", message=message))

    def load_memory(self, instance_id: int) -> PollMemory | None:
        """See StateStore."""
        with self._lock:
            return self._memories.get(instance_id)

    def save_memory(self, instance_id: int, memory: PollMemory) -> None:
        """See StateStore."""
        with self._lock:
            self._memories[instance_id] = memory

    def load_facts(self, instance_id: int) -> Facts | None:
        """See StateStore."""
        with self._lock:
            return self._facts.get(instance_id)

    def save_facts(self, instance_id: int, facts: Facts) -> None:
        """See StateStore."""
        with self._lock:
            self._facts[instance_id] = facts

    def outlines(self, instance_ids: Collection[int]) -> dict[int, Outline]:
        """See StateStore."""
        with self._lock:
            known = {pk: (self._memories.get(pk), self._facts.get(pk)) for pk in instance_ids}
        return {
            pk: Outline(
                memory.duplicate_of if memory is not None else 0,
                memory.listed_mark if memory is not None else None,
                facts.version if facts is not None else 0,
            )
            for pk, (memory, facts) in known.items()
        }

    def load_judgement(self) -> Judgement:
        """See StateStore."""
        return self._judgement

    def save_judgement(self, judgement: Judgement) -> None:
        """See StateStore."""
        self._judgement = judgement
