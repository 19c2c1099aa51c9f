"""Kill Pulse at random moments while instances are added, edited and removed over HTTP; see what is left each time."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from django.test import override_settings

from pulse.lib.crypto import unseal
from tests.process.running import PulseProcess

#: More would only make each round longer.
MOST_INSTANCES = 6
#: From the first change to the kill, at most.
WINDOW_SECONDS = 0.4

ABSENT = ""


@dataclass
class Expected:
    """What the database may hold: for each host the secrets (ABSENT: no row) that are right after a kill.

    One answered change leaves one value; a change that was under way at the kill leaves two, old and new.
    """

    secrets: dict[str, set[str]] = field(default_factory=dict)

    def begin(self, host: str, secret: str) -> None:
        """A change was sent: from now on the new value is right as well."""
        self.secrets.setdefault(host, {ABSENT}).add(secret)

    def end(self, host: str, secret: str) -> None:
        """A change was answered: from now on nothing else is right."""
        self.secrets[host] = {secret}


class Changes(threading.Thread):
    """Adds, edits and removes instances one after the other until the connection breaks."""

    def __init__(self, pulse: PulseProcess, expected: Expected, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self.pulse = pulse
        self.expected = expected
        self.chance = chance
        self.answered = 0
        self.begun = threading.Event()
        self.refused: list[str] = []

    def run(self) -> None:
        """Change until the process is gone."""
        with contextlib.suppress(OSError):
            ids = {row["host"]: row["id"] for row in self.pulse.request("GET", "/api/config/nodes")[1]}
            while not self.refused:
                self.change(ids)
                self.begun.set()

    def change(self, ids: dict[str, str]) -> None:
        """Make one change and note whether it was answered; OSError when it was not."""
        secret = f"secret-{self.chance.randrange(10**12)}"
        if not ids or (len(ids) < MOST_INSTANCES and self.chance.random() < 0.4):
            host = f"https://127.0.0.1:{self.chance.randrange(20_000, 30_000)}"
            body = {
                "type": self.chance.choice(["pve", "pbs"]),
                "name": f"lab-{self.chance.randrange(10**9)}",
                "host": host,
                "tokenName": "pulse@pve!monitor",
                "tokenValue": secret,
            }
            self.send("POST", "/api/config/nodes", body, host, secret)
            ids.update({row["host"]: row["id"] for row in self.pulse.request("GET", "/api/config/nodes")[1]})
            return
        host = self.chance.choice(sorted(ids))
        if self.chance.random() < 0.4:
            self.send("DELETE", f"/api/config/nodes/{ids.pop(host)}", None, host, ABSENT)
        else:
            self.send("PUT", f"/api/config/nodes/{ids[host]}", {"tokenValue": secret}, host, secret)

    def send(self, method: str, path: str, body: object, host: str, secret: str) -> None:
        """Send one change."""
        self.expected.begin(host, secret)
        source = (
            f"127.0.0.{self.chance.randrange(2, 250)}"  # one client may change less often than this one does
        )
        status, answer = self.pulse.request(method, path, body, source=source)
        if status >= 300:
            self.refused.append(f"{method} {path}: {status} {answer}")
            return
        self.expected.end(host, secret)
        self.answered += 1


@dataclass(frozen=True)
class Round:
    """One kill: how long the start before it took, and how many changes were answered until it."""

    start_seconds: float
    answered: int


def kill_once(data_dir: Path, expected: Expected, chance: random.Random) -> Round:
    """Start Pulse, change instances, kill it in the middle. Raises AssertionError for whatever is damaged then."""
    with PulseProcess(data_dir) as pulse:
        start_seconds = pulse.healthy()
        changes = Changes(pulse, expected, chance)
        changes.start()
        assert changes.begun.wait(20), f"no change was answered: {changes.refused}\n{pulse.log}"
        threading.Event().wait(chance.random() * WINDOW_SECONDS)
        pulse.kill()
        changes.join(20)
    assert changes.refused == []
    assert_undamaged(data_dir, expected)
    return Round(start_seconds, changes.answered)


def assert_undamaged(data_dir: Path, expected: Expected) -> None:
    """Raise AssertionError unless the database is whole and holds exactly what may be there, each secret readable."""
    with contextlib.closing(sqlite3.connect(data_dir / "pulse.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        rows = database.execute(
            "SELECT host, uid, token_id, sealed_token, name, number FROM nodes_instance"
        ).fetchall()
    found = {}
    with override_settings(PULSE_DATA_DIR=data_dir):
        for host, uid, token_id, sealed, name, number in rows:
            assert token_id, f"{host} has no credential"
            assert name, f"{host} has no name"
            assert number >= 0, f"{host} has no number"
            found[host] = unseal(sealed, place=f"instance:{uuid.UUID(uid)}:token")
    for host, allowed in expected.secrets.items():
        secret = found.pop(host, ABSENT)
        assert secret in allowed, f"{host} holds {secret!r}, right would be {allowed}"
        expected.end(host, secret)
    assert found == {}, "instances that nobody added"
