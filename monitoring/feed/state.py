"""The state as a whole: the join of all fragments, encoded once, compressed once."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from functools import partial
from typing import Any, NamedTuple

from monitoring.figures.staleness import AHEAD_SECONDS
from monitoring.store.current import store
from monitoring.store.memory import MemoryStore
from monitoring.wire import state as wire
from monitoring.wire.fragments import Fragments, Item
from pulse.lib.gzipping import compress


class StateDocument:
    """One state: its JSON, its ETag (strong, without quotes), from which fragments and number of clients it is made, and its
    compressed form, made on demand."""

    def __init__(self, body: bytes, etag: str, made_from: tuple[Fragments, int]) -> None:
        self.body = body
        self.etag = etag
        self.made_from = made_from
        self._gzipped: bytes | None = None
        self._lock = threading.Lock()

    def gzipped(self) -> bytes:
        """Return the JSON as gzip."""
        with self._lock:
            if self._gzipped is None:
                self._gzipped = compress(self.body)
            return self._gzipped


class Joined(NamedTuple):
    """The bytes of a collection that were joined last, and from what."""

    groups: list[tuple[Item, ...]]
    body: bytes


class WholeState:
    """The state as one process tells it; for any number of threads.

    `clients` is how many the hub serves; the hub sets it, at most once a second. `started_epoch` is when the process began
    to monitor; None: when this was made.
    """

    def __init__(self, *, started_epoch: float | None = None) -> None:
        self.clients = 0
        self._told_epoch = started_epoch
        self._started_epoch = time.time()
        self._made_monotonic = time.monotonic()
        # Two processes may tell the same fragments with other figures about themselves.
        self._process = secrets.token_hex(4)
        self._building = threading.Lock()
        self._last: StateDocument | None = None
        self._joined: dict[str, Joined] = {}

    def current(self) -> StateDocument:
        """Return the newest state; built anew only when a fragment has changed, by one thread for all."""
        return self.document(store().fragments())

    def is_still(self, etag: str) -> bool:
        """Return whether the newest state is known to be this one, without waiting for anything; False when in doubt."""
        last, known = self._last, store()
        if last is None or last.etag != etag or not isinstance(known, MemoryStore):
            return False
        return last.made_from == (known.fragments(), self.clients)

    def document(self, fragments: Fragments) -> StateDocument:
        """Return the state of these fragments, the one built last when it still fits."""
        clients = self.clients
        with self._building:
            # Fragments are replaced, never edited: comparing them is comparing what they are, not what they hold.
            if self._last is None or self._last.made_from != (fragments, clients):
                self._last = self.build(fragments, clients=clients)
            return self._last

    def build(self, fragments: Fragments, *, clients: int) -> StateDocument:
        """Encode the state of these fragments."""
        body = wire.document(partial(self.joined, fragments), self.top(fragments, clients=clients))
        versions = sorted((key, fragment.version) for key, fragment in fragments.items())
        digest = hashlib.blake2b(repr((self._process, clients, versions)).encode(), digest_size=12)
        return StateDocument(body, digest.hexdigest(), (dict(fragments), clients))

    def joined(self, fragments: Fragments, collection: str) -> bytes:
        """Return the encoded items of one collection over all fragments, in order and separated by commas.

        Joined anew only when those of a fragment were replaced: most collections stay as they are when one instance is polled.
        """
        groups = wire.groups_in(fragments, collection)
        last = self._joined.get(collection)
        if last is not None and last.groups == groups:  # mostly the very same objects
            return last.body
        body = b",".join(item.body for item in wire.in_order(groups))
        self._joined[collection] = Joined(groups, body)
        return body

    def top(self, fragments: Fragments, *, clients: int) -> dict[str, Any]:
        """Return what the state holds beside the collections."""
        at_epoch = time.time()
        started_epoch = self.started_epoch(at_epoch)
        return wire.top_of(fragments, clients=clients, started_epoch=started_epoch, at_epoch=at_epoch)

    def started_epoch(self, at_epoch: float) -> float:
        """Return when the process began to monitor, by the clock that there is now: it may have been set since."""
        if self._told_epoch is not None:
            return self._told_epoch
        started_epoch = at_epoch - (time.monotonic() - self._made_monotonic)
        if abs(started_epoch - self._started_epoch) > AHEAD_SECONDS:
            self._started_epoch = started_epoch
        return self._started_epoch


#: The state of this process.
STATE = WholeState()
