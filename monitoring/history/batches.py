"""The samples of some instants in a row, as bytes and back; pure.

Between two instants most codes stay or move a little: each instant but the first is kept as its difference to the one before
(exclusive or, which undoes itself and never overflows), low bytes and high bytes apart, and all of it is compressed. The means
of the whole batch lie apart, for who looks at all objects of an hour at once.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from monitoring.history.metrics import BY_CODE
from monitoring.history.scales import UNKNOWN
from monitoring.known.head import Instant, Shot

try:
    from isal.isal_zlib import decompress as inflate
except ImportError:  # no wheel for this machine
    inflate = zlib.decompress

#: One minute in as little time as it takes to write it; what is sealed is compressed with more care.
LEVEL = 3
IS_BIG_ENDIAN = sys.byteorder == "big"


class PackedKind(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One kind within a batch: keys, and by metric the planes of all instants."""

    pks: list[int]  # each but the first less the one before
    planes: dict[int, bytes]


class Packed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A batch, or the means of one, which have one instant."""

    epochs: list[int]
    kinds: dict[int, PackedKind]


_packed = msgspec.msgpack.Decoder(Packed).decode


class Batch(NamedTuple):
    """What is kept of some instants: `means` of all of them, and `body` with each."""

    means: bytes
    body: bytes


class BadBatch(ValueError):
    """These bytes are no batch."""


def pack(instants: Sequence[Instant]) -> Batch:
    """Return the instants, of which there is at least one, as bytes."""
    kinds = {
        kind: aligned(instants, kind) for kind in sorted({kind for one in instants for kind in one.shots})
    }
    epochs = [one.epoch for one in instants]
    body = Packed(epochs, {kind: packed_kind(shots) for kind, shots in kinds.items()})
    means = Packed(epochs[:1], {kind: packed_kind([mean_of(shots)]) for kind, shots in kinds.items()})
    return Batch(squeezed(means), squeezed(body))


def squeezed(packed: Packed) -> bytes:
    """Return it compressed."""
    return zlib.compress(msgspec.msgpack.encode(packed), LEVEL)


def aligned(instants: Sequence[Instant], kind: int) -> list[Shot]:
    """Return the shots of a kind, all with the same keys and metrics; what one does not have is unknown there."""
    shots = [one.shots.get(kind) for one in instants]
    first = shots[0]
    if first is not None and all(
        one is not None and one.pks == first.pks and one.planes.keys() == first.planes.keys() for one in shots
    ):
        return [one for one in shots if one is not None]
    pks = tuple(sorted({pk for one in shots if one is not None for pk in one.pks}))
    metrics = sorted({metric for one in shots if one is not None for metric in one.planes})
    return [spread(one, pks, metrics) for one in shots]


def spread(shot: Shot | None, pks: tuple[int, ...], metrics: Sequence[int]) -> Shot:
    """Return a shot with these keys, which include its own."""
    unknown = array("h", [UNKNOWN]) * len(pks)
    if shot is None:
        return Shot(pks, dict.fromkeys(metrics, unknown.tobytes()))
    places = {pk: place for place, pk in enumerate(pks)}
    own = [places[pk] for pk in shot.pks]
    planes: dict[int, bytes] = {}
    for metric in metrics:
        codes = array("h", unknown)
        for place, code in zip(own, codes_of(shot.planes.get(metric, b"")), strict=False):
            codes[place] = code
        planes[metric] = bytes_of(codes)
    return Shot(pks, planes)


def codes_of(plane: bytes) -> array[int]:
    """Return the codes of a plane."""
    codes = array("h")
    codes.frombytes(plane)
    if IS_BIG_ENDIAN:
        codes.byteswap()
    return codes


def bytes_of(codes: array[int]) -> bytes:
    """Return codes as a plane."""
    if IS_BIG_ENDIAN:
        codes = codes[:]
        codes.byteswap()
    return codes.tobytes()


def packed_kind(shots: Sequence[Shot]) -> PackedKind:
    """Return shots with equal keys as one."""
    pks = shots[0].pks
    steps = [pk - before for pk, before in zip(pks, (0, *pks), strict=False)]
    return PackedKind(
        steps, {metric: joined([one.planes[metric] for one in shots]) for metric in shots[0].planes}
    )


def joined(planes: Sequence[bytes]) -> bytes:
    """Return the planes of one metric as differences, low bytes first."""
    size = len(planes[0])
    numbers = [int.from_bytes(plane, "little") for plane in planes]
    differences = [now ^ before for now, before in zip(numbers, [0, *numbers], strict=False)]
    every = b"".join(number.to_bytes(size, "little") for number in differences)
    return every[0::2] + every[1::2]


def mean_of(shots: Sequence[Shot]) -> Shot:
    """Return the mean of shots with equal keys; what was unknown in some of them is left out of it."""
    if len(shots) == 1:
        return shots[0]
    return Shot(
        shots[0].pks,
        {metric: mean_plane([one.planes[metric] for one in shots], metric) for metric in shots[0].planes},
    )


def mean_plane(planes: Sequence[bytes], metric: int) -> bytes:
    """Return the plane of the means of one metric."""
    if all(plane == planes[0] for plane in planes):
        return planes[0]
    scale = BY_CODE[metric].scale
    figures, code = scale.figures, scale.code
    means: list[int] = []
    for codes in zip(*map(codes_of, planes), strict=True):
        first = codes[0]
        if codes.count(first) == len(codes):
            means.append(first)
            continue
        known = [figures[one] for one in codes if one != UNKNOWN]
        means.append(code(sum(known) / len(known)))  # type: ignore[arg-type]  # none of them is unknown
    return bytes_of(array("h", means))


class Opened:
    """A batch that is read: the codes of all its objects, metric after metric."""

    def __init__(self, body: bytes) -> None:
        """Open a body or the means of a batch; raises BadBatch."""
        try:
            packed = _packed(inflate(body))
        except Exception as error:  # zlib's, isal's and msgspec's have no base in common
            raise BadBatch(str(error)) from error
        self.epochs = packed.epochs
        self.kinds = packed.kinds
        self._pks: dict[int, list[int]] = {}

    def pks(self, kind: int) -> list[int]:
        """Return the keys of a kind, in order."""
        pks = self._pks.get(kind)
        if pks is None:
            pks = self._pks[kind] = list(accumulate(self.kinds[kind].pks)) if kind in self.kinds else []
        return pks

    def metrics(self, kind: int) -> list[int]:
        """Return the codes of the metrics that are there of a kind."""
        return list(self.kinds[kind].planes) if kind in self.kinds else []

    def plane(self, kind: int, metric: int) -> array[int]:
        """Return the codes of all objects at all instants, instant after instant."""
        halves = self.kinds[kind].planes[metric]
        middle = len(halves) // 2
        every = bytearray(2 * middle)
        every[0::2], every[1::2] = halves[:middle], halves[middle:]
        size = 2 * len(self.kinds[kind].pks)
        number, planes = 0, bytearray()
        for start in range(0, len(every), size):
            number ^= int.from_bytes(every[start : start + size], "little")
            planes += number.to_bytes(size, "little")
        return codes_of(bytes(planes))

    def column(self, kind: int, metric: int, place: int) -> list[int]:
        """Return the codes of one object, by its place among the keys."""
        halves = self.kinds[kind].planes.get(metric, b"")
        size, middle = len(self.kinds[kind].pks), len(halves) // 2
        code, codes = 0, []
        for low, high in zip(halves[place:middle:size], halves[middle + place :: size], strict=True):
            code ^= low | high << 8
            codes.append(code - 0x10000 if code & 0x8000 else code)
        return codes or [UNKNOWN] * len(self.epochs)


def joined_planes(opened: Sequence[Opened], kind: int, metric: int, pks: list[int]) -> array[int]:
    """Return the codes of one metric of all these objects, instant after instant, over several batches."""
    every: array[int] = array("h")
    for one in opened:
        own = one.pks(kind)
        if metric not in one.metrics(kind):
            every.extend(array("h", [UNKNOWN]) * (len(pks) * len(one.epochs)))
        elif own == pks:
            every.extend(one.plane(kind, metric))
        else:
            every.extend(widened(one.plane(kind, metric), own, pks))
    return every


def widened(plane: array[int], own: Sequence[int], pks: Sequence[int]) -> array[int]:
    """Return the codes of a batch in which some of the objects are missing."""
    every = array("h", [UNKNOWN]) * (len(pks) * (len(plane) // len(own)))
    places = {pk: place for place, pk in enumerate(pks)}
    for place, pk in enumerate(own):
        every[places[pk] :: len(pks)] = plane[place :: len(own)]
    return every
