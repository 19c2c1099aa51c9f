"""What Ceph tells in two ways: of its flags by a check of its health, and by name; pure."""

from __future__ import annotations

from nodes.proxmox.readings.cluster import CephReading

#: The check that says that flags are set, in one sentence.
FLAGS_CHECK = "OSDMAP_FLAGS"


def tells_flags(known: CephReading | None) -> bool:
    """Return whether the health of Ceph says that flags are set."""
    return known is not None and any(one.name == FLAGS_CHECK for one in known.checks)


def mutes_flags(known: CephReading | None) -> bool:
    """Return whether somebody has muted what the health of Ceph says of flags."""
    return known is not None and any(one.name == FLAGS_CHECK and one.is_muted for one in known.checks)
