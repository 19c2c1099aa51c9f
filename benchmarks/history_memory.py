"""What the history adds to the memory of a whole server: `.venv/bin/python -m benchmarks.history_memory [S|M|L] [minutes]`.

One process of `pulse run` after the other watches the same simulated estate: one that keeps the history, and first has an hour of it to
seal; one in which, for this measurement alone, nothing is kept, sealed, read back or looked ahead; and one that keeps it again, and
first reads back from the hosts what was missed meanwhile. What is compared is the memory at most, and at the end of so many minutes, when
what was free has been given back; the code of the history is loaded in all of them.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.estate import add_all, cpu_seconds, is_whole, pss_megabytes, simulated
from benchmarks.simulated import SIZES
from tests.process.running import PulseProcess, until

LIMITS = {"S": 15, "L": 120}
SAMPLE_SECONDS = 2.0
MINUTE, HOUR = 60, 3_600
#: What the schedule has that would not be there without a history.
TASKS = ("seal-history", "prune-history", "look-ahead", "backfill-history", "remote-writes")


def main(size: str = "S", minutes: str = "4") -> None:
    """Print the memory of both, and the difference."""
    clusters, _, guests, _ = SIZES[size]
    found: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory(prefix="pulse-memory-") as folder, simulated(size) as estate:
        data_dir = Path(folder) / "data"
        with PulseProcess(data_dir) as pulse:
            pulse.healthy()
            add_all(pulse, estate)
            until(lambda: is_whole(pulse, estate, clusters * guests), seconds=300, what="all guests")
            # Until a minute of samples is written.
            time.sleep(2 * MINUTE)
            pulse.end()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.history_memory", "--fill"],
            env=pulse.environment | {"DJANGO_SETTINGS_MODULE": "pulse.settings"},
            cwd=ROOT,
            check=True,
        )
        for history in ("on", "off", "after a gap"):
            command = ("-m", "benchmarks.history_memory", "--serve", history)
            with PulseProcess(data_dir, command=command) as pulse:
                pulse.healthy()
                until(lambda: is_whole(pulse, estate, clusters * guests), seconds=300, what="all guests")
                found[history] = watched(pulse, float(minutes))
                print(
                    f"{size}, history {history}: PSS {found[history][0]:.1f} MB at most, {found[history][1]:.1f} MB at the end;"
                    f" {cpu_seconds(pulse):.0f} s of processor time",
                    flush=True,
                )
                pulse.end()
    for history in ("on", "after a gap"):
        most, last = (found[history][place] - found["off"][place] for place in (0, 1))
        print(
            f"{size}, history {history}: {most:+.1f} MB at most, {last:+.1f} MB at the end (limit {LIMITS.get(size, '-')})"
        )


def watched(pulse: PulseProcess, minutes: float) -> tuple[float, float]:
    """Return the memory at most, and the median of the last twenty seconds."""
    memory = []
    until_then = time.monotonic() + minutes * MINUTE
    while time.monotonic() < until_then:
        memory.append(pss_megabytes(pulse))
        time.sleep(SAMPLE_SECONDS)
    return max(memory), median(memory[-10:])


def fill() -> None:
    """Make an hour that is over of the minutes that were saved: the start after it has all of it to seal."""
    import django

    django.setup()
    from monitoring.models import HistoryBatch
    from nodes.models import Instance

    hour = int(time.time()) // HOUR * HOUR - HOUR
    made = 0
    for instance in Instance.objects.all():
        saved = HistoryBatch.objects.filter(instance_id=instance.pk).order_by("-start_epoch").first()
        if saved is None:
            continue
        for minute in range(60):
            at = hour + minute * MINUTE
            HistoryBatch.objects.update_or_create(
                instance_id=instance.pk,
                start_epoch=at,
                source=0,
                defaults={"means": moved(bytes(saved.means), at), "body": moved(bytes(saved.body), at)},
            )
            made += 1
    print(f"  {made} minutes of samples to seal", flush=True)


def moved(body: bytes, at: int) -> bytes:
    """Return a batch with its first instant at another time."""
    import msgspec

    from monitoring.history import batches

    packed = batches._packed(batches.inflate(body))
    epochs = [at + 10 * place for place in range(len(packed.epochs))]
    return batches.squeezed(msgspec.structs.replace(packed, epochs=epochs))


def serve(history: str) -> None:
    """Run Pulse as `pulse run` does, with or without a history."""
    from pulse.runtime import cli
    from pulse.runtime.run import run_embedded

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")
    cli.verbs = lambda: {"run": lambda: run_embedded(leave_out if history == "off" else None)}
    cli.main(["run"])


def leave_out() -> None:
    """Keep nothing, and do nothing that is done for the history."""
    from django.conf import settings

    from monitoring.history import events, keeping

    keeping.keep = lambda *_, **__: None
    keeping.write_due = keeping.write_all = lambda *_, **__: 0
    events.record_changes = lambda *_, **__: None  # type: ignore[assignment]
    for name in TASKS:
        settings.CELERY_BEAT_SCHEDULE.pop(name)


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] == ["--serve"]:
        serve(words[1])
    elif words == ["--fill"]:
        fill()
    else:
        main(*words)
