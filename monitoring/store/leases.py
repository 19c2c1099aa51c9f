"""The right to do something about an instance that only one worker may do at a time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.cache import cache


@contextmanager
def lease(key: str, seconds: int) -> Iterator[bool]:
    """Hold the right named by the key; False when somebody else has it.

    Whoever is killed while holding it loses it after so many seconds. Whoever took longer than that gives back nothing:
    somebody else may hold it by then.
    """
    mark = secrets.token_hex(8)
    held = bool(cache.add(key, mark, timeout=seconds))
    try:
        yield held
    finally:
        if held and cache.get(key) == mark:
            cache.delete(key)
