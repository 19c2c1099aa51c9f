"""Pulse under all floods at once, beside a simulated estate: what it cost, and whether every host was still read."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from tests.attacks.peers import TOKEN
from tests.attacks.watching import memory_mib, seconds_of
from tests.process.running import ROOT, PulseProcess

EVERY_SECONDS = 0.25
#: Looked at less often: the whole state is told for it.
AGES_EVERY = 4


@dataclass
class Cost:
    """What was seen; memory in MiB, ages in intervals, waits in seconds."""

    interval_seconds: float
    calm_wait: float = 0.0  # in the middle, before
    memory_before: float = 0.0
    memory_most: float = 0.0
    memory_after: float = 0.0
    ages: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    unanswered: int = 0

    @property
    def growth(self) -> float:
        """How much more memory there was at most."""
        return self.memory_most - self.memory_before

    @property
    def wait_median(self) -> float:
        """How long health took in the middle."""
        return median(self.waits)

    @property
    def is_prompt(self) -> bool:
        """Whether half of the answers came within 0.1 s; on a machine that is busy with others, in five times of before."""
        return self.wait_median < max(0.1, 5 * self.calm_wait)

    def look(self, pulse: PulseProcess) -> None:
        """Ask for health and look at the memory."""
        self.memory_most = max(self.memory_most, memory_mib(pulse))
        try:
            self.waits.append(seconds_of(pulse))
        except OSError:
            self.unanswered += 1

    def look_at_ages(self, pulse: PulseProcess) -> None:
        """Note the age of the host that was read the longest ago; one that never answers has none."""
        try:
            nodes = pulse.state(token=TOKEN)["nodes"]
        except (OSError, AssertionError):
            self.unanswered += 1
            return
        seen = min(datetime.fromisoformat(node["lastSeen"]) for node in nodes if node["lastSeen"] > "2000")
        self.ages.append((datetime.now(UTC) - seen).total_seconds() / self.interval_seconds)


@contextmanager
def floods(pulse: PulseProcess, *names: str) -> Iterator[None]:
    """Attack inside the block."""
    command = [sys.executable, "-m", "tests.attacks.floods", str(pulse.port), *names]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def besiege(
    pulse: PulseProcess, *names: str, seconds: float, calm_seconds: float, interval_seconds: float
) -> Cost:
    """Let the floods run for so long, then nothing for so long."""
    calm_wait = median(seconds_of(pulse) for _ in range(20))
    cost = Cost(interval_seconds, calm_wait, memory_before=memory_mib(pulse))
    with floods(pulse, *names):
        watch(cost, pulse, seconds)
    time.sleep(calm_seconds)
    cost.memory_after = memory_mib(pulse)
    return cost


def watch(cost: Cost, pulse: PulseProcess, seconds: float) -> None:
    """Look again and again for so long."""
    deadline, count = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        begun = time.monotonic()
        cost.look(pulse)
        if count % AGES_EVERY == 0:
            cost.look_at_ages(pulse)
        count += 1
        time.sleep(max(0.0, begun + EVERY_SECONDS - time.monotonic()))
