"""How long one guest takes to read at the store, over a night to a year. Part of `benchmarks.history`."""

from __future__ import annotations

import time

from benchmarks.history_estate import DAY, MONDAY, Simulated, shape
from benchmarks.years import NIGHT, fill_years
from monitoring.history import reading
from monitoring.history.metrics import METRICS, Kind
from nodes.models import Guest


def measure() -> None:
    """Print how long it takes to read one guest, whose block it shares with others."""
    one = Simulated(0, shape(1, 32))
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
