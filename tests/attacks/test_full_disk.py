"""A disk that is full, and a database that somebody else has locked: figures stay live, the cause is told, all of it ends."""

from __future__ import annotations

import http.client
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from monitoring.history.batches import Opened
from tests.attacks.small_disk import fill, small_disk
from tests.fake_proxmox.process import FakeProcess, connection
from tests.process.running import PulseProcess, until

pytestmark = [pytest.mark.timeout(240)]

INTERVAL = 3
FULL = "the disk of the data directory is full"
LOCKED = "the database is locked by another program"
HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def estate() -> Iterator[FakeProcess]:
    with FakeProcess("cluster") as running:
        yield running


def started(data_dir: Path, log_dir: Path) -> PulseProcess:
    """Start a Pulse on this directory and wait until it answers."""
    pulse = PulseProcess(data_dir, POLLING_INTERVAL=str(INTERVAL), log_dir=log_dir)
    pulse.healthy()
    return pulse


def watch(pulse: PulseProcess, estate: FakeProcess) -> None:
    """Add the simulated cluster, and wait until its guests are shown."""
    told = estate.instance("production")
    status, answer = pulse.request("POST", "/api/config/nodes", connection(told))
    assert status == 201, answer
    until(lambda: len(pulse.state()["vms"]) >= 5, seconds=30, what="guests")
    until(lambda: pulse.request("GET", "/api/ready")[0] == 200, seconds=10, what="it is ready")


def cause(pulse: PulseProcess) -> str:
    """Return why it is not ready, "" while it is."""
    status, answer = pulse.request("GET", "/api/ready")
    return "" if status == 200 else str(answer["error"])


def told(pulse: PulseProcess) -> list[str]:
    """Return what the concerns say about saving."""
    return [one["text"] for one in pulse.state()["concerns"] if one["code"] == "not_saved"]


def polls_go_on(pulse: PulseProcess, *, polls: int) -> None:
    """Wait until so many polls have renewed the state, each no later than two intervals after the last."""
    for _ in range(polls):
        before = pulse.state()["lastUpdate"]
        until(
            lambda since=before: pulse.state()["lastUpdate"] > since,
            seconds=2 * INTERVAL + 1,
            what="a newer state",
        )


def lines_of(pulse: PulseProcess, *, after: int) -> list[str]:
    """Return the warnings and errors of the log after so many characters."""
    return [line for line in pulse.log[after:].splitlines() if " error " in line or " warning " in line]


def edit(pulse: PulseProcess) -> tuple[int, Any]:
    """Change something that has to be saved; the host is not asked for it."""
    identity = pulse.request("GET", "/api/config/nodes")[1][0]["id"]
    return pulse.request("PUT", f"/api/config/nodes/{identity}", {"monitorBackups": True})


def is_whole(data_dir: Path) -> bool:
    """Return whether SQLite finds no fault with the file."""
    with closing(sqlite3.connect(data_dir / "pulse.sqlite3")) as database:
        return database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_on_a_full_disk_polling_goes_on_the_cause_is_told_once_and_all_is_well_with_room_again(
    tmp_path, estate
):
    with small_disk(tmp_path / "data", mebibytes=64) as disk, started(disk, tmp_path) as pulse:
        watch(pulse, estate)
        until((disk / "ballast").exists, seconds=10, what="room is kept")
        begun = len(pulse.log)

        first = fill(disk)
        until(lambda: FULL in cause(pulse), seconds=10, what="the full disk is told")
        polls_go_on(pulse, polls=2)
        on_ballast = (edit(pulse)[0], (disk / "ballast").exists())

        second = fill(disk, "another filler")
        until(lambda: cause(pulse) == FULL, seconds=10, what="that the kept room is used up is told")
        polls_go_on(pulse, polls=4)
        refused, health = edit(pulse), pulse.answers()
        page = pulse.request("GET", "/")[1].decode()
        concerns, lines = told(pulse), lines_of(pulse, after=begun)

        first.unlink()
        second.unlink()
        freed = time.monotonic()
        until(lambda: cause(pulse) == "", seconds=30, what="it is ready again")
        recovered = time.monotonic() - freed
        saved = edit(pulse)
        until((disk / "ballast").exists, seconds=10, what="room is kept again")
        until(lambda: told(pulse) == [], seconds=15, what="the concern is over")
        pulse.end()

        assert is_whole(disk)
    assert on_ballast == (200, False)
    assert (refused[0], refused[1]["error"]) == (503, f"nothing can be saved: {FULL}")
    assert health
    assert "<strong>The disk of the data directory is full.</strong>" in page
    assert concerns == ["The disk of the data directory is full"]
    assert len(lines) <= 4, lines
    assert recovered < 30
    assert saved[0] == 200


def sampled_epochs(data_dir: Path) -> list[int]:
    """Return when each sample that is saved was taken."""
    with closing(sqlite3.connect(data_dir / "pulse.sqlite3")) as database:
        rows = database.execute("SELECT body FROM monitoring_historybatch ORDER BY start_epoch").fetchall()
    return [epoch for (body,) in rows for epoch in Opened(body).epochs]


def test_samples_of_the_time_without_room_are_saved_within_half_a_minute_of_room(tmp_path, estate):
    with small_disk(tmp_path / "data", mebibytes=64) as disk, started(disk, tmp_path) as pulse:
        watch(pulse, estate)
        until((disk / "ballast").exists, seconds=10, what="room is kept")
        fillers = [fill(disk)]
        until(lambda: FULL in cause(pulse), seconds=10, what="the full disk is told")
        fillers.append(fill(disk, "another filler"))
        until(lambda: cause(pulse) == FULL, seconds=10, what="that the kept room is used up is told")
        full = time.time()
        minute = (full + 20) // 60 * 60 + 60  # two samples at least are taken before it is over
        until(lambda: time.time() > minute + 10, seconds=95, what="a minute is over that cannot be saved")
        concerns = told(pulse)

        for filler in fillers:
            filler.unlink()
        freed = time.monotonic()
        until(lambda: max(sampled_epochs(disk), default=0) >= full, seconds=30, what="samples are saved")
        resumed = time.monotonic() - freed
        until(lambda: told(pulse) == [], seconds=30, what="the concern is over")
        pulse.end()

        epochs = sampled_epochs(disk)
        assert is_whole(disk)
    assert concerns == ["The disk of the data directory is full"]
    assert resumed < 30
    assert max(later - before for before, later in pairwise(epochs)) <= 20


def test_killed_on_a_full_disk_it_shows_what_it_knew_and_loses_nothing(tmp_path, estate):
    with small_disk(tmp_path / "data", mebibytes=64) as disk:
        with started(disk, tmp_path) as pulse:
            watch(pulse, estate)
            fillers = [fill(disk)]
            until(lambda: FULL in cause(pulse), seconds=10, what="the full disk is told")
            fillers.append(fill(disk, "another filler"))
            until(lambda: cause(pulse) == FULL, seconds=10, what="the kept room is used up")
            pulse.kill()

        with started(disk, tmp_path) as again:
            until(lambda: cause(again) == FULL, seconds=10, what="the full disk is told")
            polls_go_on(again, polls=2)
            guests = len(again.state()["vms"])
            for filler in fillers:
                filler.unlink()
            until(lambda: cause(again) == "", seconds=30, what="it is ready again")
            saved = edit(again)
            again.end()

        assert is_whole(disk)
    assert guests >= 5
    assert saved[0] == 200


def test_stopped_and_started_on_a_full_disk_without_kept_room_it_reads_and_says_so(tmp_path, estate):
    with small_disk(tmp_path / "data", mebibytes=16) as disk:
        with started(disk, tmp_path) as pulse:
            watch(pulse, estate)
            pulse.end()
        filler = fill(disk)

        with started(disk, tmp_path) as again:
            until(lambda: cause(again) == FULL, seconds=10, what="the full disk is told")
            polls_go_on(again, polls=2)
            guests, refused = len(again.state()["vms"]), edit(again)
            filler.unlink()
            until(lambda: cause(again) == "", seconds=30, what="it is ready again")
            saved = edit(again)
            again.end()
            log = again.log

        assert is_whole(disk)
    assert guests >= 5
    assert (refused[0], refused[1]["error"]) == (503, f"nothing can be saved: {FULL}")
    assert saved[0] == 200
    assert "Traceback" not in log


def test_a_database_that_another_program_has_locked_stops_neither_polls_nor_answers(tmp_path, estate):
    with started(tmp_path / "data", tmp_path) as pulse:
        watch(pulse, estate)
        begun = len(pulse.log)
        held = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / "data" / "pulse.sqlite3")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            assert held.stdout is not None
            assert held.stdout.readline() == b"held\n"
            with ThreadPoolExecutor(40) as pool:
                tries = [pool.submit(edit_or_sign_in, pulse, number) for number in range(40)]
                until(lambda: LOCKED in cause(pulse), seconds=10, what="the lock is told")
                waited = [slowest_answer(pulse) for _ in range(10)]
                answers = [one.result() for one in tries]
            polls_go_on(pulse, polls=4)
            again = edit_or_sign_in(pulse, 0)
            concerns, lines = told(pulse), lines_of(pulse, after=begun)
        finally:
            held.kill()
            held.communicate()
        until(lambda: cause(pulse) == "", seconds=30, what="it is ready again")
        saved = edit(pulse)
        pulse.end()

        assert is_whole(tmp_path / "data")
    assert {status for status, _ in answers} <= {503}
    assert max(seconds for _, seconds in answers) < 9  # 5 s for the lock, and some of them wait for a place
    assert max(waited) < 1
    assert again[0] == 503
    assert again[1] < 1
    assert concerns == ["The database is locked by another program"]
    assert len(lines) <= 4, lines
    assert saved[0] == 200


def slowest_answer(pulse: PulseProcess) -> float:
    """Return how long the slower of an answer from the state and one from the database takes."""
    begun = time.monotonic()
    assert pulse.request("GET", "/api/state")[0] == 200
    assert pulse.request("GET", "/api/config/nodes")[0] == 200
    assert pulse.answers()
    return time.monotonic() - begun


def edit_or_sign_in(pulse: PulseProcess, number: int) -> tuple[int, float]:
    """Try to sign in to an account that there is not, or to change something; returns status and seconds."""
    begun = time.monotonic()
    status = edit(pulse)[0] if number % 4 == 0 else sign_in(pulse, f"nobody{number}")
    return status, time.monotonic() - begun


def sign_in(pulse: PulseProcess, name: str) -> int:
    """Send the form of the sign-in as the page does; returns the status."""
    connection = http.client.HTTPConnection("127.0.0.1", pulse.port, timeout=20)
    headers = {
        "Origin": f"http://127.0.0.1:{pulse.port}",
        "Content-Type": "application/x-www-form-urlencoded",
    }
    with closing(connection):
        connection.request("POST", "/login", f"username={name}&password=wrong-password", headers)
        return connection.getresponse().status
