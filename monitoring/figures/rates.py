"""Counters to rates; pure.

Proxmox renews its figures every 10 s, whenever it is asked, so a poll may see the figures of the last one again, or
those of two steps at once. A rate is computed only from figures that moved, over the time in which they did.
Source: state.md 3.1 of the contract; GET /cluster/resources, `netin netout diskread diskwrite`, bytes since the guest
was started on its node.
"""

from __future__ import annotations

import msgspec

from nodes.proxmox.readings.live import GuestReading

#: No rate above this is real: a terabyte per second.
HIGHEST = 10**12
#: The uptime is in whole seconds: below this difference the clock of the polls is the better measure.
UPTIME_TOLERANCE_SECONDS = 2.0
#: Two polls closer than this tell nothing about what lies between them.
SHORTEST_SECONDS = 0.1
#: A rate over a longer gap would be an average that hides it.
MOST_INTERVALS = 3
#: How often Proxmox renews its figures: polls that come faster see the same ones again.
REFRESH_SECONDS = 10.0

#: In, out, read, written; None is not told.
Counters = tuple[int | None, int | None, int | None, int | None]


class Rates(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The four rates of a guest; None where the counter was not told, or fell because the guest was started anew."""

    network_in_bytes_per_second: int | None = None
    network_out_bytes_per_second: int | None = None
    disk_read_bytes_per_second: int | None = None
    disk_write_bytes_per_second: int | None = None


UNKNOWN_RATES = Rates()
ZERO_RATES = Rates(0, 0, 0, 0)


class Sample(msgspec.Struct, frozen=True, gc=False):
    """The counters of one guest when they last moved, and the rates in force since. `at` is epoch seconds of our clock.

    `rates` None: there are none yet, it takes two readings.
    """

    told_epoch: float
    node: str
    uptime_seconds: int
    counters: Counters
    rates: Rates | None = None


def advance(
    previous: Sample | None, reading: GuestReading, *, at_epoch: float, is_fresh: bool, interval: float
) -> Sample:
    """Return the sample after this reading; its `rates` are what is shown.

    `is_fresh` says that the node's figures have moved since the last poll; it decides only for a guest without an
    uptime, because the lines of a node and of its guests are renewed one after the other. No rates: for the first
    sample, after a migration, over a gap. A counter that went down has none for this step.
    """
    counters = (
        reading.network_in_bytes, reading.network_out_bytes, reading.disk_read_bytes, reading.disk_write_bytes,
    )  # fmt: skip
    uptime = reading.uptime_seconds or 0
    if previous is None or previous.node != reading.node:
        return Sample(at_epoch, reading.node, uptime, counters)
    elapsed = at_epoch - previous.told_epoch
    if elapsed > MOST_INTERVALS * max(interval, REFRESH_SECONDS):
        return Sample(at_epoch, reading.node, uptime, counters)
    if reading.status == "stopped":
        return Sample(at_epoch, reading.node, uptime, counters, ZERO_RATES)
    if not has_moved(previous, uptime, counters, is_fresh=is_fresh):
        return previous
    grown = uptime - previous.uptime_seconds
    if elapsed < SHORTEST_SECONDS or grown < 0:
        return Sample(at_epoch, reading.node, uptime, counters, UNKNOWN_RATES)
    if grown > 0 and abs(grown - elapsed) > UPTIME_TOLERANCE_SECONDS:
        elapsed = float(grown)
    kept: list[int | None] = []
    rates: list[int | None] = []
    for before, now in zip(
        previous.counters, counters, strict=True
    ):  # in place: 40,000 of them at every poll
        if now is None or (now == 0 and before != 0 and grown > 0):
            # Proxmox writes 0 for a counter that QEMU did not tell in time: not a restart, the uptime went on.
            kept.append(None)
            rates.append(None)
            continue
        kept.append(now)
        rates.append(None if before is None or now < before else min(int((now - before) / elapsed), HIGHEST))
    return Sample(at_epoch, reading.node, uptime, (*kept,), Rates(*rates))  # type: ignore[arg-type]  # four of them


def has_moved(previous: Sample, uptime: int, counters: Counters, *, is_fresh: bool) -> bool:
    """Return whether a guest's figures are others than those of its last sample."""
    if uptime != previous.uptime_seconds or (not uptime and is_fresh):
        return True
    if counters == previous.counters:
        return False
    # A counter that was not told then is 0 in the same figures seen again: that is no movement.
    return any(
        before is not None and now != before for before, now in zip(previous.counters, counters, strict=True)
    )
