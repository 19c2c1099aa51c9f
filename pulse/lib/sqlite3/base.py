"""Django's SQLite, with an eye on what cannot be written: nobody waits again for what is known to fail."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from django.db import OperationalError
from django.db.backends.sqlite3 import base

from pulse.lib import saving
from pulse.lib.sqlite3.turns import Turns

#: What a statement begins with that needs the database's only place for a writer.
WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "BEGIN IMMEDIATE", "CREATE", "ALTER", "DROP")
#: How long a thread waits for those of this process that write before it.
TURN_SECONDS = 5.0
turns = Turns()
#: How long a command that a person waits for lets another process write before it.
COMMAND_SECONDS = 20.0
_is_command = False
#: The file can only be read, and not even by its log: connections take it for one that nobody changes.
_is_frozen = False


def wait_as_command() -> None:
    """Let this process, which runs one command beside another that serves, wait for longer; called before it connects."""
    global _is_command
    _is_command = True


def freeze(*, is_frozen: bool) -> None:
    """Open the file from now on as one that nobody changes, or no longer.

    For a full disk that has no room for the index of the log. Only right while there is no log, or an empty one.
    """
    global _is_frozen
    _is_frozen = is_frozen


def is_frozen() -> bool:
    """Return whether the file is opened as one that nobody changes."""
    return _is_frozen


class DatabaseWrapper(base.DatabaseWrapper):
    """Named by ENGINE in the settings."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(watched)
        self.is_frozen = False
        self.has_turn = False

    def get_connection_params(self) -> dict[str, Any]:
        """Return what sqlite3.connect takes."""
        params: dict[str, Any] = super().get_connection_params()
        if _is_command:
            params["timeout"] = COMMAND_SECONDS
        self.is_frozen = _is_frozen
        if _is_frozen:
            params["database"] = f"file:{quote(str(params['database']))}?immutable=1"
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Open the file; what it says of a full disk is noted."""
        try:
            return super().get_new_connection(conn_params)
        except sqlite3.Error as error:
            saving.note(error)
            raise

    def close_if_unusable_or_obsolete(self) -> None:
        """Close also what was opened as a file that nobody changes, once somebody does."""
        if self.is_frozen and not _is_frozen:
            self.close()
        super().close_if_unusable_or_obsolete()

    def take_turn(self) -> None:
        """Wait until this connection may write; raises OperationalError when that takes too long, or is of no use."""
        if not self.has_turn:
            if not turns.take(TURN_SECONDS):
                raise OperationalError("too many write at this moment")
            self.has_turn = True
        if saving.is_refused():
            self.give_turn_back()
            raise OperationalError(saving.sentence())

    def give_turn_back(self) -> None:
        """Let the next one write."""
        if self.has_turn:
            self.has_turn = False
            turns.give_back()

    def _start_transaction_under_autocommit(self) -> None:
        self.take_turn()
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self.give_turn_back()
            raise

    def _commit(self) -> None:
        try:
            super()._commit()  # type: ignore[misc]
        except OperationalError as error:
            saving.note(error)
            raise
        self.give_turn_back()

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self.give_turn_back()

    def _close(self) -> None:
        try:
            super()._close()  # type: ignore[misc]
        finally:
            self.give_turn_back()


def watched(run: Callable[..., Any], sql: str, params: Any, many: bool, context: Mapping[str, Any]) -> Any:
    """Run one statement in its turn, but no write that is known to fail; what it says of the disk is noted."""
    connection: DatabaseWrapper = context["connection"]
    is_alone = not connection.has_turn and sql.lstrip().upper().startswith(WRITES)
    if is_alone:
        connection.take_turn()
    elif saving.is_refused() and sql.lstrip().upper().startswith(WRITES):
        raise OperationalError(saving.sentence())
    try:
        return run(sql, params, many, context)
    except OperationalError as error:
        saving.note(error)
        raise
    finally:
        if is_alone:
            connection.give_turn_back()
