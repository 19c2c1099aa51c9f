"""What an hour without a client leaves behind: `.venv/bin/python -m benchmarks.lasting [S|M|L] [minutes]`.

Memory, processor time, requests and bytes written to the disk, minute by minute, of one process of `pulse run` that
watches a simulated estate whose figures move. At the end the slope of the last half of the run: memory that has a
plateau is flat there, whatever the start has cost.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import linear_regression, mean

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.estate import add_all, cpu_seconds, is_whole, pss_megabytes, simulated
from benchmarks.simulated import SIZES
from tests.process.running import PulseProcess, until

MIB = 1 << 20


def written_bytes(pulse: PulseProcess) -> int:
    """Return what the process has given to the disk so far, by the system's own count."""
    text = Path(f"/proc/{pulse.process.pid}/io").read_text()
    return int(text.partition("\nwrite_bytes:")[2].split()[0])


def main(size: str = "L", minutes: str = "60") -> None:
    """Print a line a minute, then what the second half of the run says."""
    clusters, _, guests, _ = SIZES[size]
    with (
        tempfile.TemporaryDirectory(prefix="pulse-lasting-") as folder,
        simulated(size) as estate,
        PulseProcess(Path(folder) / "data") as pulse,
    ):
        pulse.healthy()
        add_all(pulse, estate)
        until(lambda: is_whole(pulse, estate, clusters * guests), seconds=120, what="all guests")
        print(f"{size}: minute, PSS MB, CPU s, requests, MB written")
        begun, memory, disk = time.monotonic(), [], [written_bytes(pulse)]
        for minute in range(1, int(minutes) + 1):
            estate.ask("POST", "/traffic/reset")
            cpu = cpu_seconds(pulse)
            time.sleep(max(0.0, begun + minute * 60 - time.monotonic()))
            memory.append(pss_megabytes(pulse))
            disk.append(written_bytes(pulse))
            asked = sum(server["total"] for server in estate.traffic().values())
            print(
                f"{minute:>4}  {memory[-1]:>7.1f}  {cpu_seconds(pulse) - cpu:>6.2f}  {asked:>6,}"
                f"  {(disk[-1] - disk[-2]) / MIB:>7.2f}",
                flush=True,
            )
        conclude(memory, disk)


def conclude(memory: list[float], disk: list[int]) -> None:
    """Print the slope of memory over the last half, in percent of its mean, and what an hour writes."""
    half = memory[len(memory) // 2 :]
    slope = linear_regression(range(len(half)), half).slope * len(half) / mean(half)
    written = (disk[-1] - disk[len(disk) // 2]) / (len(disk) - 1 - len(disk) // 2)
    print(f"memory: most {max(memory):.0f} MB, over the last half {100 * slope:+.2f} %")
    print(f"written: {written * 60 / MIB:.1f} MB an hour, by the last half")


if __name__ == "__main__":
    main(*sys.argv[1:])
