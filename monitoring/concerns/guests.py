"""Guests that do not run though they should, and backups that failed their verification; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.backups.coverage import Coverage
from monitoring.concerns.shapes import CRITICAL, WARNING, About, Concern
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


def failed_verifications(coverage: Mapping[int, Coverage], read_epoch: float) -> Iterator[Concern]:
    """Yield the guests some of whose backups are not what was written."""
    for vmid, judged in coverage.items():
        count = judged.failed_verification_count
        if count:
            what = "1 backup" if count == 1 else f"{count} backups"
            text = f"{what} of guest {vmid} failed verification"
            yield Concern("verification_failed", WARNING, str(vmid), text, read_epoch, guest(vmid))
