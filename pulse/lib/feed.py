"""Short messages for every open browser, from any app and any process; they leave when the transaction has committed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from django.db import transaction

from pulse.lib.instants import rfc3339

#: Takes one encoded message and sees that every process hears it.
Sender = Callable[[bytes], None]

_sender: Sender | None = None


def install(sender: Sender | None) -> None:
    """Make this sender the way out; None lets messages fall."""
    global _sender
    _sender = sender


def broadcast(type: str, data: object = None, *, timestamp: bool = True) -> None:
    """Send one message to every client once the transaction has committed, at once where there is none.

    Source: state.md 7.4 of the contract.
    """
    message: dict[str, object] = {"type": type}
    if data is not None:
        message["data"] = data
    if timestamp:
        message["timestamp"] = rfc3339(datetime.now(tz=UTC))
    encoded = msgspec.json.encode(message)
    transaction.on_commit(lambda: _send(encoded), robust=True)


def _send(encoded: bytes) -> None:
    if _sender is not None:
        _sender(encoded)
