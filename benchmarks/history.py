"""What the history costs: `.venv/bin/python -m benchmarks.history [part...]`, all parts without words.

| part | what |
| --- | --- |
| S M R L | processor time, bytes written to the disk by the system's own count, bytes per value and memory, of the samples of some hours |
| size | the database after ninety virtual days beside the formula of docs/history.md, and with a budget that it does not fit |
| terms | the terms of that formula, measured |
| recorded | bytes per value of what real hosts have recorded |
| reading | one guest over a night to a year |
| locks | a year read again and again while polls write |

Each part runs in a process and a data directory of its own. `benchmarks.history_memory` measures the memory of a whole server,
`benchmarks.history_kills` kills the history in the middle.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

#: Module and verb of each part.
PARTS = {
    **dict.fromkeys(("S", "M", "R", "L"), ("cost", "measure")),
    "size": ("size", "measure"),
    "terms": ("size", "measure_terms"),
    "recorded": ("recorded", "measure"),
    "reading": ("reading", "measure"),
    "locks": ("locks", "measure"),
}


def main(*words: str) -> None:
    """Run each part in a process of its own."""
    if words[:1] == ("--child",):
        child(*words[1:])
        return
    for word in words or PARTS:
        with tempfile.TemporaryDirectory(prefix="pulse-history-", dir=os.environ.get("BENCH_DIR")) as folder:
            environment = {**os.environ, "PULSE_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "pulse.settings"}
            command = [sys.executable, "-m", "benchmarks.history", "--child", word]
            subprocess.run(command, env=environment, cwd=ROOT, check=True)


def child(word: str) -> None:
    """Do one part."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    room, verb = PARTS[word]
    measure = getattr(import_module(f"benchmarks.history_{room}"), verb)
    measure(word) if room == "cost" else measure()


if __name__ == "__main__":
    main(*sys.argv[1:])
