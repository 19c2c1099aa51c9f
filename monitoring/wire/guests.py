"""Guests as the state sends them; pure. Source: state.md 2.2 and 3 of the contract."""

from __future__ import annotations

from monitoring.figures.guests import GuestFigures
from monitoring.figures.rates import Rates
from monitoring.wire.ids import Label
from monitoring.wire.shapes import GuestShape
from monitoring.wire.usage import usage
from pulse.lib.instants import instant

#: Network in and out, disk read and written while there are no rates yet (state.md 3.1).
NO_RATES = (-1, -1, -1, -1)


def guest_shape(guest: GuestFigures, label: Label) -> GuestShape:
    """Return a guest; what is not known is 0, or -1 of a rate that does not exist yet."""
    memory, disk, node = guest.memory, guest.disk, guest.node
    network_in, network_out, disk_read, disk_write = rates_of(guest.rates)
    return GuestShape(
        id=label.guest_id(node, guest.vmid),
        vmid=guest.vmid,
        name=guest.name,
        node=node,
        instance=label.name,
        status=guest.status,
        type=guest.kind,
        cpu=guest.cpu_ratio or 0.0,
        cpus=guest.cpu_count or 0,
        memory=usage(memory.used_bytes, memory.total_bytes),
        disk=usage(disk.used_bytes, disk.total_bytes),
        networkIn=network_in,
        networkOut=network_out,
        diskRead=disk_read,
        diskWrite=disk_write,
        uptime=guest.uptime_seconds or 0,
        template=False,
        lastBackup=instant(guest.last_backup_epoch),
        lastSeen=instant(guest.seen_epoch),
        tags=guest.tags,
        lock=guest.lock,
        pool=guest.pool,
        haState=guest.ha_state,
        memorySource=memory.source,
        memoryTrust=memory.trust,
        memoryReason=memory.reason,
        diskSource=disk.source,
        diskReason=disk.reason,
        ipAddresses=guest.addresses,
        backupState=guest.backup_state,
        backupReason=guest.backup_reason,
        stale=guest.is_stale,
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
