"""What samples and seals cost: processor time, bytes written, memory, bytes a value. Part of `benchmarks.history`."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.history_estate import DAY, HOUR, MONDAY, Shape, Simulated, moment, shape
from monitoring.history import compacting, keeping, retention, sealing
from monitoring.known.facts import NOTHING_COLLECTED

MIB = 1 << 20
#: Clusters, and each of them. "R" is M on PVE 9, which tells pressures and what a machine costs its node.
ESTATES: dict[str, tuple[int, Shape]] = {
    "S": (1, shape(3, 50)),
    "M": (1, shape(16, 1_000, storages=50)),
    "R": (1, shape(16, 1_000, storages=50, is_recent=True)),
    "L": (10, shape(16, 1_000, storages=50)),
}
#: Virtual hours of each.
HOURS = {"S": 26, "M": 26, "R": 4, "L": 2}


def measure(size: str) -> None:
    """Print what samples and seals of some hours have cost."""
    clusters, each = ESTATES[size]
    estate = [Simulated(number, each) for number in range(clusters)]
    for one in estate:  # what is loaded and learned once
        one.look(MONDAY - 60)
        keeping.instant_of(one.instance, one.memory.figures, NOTHING_COLLECTED, {}, at=moment(MONDAY - 60))
    before_memory, before_disk = resident_megabytes(), written_bytes()
    spent = {"samples": 0.0, "seals": 0.0}
    most_memory = before_memory
    for epoch in range(MONDAY, MONDAY + HOURS[size] * HOUR + 130, 10):
        for one in estate:
            one.look(epoch)
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
        f"{size}: {clusters * each.guests:,} guests, {clusters * each.nodes} nodes, {clusters * each.storages} storages,"
        f" {HOURS[size]} virtual hours at 10 s"
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
    for one in estate:
        for hour in sealing.closed_hours(one.instance.pk, at_epoch=epoch):
            sealing.seal(one.instance.pk, hour)
        compacting.compact(one.instance.pk, at_epoch=epoch)


def tell_tiers() -> None:
    """Print bytes per value of each tier."""
    for tier, held in retention.held().items():
        if held.value_count:
            share = held.stored_bytes / held.value_count
            print(
                f"  {tier.label:<6} {held.value_count:>13,} values, {share:.2f} bytes each (limit 0.9 where sealed)"
            )


def written_bytes() -> int:
    """Return what this process has given to the disk so far."""
    return int(Path("/proc/self/io").read_text().partition("\nwrite_bytes:")[2].split()[0])


def resident_megabytes() -> float:
    """Return the memory of this process that is its own or shared in part."""
    text = Path("/proc/self/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024
