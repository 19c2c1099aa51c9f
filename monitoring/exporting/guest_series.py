"""The guests as series; pure. What is stale says nothing of now: it has its names and its backups, and no figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from monitoring.exporting.catalogue import Book
from monitoring.exporting.exposition import spelled
from monitoring.exporting.labels import filesystem_labels, guest_labels
from monitoring.exporting.pressure import add_pressure
from monitoring.figures.guest_memory import UNKNOWN
from monitoring.figures.guests import GuestFigures
from monitoring.figures.rates import UNKNOWN_RATES, Sample
from monitoring.history.keeping import host_memory_of
from monitoring.known.facts import Facts
from monitoring.known.freshness import current_guest
from monitoring.known.memory import PollMemory

#: Read in C: there may be ten thousand guests.
FIGURES = {
    "pulse_guest_uptime_seconds": attrgetter("uptime_seconds"),
    "pulse_guest_cpus": attrgetter("cpu_count"),
    "pulse_guest_cpu_ratio": attrgetter("cpu_ratio"),
    "pulse_guest_memory_used_bytes": attrgetter("memory.used_bytes"),
    "pulse_guest_memory_total_bytes": attrgetter("memory.total_bytes"),
    "pulse_guest_swap_used_bytes": attrgetter("swap_used_bytes"),
    "pulse_guest_swap_total_bytes": attrgetter("swap_total_bytes"),
    "pulse_guest_disk_used_bytes": attrgetter("disk.used_bytes"),
    "pulse_guest_disk_total_bytes": attrgetter("disk.total_bytes"),
}
RATES = {
    "pulse_guest_network_in_bytes_per_second": attrgetter("network_in_bytes_per_second"),
    "pulse_guest_network_out_bytes_per_second": attrgetter("network_out_bytes_per_second"),
    "pulse_guest_disk_read_bytes_per_second": attrgetter("disk_read_bytes_per_second"),
    "pulse_guest_disk_write_bytes_per_second": attrgetter("disk_write_bytes_per_second"),
}
#: In the order of `monitoring.figures.rates.Counters`.
COUNTERS = (
    "pulse_guest_network_in_bytes_total",
    "pulse_guest_network_out_bytes_total",
    "pulse_guest_disk_read_bytes_total",
    "pulse_guest_disk_write_bytes_total",
)
UNTOLD = (None, None, None, None)


def add_guests(
    book: Book, instance: str, guests: Sequence[GuestFigures], samples: Mapping[int, Sample], *, is_now: bool
) -> None:
    """Write the guests of an instance down; `samples` are their counters. `is_now`: the figures are those of the present."""
    labels = [spelled(guest_labels(instance, guest.vmid, guest.kind)) for guest in guests]
    book.extend("pulse_guest_info", map(info_of, guests, labels), [1] * len(guests))
    book.extend(
        "pulse_guest_last_backup_timestamp_seconds", labels, [one.last_backup_epoch for one in guests]
    )
    judged = [(one, guest) for one, guest in zip(labels, guests, strict=True) if guest.backup_state]
    states = [f'{one},state="{guest.backup_state}"' for one, guest in judged]
    book.extend("pulse_guest_backup_state", states, [1] * len(states))
    if is_now:
        seen = [(one, guest) for one, guest in zip(labels, guests, strict=True) if not guest.is_stale]
        add_figures(book, [one for one, _ in seen], [guest for _, guest in seen], samples)


def add_figures(
    book: Book, labels: Sequence[str], guests: Sequence[GuestFigures], samples: Mapping[int, Sample]
) -> None:
    """Write the figures of guests down that could be looked at."""
    book.extend("pulse_guest_up", labels, map(up, guests))
    for name, figure in FIGURES.items():
        book.extend(name, labels, map(figure, guests))
    sources = [
        f'{one},source="{guest.memory.source}",trust="{guest.memory.trust}"'
        for one, guest in zip(labels, guests, strict=True)
    ]
    book.extend("pulse_guest_memory_source", sources, [1] * len(sources))
    rates = [guest.rates or UNKNOWN_RATES for guest in guests]
    for name, rate in RATES.items():
        book.extend(name, labels, map(rate, rates))
    counters = [
        sample.counters if (sample := samples.get(guest.vmid)) is not None else UNTOLD for guest in guests
    ]
    for name, column in zip(COUNTERS, zip(*counters, strict=True), strict=False):
        book.extend(name, labels, column)
    add_pressure(book, "pulse_guest_pressure_ratio", labels, [guest.pressure for guest in guests])


def add_guest_facts(book: Book, instance: str, memory: PollMemory, facts: Facts, *, at_epoch: float) -> None:
    """Write down what guests cost their nodes, and their file systems, as far as it was told not long ago."""
    host_memory = host_memory_of(memory, facts, at_epoch=memory.read_epoch)
    seen = [guest for guest in memory.figures.guests if not guest.is_stale]
    if host_memory:
        labels = [spelled(guest_labels(instance, guest.vmid, guest.kind)) for guest in seen]
        used = [host_memory.get(guest.vmid) for guest in seen]
        book.extend("pulse_guest_host_memory_bytes", labels, used)
    for guest in seen:
        told = facts.guests.get(guest.vmid)
        disk = current_guest(told, at_epoch=at_epoch).disk if told is not None and told.disk else None
        for one in disk.filesystems if disk is not None else ():
            if one.counted:
                named = spelled(filesystem_labels(instance, guest.vmid, guest.kind, one.mount_point))
                book.add("pulse_filesystem_disk_used_bytes", named, one.used_bytes)
                book.add("pulse_filesystem_disk_total_bytes", named, one.total_bytes)


def up(guest: GuestFigures) -> int | None:
    """Return 1 for a guest that runs, 0 for one that does not, None when nobody knows."""
    return None if guest.status in UNKNOWN else int(guest.status == "running")


def info_of(guest: GuestFigures, labels: str) -> str:
    """Return the labels by which a guest is known and what it is called, what may change and begins no new series of figures."""
    told = {
        "name": guest.name,
        "node": guest.node,
        "pool": guest.pool,
        "tags": ";".join(guest.tags),
    }
    return f"{labels},{spelled(told)}"
