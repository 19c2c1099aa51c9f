"""The store that this process uses: in its own memory, or in Redis together with other processes."""

from __future__ import annotations

import threading

from django.conf import settings

from monitoring.backups.judgement import JUDGEMENT
from monitoring.known.facts import FACTS
from monitoring.known.memory import MEMORY
from monitoring.known.notices import NOTICES
from monitoring.known.troubles import TROUBLES
from monitoring.store.memory import MemoryStore
from monitoring.store.protocol import StateStore
from monitoring.store.redis import RedisStore

#: What the processes of a scale-out keep for each other.
KINDS = (MEMORY, FACTS, JUDGEMENT, TROUBLES, NOTICES)

_store: StateStore | None = None
_store_lock = threading.Lock()


def store() -> StateStore:
    """Return the store of this process, made by the settings on first use."""
    global _store
    with _store_lock:
        if _store is None:
            url = settings.PULSE_REDIS_URL
            _store = RedisStore(url, KINDS) if url else MemoryStore()
        return _store


def install(replacement: StateStore | None) -> None:
    """Use another store in this process, such as a fresh one in a test; None makes a new one on next use."""
    global _store
    with _store_lock:
        _store = replacement
