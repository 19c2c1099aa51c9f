"""The messages of remote write 1.0 in protocol buffers; pure.

    WriteRequest  repeated TimeSeries = 1
    TimeSeries    repeated Label = 1, repeated Sample = 2
    Label         string name = 1, string value = 2
    Sample        double value = 1, int64 timestamp = 2 (milliseconds)

Three messages of five kinds of field need no library, which would take 7 MB and ten times the processor time.
Source: Prometheus Remote-Write 1.0 specification, "Protocol".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat, starmap

#: The NaN that means "this series ends here"; sent as bytes, since not every processor keeps the bits of a NaN that it copies.
STALE = struct.pack("<Q", 0x7FF0000000000002)
#: What a time series begins with, by its length.
_HEADS = 4096
#: Control characters but the line feed.
_UNREADABLE = dict.fromkeys((*range(10), *range(11, 32), 127), "\N{REPLACEMENT CHARACTER}")


def varint(number: int) -> bytes:
    """Return a number that is not negative, seven bits a byte, the lowest first."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def field(number: int, body: bytes) -> bytes:
    """Return a field of text, bytes or a message."""
    return varint(number << 3 | 2) + varint(len(body)) + body


def labels(named: Mapping[str, str]) -> bytes:
    """Return the labels of a time series, sorted by name as the specification demands; one without a value is left out."""
    return b"".join(
        field(1, field(1, name.encode()) + field(2, plain(value)))
        for name, value in sorted(named.items())
        if value
    )


def plain(value: str) -> bytes:
    """Return a value that somebody else has chosen, as `/metrics` shows it: readable, and nothing that is no text."""
    if value.isascii() and value.isprintable():
        return value.encode()
    return value.encode("utf-8", "backslashreplace").decode().translate(_UNREADABLE).encode()


def stale(epoch: float) -> bytes:
    """Return the sample that ends a series at an instant."""
    first, last = _around((epoch,))
    return first + STALE + last


class Packer:
    """Samples at the same few instants, for any number of series: a call of C for each."""

    def __init__(self, epochs: Sequence[float]) -> None:
        """Prepare what stands between the values: `epochs` are in order and not empty."""
        self._between = _around(epochs)
        self._single = [tuple(_around((epoch,))) for epoch in epochs]
        sizes = [f"{len(one)}s" for one in self._between]
        self._pack = struct.Struct("<" + "d".join(sizes)).pack

    def rows(self, columns: Sequence[Sequence[float | None]]) -> Iterator[bytes]:
        """Yield the samples of each series; `columns` has the values of all series at each of the instants, and no None."""
        cells: list[Iterator[bytes] | Sequence[float | None]] = [repeat(self._between[0])]
        for column, after in zip(columns, self._between[1:], strict=True):
            cells += [column, repeat(after)]
        return starmap(self._pack, zip(*cells, strict=False))  # constants never end

    def with_gaps(
        self, values: Sequence[float | None], factor: float, *, was_known: bool
    ) -> tuple[bytes, int]:
        """Return the samples of one series that has no value at some instants, and their number; its end is marked each time."""
        pieces: list[bytes] = []
        for value, (begin, end) in zip(values, self._single, strict=True):
            if value is not None:
                pieces += [begin, struct.pack("<d", value * factor), end]
            elif was_known:
                pieces += [begin, STALE, end]
            was_known = value is not None
        return b"".join(pieces), len(pieces) // 3


def _around(epochs: Sequence[float]) -> list[bytes]:
    """Return what stands before the first value, between one and the next, and after the last."""
    instants = [b"\x10" + varint(round(epoch * 1000)) for epoch in epochs]
    begins = [b"\x12" + varint(9 + len(instant)) + b"\x09" for instant in instants]
    return [
        begins[0],
        *(end + begin for end, begin in zip(instants, begins[1:], strict=False)),
        instants[-1],
    ]


_head_of = tuple(b"\x0a" + varint(length) for length in range(_HEADS))


def series_head(length: int) -> bytes:
    """Return what stands before the labels and samples of one time series, which are so many bytes."""
    return _head_of[length] if length < _HEADS else b"\x0a" + varint(length)
