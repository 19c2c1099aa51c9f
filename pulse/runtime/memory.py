"""What a long-lived process does about its memory: few looks at what stays, and back to the system what is free."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from typing import Protocol

#: From <malloc.h>: how many arenas glibc may make, from which size on a block is mapped by itself, and how much may lie free
#: at the end of the heap.
M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -3, -1
LARGE_BLOCK_BYTES = 1 << 20
#: After the second poll of everything.
FIRST_SECONDS = 30.0
LONGEST_SECONDS = 900.0


class Later(Protocol):
    """Who makes calls later, as pulse.runtime.local.LocalExecutor does."""

    def call_later(self, delay_seconds: float, call: Callable[[], object]) -> None: ...


def use_one_arena() -> None:
    """Keep glibc from making an arena for each thread: two to three megabytes less, measured with 24 threads."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such switch
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def give_large_blocks_back() -> None:
    """Keep glibc from putting large blocks into the heap after the first of their size was freed: a peak would stay for good.

    A hash of a password takes 19 MiB, a state of ten thousand guests as much: of 34 MiB that floods had cost 31 stayed, 13 do.
    """
    with contextlib.suppress(OSError, AttributeError):
        for switch in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            ctypes.CDLL(None).mallopt(switch, LARGE_BLOCK_BYTES)


def settle_memory() -> None:
    """Collect what nobody holds any more, exempt the rest from later collections, and give back what is free.

    What was exempt before is looked at as well: it may have become garbage since.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.enable()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_settled(executor: Later, delay_seconds: float = FIRST_SECONDS) -> None:
    """Settle the memory after the delay, and again after twice as long each time, at last every quarter of an hour.

    While the slow lanes still read most things for the first time there is more to stay each time. Later some moment at which much
    is done at once, such as the facts of ten clusters being saved, leaves the heap larger by ten megabytes of which nothing is used.
    """

    def settle() -> None:
        settle_memory()
        keep_settled(executor, min(2 * delay_seconds, LONGEST_SECONDS))

    executor.call_later(delay_seconds, settle)
