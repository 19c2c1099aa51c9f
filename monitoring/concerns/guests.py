"""Guests that do not run though they should; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from monitoring.concerns.shapes import CRITICAL, About, Concern
from monitoring.figures.guests import GuestFigures

#: The states of QEMU in which a machine stands still and nobody wanted it to (qapi/run-state.json, RunState). In all
#: others it runs, is on its way, or was stopped by a person: paused, suspended, debug, shutdown.
HALTED = {
    "guest-panicked": "stands still after its kernel panicked",
    "watchdog": "stands still because its watchdog ran out",
    "io-error": "stands still after an error of its disk",
    "internal-error": "stands still after an error inside QEMU",
}


def guest(vmid: int) -> About:
    """Return a guest as what a concern is about."""
    return About("guest", vmid=vmid)


def halted(guests: Iterable[GuestFigures]) -> Iterator[Concern]:
    """Yield the machines that QEMU has halted."""
    for one in guests:
        if one.status in HALTED and not one.is_stale:
            text = f"Guest {one.vmid} {HALTED[one.status]} ({one.status})"
            yield Concern("guest_halted", CRITICAL, str(one.vmid), text, about=guest(one.vmid))
