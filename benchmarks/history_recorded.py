"""Bytes per value of what real hosts have recorded, in steps of a minute and of hours. Part of `benchmarks.history`.

The recordings are short, a dozen rows of each object, so they are told as they are, and lengthened to a day. That must not make
them compress better than the day of the host would have: 32 objects are made of each recording, each with figures of its own (times a
factor of its own), and each point of each metric lies somewhere between two rows that are drawn by chance. So it moves as far as the
recording does, nothing repeats, and no point tells of the next one, as it does on a real host: it is an upper bound.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from benchmarks.history_cost import tell_tiers
from benchmarks.history_estate import DAY, HOUR, MONDAY
from monitoring.history import compacting, keeping, sealing
from monitoring.history.backfill.told import Window, series_of
from monitoring.history.blocks import OBJECTS
from monitoring.history.gathering import shot_of_rows
from monitoring.history.metrics import Kind, Metric
from monitoring.history.scales import PERCENT
from monitoring.history.telling import ToldSeries, keep_told
from monitoring.known.head import Instant
from monitoring.models import HistoryBatch, HistoryBlock, HistorySpan
from nodes.proxmox import records
from nodes.proxmox.readings.records import RecordsReading
from tests.nodes.recorded import FOLDER, recorded

RECORDINGS: Mapping[str, tuple[Kind, Callable[[object], RecordsReading]]] = {
    "pulse-rrd/pve8_guest_rrddata.json": (Kind.GUEST, records.read_machine_records),
    "pulse-rrd/pve9_qemu_rrddata.json": (Kind.GUEST, records.read_machine_records),
    "pulse-rrd/pve9_lxc_rrddata.json": (Kind.GUEST, records.read_container_records),
    "pulse-rrd/pve8_node_rrddata.json": (Kind.NODE, records.read_node_records),
    "pulse-rrd/pve9_node_rrddata.json": (Kind.NODE, records.read_node_records),
    "fog-proxmox-pve6/node-rrddata.json": (Kind.NODE, records.read_node_records),
}
ALWAYS = Window(0, 1 << 40, 1 << 40)
#: The rows that are known of a recorded object, by metric.
Known = Mapping[Metric, list[float]]


def measure() -> None:
    """Print bytes per value of the recordings as they are, and lengthened, told by the host and sampled by Pulse."""
    if not FOLDER.exists():
        print(f"recorded: left out, the recordings are not in {FOLDER}")
        return
    told = [series for number, name in enumerate(RECORDINGS, 1) if (series := read(name, number)) is not None]
    print(f"{len(told)} recorded objects, {sum(len(one.epochs) for one in told)} rows, as they were told")
    keep_told(1, told)
    tell_tiers()

    forget()
    objects = {
        number * OBJECTS + place: (one.kind, moved(one, place))
        for number, one in enumerate(told, 1)
        for place in range(OBJECTS)
    }
    chance = Random(1)
    print(f"{len(objects)} objects, a day in steps of a minute, as a host tells it")
    keep_told(1, [day_of(kind, pk, known, chance) for pk, (kind, known) in objects.items()])
    tell_tiers()

    forget()
    print(f"{len(objects)} objects, a day in steps of ten seconds, as Pulse samples it")
    for epoch in range(MONDAY, MONDAY + DAY, 60):
        keeping.write(1, [instant(objects, epoch + second, chance) for second in range(0, 60, 10)])
        if (epoch + 60) % HOUR == 0:
            sealing.seal(1, epoch // HOUR * HOUR)
    compacting.compact(1, at_epoch=MONDAY + DAY + HOUR)
    tell_tiers()


def read(name: str, pk: int) -> ToldSeries | None:
    """Return a recording as a backfill would keep it."""
    kind, reader = RECORDINGS[name]
    return series_of(kind, pk, reader(recorded(name)), ALWAYS)


def forget() -> None:
    """Empty the history."""
    for model in (HistoryBatch, HistoryBlock, HistorySpan):
        model.objects.all().delete()


def moved(one: ToldSeries, place: int) -> Known:
    """Return the known rows, with the sizes and rates times a factor that is that of an object alone."""
    factor = 0.5 * 4 ** ((place + 0.5) / OBJECTS)
    return {
        metric: [value * (1 if metric.scale is PERCENT else factor) for value in values if value is not None]
        for metric, values in one.values.items()
    }


def drawn(known: Known, chance: Random) -> dict[Metric, float]:
    """Return what could have been recorded as well: of each metric something between two of its rows."""
    point = {}
    for metric, rows in known.items():
        one, other = chance.choice(rows), chance.choice(rows)
        point[metric] = one + (other - one) * chance.random()
    return point


def day_of(kind: Kind, pk: int, known: Known, chance: Random) -> ToldSeries:
    """Return a day of one object by the minute."""
    epochs = list(range(MONDAY, MONDAY + DAY, 60))
    points = [drawn(known, chance) for _ in epochs]
    values: dict[Metric, list[float | None]] = {
        metric: [point[metric] for point in points] for metric in known
    }
    return ToldSeries(kind, pk, epochs, [60] * len(epochs), values)


def instant(objects: Mapping[int, tuple[Kind, Known]], epoch: int, chance: Random) -> Instant:
    """Return a sample of all objects."""
    rows: dict[Kind, dict[int, dict[Metric, float]]] = {}
    for pk, (kind, known) in objects.items():
        rows.setdefault(kind, {})[pk] = drawn(known, chance)
    return Instant(epoch, {int(kind): shot_of_rows(some) for kind, some in rows.items()})
