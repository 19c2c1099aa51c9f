"""What calls cost: each call is written into the ledgers of the context in which it was made, if there are any."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Ledger(Protocol):
    """Somebody who keeps account of calls; any thread of the context may write."""

    def record(self, *, seconds: float, bytes_received: int, status: int | None, is_failure: bool) -> None:
        """Note one call: how long it took, what travelled, the HTTP status (None: no answer), whether it gave nothing."""


_ledgers: ContextVar[tuple[Ledger, ...]] = ContextVar("ledgers", default=())


@contextmanager
def accounted(ledger: Ledger) -> Iterator[None]:
    """Write the calls made inside the block into the ledger, and into those of the blocks around it."""
    token = _ledgers.set((*_ledgers.get(), ledger))
    try:
        yield
    finally:
        _ledgers.reset(token)


def record(*, seconds: float, bytes_received: int, status: int | None, is_failure: bool) -> None:
    """Write one call into the ledgers of this context."""
    for ledger in _ledgers.get():
        ledger.record(seconds=seconds, bytes_received=bytes_received, status=status, is_failure=is_failure)
