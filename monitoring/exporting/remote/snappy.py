"""Snappy's block format. Source: google/snappy, format_description.txt."""

from __future__ import annotations

from monitoring.exporting.remote.messages import varint

#: As many bytes as one literal with a length of two bytes holds.
LITERAL_BYTES = 1 << 16
_LITERAL = b"\xf4"


def compressed(body: bytes) -> bytes:
    """Return the body as one block; where there is no library, as literals: valid, and no smaller.

    The library takes 3.4 MB once it is loaded, so that is done when there is something to send.
    """
    try:
        from cramjam import snappy
    except ImportError:
        return literal(body)
    return bytes(snappy.compress_raw(body))


def literal(body: bytes) -> bytes:
    """Return a block in which nothing is compressed."""
    pieces = [varint(len(body))]
    for start in range(0, len(body), LITERAL_BYTES):
        piece = body[start : start + LITERAL_BYTES]
        length = len(piece) - 1
        head = bytes((length << 2,)) if length < 60 else _LITERAL + length.to_bytes(2, "little")
        pieces += [head, piece]
    return b"".join(pieces)
