"""The clock of the machine is set while Pulse runs, and before it starts: it polls on, and tells no age that it does not know."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path

import pytest

from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

pytestmark = [pytest.mark.xdist_group("processes"), pytest.mark.timeout(120)]

INTERVAL_SECONDS = 3
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HOUR, DAY = 3600, 86_400


@pytest.fixture
def clock(tmp_path):
    """A clock for processes that anybody can set; only a continuous integration insists on it."""
    if not LIBRARIES and os.environ.get("CI") != "true":
        pytest.skip("faketime is not installed: no clock can be set here")
    assert LIBRARIES, "the Debian package faketime is needed to set a clock"
    return Clock(tmp_path / "clock")


class Clock:
    """Ahead of the machine's by some seconds; the monotonic clock is the machine's."""

    def __init__(self, path):
        self.path, self.ahead_seconds = path, 0
        self.set(0)

    def set(self, ahead_seconds):
        """Set it, for processes that run as well."""
        self.ahead_seconds = ahead_seconds
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{ahead_seconds:+d}s\n")
        fresh.replace(self.path)

    @property
    def variables(self):
        """The environment of a process that goes by it."""
        return {
            "LD_PRELOAD": str(LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_RESET": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def now(self):
        """What it shows, in epoch seconds."""
        return time.time() + self.ahead_seconds

    def process(self, data_dir):
        """Pulse by this clock."""
        return PulseProcess(data_dir, POLLING_INTERVAL=str(INTERVAL_SECONDS), **self.variables)


def add(pulse, told):
    """Configure a host."""
    assert pulse.request("POST", "/api/config/nodes", connection(told))[0] == 201


def last_update(pulse):
    """When the state has changed last, by itself, in epoch seconds."""
    return datetime.fromisoformat(pulse.state()["lastUpdate"]).timestamp()


def is_live(pulse, clock):
    """Whether the host answers, and what is told of it is younger than two intervals by the clock that there is now."""
    state = pulse.state()
    is_healthy = any(state["connectionHealth"].values())
    return is_healthy and -1 <= clock.now() - last_update(pulse) <= 2 * INTERVAL_SECONDS


@pytest.mark.parametrize("step", [-HOUR, HOUR, -DAY, DAY])
def test_a_host_is_polled_within_two_intervals_of_a_step_and_after_a_restart_too(step, clock, tmp_path):
    data_dir = tmp_path / "data"
    with FakeProcess("homelab") as hosts:
        with clock.process(data_dir) as pulse:
            pulse.healthy()
            add(pulse, hosts.instances[0])
            until(lambda: is_live(pulse, clock), seconds=20, what="the host is polled")

            clock.set(step)

            until(lambda: is_live(pulse, clock), seconds=2 * INTERVAL_SECONDS + 1, what="it is polled on")
            assert pulse.end()[0] == 0

        clock.set(2 * step)
        with clock.process(data_dir) as pulse:
            pulse.healthy()
            until(lambda: is_live(pulse, clock), seconds=2 * INTERVAL_SECONDS, what="it is polled at once")
