"""Does Pulse do its work: saves, schedules, polls? `/api/health` says only that it serves.

Nothing is waited for here: in one process all of it is known, and in a scale-out a thread asks the servers beside the
requests. Source: rule B-READY of the reliability of Pulse.
"""

from __future__ import annotations

import threading
import time
from typing import Literal

import msgspec
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse

from monitoring.store.current import store
from pulse.lib import saving
from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, PreparedEndpoint, Refusal, Tag
from pulse.lib.errors import ApiError

#: How often the servers of a scale-out are asked, and after which time without an answer of theirs nothing is known.
ASK_SECONDS = 2.0
LOST_SECONDS = 8.0
#: What the first who asks waits for.
FIRST_SECONDS = 3.0


class Ready(msgspec.Struct):
    """That everything works: `timestamp` is now, in Unix seconds."""

    status: Literal["ready"]
    timestamp: int


class ReadyView(PreparedEndpoint):
    """Whether Pulse does its work."""

    @Operation(
        Access.PUBLIC,
        Tag.ABOUT,
        {200: Ready},
        refuses={
            503: Refusal(
                "not_ready", "Something that Pulse needs does not work; `details` says of each part what."
            )
        },
    )
    def get(self, request: HttpRequest) -> HttpResponse:
        """Does everything work that Pulse needs?

        For load balancers and for whoever watches Pulse: that it can save, that polls are started, and in a scale-out that
        database, Redis, beat and a worker are there. It needs no credential, and waits for nothing.
        """
        problems = problems_now()
        if problems:
            raise ApiError(503, "; ".join(problems.values()), code="not_ready", details=problems)
        return HttpResponse(
            msgspec.json.encode(Ready("ready", int(time.time()))), content_type="application/json"
        )


def problems_now() -> dict[str, str]:
    """Return what does not work, by part; empty while everything does."""
    return _servers.problems() if settings.PULSE_REDIS_URL else own_problems()


def own_problems() -> dict[str, str]:
    """Return what does not work in the one process that does everything."""
    trouble = saving.trouble()
    problems = {"database": trouble.text} if trouble is not None else {}
    if not (store().lives("tasks") or is_young()):
        problems["schedule"] = "no polls are started any more"
    return problems


def is_young() -> bool:
    """Return whether the process has just begun, so that nothing can be missed yet."""
    return time.monotonic() - _began < max(LOST_SECONDS, life_seconds())


def life_seconds() -> float:
    """Return after how long without a sign a part of Pulse counts as gone: three intervals."""
    return 3.0 * settings.POLLING_INTERVAL_SECONDS


def server_problems() -> dict[str, str]:
    """Ask database and Redis; returns what does not work."""
    problems: dict[str, str] = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        problems["database"] = "the database does not answer"
    finally:
        connection.close()
    beat, tasks = store().lives("beat"), store().lives("tasks")
    if beat is None or tasks is None:
        return problems | {"redis": "Redis does not answer"}
    if not beat:
        problems["beat"] = "no `pulse beat` has shown itself for three intervals"
    elif not tasks:
        problems["worker"] = "no `pulse worker` has started polls for three intervals"
    return problems


class Servers:
    """What the servers said last, asked again and again by a thread that begins with the first question."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._has_asked = threading.Event()
        self._thread: threading.Thread | None = None
        self._found: dict[str, str] = {}
        self._asked_monotonic = 0.0

    def problems(self) -> dict[str, str]:
        """Return what does not work as far as is known."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._ask, name="ready", daemon=True)
                self._thread.start()
        if not self._has_asked.wait(FIRST_SECONDS) or time.monotonic() - self._asked_monotonic > LOST_SECONDS:
            return {"database": "the database does not answer"}
        return self._found

    def _ask(self) -> None:
        pause = threading.Event()
        while True:
            try:
                found = server_problems()
            except Exception as error:  # whatever it is, it is not ready
                found = {"pulse": f"Pulse itself fails ({type(error).__name__})"}
            self._found, self._asked_monotonic = found, time.monotonic()
            self._has_asked.set()
            pause.wait(ASK_SECONDS)


_began = time.monotonic()
_servers = Servers()
