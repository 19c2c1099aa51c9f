"""Guests that do not run though they should, and backups that failed their verification; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitoring.backups.coverage import Coverage
from monitoring.concerns.shapes import CRITICAL, WARNING, Concern
from monitoring.wire.shapes import GuestShape

#: What QEMU says of a machine that it had to halt.
HALTED = {
    "io-error": "stands still after an error of its disk",
    "internal-error": "stands still after an error inside QEMU",
}


def halted(guests: Iterable[GuestShape]) -> Iterator[tuple[GuestShape, Concern]]:
    """Yield (guest, what is wrong) for the machines that QEMU has halted."""
    for guest in guests:
        if guest.status in HALTED and not guest.stale:
            text = f"Guest {guest.vmid} {HALTED[guest.status]} ({guest.status})"
            yield guest, Concern("guest_halted", CRITICAL, str(guest.vmid), text)


def failed_verifications(coverage: Mapping[int, Coverage], read_at: float) -> Iterator[tuple[int, Concern]]:
    """Yield (vmid, what is wrong) for the guests some of whose backups are not what was written."""
    for vmid, judged in coverage.items():
        count = judged.failed_verification_count
        if count:
            what = "1 backup" if count == 1 else f"{count} backups"
            text = f"{what} of guest {vmid} failed verification"
            yield vmid, Concern("verification_failed", WARNING, str(vmid), text, read_at)
