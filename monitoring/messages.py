"""Messages of `/ws` in their wire form, encoded; pure. Source: state.md 7 of the contract, docs/architecture.md."""

from __future__ import annotations

import msgspec

#: The sub-protocol of clients that take changes instead of the whole state; its frames are gzip.
DELTA = "pulse.delta.v1"
WELCOME = msgspec.json.encode({"type": "welcome", "data": {"message": "Welcome to Pulse"}})


def whole(kind: str, state: bytes) -> bytes:
    """Return `initialState` or `rawData` around an encoded state."""
    return b'{"type":"%s","data":%s}' % (kind.encode(), state)


def numbered_state(seq: int, state: bytes) -> bytes:
    """Return the message with which a delta client begins, or begins again."""
    return b'{"type":"state","seq":%d,"state":%s}' % (seq, state)


def changes(seq: int, instance: str, top: bytes, collections: bytes) -> bytes:
    """Return the change that one instance brought; both parts are encoded objects."""
    return b'{"type":"changes","seq":%d,"instance":%s,"top":%s,"collections":%s}' % (
        seq,
        msgspec.json.encode(instance),
        top,
        collections,
    )


def clock(kind: str, epoch_seconds: float) -> bytes:
    """Return `ping` or `pong` with the time in whole Unix seconds."""
    return msgspec.json.encode({"type": kind, "data": {"timestamp": int(epoch_seconds)}})


def request_of(text: str | None, data: bytes | None) -> str:
    """Return the type of a client's message, empty for anything that is not one."""
    try:
        message = msgspec.json.decode(text if text is not None else data or b"")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else ""
