"""The samples of the minute that is not saved yet, as they wait in the memory of a poll."""

from __future__ import annotations

import msgspec


class Shot(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The objects of one kind at one instant: codes of 16 bits (little-endian) by the code of their metric, one of each object.

    A metric of which nothing is known is left out. See `monitoring.history.metrics`.
    """

    pks: tuple[int, ...]
    planes: dict[int, bytes]


class Instant(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Everything that was known of one instance at one instant, by kind."""

    epoch: int
    shots: dict[int, Shot]


#: In the order of time; replaced with every poll.
Head = tuple[Instant, ...]
NO_HEAD: Head = ()
