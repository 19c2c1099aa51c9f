"""What calls cost: each call is written into the ledger of the context in which it was made, if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Ledger(Protocol):
    """Somebody who keeps account of calls; any thread of the context may write."""

    def record(self, *, seconds: float, bytes_received: int, status: int | None) -> None:
        """Note one call: how long it took, what travelled, and the HTTP status; None when there was no answer."""


_ledger: ContextVar[Ledger | None] = ContextVar("ledger", default=None)


@contextmanager
def accounted(ledger: Ledger) -> Iterator[None]:
    """Write the calls made inside the block into the ledger."""
    token = _ledger.set(ledger)
    try:
        yield
    finally:
        _ledger.reset(token)


def record(*, seconds: float, bytes_received: int, status: int | None) -> None:
    """Write one call into the ledger of this context."""
    ledger = _ledger.get()
    if ledger is not None:
        ledger.record(seconds=seconds, bytes_received=bytes_received, status=status)
