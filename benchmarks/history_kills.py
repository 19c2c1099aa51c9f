"""Kill the history in the middle: `.venv/bin/python -m benchmarks.history_kills [kills] [seed] [seconds]`.

A process writes minutes of samples, seals hours and compacts days as fast as it can, and is killed with SIGKILL at random moments. After
each kill the file must be whole, and every minute whose writing had returned must be there once: in a batch or in a seal, not in
neither, not in both. Ends with an AssertionError at the first damage. Two hundred kills take two to three minutes of a core;
after so many seconds no more is begun, and it is told how many there were.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

MONDAY = 1_767_571_200
HOUR, DAY = 3_600, 86_400
GUESTS = 40
#: What is looked at after a kill: nothing before it can have been touched since it was looked at last.
LOOKED_AT_SECONDS = 26 * HOUR


def main(kills: int = 200, seed: int = 1, seconds: int = 3_600) -> None:
    """Run the rounds and print what they found."""
    with tempfile.TemporaryDirectory(prefix="pulse-history-kills-") as folder:
        os.environ["PULSE_DATA_DIR"] = folder
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        connections.close_all()
        chance, begun = random.Random(seed), time.monotonic()
        confirmed, caught = MONDAY, {"writing": 0, "sealing": 0, "compacting": 0}
        while sum(caught.values()) < kills and time.monotonic() - begun < seconds:
            confirmed, doing = killed_once(confirmed, chance)
            caught[doing] += 1
            check(confirmed)
    took = time.monotonic() - begun
    print(f"kills        {sum(caught.values())} of {kills} (seed {seed}, {took:.0f} s), {caught}")
    print(f"written      {(confirmed - MONDAY) // 60:,} minutes, {(confirmed - MONDAY) / DAY:.1f} days")
    print("damaged, lost or doubled     0")


def killed_once(confirmed: int, chance: random.Random) -> tuple[int, str]:
    """Let a child work from after the last confirmed minute and kill it; returns the last minute that it confirmed, and what it did."""
    from django.db import connections

    connections.close_all()
    told, tells = os.pipe()
    child = os.fork()
    if not child:
        os.close(told)
        try:
            work(confirmed, tells)
        finally:
            os._exit(1)
    os.close(tells)
    time.sleep(0.05 + chance.random() * 0.8)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(told) as lines:
        words = [line.split() for line in lines.read().splitlines()]
    whole = [line for line in words if len(line) == 2]
    minutes = [int(epoch) for word, epoch in whole if word == "written"]
    return max([confirmed, *minutes]), {"sealing": "sealing", "compacting": "compacting"}.get(
        whole[-1][0] if whole else "", "writing"
    )


def work(confirmed: int, tells: int) -> None:
    """Write minute after minute, and do what is due then."""
    from monitoring.history import compacting, keeping, sealing

    epoch = confirmed
    while True:
        epoch += 60
        keeping.write(1, [instant(epoch + second) for second in range(0, 60, 10)])
        os.write(tells, f"written {epoch}\n".encode())
        if epoch % HOUR == 240:
            os.write(tells, f"sealing {epoch}\n".encode())
            for hour in sealing.closed_hours(1, at_epoch=epoch):
                sealing.seal(1, hour)
            os.write(tells, f"compacting {epoch}\n".encode())
            compacting.compact(1, at_epoch=epoch)


def instant(epoch: int):
    """Return the samples of an instant; each figure is a function of guest and time."""
    from array import array

    from monitoring.history.batches import bytes_of
    from monitoring.history.metrics import CPU, MEMORY_USED
    from monitoring.known.head import Instant, Shot

    cpu = array("h", [cpu_code(pk, epoch) for pk in range(1, GUESTS + 1)])
    memory = array("h", [1000 + pk for pk in range(1, GUESTS + 1)])
    planes = {CPU.code: bytes_of(cpu), MEMORY_USED.code: bytes_of(memory)}
    return Instant(epoch, {2: Shot(tuple(range(1, GUESTS + 1)), planes)})


def cpu_code(pk: int, epoch: int) -> int:
    """Return the CPU of a guest, as a code."""
    return (pk * 7 + epoch // 10 * 13) % 1000


def check(confirmed: int) -> None:
    """Look at the file, and at every sample of the last day."""
    from django.db import connection

    from monitoring.choices import Tier
    from monitoring.history.metrics import CPU
    from monitoring.history.sampled import samples
    from monitoring.models import HistoryBlock, HistorySpan

    with connection.cursor() as cursor:
        cursor.execute("PRAGMA quick_check")
        assert cursor.fetchall() == [("ok",)], "the file is damaged"
    start = max(MONDAY + 60, (confirmed - LOOKED_AT_SECONDS) // 60 * 60)
    seen: dict[int, list[float | None]] = {}
    for one in samples(1, start_epoch=start, end_epoch=confirmed + 60):
        assert one.epoch not in seen, f"{one.epoch} is there twice"
        seen[one.epoch] = one.figures[CPU]
    wanted = range(start, confirmed + 60, 10)
    assert list(seen) == list(wanted), f"lost: {sorted(set(wanted) - set(seen))[:5]}"
    for epoch in (start, confirmed, confirmed + 50) if seen else ():
        exact = [cpu_code(pk, epoch) / 10 for pk in range(1, GUESTS + 1)]
        assert all(abs(one - other) < 0.001 for one, other in zip(seen[epoch], exact, strict=True)), epoch
    hours = spans_by_tier(HistorySpan)
    assert hours.get(Tier.TEN_SECONDS, set()) == hours.get(Tier.MINUTE, set()), "a seal of some tiers"
    blocks = set(HistoryBlock.objects.values_list("span_id", flat=True).distinct())
    assert blocks == set(HistorySpan.objects.values_list("pk", flat=True)), (
        "a span without its blocks, or blocks without one"
    )


def spans_by_tier(spans) -> dict[int, set[int]]:
    """Return the starts of the spans of each tier."""
    found: dict[int, set[int]] = {}
    for tier, start in spans.objects.values_list("tier", "start_epoch"):
        found.setdefault(tier, set()).add(start)
    return found


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
