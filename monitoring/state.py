"""The state as a whole: the join of all fragments, encoded once, compressed once."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec

import pulse
from monitoring.fragments import COLLECTIONS, Fragment
from monitoring.store import store
from pulse.lib.instants import ZERO_TIME, from_epoch, rfc3339

try:
    from isal import igzip

    def compress(data: bytes) -> bytes:
        """Return the data as one gzip member, with the fastest useful effort."""
        return igzip.compress(data, compresslevel=1)

except ImportError:  # no wheel for this machine
    import gzip

    def compress(data: bytes) -> bytes:
        """Return the data as one gzip member, with the fastest useful effort."""
        return gzip.compress(data, compresslevel=1, mtime=0)


#: When this process began to monitor, epoch seconds.
STARTED_AT = time.time()
#: Two processes may tell the same fragments with other figures about themselves.
_PROCESS = secrets.token_hex(4)

#: Parts of the document that a later release fills; the keys are always there (state.md 2).
EMPTY_LISTS = ("pbsBackups", "metrics", "activeAlerts", "recentlyResolved")
NO_BACKUPS: dict[str, list[object]] = {"backupTasks": [], "storageBackups": [], "guestSnapshots": []}

#: How many clients the hub of this process serves; the hub sets it.
clients = 0


class StateDocument:
    """One state: its JSON, its ETag, and its compressed form, made when it is first asked for."""

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


_current: tuple[tuple[Any, ...], StateDocument] | None = None
_building = threading.Lock()


def current() -> StateDocument:
    """Return the newest state; built anew only when a fragment has changed, by one thread for all."""
    return document(store().fragments())


def document(fragments: Mapping[int, Fragment]) -> StateDocument:
    """Return the state of these fragments, the one built last when it still fits."""
    global _current
    key = versions(fragments)
    with _building:
        if _current is None or _current[0] != key:
            _current = (key, build(fragments))
        return _current[1]


def versions(fragments: Mapping[int, Fragment]) -> tuple[tuple[int, int], ...]:
    """Return what identifies a set of fragments."""
    return tuple(sorted((pk, fragment.version) for pk, fragment in fragments.items()))


def build(fragments: Mapping[int, Fragment]) -> StateDocument:
    """Encode the state object of state.md 2 with all its keys, resources in the documented order."""
    parts = [b'"%s":[%s]' % (name.encode(), joined(fragments, name)) for name in COLLECTIONS]
    rest: dict[str, Any] = {name: [] for name in EMPTY_LISTS}
    rest["pveBackups"] = NO_BACKUPS
    rest |= top(fragments)
    body = b"{" + b",".join(parts) + b"," + msgspec.json.encode(rest)[1:]
    digest = hashlib.blake2b(repr((_PROCESS, clients, versions(fragments))).encode(), digest_size=12)
    return StateDocument(body, f'"{digest.hexdigest()}"')


def joined(fragments: Mapping[int, Fragment], collection: str) -> bytes:
    """Return the encoded items of one collection over all fragments, in order and separated by commas."""
    own = [fragment.items.get(collection, ()) for fragment in fragments.values()]
    if len(own) == 1:
        return b",".join(item.body for item in own[0])
    items = sorted((item for part in own for item in part), key=lambda item: item.order)
    return b",".join(item.body for item in items)


def top(fragments: Mapping[int, Fragment]) -> dict[str, Any]:
    """Return the parts of the state that are not resources (state.md 2.8)."""
    known = list(fragments.values())
    polled = max((fragment.polled_at for fragment in known), default=0.0)
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
            "uptime": max(0, int((polled or STARTED_AT) - STARTED_AT)),
            "pollingCycles": sum(one.cycles for one in known),
            "webSocketClients": clients,
            "version": f"v{pulse.__version__}",
        },
        "lastUpdate": rfc3339(from_epoch(polled)) if polled else rfc3339(from_epoch(STARTED_AT)),
    }
