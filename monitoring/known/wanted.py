"""What is to be monitored of an instance by its switches: said here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from monitoring.figures.instances import Figures
from nodes.models import Instance
from nodes.proxmox.readings.live import GuestReading


def wanted_kinds(instance: Instance) -> frozenset[str]:
    """Return the kinds of guests that are to be monitored."""
    kinds = {"qemu": instance.monitor_vms, "lxc": instance.monitor_containers}
    return frozenset(kind for kind, is_wanted in kinds.items() if is_wanted)


def wanted_guests(instance: Instance, guests: Iterable[GuestReading]) -> list[GuestReading]:
    """Return those of the listed guests of a PVE that are to be monitored: of these kinds, and no templates."""
    wanted = wanted_kinds(instance)
    return [guest for guest in guests if guest.kind in wanted and not guest.is_template]


def wanted_figures(instance: Instance, figures: Figures) -> Figures:
    """Return remembered figures without what is not to be monitored any more."""
    wanted = wanted_kinds(instance)
    return replace(
        figures,
        guests=tuple(guest for guest in figures.guests if guest.kind in wanted),
        storages=figures.storages if instance.monitor_storage else (),
    )


def wanted_jobs(instance: Instance) -> tuple[str, ...]:
    """Return the kinds of jobs of a PBS that are to be monitored."""
    kinds = {
        "sync": instance.monitor_sync_jobs,
        "verify": instance.monitor_verify_jobs,
        "prune": instance.monitor_prune_jobs,
        "garbage": instance.monitor_garbage_jobs,
    }
    return tuple(kind for kind, is_wanted in kinds.items() if is_wanted)
