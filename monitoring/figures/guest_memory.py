"""How much memory a guest uses, who says so and how far that can be trusted; pure.

The same field means different things: `mem` of a VM is the guest's own view while its balloon driver reports, and else what
the host gave it, which nears the maximum in any guest that has run for a while. Only the first is worth an alert.
Source: state.md 3.2 of the contract; api-facts.md 3.2.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from nodes.proxmox.readings.guests import GuestDetailReading
from nodes.proxmox.readings.live import GuestReading

Source = Literal["balloon", "host", "cgroup", "none"]
Trust = Literal["high", "medium", "low"]
Reason = Literal["", "no_balloon", "near_maximum", "just_booted", "stopped", "not_told"]

#: Older than this, what the balloon driver said may be of another time.
DETAIL_SECONDS = 300.0
#: While a guest boots its driver is silent and it touches all of its memory.
BOOT_SECONDS = 120
#: From this share on, the host's view says nothing about the guest.
NEAR_MAXIMUM = 0.9
#: States in which nobody knows whether a guest runs.
UNKNOWN = ("unknown", "")


class GuestMemory(msgspec.Struct, frozen=True, gc=False):
    """Memory of one guest; `used_bytes` None: not known. `reason` says why the trust is not high."""

    used_bytes: int | None = None
    total_bytes: int | None = None
    source: Source = "none"
    trust: Trust = "low"
    reason: Reason = "not_told"


def guest_memory(
    reading: GuestReading,
    detail: GuestDetailReading | None = None,
    *,
    detail_age_seconds: float | None = None,
) -> GuestMemory:
    """Return the memory of a guest from the list, with the newest detail that was read of it.

    A guest that does not run uses 0; one whose state nobody knows uses an unknown amount.
    """
    maximum = reading.memory_total_bytes or None
    if reading.status in UNKNOWN:
        return GuestMemory(None, maximum)
    if reading.status != "running":
        return GuestMemory(0, maximum, "none", "high", "stopped")
    # A running guest that uses nothing is one that was not measured: the list writes 0 for what it does not know.
    told = reading.memory_used_bytes or None
    if reading.kind == "lxc":
        return GuestMemory(None, maximum) if told is None else measured(told, maximum, "cgroup", "high", "")
    fresh = detail if is_of_this_run(reading, detail_age_seconds) else None
    total = total_of(maximum, fresh)
    doubt = boot_doubt(reading.uptime_seconds)
    if fresh is not None and fresh.guest_free_bytes:
        used = told if told is not None or total is None else max(total - fresh.guest_free_bytes, 0)
        if used is not None:
            return measured(used, total, "balloon", "low" if doubt else "high", doubt)
    if told is None and fresh is not None:
        told = fresh.host_memory_bytes or None
    if told is None:
        return GuestMemory(None, total)
    if doubt:
        return measured(told, total, "host", "low", doubt)
    if total and told >= total * NEAR_MAXIMUM:
        return measured(told, total, "host", "low", "near_maximum")
    return measured(told, total, "host", "medium", "no_balloon")


def is_of_this_run(reading: GuestReading, age_seconds: float | None) -> bool:
    """Return whether a detail of this age is recent, and of the run that the guest is in now."""
    if age_seconds is None or not 0 <= age_seconds <= DETAIL_SECONDS or reading.uptime_seconds is None:
        return False
    return age_seconds <= reading.uptime_seconds


def boot_doubt(uptime_seconds: int | None) -> Reason:
    """Return why a figure may be one of a guest that is still booting, "" when it is not."""
    if uptime_seconds is None:
        return "not_told"
    return "just_booted" if uptime_seconds < BOOT_SECONDS else ""


def total_of(maximum: int | None, detail: GuestDetailReading | None) -> int | None:
    """Return what the guest has: its maximum, or less while its balloon is inflated."""
    balloon = detail.balloon_actual_bytes if detail is not None else None
    if balloon and maximum and balloon < maximum:
        return balloon
    return maximum


def measured(used: int, total: int | None, source: Source, trust: Trust, reason: Reason) -> GuestMemory:
    """Return a figure that was told, never below 0 and never above what there is."""
    used = max(used, 0)
    return GuestMemory(used if total is None else min(used, total), total, source, trust, reason)
