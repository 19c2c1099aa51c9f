"""Pulse as a process of its own: started, asked, stopped and killed as a service manager would."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from tests.ports import own_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0
#: Everything that configures Pulse is taken out of the environment, so that a test says what it sets.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR")

Found = TypeVar("Found")


def until(condition: Callable[[], Found | None], *, seconds: float, what: str) -> Found:
    """Return the first true result of the condition; an AssertionError says what did not come true in time."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        pause.wait(0.02)


class PulseProcess:
    """One `python -m pulse <verb>`, or another command of Python; a context manager that kills what still runs."""

    #: Data directories where hosts may be on this machine already.
    _loopback_allowed: ClassVar[set[str]] = set()

    def __init__(
        self,
        data_dir: Path,
        verb: str = "run",
        *,
        command: tuple[str, ...] = (),
        port: int = 0,
        log_dir: Path | None = None,
        **variables: str,
    ) -> None:
        self.port = port or own_port()
        self.log_path = (log_dir or data_dir.parent) / f"{verb}-{self.port}.log"
        self.environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        self.environment |= {"PULSE_DATA_DIR": str(data_dir), "PORT": str(self.port), **variables}
        arguments = [part.format(port=self.port) for part in command] or ["-m", "pulse", verb]
        self.command = [sys.executable, *arguments]
        self.started = time.monotonic()
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def __enter__(self) -> PulseProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return self.log_path.read_text()

    def kill(self) -> None:
        """End it without warning."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def end(self, number: int = signal.SIGTERM, *, seconds: float = 15.0) -> tuple[int, float]:
        """Send the signal; return the exit code and how long the end took."""
        sent = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(seconds), time.monotonic() - sent

    def wait_for_exit(self, *, seconds: float = START_SECONDS) -> int:
        """Return the exit code of a process that ends by itself."""
        return self.process.wait(seconds)

    def healthy(self, *, seconds: float = START_SECONDS) -> float:
        """Return how long it took from the start until health was answered."""

        def asked() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.log}"
            return self.answers()

        until(asked, seconds=seconds, what="health is answered")
        return time.monotonic() - self.started

    def answers(self) -> bool:
        """Return whether health is answered now."""
        try:
            return self.request("GET", "/api/health")[0] == 200
        except OSError:
            return False

    def allow_loopback(self) -> None:
        """Hosts may be watched at the addresses of this machine, where all simulated ones are."""
        command = [sys.executable, "-m", "pulse", "instance", "allow-loopback"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True)
        self._loopback_allowed.add(self.environment["PULSE_DATA_DIR"])

    def request(
        self, method: str, path: str, body: object = None, *, token: str = "", source: str = ""
    ) -> tuple[int, Any]:
        """Return status and decoded body of one request; OSError when there is no connection.

        Before the first host is added this machine is allowed as one. `source` is the address that asks.
        """
        if (method, path) == ("POST", "/api/config/nodes") and (
            self.environment["PULSE_DATA_DIR"] not in self._loopback_allowed
        ):
            self.allow_loopback()
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=10, source_address=(source, 0) if source else None
        )
        try:
            headers = {"X-API-Token": token} if token else {}
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise OSError(f"no whole answer: {error!r}") from error
        finally:
            connection.close()
        try:
            return answer.status, json.loads(content)
        except ValueError:
            return answer.status, content

    def state(self, *, token: str = "") -> dict[str, Any]:
        """Return the state object."""
        status, state = self.request("GET", "/api/state", token=token)
        assert status == 200, state
        return state
