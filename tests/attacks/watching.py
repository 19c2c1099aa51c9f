"""What an attack costs the process that it hits: its memory, and how long others wait meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.process.running import PulseProcess

EVERY_SECONDS = 0.1


def memory_mib(pulse: PulseProcess) -> float:
    """Return the memory that belongs to the process, shared pages by their share."""
    text = Path(f"/proc/{pulse.process.pid}/smaps_rollup").read_text()
    return int(text.partition("\nPss:")[2].split()[0]) / 1024


def open_files(pulse: PulseProcess) -> int:
    """Return how many descriptors the process has open."""
    return sum(1 for _ in Path(f"/proc/{pulse.process.pid}/fd").iterdir())


def seconds_of(pulse: PulseProcess, path: str = "/api/health") -> float:
    """Return how long an answer takes on a new connection; raises OSError when there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", pulse.port, timeout=10)
    asked = time.monotonic()
    try:
        connection.request("GET", path)
        if connection.getresponse().status != 200:
            raise OSError("not served")
    except http.client.HTTPException as error:
        raise OSError("not answered") from error
    finally:
        connection.close()
    return time.monotonic() - asked


class Watch:
    """Asks for health all the while, on a new connection each time, and looks at the memory."""

    def __init__(self, pulse: PulseProcess) -> None:
        self.pulse = pulse
        self.calm_seconds = statistics.median(seconds_of(pulse) for _ in range(20))
        self.before_mib = memory_mib(pulse)
        self.most_mib = self.before_mib
        self.waits_seconds: list[float] = []
        self.failures = 0

    @property
    def growth_mib(self) -> float:
        """How much more memory there was at most."""
        return self.most_mib - self.before_mib

    @property
    def is_served(self) -> bool:
        """Whether everybody was answered, half of them within 0.1 s; on a machine that is busy with others, in five times of before."""
        median = statistics.median(self.waits_seconds)
        return not self.failures and median < max(0.1, 5 * self.calm_seconds)

    def look(self) -> None:
        """Ask once."""
        try:
            self.waits_seconds.append(seconds_of(self.pulse))
        except OSError:
            self.failures += 1
        with contextlib.suppress(OSError):
            self.most_mib = max(self.most_mib, memory_mib(self.pulse))


@contextmanager
def watched(pulse: PulseProcess) -> Iterator[Watch]:
    """Watch the process inside the block."""
    watch, ended = Watch(pulse), threading.Event()

    def go_on() -> None:
        while not ended.wait(EVERY_SECONDS):
            watch.look()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()
        watch.look()
