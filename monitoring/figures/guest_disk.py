"""How full the disks of a guest are, who says so, and why that is not known; pure.

Of a container the list tells its root file system. Of a VM Proxmox knows nothing: `filesystems` adds up what its guest agent lists.
Source: state.md 2.2 of the contract; api-facts.md 3.3 and 4.1.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from monitoring.figures.filesystems import DiskUse
from monitoring.figures.staleness import AHEAD_SECONDS
from nodes.proxmox.readings.live import GuestReading

UnknownReason = Literal[
    "agent_disabled",
    "agent_not_running",
    "agent_timeout",
    "agent_refused",
    "no_permission",
    "stopped",
    "not_supported",
    "not_read_yet",
]
DiskReason = UnknownReason | Literal["", "not_told"]

#: What an agent told of the file systems longer ago than this says nothing of now.
TOLD_SECONDS = 1800.0
#: Code of the error with which the last try ended (nodes.proxmox.errors) to what it means for the figure.
FAILURES: dict[str, UnknownReason] = {
    "agent_disabled": "agent_disabled",
    "agent_not_running": "agent_not_running",
    "agent_timeout": "agent_timeout",
    "agent_refused": "agent_refused",
    "not_supported": "not_supported",
    "permission_denied": "no_permission",
    "stopped": "stopped",
    "timeout": "agent_timeout",  # the node gave up later than the client
}


class GuestDisk(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How full the disks of a guest are; `used_bytes` None: not known, for the `reason`.

    `source`: `host` is the root file system of a container, `agent` the sum over the file systems of a VM, as it was told at
    `read_epoch`. Where the use is not known `total_bytes` is what Proxmox lists: of a VM its boot disk alone.
    """

    used_bytes: int | None = None
    total_bytes: int | None = None
    source: Literal["", "host", "agent"] = ""
    reason: DiskReason = "not_read_yet"
    read_epoch: float | None = None  # None: with the poll


def container_disk(reading: GuestReading) -> GuestDisk:
    """Return how full the root file system of a container is; the list writes 0 for what it does not know."""
    total = reading.disk_total_bytes
    if reading.disk_used_bytes:
        return GuestDisk(reading.disk_used_bytes, total, "host", "")
    return GuestDisk(None, total, "", "not_told" if reading.status == "running" else "stopped")


def machine_disk(
    reading: GuestReading,
    use: DiskUse | None,
    *,
    age_seconds: float,
    at_epoch: float,
    agent_is_enabled: bool | None,
    agent_code: str,
) -> GuestDisk:
    """Return how full the disks of a VM are as its agent told it not long ago, else why that is not known.

    `agent_is_enabled` None: its configuration was not read yet; `agent_code` is that of the last failure to ask it.
    """
    is_running = reading.status == "running"
    if is_running and use is not None and -AHEAD_SECONDS <= age_seconds <= TOLD_SECONDS:
        if use.reason or use.used_bytes is None:
            return GuestDisk(None, reading.disk_total_bytes, "", use.reason or "not_supported")
        return GuestDisk(use.used_bytes, use.total_bytes, "agent", "", at_epoch - age_seconds)
    reason = why_unknown(is_running=is_running, agent_is_enabled=agent_is_enabled, code=agent_code)
    return GuestDisk(None, reading.disk_total_bytes, "", reason)


def why_unknown(*, is_running: bool, agent_is_enabled: bool | None, code: str = "") -> UnknownReason:
    """Return why nothing is known of a guest's file systems.

    `agent_is_enabled` is None while the configuration has not been read; `code` is that of the error of the last try,
    empty when there was none. A host that did not answer says nothing about the agent: not read yet.
    """
    if not is_running:
        return "stopped"
    if agent_is_enabled is False:
        return "agent_disabled"
    return FAILURES.get(code, "not_read_yet")
