"""Guests as the state sends them; pure. Source: state.md 2.2 and 3 of the contract."""

from __future__ import annotations

from monitoring.figures.guests import GuestFigures
from monitoring.figures.rates import Rates
from monitoring.wire.ids import Label
from monitoring.wire.shapes import GuestShape
from monitoring.wire.usage import usage
from pulse.lib.instants import instant, instant_seen

#: Network in and out, disk read and written while there are no rates yet (state.md 3.1).
NO_RATES = (-1, -1, -1, -1)


def guest_shape(guest: GuestFigures, label: Label) -> GuestShape:
    """Return a guest; what is not known is 0, or -1 of a rate that does not exist yet."""
    memory, disk, node = guest.memory, guest.disk, guest.node
    # By position, in the order of the fields of GuestShape, a new one last: with keywords here and in `live_guest` the cycle of
    # ten thousand guests costs 6 % more.
    return GuestShape(
        label.guest_id(node, guest.vmid),
        guest.vmid,
        guest.name,
        node,
        label.name,
        guest.status,
        guest.kind,
        guest.cpu_ratio or 0.0,
        guest.cpu_count or 0,
        usage(memory.used_bytes, memory.total_bytes),
        usage(disk.used_bytes, disk.total_bytes),
        *rates_of(guest.rates),
        guest.uptime_seconds or 0,
        False,
        instant(guest.last_backup_epoch),
        instant_seen(guest.seen_epoch),
        guest.tags,
        guest.lock,
        guest.pool,
        guest.ha_state,
        memory.source,
        memory.trust,
        memory.reason,
        disk.source,
        disk.reason,
        guest.addresses,
        guest.backup_state,
        guest.backup_reason,
        guest.is_stale,
    )


def rates_of(rates: Rates | None) -> tuple[int, int, int, int]:
    """Return the four rates; a counter that fell or was not told counts as 0 (state.md 3.1)."""
    if rates is None:
        return NO_RATES
    return (
        rates.network_in_bytes_per_second or 0,
        rates.network_out_bytes_per_second or 0,
        rates.disk_read_bytes_per_second or 0,
        rates.disk_write_bytes_per_second or 0,
    )
