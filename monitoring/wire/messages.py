"""Messages of `/ws` in their wire form, encoded; pure. Source: state.md 7 of the contract, docs/architecture.md."""

from __future__ import annotations

import msgspec

#: The sub-protocol of clients that take changes instead of the whole state; its frames are gzip.
DELTA = "pulse.delta.v1"
#: A name for the original protocol: a browser that offers a token as a sub-protocol needs another one to be chosen.
ORIGINAL = "pulse"
WELCOME = msgspec.json.encode({"type": "welcome", "data": {"message": "Welcome to Pulse"}})


class Request(msgspec.Struct, frozen=True):
    """What is looked at in a client's message."""

    type: str = ""


_request = msgspec.json.Decoder(Request)


def whole(kind: str, state: bytes) -> bytes:
    """Return `initialState` or `rawData` around an encoded state."""
    return b'{"type":"%s","data":%s}' % (kind.encode(), state)


def numbered_state(seq: int, state: bytes) -> bytes:
    """Return the message with which a delta client begins, or begins again."""
    return b'{"type":"state","seq":%d,"state":%s}' % (seq, state)


def changes(seq: int, instance: str, collections: bytes, top: bytes | None) -> bytes:
    """Return the change that one instance brought; `collections` and `top` are encoded objects."""
    name = msgspec.json.encode(instance)
    rest = b',"top":%s' % top if top is not None else b""
    return b'{"type":"changes","seq":%d,"instance":%s%s,"collections":%s}' % (seq, name, rest, collections)


def clock(kind: str, epoch_seconds: float) -> bytes:
    """Return `ping` or `pong` with the time in whole Unix seconds."""
    return msgspec.json.encode({"type": kind, "data": {"timestamp": int(epoch_seconds)}})


def request_of(message: str | bytes) -> str:
    """Return the type of a client's message, empty for anything that is not one."""
    try:
        return _request.decode(message).type
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
