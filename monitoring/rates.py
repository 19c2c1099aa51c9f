"""Counters to rates; pure.

Proxmox renews its figures every 10 s, whenever it is asked, so a poll may see the figures of the last one again, or
those of two steps at once. A rate is computed only from figures that moved, over the time in which they did.
Source: state.md 3.1 of the contract; GET /cluster/resources, `netin netout diskread diskwrite`, bytes since the guest
was started on its node.
"""

from __future__ import annotations

import msgspec

from nodes.proxmox.readings import GuestReading

#: No rate above this is real: a terabyte per second.
HIGHEST = 10**12
#: The uptime is in whole seconds: below this difference the clock of the polls is the better measure.
UPTIME_TOLERANCE_SECONDS = 2.0
#: Two polls closer than this tell nothing about what lies between them.
SHORTEST_SECONDS = 0.1
#: A rate over a longer gap would be an average that hides it.
MOST_INTERVALS = 3


class Rates(msgspec.Struct, frozen=True, gc=False):
    """Bytes per second; -1 says that there is no rate yet."""

    network_in: int = -1
    network_out: int = -1
    disk_read: int = -1
    disk_write: int = -1


NO_RATES = Rates()
ZERO_RATES = Rates(0, 0, 0, 0)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The counters of one guest when they last moved, and the rates in force since. `at` is monotonic seconds."""

    at: float
    node: str
    uptime_seconds: int
    counters: tuple[int | None, int | None, int | None, int | None]
    rates: Rates = NO_RATES


def advance(
    previous: Sample | None, reading: GuestReading, *, at: float, is_fresh: bool, interval: float
) -> Sample:
    """Return the sample after this reading; its `rates` are what is shown.

    `is_fresh` says that the node's figures have moved since the last poll; when they have not, the rates stay. No
    rate: for the first sample, after a migration, over a gap. A counter that went down counts as 0 for this step.
    """
    counters = (
        reading.network_in_bytes, reading.network_out_bytes, reading.disk_read_bytes, reading.disk_write_bytes,
    )  # fmt: skip
    uptime = reading.uptime_seconds or 0
    if previous is None or previous.node != reading.node:
        return Sample(at, reading.node, uptime, counters)
    if not is_fresh and at - previous.at <= MOST_INTERVALS * interval:
        return previous
    elapsed = at - previous.at
    if elapsed > MOST_INTERVALS * max(interval, 10.0):
        return Sample(at, reading.node, uptime, counters)
    if elapsed < SHORTEST_SECONDS:
        return Sample(at, reading.node, uptime, counters, ZERO_RATES)
    grown = uptime - previous.uptime_seconds
    if grown > 0 and abs(grown - elapsed) > UPTIME_TOLERANCE_SECONDS:
        elapsed = float(grown)
    kept: list[int | None] = []
    found: list[int] = []
    for before, now in zip(previous.counters, counters, strict=True):
        # Proxmox writes 0 for a counter that QEMU did not tell in time: not a restart, the uptime went on.
        untold = now is None or (now == 0 and bool(before) and grown > 0)
        kept.append(None if untold else now)
        found.append(rate_of(before, now, elapsed) if not untold else 0)
    return Sample(at, reading.node, uptime, (kept[0], kept[1], kept[2], kept[3]), Rates(*found))


def rate_of(before: int | None, now: int | None, elapsed_seconds: float) -> int:
    """Return the growth per second in whole bytes; 0 for a counter that fell or is not known."""
    if before is None or now is None or now < before:
        return 0
    return min(int((now - before) / elapsed_seconds), HIGHEST)
