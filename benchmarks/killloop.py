"""Kill Pulse a hundred times in the middle of changes: `python benchmarks/killloop.py [kills] [seed]`.

Prints the start times after each kill. Ends with an AssertionError at the first damage.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def main(kills: int = 100, seed: int = 1) -> None:
    """Run the rounds and print what they took."""
    with tempfile.TemporaryDirectory(prefix="pulse-kills-") as folder:
        os.environ["PULSE_DATA_DIR"] = f"{folder}/unused"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")
        import django

        django.setup()
        from tests.process.kill_loop import Expected, kill_once

        expected, chance = Expected(), random.Random(seed)
        begun = time.monotonic()
        rounds = [kill_once(Path(folder) / "data", expected, chance) for _ in range(kills)]
    starts = sorted(round.start_seconds for round in rounds[1:])
    print(f"kills                    {kills} (seed {seed}, {time.monotonic() - begun:.0f} s)")
    print(f"changes answered         {sum(round.answered for round in rounds)}")
    print(f"start after a kill, s    median {starts[len(starts) // 2]:.2f}, longest {starts[-1]:.2f}")
    print("lost or half-written     0")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:3]))
