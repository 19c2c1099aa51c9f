"""A client of the feed that hears nothing for a while, and then what somebody changes."""

from __future__ import annotations

import gzip
import json
import threading
import time
from typing import Any

from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.process.running import PulseProcess

#: Longer than any connection between the parts may be silent by its own settings.
IDLE_SECONDS = 17.0
LONGEST_SECONDS = 50.0


def seconds_to_hear_a_change(of: PulseProcess, *, at: PulseProcess, token: str) -> float:
    """Return how long after a change at one process an idle socket of another, or of the same, hears it."""
    headers = {"X-API-Token": token}
    with connect(
        f"ws://127.0.0.1:{of.port}/ws",
        additional_headers=headers,
        subprotocols=[
            Subprotocol("pulse.delta.v1")
        ],  # the other one is told the state in each interval, changed or not
        max_size=None,
    ) as socket:
        wait_until_idle(socket)
        identity = at.request("GET", "/api/config/nodes", token=token)[1][0]["id"]
        change = threading.Thread(
            target=at.request, args=("PUT", f"/api/config/nodes/{identity}", {"monitorBackups": True}), kwargs={"token": token}
        )  # fmt: skip
        begun = time.monotonic()
        change.start()
        while read(socket, seconds=20)["type"] != "nodes_changed":
            pass
        took = time.monotonic() - begun
        change.join()
    return took


def wait_until_idle(socket: Any) -> None:
    """Read what comes until nothing has come for long."""
    deadline = time.monotonic() + LONGEST_SECONDS
    while time.monotonic() < deadline:
        try:
            read(socket, seconds=IDLE_SECONDS)
        except TimeoutError:
            return
    raise AssertionError("something comes all the time")


def read(socket: Any, *, seconds: float) -> dict[str, Any]:
    """Return the next message; raises TimeoutError."""
    raw = socket.recv(timeout=seconds)
    return dict(json.loads(gzip.decompress(raw) if isinstance(raw, bytes) else raw))
