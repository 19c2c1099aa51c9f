"""What is true of a guest now; pure."""

from __future__ import annotations

import msgspec

from monitoring.figures.guest_disk import GuestDisk
from monitoring.figures.guest_memory import DETAIL_SECONDS, UNKNOWN, GuestMemory, guest_memory
from monitoring.figures.rates import Rates, Sample
from monitoring.figures.staleness import AHEAD_SECONDS
from nodes.proxmox.readings.guests import GuestDetailReading, PressureReading
from nodes.proxmox.readings.live import GuestReading


class GuestFigures(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One guest; it is known by its vmid within its instance, wherever it runs. Epochs are seconds of our own clock.

    What has no instant of its own was told by the poll at `seen_epoch`. A guest that does not run uses no CPU and no memory: 0,
    not None. `is_stale`: it could not be looked at now, and all of it is as it was then.
    """

    vmid: int
    kind: str  # qemu, lxc
    node: str
    status: str  # QEMU's own word: running, stopped, paused, io-error, ...; unknown
    name: str = ""
    seen_epoch: float | None = None
    is_stale: bool = False
    tags: tuple[str, ...] = ()
    pool: str = ""
    lock: str = ""
    ha_state: str = ""
    cpu_ratio: float | None = None  # of the guest's own CPUs
    cpu_count: int | None = None
    uptime_seconds: int | None = None
    memory: GuestMemory = GuestMemory()
    disk: GuestDisk = GuestDisk()
    rates: Rates | None = None  # None: none yet, it takes two readings
    rates_epoch: float | None = None  # when the counters last moved
    swap_used_bytes: int | None = None  # of a container; this and the next two were read at `detail_epoch`
    swap_total_bytes: int | None = None
    pressure: PressureReading | None = None
    detail_epoch: float | None = None
    addresses: tuple[str, ...] = ()  # the first few that others can reach
    backup_state: str = ""  # good, overdue, bad, never, unknown, uncovered; empty: not judged yet
    backup_reason: str = ""  # why it is unknown
    last_backup_epoch: int | None = None  # the last good one


def live_guest(
    reading: GuestReading,
    *,
    at_epoch: float,
    name: str,
    tags: tuple[str, ...],
    sample: Sample | None,
    disk: GuestDisk,
    detail: GuestDetailReading | None = None,
    detail_epoch: float = 0.0,
    addresses: tuple[str, ...] = (),
    backup_state: str = "",
    backup_reason: str = "",
    last_backup_epoch: int | None = None,
) -> GuestFigures:
    """Return a guest as it was listed just now, with what was found out of it beside that.

    `name` and `tags` are those that it is known by: one that Proxmox knows nothing of for a moment has none.
    """
    if reading.status == "running":
        cpu_ratio, uptime_seconds = reading.cpu_ratio, reading.uptime_seconds
    else:
        cpu_ratio, uptime_seconds = (None, None) if reading.status in UNKNOWN else (0.0, 0)
    age = at_epoch - detail_epoch
    memory = guest_memory(reading, detail, detail_age_seconds=age)
    if detail is None or not -AHEAD_SECONDS <= age <= DETAIL_SECONDS:
        swap_used, swap_total, pressure, told_epoch = None, None, None, None
    else:
        swap_used, swap_total = detail.swap_used_bytes, detail.swap_total_bytes
        pressure, told_epoch = detail.pressure, detail_epoch
    # By position, in the order of the fields, a new one last: see `monitoring.wire.guests.guest_shape`, which does so too.
    return GuestFigures(
        reading.vmid,
        reading.kind,
        reading.node,
        reading.status,
        name,
        at_epoch,
        False,
        tags,
        reading.pool,
        reading.lock,
        reading.ha_state,
        cpu_ratio,
        reading.cpu_count,
        uptime_seconds,
        memory,
        disk,
        sample.rates if sample is not None else None,
        sample.told_epoch if sample is not None else None,
        swap_used,
        swap_total,
        pressure,
        told_epoch,
        addresses,
        backup_state,
        backup_reason,
        last_backup_epoch,
    )
