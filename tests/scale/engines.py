"""Engines that take remote write, from Debian's packages: on loopback, with folders of their own, for as long as a test needs them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from tests.ports import own_port
from tests.process.running import until

START_SECONDS = 30.0


class Engine:
    """One engine; both answer the same queries."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.port = kind, own_port()
        folder.mkdir()
        address = f"127.0.0.1:{self.port}"
        if kind == "prometheus":
            (folder / "prometheus.yml").write_text("{}\n")
            options = [
                "prometheus", "--web.enable-remote-write-receiver", f"--web.listen-address={address}",
                f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
            ]  # fmt: skip
        else:
            options = [
                "victoria-metrics", f"-httpListenAddr={address}", f"-storageDataPath={folder / 'data'}",
                "-retentionPeriod=100y", "-search.latencyOffset=0s", "-search.disableCache",
            ]  # fmt: skip
        with (folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                options, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(self.is_ready, seconds=START_SECONDS, what=f"{kind} answers")

    @property
    def url(self) -> str:
        """Where samples are written to."""
        return f"http://127.0.0.1:{self.port}/api/v1/write"

    def is_ready(self) -> bool:
        """Return whether it answers queries."""
        try:
            self.query("up", at=0)
        except (URLError, ConnectionError):
            return False
        return True

    def query(self, text: str, *, at: float) -> list[dict[str, Any]]:
        """Return what a query finds at an instant."""
        address = f"http://127.0.0.1:{self.port}/api/v1/query?{urlencode({'query': text, 'time': at})}"
        with urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
