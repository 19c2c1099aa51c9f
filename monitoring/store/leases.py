"""The right to do something about an instance that only one worker may do at a time."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from monitoring.store.current import store


@contextmanager
def lease(name: str, seconds: int) -> Iterator[bool]:
    """Hold the right of this name; False when somebody else has it, or nobody can tell.

    Whoever is killed while holding it loses it after so many seconds. Whoever took longer than that gives back nothing:
    somebody else may hold it by then.
    """
    mark = secrets.token_bytes(8)
    held = store().take(name, mark, seconds=seconds)
    try:
        yield held
    finally:
        if held:
            store().give_back(name, mark)
