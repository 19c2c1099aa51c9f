"""The store that this process uses: in its own memory, or in Redis together with other processes."""

from __future__ import annotations

import threading

from django.conf import settings

from monitoring.backups.judgement import JUDGEMENT
from monitoring.known.facts import FACTS
from monitoring.known.forecasts import FORECASTS
from monitoring.known.memory import MEMORY
from monitoring.known.notices import NOTICES
from monitoring.known.troubles import TROUBLES
from monitoring.store.memory import MemoryStore
from monitoring.store.protocol import StateStore

#: What the processes of a scale-out keep for each other.
KINDS = (MEMORY, FACTS, JUDGEMENT, TROUBLES, NOTICES, FORECASTS)

_store: StateStore | None = None
_store_lock = threading.Lock()


def store() -> StateStore:
    """Return the store of this process, made by the settings on first use."""
    global _store
    with _store_lock:
        if _store is None:
            _store = shared_store(settings.PULSE_REDIS_URL) if settings.PULSE_REDIS_URL else MemoryStore()
        return _store


def shared_store(url: str) -> StateStore:
    """Return the store in a Redis; its client is loaded only where there is one: 4 MB."""
    from monitoring.store.redis import RedisStore

    return RedisStore(url, KINDS)


def install(replacement: StateStore | None) -> None:
    """Use another store in this process, such as a fresh one in a test; None makes a new one on next use."""
    global _store
    with _store_lock:
        _store = replacement
