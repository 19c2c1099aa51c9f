"""What one process knows of the fragments, and who in it is told of news."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

from monitoring.store.protocol import Listener, Tick
from monitoring.wire.fragments import Fragment, FragmentKey, Item, Located, indexed

logger = logging.getLogger(__name__)


class LocalFragments:
    """The fragments as this process has them, with its listeners; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fragments: dict[FragmentKey, Fragment] = {}
        #: Resources by collection and id, of fragments in which one was sought since they came.
        self._indexes: dict[FragmentKey, dict[str, dict[str, Item]]] = {}
        self._listeners: tuple[Listener, ...] = ()

    def fragments(self) -> dict[FragmentKey, Fragment]:
        """Return the fragments; the dict is the caller's."""
        with self._lock:
            return dict(self._fragments)

    def find(self, identity: str) -> Located | None:
        """Return the resource with this id."""
        with self._lock:
            for key, fragment in self._fragments.items():
                if key not in self._indexes:
                    self._indexes[key] = indexed(fragment)
                for collection, items in self._indexes[key].items():
                    if identity in items:
                        return Located(fragment, collection, items[identity])
        return None

    def publish(self, fragment: Fragment) -> None:
        """Put a fragment in the place of an older one, and tell so."""
        with self._lock:
            current = self._fragments.get(fragment.key)
            if current is not None and current.version >= fragment.version:
                return
            self._fragments[fragment.key] = fragment
            self._indexes.pop(fragment.key, None)
        self.tell(Tick("state", fragment.key, fragment.version))

    def drop(self, keys: Iterable[FragmentKey]) -> None:
        """Forget these fragments, all at once, and tell so of each that there was."""
        with self._lock:
            dropped = [key for key in keys if self._fragments.pop(key, None)]
            for key in dropped:
                self._indexes.pop(key, None)
        for key in dropped:
            self.tell(Tick("gone", key))

    @property
    def has_listeners(self) -> bool:
        """Whether anybody in this process is told of news."""
        return bool(self._listeners)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Add a listener; the result removes it."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(other for other in self._listeners if other is not listener)

        return unsubscribe

    def tell(self, tick: Tick) -> None:
        """Call every listener; one that fails does not keep the news from the others."""
        for listener in self._listeners:
            try:
                listener(tick)
            except Exception:
                logger.exception("a listener of the state failed")
