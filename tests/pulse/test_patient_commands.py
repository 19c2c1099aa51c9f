"""A command that is run beside a busy Pulse waits until it may write.

Source: reliability.md B23.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.process.running import PulseProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

#: Longer than whoever waits for an answer is kept waiting, and shorter than a person who has typed a command is.
HELD_SECONDS = 7
HOLD = f"""
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep({HELD_SECONDS})
connection.execute("COMMIT")
"""


def test_a_command_waits_for_whoever_writes_for_longer(tmp_path):
    with PulseProcess(tmp_path / "data") as pulse:
        pulse.healthy()
        database = str(tmp_path / "data" / "pulse.sqlite3")
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, database], stdout=subprocess.PIPE, text=True
        ) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            begun = time.monotonic()
            command = PulseProcess(
                tmp_path / "data", "create-token", command=("-m", "pulse", "create-token", "a script")
            )
            code = command.wait_for_exit(seconds=40)
            took = time.monotonic() - begun

    assert code == 0, command.log
    assert "pulse_" in command.log
    assert took > HELD_SECONDS - 2
