"""Pressure stall information as series; pure."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from monitoring.exporting.catalogue import Book
from nodes.proxmox.readings.guests import PressureReading

#: The field of the reading, by the labels of its series.
SHARES = {
    f'resource="{resource}",share="{share}",': attrgetter(f"{resource}_{share}")
    for resource in ("cpu", "io", "memory")
    for share in ("some", "full")
}


def add_pressure(
    book: Book, name: str, labels: Sequence[str], readings: Sequence[PressureReading | None]
) -> None:
    """Write down the pressure of those that tell any."""
    told = [(one, reading) for one, reading in zip(labels, readings, strict=True) if reading is not None]
    labels = [one for one, _ in told]
    for common, share in SHARES.items():
        percent = [share(reading) for _, reading in told]
        ratios = [None if value is None else value / 100 for value in percent]
        book.extend(name, labels, ratios, common=common)
