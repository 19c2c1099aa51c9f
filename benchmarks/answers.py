"""Processor time of one request in this process: `python benchmarks/answers.py [OTHER_TREE]`.

Goes through the ASGI application's own handler, past middleware, door and view, without a server and without a network.
With another checkout of Pulse the two are measured in turns, and told beside each other. Nothing is monitored: what a
bigger state costs more, it costs in either.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
TOKEN = "benchmark-token-0123456789abcdef"
PATHS = ("/api/health", "/api/version", "/api/state", "/api/charts", "/api/storage", "/api/security/me")
ROUNDS, EACH = 5, 3000


def measured() -> dict[str, float]:
    """Return the CPU milliseconds of one request by path, of the Pulse that is imported."""
    import pulse.asgi  # noqa: F401  sets Django up
    from pulse.runtime.handler import SyncHandler

    handler = SyncHandler()
    found = {}
    for path in PATHS:
        scope = {
            "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"x-api-token", TOKEN.encode())], "http_version": "1.1",
            "scheme": "http", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7655),
        }  # fmt: skip
        start, _ = handler.answer(dict(scope), b"")
        assert start["status"] == 200, (path, start)
        begun = time.process_time()
        for _ in range(EACH):
            handler.answer(dict(scope), b"")
        found[path] = (time.process_time() - begun) / EACH * 1000
    return found


def run_in(tree: Path) -> dict[str, float]:
    """Return what a process of its own measures of a checkout."""
    with tempfile.TemporaryDirectory() as place:
        environment = os.environ | {
            "PYTHONPATH": str(tree), "PULSE_DATA_DIR": place, "API_TOKEN": TOKEN, "LOG_LEVEL": "error",
            "DJANGO_SETTINGS_MODULE": "pulse.settings",
        }  # fmt: skip
        command = [sys.executable, __file__, "--measure"]
        told = subprocess.run(
            command, cwd=tree, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
    return json.loads(told.stdout)


def main() -> None:
    """Measure the trees in turns and print the medians."""
    trees = [Path(text).resolve() for text in sys.argv[1:]] + [HERE]
    runs: dict[Path, list[dict[str, float]]] = {tree: [] for tree in trees}
    for _ in range(ROUNDS):
        for tree in trees:
            runs[tree].append(run_in(tree))
    print(f"CPU ms per request, median of {ROUNDS} runs of {EACH}: {', '.join(map(str, trees))}")
    for path in PATHS:
        medians = [statistics.median(one[path] for one in runs[tree]) for tree in trees]
        more = f"  {medians[-1] - medians[0]:+.3f}" if len(trees) > 1 else ""
        print(f"{path:20}", "  ".join(f"{one:.3f}" for one in medians), more)


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        sys.path[0] = os.getcwd()  # the checkout that is measured, not this one
        print(json.dumps(measured()))
    else:
        main()
