"""Password hashing that a container of 512 MB can afford."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore
from typing import Any

from django.contrib.auth.hashers import Argon2PasswordHasher

from pulse.lib.errors import ApiError

#: Each hash takes 19 MiB and a core: more at once would only make all of them slow.
MAX_AT_ONCE = 2
MAX_WAIT_SECONDS = 5.0
turns = BoundedSemaphore(MAX_AT_ONCE)


class BoundedArgon2Hasher(Argon2PasswordHasher):
    """argon2id with 19 MiB, two passes and one lane: 34 ms, against Django's 100 MiB on eight lanes.

    Passwords are normalised (NFC): the same letters typed on another system are the same password.
    Source: OWASP ASVS 5.0, appendix C; security.md A.3.
    """

    time_cost = 2
    memory_cost = 19 * 1024
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        """Return the encoded hash."""
        with turn():
            return super().encode(normalise(password), salt)

    def verify(self, password: str, encoded: str) -> bool:
        """Return whether the password is the one that was encoded."""
        with turn():
            return super().verify(normalise(password), encoded)

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """Return what the admin shows of a hash: how it was made, and no part of it or of its salt, as Django's own does."""
        made = self.decode(encoded)
        return {
            "algorithm": str(made["variety"]),
            "memory": f"{made['memory_cost']} KiB",
            "passes": str(made["time_cost"]),
            "lanes": str(made["parallelism"]),
        }


@contextmanager
def turn() -> Iterator[None]:
    """Wait for a turn to hash; raises ApiError 503 when too many wait already."""
    if not turns.acquire(timeout=MAX_WAIT_SECONDS):
        raise ApiError(503, "too many people sign in at this moment; try again", headers={"Retry-After": "5"})
    try:
        yield
    finally:
        turns.release()


def normalise(password: str) -> str:
    """Return the password in Unicode's composed form."""
    return unicodedata.normalize("NFC", password)
