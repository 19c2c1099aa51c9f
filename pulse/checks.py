"""System checks: a wrong or risky setting is told at start-up, with an id that can be searched for."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import DatabaseError, connection

from pulse.lib import saving

#: What `settings.database` asks SQLite for: without these, transactions are lost to "database is locked".
SQLITE_PRAGMAS = {"journal_mode": "wal", "synchronous": 1}


@register("pulse")
def check_token(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of an API_TOKEN that can be guessed."""
    if not settings.API_TOKEN_IS_SHORT:
        return []
    hint = "Make one with `openssl rand -hex 32`."
    return [Warning("API_TOKEN is shorter than 20 characters and can be guessed", hint=hint, id="pulse.W001")]


@register("pulse")
def check_open(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of PULSE_AUTH=open."""
    if settings.PULSE_AUTH != "open":
        return []
    hint = "Unset it once the installation is claimed."
    return [Warning("PULSE_AUTH=open serves everybody who reaches this address", hint=hint, id="pulse.W002")]


@register("pulse")
def check_data_dir(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Warn of a data directory that others on this machine can read: the database is in it."""
    try:
        mode = stat.S_IMODE(settings.PULSE_DATA_DIR.stat().st_mode)
    except FileNotFoundError:
        return []
    if not mode & 0o077:
        return []
    hint = f"chmod 700 {settings.PULSE_DATA_DIR}"
    message = f"the data directory is open to other users of this machine (mode {mode:o})"
    return [Warning(message, hint=hint, id="pulse.W003")]


@register("pulse")
def check_servers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse Redis without PostgreSQL and the reverse: processes on several machines cannot share a SQLite file."""
    if bool(settings.PULSE_REDIS_URL) == bool(settings.PULSE_DATABASE_URL):
        return []
    message = "PULSE_REDIS_URL and PULSE_DATABASE_URL go together: set both, or neither"
    return [Error(message, id="pulse.E001")]


@register("pulse")
def check_sqlite(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Refuse a SQLite file on which the needed modes are not in force, as on some network file systems."""
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return []
    if saving.is_refused():
        return []  # told already; the file is only read
    modes = {}
    try:
        with connection.cursor() as cursor:
            for name in SQLITE_PRAGMAS:
                cursor.execute(f"PRAGMA {name}")  # from the table above
                modes[name] = cursor.fetchone()[0]
    except DatabaseError as error:
        return [Error(f"the database cannot be opened: {error}", id="pulse.E002")]
    if modes == SQLITE_PRAGMAS:
        return []
    hint = "Put PULSE_DATA_DIR on a local disk."
    return [Error(f"SQLite does not run in the mode that Pulse needs: {modes}", hint=hint, id="pulse.E002")]
