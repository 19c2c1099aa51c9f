"""A simulated estate for the benchmarks of the history: rows, and figures at any instant, without a host that is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.utils import timezone

from monitoring.figures.guest_disk import GuestDisk
from monitoring.figures.guest_memory import GuestMemory
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures, RootDisk
from monitoring.figures.rates import ZERO_RATES, Rates
from monitoring.figures.storages import StorageFigures
from monitoring.known.memory import PollMemory
from nodes.models import Guest, Instance, Node, Storage
from nodes.proxmox.readings.guests import PressureReading
from tests.fake_proxmox import curves

HOUR, DAY = 3_600, 86_400
#: 2026-01-05 00:00:00 UTC.
MONDAY = 1_767_571_200
#: How often the slow lanes read the pressures.
PRESSURE_SECONDS = 120


class Shape(NamedTuple):
    """How large an instance is. `containers` of its guests are containers; from PVE 9 on there is more to be told of each."""

    nodes: int
    guests: int
    storages: int
    containers: int
    is_recent: bool = False


def shape(nodes: int, guests: int, *, storages: int | None = None, is_recent: bool = False) -> Shape:
    """Return the usual one: three storages of each node, and one of three guests a container."""
    return Shape(nodes, guests, 3 * nodes if storages is None else storages, guests // 3, is_recent)


def moment(epoch: int) -> datetime:
    """Return the instant."""
    return datetime.fromtimestamp(epoch, UTC)


class Simulated:
    """One instance with figures that follow the curves of the simulated estate."""

    def __init__(self, number: int, shape: Shape) -> None:
        """Make its rows."""
        self.shape = shape
        random = Random(number)
        self.instance = Instance.objects.create(
            kind="pve", number=number, name=f"cluster-{number}", host=f"https://192.0.2.{number + 1}:8006"
        )
        first: dict[str, Any] = {"instance": self.instance, "first_seen_at": timezone.now()}
        self.nodes = [f"c{number}-n{one}" for one in range(shape.nodes)]
        Node.objects.bulk_create([Node(name=name, **first) for name in self.nodes])
        self.storages = [(f"local-{one}", self.nodes[one % len(self.nodes)]) for one in range(shape.storages)]
        Storage.objects.bulk_create(
            [
                Storage(name=one, node_name=node, wire_id=f"{node}-{one}", **first)
                for one, node in self.storages
            ]
        )
        Guest.objects.bulk_create(
            [
                Guest(vmid=100 + one, kind=self.kind(one), node_name=self.nodes[0], **first)
                for one in range(shape.guests)
            ]
        )
        self.loads = [
            curves.draw_load(random, cpu_ratio=0.12, memory_ratio=0.6, traffic=2e6, bursts=0.05)
            for _ in range(shape.guests + shape.nodes)
        ]
        self.memory_bytes = [random.choice((2, 4, 8, 16, 32)) << 30 for _ in self.loads]
        self.is_running = [random.random() < 0.88 for _ in range(shape.guests)]
        self.memory = PollMemory()

    def kind(self, number: int) -> str:
        """Return what kind of guest this one is: the containers lie evenly among the others."""
        containers, guests = self.shape.containers, self.shape.guests
        is_container = (number + 1) * containers // guests > number * containers // guests
        return "lxc" if is_container else "qemu"

    def look(self, epoch: int) -> None:
        """Put into the memory what a poll would have seen at an instant."""
        self.memory.figures = self.figures(epoch)
        if self.shape.is_recent:
            self.memory.reading = SimpleNamespace(guests=self.costs(self.memory.figures))  # type: ignore[assignment]
            self.memory.read_epoch = float(epoch)

    def costs(self, figures: Figures) -> list[SimpleNamespace]:
        """Return what each machine costs its node: a little more than it uses."""
        return [
            SimpleNamespace(
                vmid=one.vmid,
                host_memory_bytes=int((one.memory.used_bytes or 0) * 1.05) if one.kind == "qemu" else None,
            )
            for one in figures.guests
        ]

    def figures(self, at: int) -> Figures:
        """Return what would be true at an instant."""
        return Figures(
            nodes=tuple(self.node(number, at) for number in range(len(self.nodes))),
            guests=tuple(self.guest(number, at) for number in range(len(self.is_running))),
            storages=tuple(self.storage(number, at) for number in range(len(self.storages))),
        )

    def guest(self, number: int, at: int) -> GuestFigures:
        """Return one guest; of a container its disk is known."""
        load, total, kind = self.loads[number], self.memory_bytes[number], self.kind(number)
        if not self.is_running[number]:
            return GuestFigures(
                100 + number,
                kind,
                "",
                "stopped",
                cpu_ratio=0.0,
                memory=GuestMemory(0, total),
                rates=ZERO_RATES,
            )
        used = int(total * curves.memory_ratio(load, at))
        return GuestFigures(
            100 + number,
            kind,
            "",
            "running",
            cpu_ratio=curves.cpu_ratio(load, at),
            memory=GuestMemory(used, total),
            disk=GuestDisk(20 << 30, 64 << 30) if kind == "lxc" else GuestDisk(),
            rates=rates(load, at),
            pressure=self.pressure(load, at),
            swap_used_bytes=0 if kind == "lxc" and self.shape.is_recent else None,
            swap_total_bytes=1 << 30 if kind == "lxc" and self.shape.is_recent else None,
        )

    def pressure(self, load: curves.Load, at: int) -> PressureReading | None:
        """Return how long things wait, as it was read last; None before PVE 9."""
        if not self.shape.is_recent:
            return None
        at -= at % PRESSURE_SECONDS
        waits = 0.5 + 0.5 * curves.noise(load.seed + 7, at // 10)
        cpu = curves.cpu_ratio(load, at) * 12 * waits
        return PressureReading(cpu, cpu * 0.8, 1.8 * waits, 1.5 * waits, 0.2 * waits, 0.15 * waits)

    def node(self, number: int, at: int) -> NodeFigures:
        """Return one node."""
        load = self.loads[-1 - number]
        cpu, memory = curves.cpu_ratio(load, at), curves.memory_ratio(load, at)
        return NodeFigures(
            self.nodes[number],
            "online",
            cpu_ratio=cpu,
            memory_used_bytes=int((256 << 30) * memory),
            memory_total_bytes=256 << 30,
            root=RootDisk(20 << 30, 94 << 30),
            load_average=(cpu * 30, cpu * 29, cpu * 28),
            io_wait_ratio=0.002,
            network_in_bytes_per_second=load.network_in_rate,
            network_out_bytes_per_second=load.network_out_rate,
            swap_used_bytes=1 << 28,
            swap_total_bytes=8 << 30,
            arc_bytes=24 << 30 if self.shape.is_recent else None,
            pressure=self.pressure(load, at),
        )

    def storage(self, number: int, at: int) -> StorageFigures:
        """Return one storage, which fills slowly."""
        name, node = self.storages[number]
        used = int((1 << 40) * (0.3 + 0.2 * (at % (30 * DAY)) / (30 * DAY)))
        return StorageFigures(name, node, "available", used_bytes=used, total_bytes=1 << 40)


def rates(load: curves.Load, at: int) -> Rates:
    """Return how much moves over network and disk, over the last ten seconds."""
    busy = (curves.busy_seconds(load, at) - curves.busy_seconds(load, at - 10)) / 10
    moved = (curves.disk_seconds(load, at) - curves.disk_seconds(load, at - 10)) / 10
    return Rates(
        int(busy * load.network_in_rate),
        int(busy * load.network_out_rate),
        int(moved * load.disk_read_rate),
        int(moved * load.disk_write_rate),
    )
