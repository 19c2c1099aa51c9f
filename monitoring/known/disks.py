"""The disks of a host as they are shown: the plain list, and beside each disk what SMART told of it; pure."""

from __future__ import annotations

from typing import Any

import msgspec

from monitoring.known.facts import NodeFacts, SmartFacts
from nodes.proxmox.readings.hardware import SmartReading


class ShownDisk(msgspec.Struct, frozen=True):
    """A disk of a host. What SMART has not told is null, which is not 0."""

    device: str
    model: str
    serial: str
    vendor: str
    wwn: str
    kind: str  # hdd, ssd, nvme, usb, unknown
    size_bytes: int | None
    used_for: str
    osd_ids: tuple[int, ...]
    health: str | None = None
    life_left_percent: int | None = None
    temperature_celsius: int | None = None
    power_on_hours: int | None = None
    smart_read_epoch: float | None = None


def shown_disks(node: NodeFacts) -> tuple[ShownDisk, ...]:
    """Return the disks by device.

    What SMART told of another disk, which had the name before the host was started anew, is left out.
    """
    shown: list[ShownDisk] = []
    for disk in node.disks:
        plain = msgspec.structs.asdict(disk) | {"health": None, "life_left_percent": None}
        smart = node.smart.get(disk.device)
        is_same = smart is not None and smart.serial == disk.serial
        shown.append(ShownDisk(**plain | (of_smart(smart) if smart and is_same else {})))
    return tuple(shown)


def of_smart(smart: SmartFacts) -> dict[str, Any]:
    """Return each figure as it was told last, be it in the list of all disks or by the disk itself."""
    dated = [(smart.own_epoch, smart.own), (smart.listed_epoch, smart.listed)]
    newest_first = [
        reading for _, reading in sorted(dated, key=lambda entry: entry[0], reverse=True) if reading
    ]
    return {
        **{name: told_last(newest_first, name) for name in SmartReading.__struct_fields__},
        "smart_read_epoch": max(smart.own_epoch, smart.listed_epoch),
    }


def told_last(newest_first: list[SmartReading], name: str) -> Any:
    """Return a figure of the newest reading that tells it."""
    values = (getattr(reading, name) for reading in newest_first)
    return next((value for value in values if value not in (None, "")), None)
