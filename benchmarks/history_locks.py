"""A year is read again and again while polls write: is anything locked, does a cycle come late? Part of `benchmarks.history`.

The reader is a process of its own, as a client of the API is not, so that the file is all they share. The writer takes a sample of
every ten virtual seconds, notes the poll in the row of its instance, which a real one does once a minute, and seals and compacts what is
due. Ten seconds pass in fifty milliseconds: each write lasts as long as ever, and there are two hundred times as many of them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from django.db import DatabaseError

from benchmarks.history_estate import DAY, HOUR, MONDAY, Simulated, moment, shape

ROOT = Path(__file__).resolve().parents[1]
GUESTS, NODES = 100, 3
INTERVAL_SECONDS = 10
STEP_SECONDS = 0.05
#: From ten in the evening: four hours are closed, and a day.
VIRTUAL_SECONDS = 4 * HOUR
YEAR = 365 * DAY
READ = "from benchmarks.history_locks import read_on; read_on()"


class Waits:
    """How long each write took, and what went wrong."""

    def __init__(self) -> None:
        """Begin."""
        self.seconds: list[float] = []
        self.errors: list[str] = []

    def run(self, write: Callable[[], object]) -> None:
        """Write and note it."""
        begun = time.perf_counter()
        try:
            write()
        except DatabaseError as error:
            self.errors.append(str(error))
        self.seconds.append(time.perf_counter() - begun)


def measure() -> None:
    """Print what happened to the writes, and how often the year was read."""
    from django.conf import settings

    from benchmarks.history_reading import fill_year

    estate = Simulated(0, shape(NODES, GUESTS))
    fill_year(estate)
    command = [sys.executable, "-c", f"import django; django.setup(); {READ}"]
    reader = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    reader.stdout.readline()
    polls, seals = Waits(), Waits()
    late, log_bytes = 0, 0
    log = Path(settings.PULSE_DATA_DIR) / "pulse.sqlite3-wal"
    start, begun = MONDAY + YEAR - 2 * HOUR, time.monotonic()
    for number, epoch in enumerate(range(start, start + VIRTUAL_SECONDS, INTERVAL_SECONDS)):
        estate.look(epoch)
        time.sleep(max(0.0, begun + number * STEP_SECONDS - time.monotonic()))
        polls.run(lambda at=epoch: poll(estate, at))
        if epoch % 60 == 0:
            seals.run(lambda at=epoch: seal(estate, at))
        late += polls.seconds[-1] > INTERVAL_SECONDS
        log_bytes = max(log_bytes, log.stat().st_size)
    took = time.monotonic() - begun
    told, _ = reader.communicate("\n")
    kept = sampled(estate, start)
    print(f"{GUESTS} guests with a year of history; {len(polls.seconds):,} polls in {took:.0f} s")
    print(f"  read       {told.strip()}")
    print(
        f"  errors     {len(polls.errors) + len(seals.errors)} {polls.errors[:1] or seals.errors[:1] or ''}"
    )
    print(f"  cycles     {late} missed, {kept:,} of {len(polls.seconds):,} samples are there")
    print(
        f"  longest    {1000 * max(polls.seconds):.0f} ms of a poll, {1000 * max(seals.seconds):.0f} ms of a seal"
    )
    print(f"  log        {log_bytes / (1 << 20):.1f} MiB at most")


def poll(estate: Simulated, epoch: int) -> None:
    """Write what a poll writes."""
    from monitoring.history import keeping
    from monitoring.known.facts import NOTHING_COLLECTED
    from nodes.models import Instance

    Instance.objects.filter(pk=estate.instance.pk).update(last_success_at=moment(epoch))
    keeping.keep(estate.instance, estate.memory, NOTHING_COLLECTED, at=moment(epoch))


def seal(estate: Simulated, epoch: int) -> None:
    """Do what the task does."""
    from benchmarks.history_cost import seal as seal_all

    seal_all([estate], epoch)


def sampled(estate: Simulated, start: int) -> int:
    """Return how many samples there are since the begin."""
    from monitoring.history.metrics import Kind
    from monitoring.history.sampled import samples

    end = start + VIRTUAL_SECONDS
    found = {
        one.epoch
        for one in samples(estate.instance.pk, start_epoch=start, end_epoch=end)
        if one.kind == Kind.GUEST
    }
    return len(found | {one.epoch for one in estate.memory.head})


def read_on() -> None:
    """Read a year until told to end: of one guest all that is known, and of all of them the means."""
    import select

    from monitoring.history import reading
    from monitoring.history.metrics import METRICS, Kind
    from nodes.models import Guest

    guests = list(Guest.objects.order_by("pk").values_list("pk", "instance_id"))
    end, longest, times, errors = MONDAY + YEAR + DAY, 0.0, 0, 0
    print("begun", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        pk, instance = guests[times % len(guests)]
        wanted = {Kind.GUEST: ([pk] if times % 4 else None, METRICS[Kind.GUEST])}
        begun = time.perf_counter()
        try:
            found = reading.read(instance, wanted, start_epoch=end - YEAR, end_epoch=end)
            assert found.grid.size
        except DatabaseError:
            errors += 1
        longest = max(longest, time.perf_counter() - begun)
        times += 1
    print(f"{times} times a year, {errors} errors, {1000 * longest:.0f} ms at most")
