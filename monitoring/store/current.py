"""Where the fragments of all instances are kept: in this process, or in Redis for several processes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec
from django.conf import settings

from monitoring.backups.judgement import NOTHING_JUDGED, Judgement
from monitoring.wire.fragments import Fragment, FragmentKey, keys_of

if TYPE_CHECKING:
    from monitoring.known.facts import Facts
    from monitoring.known.memory import PollMemory

logger = logging.getLogger(__name__)


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


class Listeners:
    """The subscribers of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; the result removes it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(known for known in self._listeners if known is not listener)

        return unsubscribe

    def tell(self, tick: Tick) -> None:
        """Call every listener; one that fails does not keep the news from the others."""
        for listener in self._listeners:
            try:
                listener(tick)
            except Exception:
                logger.exception("a listener of the state failed")


class MemoryStore:
    """The store of one process that does everything."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fragments: dict[FragmentKey, Fragment] = {}
        self._memories: dict[int, PollMemory] = {}
        self._facts: dict[int, Facts] = {}
        self._judgement = NOTHING_JUDGED
        self._listeners = Listeners()

    def publish(self, fragment: Fragment) -> None:
        """See StateStore."""
        with self._lock:
            known = self._fragments.get(fragment.key)
            if known is not None and known.version >= fragment.version:
                return
            self._fragments[fragment.key] = fragment
        self._listeners.tell(Tick("state", fragment.key, fragment.version))

    def remove(self, instance_id: int) -> None:
        """See StateStore."""
        with self._lock:
            self._memories.pop(instance_id, None)
            self._facts.pop(instance_id, None)
            gone = [key for key in keys_of(instance_id) if self._fragments.pop(key, None)]
        for key in gone:
            self._listeners.tell(Tick("gone", key))

    def fragments(self) -> dict[FragmentKey, Fragment]:
        """See StateStore."""
        with self._lock:
            return dict(self._fragments)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """See StateStore."""
        return self._listeners.subscribe(listener)

    def broadcast(self, message: bytes) -> None:
        """See StateStore."""
        self._listeners.tell(Tick("message", message=message))

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


_store: StateStore | None = None
_store_lock = threading.Lock()


def store() -> StateStore:
    """Return the store of this process, made by the settings on first use."""
    global _store
    with _store_lock:
        if _store is None:
            if settings.PULSE_REDIS_URL:
                from monitoring.store.redis import RedisStore

                _store = RedisStore(settings.PULSE_REDIS_URL)
            else:
                _store = MemoryStore()
        return _store


def install(replacement: StateStore | None) -> None:
    """Use another store in this process, such as a fresh one in a test; None makes a new one on next use."""
    global _store
    with _store_lock:
        _store = replacement
