"""The series of a few objects over a span, as bytes and back; pure.

Series after series, as little moves from one point to the next. A constant series costs five bytes; any other is its first code
and then the differences, in one byte each while they fit, small ones of either sign as small numbers, so that they compress.
How far the extremes lie from a mean is noise, and differences of noise are more of it: those are written as they are.
Where nothing is known a mask says so, and the code before goes on in its place. Each object is compressed by itself: who wants
one of them does not pay for its neighbours.
"""

from __future__ import annotations

import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate
from operator import sub
from typing import NamedTuple

import msgspec

from monitoring.history.scales import UNKNOWN

try:
    from isal.isal_zlib import decompress as inflate
except ImportError:  # no wheel for this machine
    inflate = zlib.decompress

#: Objects whose keys differ only below this are in one block.
OBJECTS = 32
#: zlib's effort: level 9 saves nothing more.
LEVEL = 6
#: Raw deflate: no header and no checksum of two hundred bytes of data.
RAW = -15
VERSION = 1


class Aspect(IntEnum):
    """What of a bucket a series tells; of samples as they were taken there are means only."""

    MEAN = 0
    LOW = 1  # as how far it lies below the mean
    HIGH = 2  # as how far it lies above
    COUNT = 3  # how many samples


class Form(IntEnum):
    """How a series is written."""

    CONSTANT = 0
    NARROW = 1  # differences of one byte
    WIDE = 2  # differences of two bytes
    PLAIN = 3  # how far each lies above the first code, the lowest, in one byte


#: Whether there is a mask, beside the form.
MASKED = 0x10
#: Metric, aspect, form, and the first code.
HEAD = struct.Struct("<BBBh")
FIRST = struct.Struct("<h")

#: By (metric, aspect) the codes of one object, one for each point.
Series = dict[tuple[int, int], Sequence[int]]
#: Which series, by (metric, aspect); None for all.
Wanted = frozenset[tuple[int, int]] | None


class Packed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A block. `widths` are seconds by point where they are not all the tier's own, `epochs` the start and then the distances."""

    version: int
    epochs: list[int]
    widths: list[int]
    pks: list[int]
    streams: list[bytes]


_packed = msgspec.msgpack.Decoder(Packed).decode


class Block(NamedTuple):
    """A block that is read: the starts of its points, their widths (none: the tier's own), and a stream for each object."""

    epochs: list[int]
    widths: list[int]
    streams: dict[int, bytes]

    def series(self, pk: int, wanted: Wanted = None) -> Series:
        """Return the series of an object, or those that are wanted of them; none when it has none here. Raises BadBlock."""
        return series_of(self.streams.get(pk), len(self.epochs), wanted)


class BadBlock(ValueError):
    """These bytes are no block."""


def pack(epochs: Sequence[int], objects: Mapping[int, Series], widths: Sequence[int] = ()) -> bytes:
    """Return the block of these objects; all series have one code for each of the epochs."""
    return pack_streams(epochs, {pk: write_stream(series) for pk, series in objects.items()}, widths)


def pack_streams(epochs: Sequence[int], streams: Mapping[int, bytes], widths: Sequence[int] = ()) -> bytes:
    """Return the block of objects whose series are streams on this line of time already."""
    distances = [now - before for now, before in zip(epochs, (0, *epochs), strict=False)]
    packed = Packed(VERSION, distances, list(widths), list(streams), list(streams.values()))
    return msgspec.msgpack.encode(packed)


def unpack(body: bytes) -> Block:
    """Return the block of these bytes; raises BadBlock."""
    try:
        packed = _packed(body)
    except msgspec.MsgspecError as error:
        raise BadBlock(str(error)) from error
    if packed.version != VERSION:
        raise BadBlock(f"a block of version {packed.version}")
    return Block(
        list(accumulate(packed.epochs)), packed.widths, dict(zip(packed.pks, packed.streams, strict=True))
    )


def chunk_of(pk: int) -> int:
    """Return in which block of a span an object is."""
    return pk // OBJECTS


# --- one object -------------------------------------------------------------------------------------------------------


def write_stream(series: Series) -> bytes:
    """Return the series of one object, compressed; one of which nothing is known is left out."""
    heads, bodies = bytearray(), bytearray()
    for (metric, aspect), codes in series.items():
        written = write_codes(codes, is_noise=aspect != Aspect.MEAN)
        if written is not None:
            form, first, body = written
            heads += HEAD.pack(metric, aspect, form, first)
            bodies += body
    deflating = zlib.compressobj(LEVEL, zlib.DEFLATED, RAW)
    return deflating.compress(bytes((len(heads) // HEAD.size,)) + heads + bodies) + deflating.flush()


#: What a byte of a narrow series means, as a byte with a sign.
NARROW_STEPS = bytes((step >> 1 ^ -(step & 1)) & 0xFF for step in range(0x100))


def write_codes(codes: Sequence[int], *, is_noise: bool = False) -> tuple[int, int, bytes] | None:
    """Return form, first code and the rest of a series; None when nothing is known of it."""
    mask = b""
    if min(codes) == UNKNOWN:
        known = [code != UNKNOWN for code in codes]
        if not any(known):
            return None
        mask, codes = mask_of(known), filled(codes)
    first, low, high = codes[0], min(codes), max(codes)
    if low == high:
        return (Form.CONSTANT | MASKED if mask else Form.CONSTANT), first, mask
    if is_noise and high - low < 0x100:
        above = bytes([code - low for code in codes])
        return (Form.PLAIN | MASKED if mask else Form.PLAIN), low, mask + above
    steps = [step << 1 if step >= 0 else ~(step << 1) for step in map(sub, codes[1:], codes)]
    if max(steps) < 0x100:
        return (Form.NARROW | MASKED if mask else Form.NARROW), first, mask + bytes(steps)
    wide = struct.pack(f"<{len(steps)}H", *(step & 0xFFFF for step in steps))
    return (Form.WIDE | MASKED if mask else Form.WIDE), first, mask + wide[0::2] + wide[1::2]


def mask_of(known: Iterable[bool]) -> bytes:
    """Return one bit for each point, the first lowest, eight to a byte."""
    bits = "".join("1" if one else "0" for one in known)
    return int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")


def filled(codes: Sequence[int]) -> list[int]:
    """Return codes with the one before in place of what is not known, at the beginning the one after."""
    last = next(code for code in codes if code != UNKNOWN)
    full: list[int] = []
    for code in codes:
        if code != UNKNOWN:
            last = code
        full.append(last)
    return full


def series_of(stream: bytes | None, size: int, wanted: Wanted = None) -> Series:
    """Return the series of an object, or those that are wanted of them; none without a stream. Raises BadBlock."""
    return read_stream(stream, size, wanted) if stream is not None else {}


def read_stream(stream: bytes, size: int, wanted: Wanted) -> Series:
    """Return the series of one object, of so many points each; raises BadBlock."""
    try:
        return dict(series_in(inflate(stream, RAW), size, wanted))
    except Exception as error:  # zlib's and isal's have no base in common
        raise BadBlock(f"a series that cannot be read: {error}") from error


def series_in(data: bytes, size: int, wanted: Wanted) -> Iterator[tuple[tuple[int, int], Sequence[int]]]:
    """Yield (metric, aspect) and the codes of each series that is wanted."""
    heads = 1 + data[0] * HEAD.size
    # Neighbours are mostly written alike: where their series lie is found once.
    layout = layout_of(data[1:heads:5], data[2:heads:5], data[3:heads:5], size, wanted)
    for key, form, head, mask, start, end in layout:
        (first,) = FIRST.unpack_from(data, head)
        codes = read_codes(form, first, data[start:end], size)
        yield key, masked(codes, data[mask:start]) if mask < start else codes


class Laid(NamedTuple):
    """Where a series lies in the stream of its object: its first code, its mask, which may be empty, and the rest of it."""

    key: tuple[int, int]
    form: int
    head: int
    mask: int
    start: int
    end: int


@lru_cache(maxsize=1024)
def layout_of(metrics: bytes, aspects: bytes, forms: bytes, size: int, wanted: Wanted) -> tuple[Laid, ...]:
    """Return where each series lies that is wanted, of so many points."""
    place = 1 + len(metrics) * HEAD.size
    found: list[Laid] = []
    for number, (metric, aspect, form) in enumerate(zip(metrics, aspects, forms, strict=True)):
        mask, kind = place, form & ~MASKED
        start = mask + (size + 7) // 8 if form & MASKED else mask
        place = start + (0, size - 1, 2 * (size - 1), size)[kind]
        if wanted is None or (metric, aspect) in wanted:
            found.append(Laid((metric, aspect), kind, 1 + number * HEAD.size + 3, mask, start, place))
    return tuple(found)


def read_codes(form: int, first: int, body: bytes, size: int) -> Sequence[int]:
    """Return the codes of a series without its mask."""
    if form == Form.CONSTANT:
        return [first] * size
    if form == Form.PLAIN:
        return [first + above for above in body] if first else list(body)
    if form == Form.NARROW:
        return list(accumulate(array("b", body.translate(NARROW_STEPS)), initial=first))
    both = bytearray(len(body))
    both[0::2], both[1::2] = body[: size - 1], body[size - 1 :]
    steps = struct.unpack(f"<{size - 1}H", both)
    return list(accumulate([step >> 1 ^ -(step & 1) for step in steps], initial=first))


def masked(codes: Sequence[int], mask: bytes) -> list[int]:
    """Return codes with UNKNOWN where the mask has no bit."""
    bits = bin(int.from_bytes(mask, "little") | 1 << 8 * len(mask))[:2:-1]
    return [code if bit == "1" else UNKNOWN for code, bit in zip(codes, bits, strict=False)]
