"""How large the database becomes, beside the formula of docs/history.md. Part of `benchmarks.history`."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import msgspec
from django.conf import settings
from django.db import connection

from benchmarks.history_cost import tell_tiers
from benchmarks.history_estate import DAY, HOUR, MONDAY, Shape, Simulated, moment, shape
from monitoring.choices import Tier
from monitoring.history import batches, blocks, compacting, keeping, retention, sealing
from monitoring.history.metrics import Kind
from monitoring.history.retention import MIB
from monitoring.history.sealing import Written
from monitoring.history.size import OVERHEAD, Estate, expected_bytes
from monitoring.known.facts import NOTHING_COLLECTED
from monitoring.models import HistoryBlock, HistorySpan
from nodes.models import Guest, Instance, Node, Storage

#: What the terms of the formula were measured on, and what it is then held against: larger, smaller, and of another mix.
FITTED = {False: Shape(4, 128, 32, 64), True: Shape(4, 128, 32, 64, is_recent=True)}
OTHERS = (
    shape(3, 100),
    Shape(nodes=1, guests=30, storages=8, containers=24),
    Shape(nodes=8, guests=300, storages=60, containers=45),
    Shape(nodes=5, guests=80, storages=12, containers=10, is_recent=True),
)


def measure() -> None:
    """Print the database after ninety days beside the formula, of each of the other estates, and under a budget."""
    for number, each in enumerate(OTHERS):
        clear()
        one, most = filled(90, each, number=number + 1)
        formula = expected_bytes(estate_of(one), days=90)
        size = file_bytes()
        print(
            f"{each.guests} guests ({each.containers} containers, {one.is_running.count(True)} running), {each.nodes} nodes,"
            f" {each.storages} storages{', PVE 9' if each.is_recent else ''}: 90 virtual days"
        )
        print(f"  formula   {formula / MIB:6.1f} MiB")
        print(f"  counted   {most / MIB:6.1f} MiB at most ({most / formula:.2f} of the formula)")
        print(
            f"  file      {size / MIB:6.1f} MiB ({size / formula:.2f} of the formula; limit 0.9 to 1.1)",
            flush=True,
        )
    clear()
    _, most = filled(30, shape(3, 100), budget_mb=20)
    print(f"with a budget of 20 MiB: {most / MIB:.1f} MiB at most")
    tell_tiers()


def clear() -> None:
    """Empty the database, and the file."""
    for model in (HistoryBlock, HistorySpan, Instance):
        model.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")


def file_bytes() -> int:
    """Return the size of the database without what waits in its log."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return (Path(os.environ["PULSE_DATA_DIR"]) / "pulse.sqlite3").stat().st_size


def estate_of(one: Simulated) -> Estate:
    """Return what the formula is told of an estate."""
    running = [one.kind(number) for number, runs in enumerate(one.is_running) if runs]
    return Estate(
        machines=running.count("qemu"),
        containers=running.count("lxc"),
        stopped_guests=one.is_running.count(False),
        nodes=len(one.nodes),
        storages=len(one.storages),
        is_recent=one.shape.is_recent,
    )


# --- the days -----------------------------------------------------------------------------------------------------------


def filled(
    days: int, shape: Shape, *, number: int = 0, budget_mb: int | None = None
) -> tuple[Simulated, int]:
    """Write the seals of so many days of one instance, the same day again and again; returns it, and its bytes at most."""
    one = Simulated(number, shape)
    if budget_mb is not None:
        settings.HISTORY_DISK_MB = budget_mb
    hours = [sealed_hour(one, hour) for hour in range(24)]
    most = 0
    for day in range(days):
        for hour, tiers in enumerate(hours):
            start = MONDAY + day * DAY + hour * HOUR
            for tier, written in tiers.items():
                moved = moved_to(written, day * DAY)
                sealing.add(one.instance.pk, tier, start, start + HOUR, moved)
        end = MONDAY + (day + 1) * DAY
        compacting.compact(one.instance.pk, at_epoch=end + HOUR, most=5)
        retention.prune(at=moment(end))
        most = max(most, retention.used_bytes())
    return one, most


def sealed_hour(one: Simulated, hour: int) -> dict[Tier, Written]:
    """Return the blocks of an hour of samples."""
    bodies = []
    for minute in range(60):
        instants = []
        for second in range(0, 60, 10):
            epoch = MONDAY + hour * HOUR + minute * 60 + second
            one.look(epoch)
            costs = keeping.host_memory_of(one.memory, NOTHING_COLLECTED, at_epoch=epoch)
            instants.append(
                keeping.instant_of(
                    one.instance, one.memory.figures, NOTHING_COLLECTED, costs, at=moment(epoch)
                )
            )
        bodies.append(batches.pack(instants).body)
    return sealing.blocks_of(sealing.hour_of([batches.Opened(body) for body in bodies]))


def moved_to(written: Written, seconds: int) -> Written:
    """Return the same blocks so many seconds later."""
    every = []
    for kind, chunk, body in written.blocks:
        packed = blocks._packed(body)
        epochs = [packed.epochs[0] + seconds, *packed.epochs[1:]]
        every.append((kind, chunk, msgspec.msgpack.encode(msgspec.structs.replace(packed, epochs=epochs))))
    return written._replace(blocks=every)


# --- the terms of the formula -------------------------------------------------------------------------------------------


def measure_terms() -> None:
    """Print how many bytes of a day each object takes in each tier, and what a block takes beside those in it."""
    for is_recent, each in FITTED.items():
        clear()
        one, most = filled(60, each)
        print(f"PVE {'9' if is_recent else '8'}: file {file_bytes() / most * OVERHEAD:.3f} of the bodies")
        print("  tier     machine  container    stopped       node    storage      block")
        for tier in Tier:
            found = terms_of(one, tier)
            print(f"  {tier.label:<6}", *(f"{found[name]:>10.1f}" for name in (*TERMS, "block")), flush=True)


TERMS = ("machine", "container", "stopped", "node", "storage")


def terms_of(one: Simulated, tier: Tier) -> dict[str, float]:
    """Return bytes by term of the days that are there of a tier."""
    names = names_of(one)
    own: Counter[str] = Counter()
    around, days = 0, 0.0
    for span in HistorySpan.objects.filter(tier=tier):
        days += (span.end_epoch - span.start_epoch) / DAY if tier != Tier.SIX_HOURS else 0
        for kind, body in HistoryBlock.objects.filter(span=span).values_list("kind", "body"):
            block = blocks.unpack(bytes(body))
            days += len(block.epochs) / 4 / len(chunks_of(one)) if tier == Tier.SIX_HOURS else 0
            around += len(bytes(body)) - sum(map(len, block.streams.values()))
            for pk, stream in block.streams.items():
                own[names[kind, pk]] += len(stream)
    counts = Counter(names.values())
    return {name: own[name] / counts[name] / days for name in TERMS} | {
        "block": around / days / len(chunks_of(one))
    }


def names_of(one: Simulated) -> dict[tuple[int, int], str]:
    """Return what term each object belongs to."""
    names = {}
    guests = Guest.objects.filter(instance=one.instance).order_by("vmid").values_list("pk", "kind")
    for (pk, kind), runs in zip(guests, one.is_running, strict=True):
        names[int(Kind.GUEST), pk] = {"qemu": "machine", "lxc": "container"}[kind] if runs else "stopped"
    names |= {
        (int(Kind.NODE), pk): "node"
        for pk in Node.objects.filter(instance=one.instance).values_list("pk", flat=True)
    }
    storages = Storage.objects.filter(instance=one.instance).values_list("pk", flat=True)
    return names | {(int(Kind.STORAGE), pk): "storage" for pk in storages}


def chunks_of(one: Simulated) -> set[tuple[int, int]]:
    """Return the blocks of a span."""
    return set(
        HistoryBlock.objects.filter(span__tier=Tier.TEN_SECONDS).values_list("kind", "chunk").distinct()
    )
