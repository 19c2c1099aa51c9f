"""The disks of a host as they are shown: the plain list, and beside each disk what SMART told of it; pure."""

from __future__ import annotations

from typing import Any

import msgspec

from monitoring.known.facts import NodeFacts, SmartFacts
from nodes.proxmox.readings.hardware import SmartReading

#: What is shown of a disk that SMART has told nothing of; not told is not 0.
UNTOLD: dict[str, Any] = {
    "health": None,
    "life_left_percent": None,
    "temperature_celsius": None,
    "power_on_hours": None,
    "smart_read_epoch": None,
}


def shown_disks(known: NodeFacts) -> list[dict[str, Any]]:
    """Return the disks by device; `smart_read_epoch` in epoch seconds.

    What SMART told of another disk, which had the name before the host was started anew, is left out.
    """
    shown: list[dict[str, Any]] = []
    for disk in known.disks:
        told = known.smart.get(disk.device)
        is_same = told is not None and told.serial == disk.serial
        shown.append(msgspec.to_builtins(disk) | UNTOLD | (of_smart(told) if told and is_same else {}))
    return shown


def of_smart(told: SmartFacts) -> dict[str, Any]:
    """Return each figure as it was told last, be it in the list of all disks or by the disk itself."""
    dated = [(told.own_epoch, told.own), (told.listed_epoch, told.listed)]
    newest_first = [one for _, one in sorted(dated, key=lambda entry: entry[0], reverse=True) if one]
    return {
        **{name: told_last(newest_first, name) for name in SmartReading.__struct_fields__},
        "smart_read_epoch": int(max(told.own_epoch, told.listed_epoch)),
    }


def told_last(newest_first: list[SmartReading], name: str) -> Any:
    """Return a figure of the newest reading that tells it."""
    values = (getattr(one, name) for one in newest_first)
    return next((value for value in values if value not in (None, "")), None)
