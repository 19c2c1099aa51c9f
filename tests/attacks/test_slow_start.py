"""Fifty instances that are all slow, from the start on: ready at once, little memory, and all of them fresh within a minute.

Source: reliability.md B45.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from tests.attacks.watching import memory_mib, seconds_of
from tests.fake_proxmox.process import FakeProcess
from tests.process.running import ROOT, PulseProcess, until

pytestmark = [pytest.mark.xdist_group("attacks"), pytest.mark.timeout(240)]

INSTANCES = 50
LATENCY_MS = 1500
#: More than thirty are not added in a minute over HTTP.
ADD = """
import json, sys
import django; django.setup()
from pulse.runtime import schema
schema.bring_up_to_date()
from tests.factories import make_instance
for told in json.load(sys.stdin):
    make_instance(
        told["kind"], name=told["name"], host=told["url"], token_id=told["tokenId"], token_value=told["tokenValue"],
        fingerprint=told["fingerprint"],
    )
"""


@pytest.fixture
def estate():
    """Hosts that take one and a half seconds for each answer."""
    options = ["--clusters", str(INSTANCES), "--nodes", "1", "--guests", "4", "--latency-ms", str(LATENCY_MS)]
    with FakeProcess("large", *options) as estate:
        yield estate


def test_fifty_slow_instances_hold_up_no_start_and_are_fresh_within_a_minute(estate, tmp_path):
    environment = os.environ | {
        "PULSE_DATA_DIR": str(tmp_path / "data"),
        "DJANGO_SETTINGS_MODULE": "pulse.settings",
    }
    told = json.dumps(estate.instances).encode()
    subprocess.run([sys.executable, "-c", ADD], cwd=ROOT, env=environment, input=told, check=True)
    command = [sys.executable, "-m", "pulse", "instance", "allow-loopback"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    with PulseProcess(tmp_path / "data") as pulse:
        ready = pulse.healthy()
        begun, before, most, waits = time.monotonic(), memory_mib(pulse), 0.0, []

        def all_are_fresh() -> bool:
            nonlocal most
            most = max(most, memory_mib(pulse))
            waits.append(seconds_of(pulse))
            return sum(pulse.state()["connectionHealth"].values()) == INSTANCES

        until(all_are_fresh, seconds=60, what="all instances are read")
        took = time.monotonic() - begun
        until(lambda: time.monotonic() > begun + 20, seconds=30, what="the slow lanes have begun")
        most = max(most, memory_mib(pulse))
    traffic = estate.request("GET", "/traffic")

    assert ready < 5
    assert took < 60
    assert most - before < 100
    assert sorted(waits)[len(waits) // 2] < 0.1
    assert max(peak for server in traffic.values() for peak in server["inFlightPeak"].values()) <= 2
