"""The command `pulse`: run it, in one process or in parts; everything else is a management command."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

USAGE = """usage: pulse COMMAND

  run          serve, poll and schedule in one process (SQLite, no other server)
  demo         the same, with a simulated estate and a data directory of its own
  web          serve only             \\
  worker       run background tasks    }  with PULSE_REDIS_URL and PULSE_DATABASE_URL
  beat         keep the schedule      /
  claim-code   print the code with which /setup makes the first account
  help         list every other command

docs/configuration.md lists the environment variables and the exit codes.
"""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command and end the process with its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    # Whatever is made here is for its owner only, also the database that a command is the first to open.
    os.umask(0o077)
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(USAGE)
        sys.exit(0)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")
    if arguments[0] in ("run", "demo", "web", "worker", "beat"):
        start(arguments[0])
    from django.core.management import execute_from_command_line

    from pulse.lib.sqlite3.base import wait_as_command

    wait_as_command()
    execute_from_command_line(["pulse", arguments[0].replace("-", "_"), *arguments[1:]])
    sys.exit(0)


def start(verb: str) -> NoReturn:
    """Run one of the long-lived processes; ends the process with 0, or with the code of a refusal."""
    # Collections while modules load find nothing: the run itself turns them on again.
    gc.disable()
    from pulse.runtime.memory import give_large_blocks_back, use_one_arena
    from pulse.runtime.refusals import StartRefused

    use_one_arena()
    give_large_blocks_back()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Until the server takes over: nothing has begun that a sudden end could harm.
        signal.signal(number, lambda *_: leave(0))
    try:
        verbs()[verb]()
    except StartRefused as refusal:
        sys.stderr.write(f"pulse: {refusal}\n")
        leave(refusal.code)
    leave(0)


def verbs() -> dict[str, Callable[[], None]]:
    """Return what each long-lived verb runs; imported late, so that a usage line costs nothing."""
    from pulse.runtime import demo, run

    return {
        "run": run.run_embedded,
        "demo": demo.run_demo,
        "web": run.run_web,
        "worker": run.run_worker,
        "beat": run.run_beat,
    }


def leave(code: int) -> NoReturn:
    """End the process now; a thread that still waits for a dead host is not waited for."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
