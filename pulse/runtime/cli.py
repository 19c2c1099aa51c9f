"""The command `pulse`: run it, in one process or in parts; everything else is a management command."""

from __future__ import annotations

import contextlib
import ctypes
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

#: From <malloc.h>: how many arenas glibc may make, from which size on a block is mapped by itself, and how much may lie free
#: at the end of the heap.
M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -8, -3, -1
LARGE_BLOCK_BYTES = 1 << 20


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

    execute_from_command_line(["pulse", arguments[0].replace("-", "_"), *arguments[1:]])
    sys.exit(0)


def start(verb: str) -> NoReturn:
    """Run one of the long-lived processes; ends the process with 0, or with the code of a refusal."""
    # Collections while modules load find nothing: the run itself turns them on again.
    gc.disable()
    use_one_arena()
    give_large_blocks_back()
    from pulse.runtime.refusals import StartRefused

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


def use_one_arena() -> None:
    """Keep glibc from making an arena for each thread: two to three megabytes less, measured with 24 threads."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no such switch
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def give_large_blocks_back() -> None:
    """Keep glibc from putting large blocks into the heap after the first of their size was freed: a peak would stay for good.

    A hash of a password takes 19 MiB, a state of ten thousand guests as much: of 34 MiB that floods had cost 31 stayed, 13 do.
    """
    with contextlib.suppress(OSError, AttributeError):
        for switch in (M_MMAP_THRESHOLD, M_TRIM_THRESHOLD):
            ctypes.CDLL(None).mallopt(switch, LARGE_BLOCK_BYTES)


def leave(code: int) -> NoReturn:
    """End the process now; a thread that still waits for a dead host is not waited for."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
