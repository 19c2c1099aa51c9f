"""What the history costs: `.venv/bin/python -m benchmarks.history [S M L]`, `... size` and `... reading`.

Without words: processor time, bytes written to the disk by the system's own count, bytes per value and memory, of the samples of some
virtual hours of an estate, each size in a process of its own. `size`: the database after ninety virtual days beside the formula of
docs/history.md, and with a budget that it does not fit. `reading`: one guest over a night to a year.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.simulated import SIZES

MIB = 1 << 20
HOUR, DAY = 3_600, 86_400
#: 2026-01-05 00:00:00 UTC.
MONDAY = 1_767_571_200
#: Virtual hours of each size.
HOURS = {"S": 26, "M": 4, "L": 2}
STORAGES_OF_NODE = 3


def main(*words: str) -> None:
    """Run each part in a process of its own."""
    if words[:1] == ("--child",):
        child(*words[1:])
        return
    for word in words or ("S", "M", "L"):
        with tempfile.TemporaryDirectory(prefix="pulse-history-", dir=os.environ.get("BENCH_DIR")) as folder:
            environment = {**os.environ, "PULSE_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "pulse.settings"}
            command = [sys.executable, "-m", "benchmarks.history", "--child", word]
            subprocess.run(command, env=environment, cwd=ROOT, check=True)


def child(word: str) -> None:
    """Do one part."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    if word == "size":
        measure_size()
    elif word == "reading":
        measure_reading()
    else:
        measure_cost(word)


def written_bytes() -> int:
    """Return what this process has given to the disk so far."""
    return int(Path("/proc/self/io").read_text().partition("\nwrite_bytes:")[2].split()[0])


def resident_megabytes() -> float:
    """Return the memory of this process that is its own or shared in part."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024


# --- an estate --------------------------------------------------------------------------------------------------------


class Simulated:
    """One instance with figures that follow the curves of the simulated estate."""

    def __init__(self, number: int, nodes: int, guests: int) -> None:
        """Make its rows."""
        from django.utils import timezone

        from monitoring.known.memory import PollMemory
        from nodes.models import Guest, Instance, Node, Storage
        from tests.fake_proxmox import curves

        random = Random(number)
        self.instance = Instance.objects.create(
            kind="pve", number=number, name=f"cluster-{number}", host=f"https://192.0.2.{number + 1}:8006"
        )
        first = {"instance": self.instance, "first_seen_at": timezone.now()}
        self.nodes = [f"c{number}-n{one}" for one in range(nodes)]
        Node.objects.bulk_create([Node(name=name, **first) for name in self.nodes])
        self.storages = [(f"local-{one}", name) for name in self.nodes for one in range(STORAGES_OF_NODE)]
        Storage.objects.bulk_create(
            [
                Storage(name=one, node_name=node, wire_id=f"{node}-{one}", **first)
                for one, node in self.storages
            ]
        )
        Guest.objects.bulk_create(
            [Guest(vmid=100 + one, kind="qemu", node_name=self.nodes[0], **first) for one in range(guests)]
        )
        self.loads = [
            curves.draw_load(random, cpu_ratio=0.12, memory_ratio=0.6, traffic=2e6, bursts=0.05)
            for _ in range(guests + nodes)
        ]
        self.memory_bytes = [random.choice((2, 4, 8, 16, 32)) << 30 for _ in self.loads]
        self.is_running = [random.random() < 0.88 for _ in range(guests)]
        self.memory = PollMemory()

    def figures(self, at: int):
        """Return what would be true at an instant."""
        from monitoring.figures.instances import Figures

        return Figures(
            nodes=tuple(self.node(number, at) for number in range(len(self.nodes))),
            guests=tuple(self.guest(number, at) for number in range(len(self.is_running))),
            storages=tuple(self.storage(number, at) for number in range(len(self.storages))),
        )

    def guest(self, number: int, at: int):
        """Return one guest; one of three is a container, whose disk is known."""
        from monitoring.figures.guest_disk import GuestDisk
        from monitoring.figures.guest_memory import GuestMemory
        from monitoring.figures.guests import GuestFigures
        from monitoring.figures.rates import ZERO_RATES, Rates
        from tests.fake_proxmox import curves

        load, total = self.loads[number], self.memory_bytes[number]
        disk = GuestDisk(20 << 30, 64 << 30) if number % 3 == 0 else GuestDisk()
        if not self.is_running[number]:
            return GuestFigures(
                100 + number,
                "qemu",
                "",
                "stopped",
                cpu_ratio=0.0,
                memory=GuestMemory(0, total),
                rates=ZERO_RATES,
            )
        busy = (curves.busy_seconds(load, at) - curves.busy_seconds(load, at - 10)) / 10
        moved = (curves.disk_seconds(load, at) - curves.disk_seconds(load, at - 10)) / 10
        rates = Rates(
            int(busy * load.network_in_rate),
            int(busy * load.network_out_rate),
            int(moved * load.disk_read_rate),
            int(moved * load.disk_write_rate),
        )
        used = int(total * curves.memory_ratio(load, at))
        return GuestFigures(
            100 + number,
            "qemu",
            "",
            "running",
            cpu_ratio=curves.cpu_ratio(load, at),
            memory=GuestMemory(used, total),
            disk=disk,
            rates=rates,
        )

    def node(self, number: int, at: int):
        """Return one node."""
        from monitoring.figures.nodes import NodeFigures, RootDisk
        from tests.fake_proxmox import curves

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
        )

    def storage(self, number: int, at: int):
        """Return one storage, which fills slowly."""
        from monitoring.figures.storages import StorageFigures

        name, node = self.storages[number]
        used = int((1 << 40) * (0.3 + 0.2 * (at % (30 * DAY)) / (30 * DAY)))
        return StorageFigures(name, node, "available", used_bytes=used, total_bytes=1 << 40)


# --- processor time and bytes -----------------------------------------------------------------------------------------


def measure_cost(size: str) -> None:
    """Print what samples and seals of some hours have cost."""
    from monitoring.history import keeping
    from monitoring.known.facts import NOTHING_COLLECTED

    clusters, nodes, guests, _ = SIZES[size]
    estate = [Simulated(number, nodes, guests) for number in range(clusters)]
    for one in estate:  # what is loaded and learned once
        one.memory.figures = one.figures(MONDAY - 60)
        keeping.instant_of(one.instance, one.memory.figures, NOTHING_COLLECTED, {}, at=moment(MONDAY - 60))
    before_memory, before_disk = resident_megabytes(), written_bytes()
    spent = {"samples": 0.0, "seals": 0.0}
    most_memory = before_memory
    for epoch in range(MONDAY, MONDAY + HOURS[size] * HOUR + 130, 10):
        for one in estate:
            one.memory.figures = one.figures(epoch)
            begun = time.process_time()
            keeping.keep(one.instance, one.memory, NOTHING_COLLECTED, at=moment(epoch))
            spent["samples"] += time.process_time() - begun
        if epoch % HOUR == 130 - 130 % 10:
            begun = time.process_time()
            seal(estate, epoch)
            spent["seals"] += time.process_time() - begun
        if epoch % 600 == 0:
            most_memory = max(most_memory, resident_megabytes())
    seconds = HOURS[size] * HOUR
    written = (written_bytes() - before_disk) * DAY / seconds
    print(
        f"{size}: {clusters * guests} guests, {clusters * nodes} nodes, {HOURS[size]} virtual hours at 10 s"
    )
    for name, cpu in spent.items():
        print(
            f"  {name:<9} {100 * cpu / seconds:6.3f} % of a core ({1000 * cpu / (seconds / 10):.1f} ms a cycle)"
        )
    print(f"  together  {100 * sum(spent.values()) / seconds:6.3f} % of a core (limit 2 at L)")
    print(f"  written   {written / MIB:6.0f} MB a day (limits: S 100, M 500, L 4,096)")
    print(f"  memory    {most_memory - before_memory:+6.1f} MB at most (limits: S 15, L 120)")
    tell_tiers()


def seal(estate: list[Simulated], epoch: int) -> None:
    """Do what the task does, for all of them."""
    from monitoring.history import compacting, sealing

    for one in estate:
        for hour in sealing.closed_hours(one.instance.pk, at_epoch=epoch):
            sealing.seal(one.instance.pk, hour)
        compacting.compact(one.instance.pk, at_epoch=epoch)


def moment(epoch: int) -> datetime:
    """Return the instant."""
    return datetime.fromtimestamp(epoch, UTC)


def tell_tiers() -> None:
    """Print bytes per value of each tier."""
    from monitoring.history import retention

    for tier, held in retention.held().items():
        if held.value_count:
            share = held.stored_bytes / held.value_count
            print(
                f"  {tier.label:<6} {held.value_count:>13,} values, {share:.2f} bytes each (limit 0.9 where sealed)"
            )


# --- size -------------------------------------------------------------------------------------------------------------


def filled(days: int, guests: int, budget_mb: int | None = None) -> int:
    """Write the seals of so many days of one instance, the same day again and again; returns bytes of the database at most."""
    from django.conf import settings

    from monitoring.history import compacting, retention, sealing
    from monitoring.models import HistorySpan

    one = Simulated(0, 3, guests)
    if budget_mb is not None:
        settings.HISTORY_DISK_MB = budget_mb
    hours = [sealed_hour(one, hour) for hour in range(24)]
    most = 0
    for day in range(days):
        for hour, tiers in enumerate(hours):
            start = MONDAY + day * DAY + hour * HOUR
            for tier, written in tiers.items():
                moved = moved_to(written, start - MONDAY - hour * HOUR)
                sealing.add(one.instance.pk, tier, start, start + HOUR, moved)
        end = MONDAY + (day + 1) * DAY
        compacting.compact(one.instance.pk, at_epoch=end + HOUR, most=5)
        retention.prune(at=moment(end))
        most = max(most, retention.used_bytes())
    assert HistorySpan.objects.exists()
    return most


def sealed_hour(one: Simulated, hour: int):
    """Return the blocks of an hour of samples."""
    from monitoring.history import batches, keeping, sealing
    from monitoring.known.facts import NOTHING_COLLECTED

    bodies = []
    for minute in range(60):
        instants = []
        for second in range(0, 60, 10):
            epoch = MONDAY + hour * HOUR + minute * 60 + second
            figures = one.figures(epoch)
            instants.append(
                keeping.instant_of(one.instance, figures, NOTHING_COLLECTED, {}, at=moment(epoch))
            )
        bodies.append(batches.pack(instants).body)
    return sealing.blocks_of(sealing.hour_of([batches.Opened(body) for body in bodies]))


def moved_to(written, seconds: int):
    """Return the same blocks so many seconds later."""
    from monitoring.history import blocks

    every = []
    for kind, chunk, body in written.blocks:
        packed = blocks._packed(body)
        packed = type(packed)(
            packed.version,
            [packed.epochs[0] + seconds, *packed.epochs[1:]],
            packed.widths,
            packed.pks,
            packed.streams,
        )
        every.append((kind, chunk, blocks.msgspec.msgpack.encode(packed)))
    return written._replace(blocks=every)


def measure_size() -> None:
    """Print the database after ninety days beside the formula, and under a budget."""
    from monitoring.history.retention import MIB as UNIT
    from monitoring.history.retention import expected_bytes

    guests = 100
    most = filled(90, guests)
    file = Path(os.environ["PULSE_DATA_DIR"]) / "pulse.sqlite3"
    size = file.stat().st_size
    formula = expected_bytes(guests=guests, days=90)
    print(f"{guests} guests, 90 virtual days")
    print(f"  formula   {formula / UNIT:6.1f} MB")
    print(f"  counted   {most / UNIT:6.1f} MB at most ({most / formula:.2f} of the formula)")
    print(f"  file      {size / UNIT:6.1f} MB ({size / formula:.2f} of the formula)")
    tell_tiers()
    from monitoring.models import HistoryBlock, HistorySpan
    from nodes.models import Instance

    HistoryBlock.objects.all().delete()
    HistorySpan.objects.all().delete()
    Instance.objects.all().delete()
    most = filled(30, guests, budget_mb=20)
    print(f"with a budget of 20 MB: {most / UNIT:.1f} MB at most")
    tell_tiers()


# --- reading ----------------------------------------------------------------------------------------------------------


def measure_reading() -> None:
    """Print how long it takes to read one guest, whose block it shares with others, at the store."""
    from benchmarks.years import NIGHT, fill_years
    from monitoring.history import reading
    from monitoring.history.metrics import METRICS, Kind
    from nodes.models import Guest

    one = Simulated(0, 1, 32)
    pks = list(Guest.objects.filter(instance=one.instance).order_by("pk").values_list("pk", flat=True))
    end = MONDAY + 365 * DAY
    fill_years(one.instance, pks, end)
    wanted = {Kind.GUEST: ([pks[7]], METRICS[Kind.GUEST][:9])}
    print("one guest, nine metrics: milliseconds, median of five, and of processor time (limit 40)")
    for name, seconds, points in (
        ("a night of 8 h at 10 s", NIGHT, 2880),
        ("24 h", DAY, 500),
        ("7 d", 7 * DAY, 500),
        ("90 d", 90 * DAY, 500),
        ("1 y", 365 * DAY, 500),
    ):
        took = []
        for _ in range(5):
            begun, spent = time.perf_counter(), time.process_time()
            found = reading.read(
                one.instance.pk, wanted, start_epoch=end - seconds, end_epoch=end, points=points
            )
            took.append((1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - spent)))
        wall, cpu = sorted(took)[2]
        print(f"  {name:<24} {wall:7.1f} {cpu:7.1f}   {found.grid.size} points")


if __name__ == "__main__":
    main(*sys.argv[1:])
