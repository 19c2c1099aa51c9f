"""The fake as a child process: for tests that drive the whole product, and for benchmarks."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_SECONDS = 10.0


class FakeProcess:
    """A running `python -m tests.fake_proxmox`; a context manager."""

    def __init__(self, estate: str = "demo", *options: str) -> None:
        command = [sys.executable, "-m", "tests.fake_proxmox", "--estate", estate, *options]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.instances: list[dict[str, Any]] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.instances.append(json.loads(line))
            if self.instances[-1]["index"] == self.instances[-1]["of"]:
                break
        if not self.instances:
            self.stop()
            raise RuntimeError("the fake ended before it listened")

    def __enter__(self) -> FakeProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Return the exit code after SIGTERM."""
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()

    def instance(self, name: str) -> dict[str, Any]:
        """Return the line of one instance."""
        return next(line for line in self.instances if line["name"] == name)

    def call(self, verb: str, *, site: str, **arguments: Any) -> Any:
        """Return the result of a verb of FakeSite."""
        return self.request("POST", "/verb", {"verb": verb, "site": site, **arguments})["result"]

    def request(self, method: str, path: str, document: dict[str, Any] | None = None) -> Any:
        """Return the answer of the control channel."""
        address = self.instances[0]["control"].removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=30)
        try:
            connection.request(method, path, body=json.dumps(document or {}) if method == "POST" else None)
            answer = connection.getresponse()
            content = json.load(answer)
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(content["error"])
        return content


def connection(instance: dict[str, Any]) -> dict[str, Any]:
    """Return what POST /api/config/nodes wants to know of a simulated host."""
    if instance["kind"] == "pmg":
        return {
            "type": "pmg",
            "name": instance["name"],
            "host": instance["url"],
            "user": instance["user"],
            "password": instance["password"],
            "fingerprint": instance["fingerprint"],
            "verifySSL": False,
        }
    return {
        "type": instance["kind"],
        "name": instance["name"],
        "host": instance["url"],
        "tokenName": instance["tokenId"],
        "tokenValue": instance["tokenValue"],
        "fingerprint": instance["fingerprint"],
        "verifySSL": False,
    }
