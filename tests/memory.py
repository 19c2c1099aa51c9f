"""What Python holds at most while a test does something."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

MIB = 1 << 20
#: Two bodies of 32 MiB: its pieces, and the whole.
MEMORY_LIMIT_BYTES = 80 * MIB


@contextmanager
def memory_is_bounded(limit_bytes: int = MEMORY_LIMIT_BYTES) -> Iterator[None]:
    """Fail when Python's memory grows by more than the limit at any moment inside."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit_bytes, f"{peak / MIB:.0f} MiB"
