"""Bounds on how long PostgreSQL may keep anybody waiting: it may be slow, hold a lock, or hang without a word.

The server ends its own statements. One that hangs (a stopped process, a lost network) ends nothing: its system still
acknowledges what is sent, and the client waits for ever. So the client has a bound of its own. Rules B21 and B22 of the
reliability of Pulse: 503 within 3 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import psycopg


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a statement may take on the server, how long it may wait for a lock, and how long the server may be silent."""

    statement_seconds: float
    lock_seconds: float
    silence_seconds: float


#: Somebody waits for the answer.
REQUESTS = Patience(statement_seconds=5, lock_seconds=2, silence_seconds=2.5)
#: Nobody does, but another task has to come to its turn.
TASKS = Patience(statement_seconds=30, lock_seconds=2, silence_seconds=35)
#: A transaction that its process has left open holds its locks no longer than this.
IDLE_SECONDS = 15


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server has been silent for too long; raises OperationalError then."""

    silence_seconds: ClassVar[float | None] = REQUESTS.silence_seconds

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """See psycopg."""
        limit = self.silence_seconds if timeout is None else timeout
        try:
            return super().wait(gen, interval, timeout=limit)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()  # what it would still say belongs to a question that nobody asks any more
            raise psycopg.OperationalError(
                f"PostgreSQL has not answered within {limit:g} s; the connection is closed"
            ) from error


def connection_options(patience: Patience) -> dict[str, Any]:
    """Return Django's OPTIONS for a database that is asked with this patience."""
    bounds = {
        "statement_timeout": patience.statement_seconds,
        "lock_timeout": patience.lock_seconds,
        "idle_in_transaction_session_timeout": IDLE_SECONDS,
    }
    return {
        # Each request of an ASGI server has a thread of its own: without a pool, a connection too. What cannot be connected
        # is left after 2 s and tried by the next who asks, not after ever longer pauses.
        "pool": {
            "min_size": 1,
            "max_size": 8,
            "timeout": 2,
            "reconnect_timeout": 2,
            "connection_class": BoundedConnection,
        },
        "connect_timeout": 2,
        "options": " ".join(f"-c {name}={seconds * 1000:.0f}" for name, seconds in bounds.items()),
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": 5000,
    }


def wait_as_tasks(database: dict[str, Any]) -> None:
    """Let this process, which serves nobody, wait for longer; called before the first connection is made."""
    BoundedConnection.silence_seconds = TASKS.silence_seconds
    database["OPTIONS"] = connection_options(TASKS)


@contextmanager
def unbounded(cursor: Any) -> Iterator[None]:
    """Let statements on this connection take as long as they need, such as those that change tables."""
    silence_seconds = BoundedConnection.silence_seconds
    BoundedConnection.silence_seconds = None
    cursor.execute("SET statement_timeout = 0; SET lock_timeout = 0")
    try:
        yield
    finally:
        BoundedConnection.silence_seconds = silence_seconds
        cursor.execute("RESET statement_timeout; RESET lock_timeout")
