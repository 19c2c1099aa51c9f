"""Frames as they go out: text for clients of the original protocol, compressed for those of changes."""

from __future__ import annotations

import asyncio

from monitoring.feed.changes import changes_by_instance
from monitoring.feed.clients import Client, Whole
from monitoring.feed.sockets import Utf8
from monitoring.feed.state import StateDocument, WholeState
from monitoring.wire import messages
from monitoring.wire.fragments import Fragments
from pulse.lib.gzipping import compress


class WholeFrames:
    """The messages with the whole state, each encoded once for all clients and kept until it is forgotten."""

    def __init__(self, state: WholeState) -> None:
        self._state = state
        self._document: StateDocument | None = None
        self._frames: dict[Whole, bytes] = {}

    async def get(self, kind: Whole, fragments: Fragments, seq: int) -> bytes:
        """Return a message of this kind with the state of these fragments, made when none is kept."""
        if self._document is None:
            self.forget()
            self._document = await asyncio.to_thread(self._state.document, fragments)
        if kind not in self._frames:
            self._frames[kind] = await asyncio.to_thread(encode_whole, kind, seq, self._document.body)
        return self._frames[kind]

    def is_made(self, kind: Whole) -> bool:
        """Return whether a message of this kind is at hand."""
        return kind in self._frames

    def forget(self) -> None:
        """Keep nothing: the state is another now."""
        self._frames.clear()
        self._document = None


def encode_whole(kind: Whole, seq: int, body: bytes) -> bytes:
    """Return the frame of a whole state; `seq` is that of the last change in it."""
    if kind == "state":
        return compress(messages.numbered_state(seq, body))
    return Utf8(messages.whole(kind, body))


def encode_changes(before: Fragments, now: Fragments, top: bytes, *, first: int) -> list[bytes]:
    """Return one frame per instance that differs, numbered from `first`; `top` travels in the last."""
    changes = list(changes_by_instance(before, now))
    return [
        compress(messages.changes(seq, name, collections, top if seq == first + len(changes) - 1 else None))
        for seq, (name, collections) in enumerate(changes, start=first)
    ]


def framed(client: Client, message: bytes) -> str | bytes:
    """Return a small message as the client's protocol has it."""
    return compress(message) if client.protocol == "delta" else message.decode()
