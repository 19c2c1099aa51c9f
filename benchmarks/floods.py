"""All floods at once: `python -m benchmarks.floods [minutes] [flood...]`, ten minutes and every flood unless said.

One process of `pulse run` with a token polls forty simulated hosts while `tests.attacks.floods` attacks it from a process of
its own. Prints memory before, at most and after; how old what is known of a host was at most; how long health took.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.estate import add_all, cpu_seconds, simulated
from benchmarks.simulated import GUESTS_OF_SMALL_HOSTS
from tests.attacks.peers import TOKEN
from tests.attacks.siege import besiege
from tests.process.running import PulseProcess, until

HOSTS = 40
INTERVAL_SECONDS = 10
#: Until the slow lanes have read everything once.
SETTLE_SECONDS = 150.0
#: Every stalled reader has been let go by then.
CALM_SECONDS = 75.0


def is_whole(pulse: PulseProcess) -> bool:
    """Return whether every host is shown with its guests (one in twenty is a template)."""
    state = pulse.state(token=TOKEN)
    guests = len(state["vms"]) + len(state["containers"])
    return len(state["nodes"]) == HOSTS and guests >= 0.9 * HOSTS * GUESTS_OF_SMALL_HOSTS


def main(minutes: str = "10", *names: str) -> None:
    """Print what the floods cost."""
    with (
        tempfile.TemporaryDirectory(prefix="pulse-floods-") as folder,
        simulated(str(HOSTS)) as estate,
        PulseProcess(Path(folder) / "data", API_TOKEN=TOKEN, PULSE_BIND="127.0.0.1") as pulse,
    ):
        pulse.healthy()
        add_all(pulse, estate, token=TOKEN)
        until(lambda: is_whole(pulse), seconds=120, what="all guests")
        time.sleep(SETTLE_SECONDS)
        spent = cpu_seconds(pulse)
        cost = besiege(
            pulse,
            *names,
            seconds=float(minutes) * 60,
            calm_seconds=CALM_SECONDS,
            interval_seconds=INTERVAL_SECONDS,
        )
        waits = [seconds * 1000 for seconds in cost.waits]
        print(f"floods                   {', '.join(names) or 'all'}, {minutes} min, {HOSTS} hosts")
        print(
            f"memory, MiB              before {cost.memory_before:.0f}, most {cost.memory_most:.0f} "
            f"(+{cost.growth:.0f}), after {cost.memory_after:.0f}"
        )
        print(f"age of a host, intervals most {max(cost.ages):.2f}")
        print(
            f"health, ms               before {cost.calm_wait * 1000:.0f}, median {cost.wait_median * 1000:.0f}, p95 {quantiles(waits, n=20)[-1]:.0f}, "
            f"most {max(waits):.0f}; unanswered {cost.unanswered} of {len(waits)}"
        )
        print(f"processor, s             {cpu_seconds(pulse) - spent:.0f}")
        print(f"lines in the log         {len(pulse.log.splitlines())}, errors {pulse.log.count(' error ')}")
        print(pulse.log[-3000:] if " error " in pulse.log else "")


if __name__ == "__main__":
    main(*sys.argv[1:])
