"""The state as a whole: the join of all fragments, encoded once, compressed once."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

import pulse
from monitoring.store.current import store
from monitoring.wire.fragments import POLLED, Fragments, Item
from pulse.lib.gzipping import compress
from pulse.lib.instants import ZERO_TIME, from_epoch, rfc3339

#: When this process began to monitor, epoch seconds.
STARTED_AT = time.time()
#: Two processes may tell the same fragments with other figures about themselves.
_PROCESS = secrets.token_hex(4)

#: Parts of the document that a later release fills; the keys are always there (state.md 2).
EMPTY_LISTS = ("metrics", "activeAlerts", "recentlyResolved")
PVE_BACKUPS = ("backupTasks", "storageBackups", "guestSnapshots")

#: How many clients the hub of this process serves; the hub sets it, at most once a second.
clients = 0


class StateDocument:
    """One state: its JSON, its ETag (strong, without quotes), and its compressed form, made on demand."""

    def __init__(self, body: bytes, etag: str) -> None:
        self.body = body
        self.etag = etag
        self._gzipped: bytes | None = None
        self._lock = threading.Lock()

    def gzipped(self) -> bytes:
        """Return the JSON as gzip."""
        with self._lock:
            if self._gzipped is None:
                self._gzipped = compress(self.body)
            return self._gzipped


class Built(NamedTuple):
    """The document that was built last, and from what."""

    fragments: Fragments
    clients: int
    document: StateDocument


_last: Built | None = None
_building = threading.Lock()


def current() -> StateDocument:
    """Return the newest state; built anew only when a fragment has changed, by one thread for all."""
    return document(store().fragments())


def document(fragments: Fragments) -> StateDocument:
    """Return the state of these fragments, the one built last when it still fits."""
    global _last
    count = clients
    with _building:
        # Fragments are replaced, never edited: comparing them is comparing what they are, not what they hold.
        if _last is None or _last.clients != count or _last.fragments != fragments:
            _last = Built(dict(fragments), count, build(fragments, clients=count))
        return _last.document


def build(fragments: Fragments, *, clients: int) -> StateDocument:
    """Encode the state object of state.md 2 with all its keys, resources in the documented order."""
    parts = [listed(fragments, name) for name in (*POLLED, "pbsBackups")]
    parts.append(b'"pveBackups":{%s}' % b",".join(listed(fragments, name) for name in PVE_BACKUPS))
    rest: dict[str, Any] = {name: [] for name in EMPTY_LISTS}
    rest |= top(fragments, clients=clients)
    body = b"{" + b",".join(parts) + b"," + msgspec.json.encode(rest)[1:]
    versions = sorted((key, fragment.version) for key, fragment in fragments.items())
    digest = hashlib.blake2b(repr((_PROCESS, clients, versions)).encode(), digest_size=12)
    return StateDocument(body, digest.hexdigest())


def listed(fragments: Fragments, collection: str) -> bytes:
    """Return one key of the state with its encoded list."""
    return b'"%s":[%s]' % (collection.encode(), joined(fragments, collection))


class Joined(NamedTuple):
    """The bytes of a collection that were joined last, and from what."""

    parts: list[tuple[Item, ...]]
    body: bytes


_joined: dict[str, Joined] = {}


def joined(fragments: Fragments, collection: str) -> bytes:
    """Return the encoded items of one collection over all fragments, in order and separated by commas.

    Joined anew only when a part was replaced: most collections stay as they are when one instance is polled.
    """
    parts = [part for fragment in fragments.values() if (part := fragment.items.get(collection))]
    known = _joined.get(collection)
    if known is not None and are_same(known.parts, parts):
        return known.body
    body = b",".join(item.body for item in in_order(parts))
    _joined[collection] = Joined(parts, body)
    return body


def are_same(parts: Sequence[tuple[Item, ...]], others: Sequence[tuple[Item, ...]]) -> bool:
    """Return whether these are the very same parts: they are replaced, never edited."""
    return len(parts) == len(others) and all(one is other for one, other in zip(parts, others, strict=True))


def items(fragments: Fragments, collection: str) -> Sequence[Item]:
    """Return the items of one collection over all fragments, in order."""
    return in_order([fragment.items.get(collection, ()) for fragment in fragments.values()])


def in_order(parts: Sequence[tuple[Item, ...]]) -> Sequence[Item]:
    """Return the items of several fragments, each in order already, as one list in order."""
    if len(parts) == 1:
        return parts[0]
    return sorted((item for part in parts for item in part), key=attrgetter("order"))


def top(fragments: Fragments, *, clients: int) -> dict[str, Any]:
    """Return the parts of the state that are not resources (state.md 2.8)."""
    known = [fragment for key, fragment in fragments.items() if key.part == "resources"]
    polled = max((fragment.polled_at for fragment in known), default=0.0)
    changed = max((one.polled_at + one.poll_seconds for one in known), default=STARTED_AT)
    slowest = max((fragment.poll_seconds for fragment in known), default=0.0)
    return {
        "performance": {
            "apiCallDuration": {one.health_key: round(one.poll_seconds, 4) for one in known},
            "lastPollDuration": round(slowest, 4),
            "pollingStartTime": rfc3339(from_epoch(polled)) if polled else ZERO_TIME,
            "totalApiCalls": sum(one.calls for one in known),
            "failedApiCalls": sum(one.failed_calls for one in known),
        },
        "connectionHealth": {one.health_key: one.is_healthy for one in known},
        "stats": {
            "startTime": rfc3339(from_epoch(STARTED_AT)),
            "uptime": max(0, int(changed - STARTED_AT)),
            "pollingCycles": max((one.cycles for one in known), default=0),
            "webSocketClients": clients,
            "version": f"v{pulse.__version__}",
        },
        "lastUpdate": rfc3339(from_epoch(changed)),
    }
