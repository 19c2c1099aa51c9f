"""The database's tables are those of this version before anything else runs."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from pulse.lib import saving
from pulse.lib.keys import ensure_private_file
from pulse.lib.sqlite3.base import freeze
from pulse.runtime.refusals import StartRefused, WrongConfiguration

logger = logging.getLogger(__name__)

#: Any number, the same in every process: two that start together migrate one after the other.
ADVISORY_LOCK = 765_501


def bring_up_to_date() -> bool:
    """Apply the missing migrations; a SQLite file with data is copied to `<name>.before-update` first.

    Returns whether the database was empty before. On a full disk one that is up to date is opened to be read. Raises
    WrongConfiguration when a newer version has written the database, StartRefused when it is out of reach.
    """
    close_to_others()
    try:
        return apply_missing()
    except (DatabaseError, sqlite3.Error) as error:
        saving.note(error)
        trouble = saving.trouble()
        if trouble is None or trouble.code != saving.FULL.code:
            raise StartRefused(f"the database cannot be used: {str(error).strip()}") from error
    connection.close()
    try:
        if not trouble.can_write:
            open_to_be_read()
        return apply_missing()
    except (DatabaseError, sqlite3.Error, OSError) as error:
        raise StartRefused(
            f"{trouble.text}, and the database cannot be used so: make room and start again"
        ) from error


def open_to_be_read() -> None:
    """Take the SQLite file for one that nobody changes; raises OSError when its log says more than it does."""
    log = Path(f"{settings.DATABASES['default']['NAME']}-wal")
    if log.exists() and log.stat().st_size:
        raise OSError("what was written last is in the log alone")
    freeze(is_frozen=True)


def apply_missing() -> bool:
    """Apply the missing migrations; returns whether the database was empty. Raises DatabaseError and WrongConfiguration."""
    with one_at_a_time():
        executor = MigrationExecutor(connection)
        refuse_newer(executor)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if not plan:
            return False
        is_new = not executor.loader.applied_migrations
        if not is_new:
            logger.info("the database is brought up to date: %d steps", len(plan))
            keep_copy()
        with all_or_nothing():
            call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
        return is_new


@contextmanager
def all_or_nothing() -> Iterator[None]:
    """Make the steps of an update one transaction.

    Django makes the tables of a migration in one and notes that they are made in another: whoever was killed in between had
    tables that the next start could not make again.
    """
    connection.disable_constraint_checking()  # SQLite takes no notice of it within
    try:
        with transaction.atomic():
            yield
    finally:
        connection.enable_constraint_checking()


def close_to_others() -> None:
    """Make the SQLite file one that only its owner can read, before anything opens it."""
    if connection.vendor == "sqlite" and not connection.is_in_memory_db():  # type: ignore[attr-defined]
        ensure_private_file(Path(settings.DATABASES["default"]["NAME"]))


def refuse_newer(executor: MigrationExecutor) -> None:
    """Raise WrongConfiguration if the database has a migration of our apps that this version does not know."""
    migrations = executor.loader.disk_migrations or {}
    for app, name in sorted(executor.loader.applied_migrations):
        if app in executor.loader.migrated_apps and (app, name) not in migrations:
            raise WrongConfiguration(
                f"the database was written by a newer version of Pulse (it has {app}.{name}); "
                "start that version, or restore a copy from before the update"
            )


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Hold a lock on PostgreSQL; SQLite has one process by itself (`pulse.runtime.lock`)."""
    if connection.vendor != "postgresql":
        yield
        return
    from pulse.lib import postgres

    with connection.cursor() as cursor, postgres.unbounded(cursor):
        cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def keep_copy() -> None:
    """Copy the SQLite file beside itself, complete and consistent; the copy of the last update is replaced."""
    if connection.vendor != "sqlite":
        return
    original = Path(settings.DATABASES["default"]["NAME"])
    copy = original.with_name(f"{original.name}.before-update")
    copy.unlink(missing_ok=True)
    ensure_private_file(copy)  # SQLite fills an empty file as it fills a new one
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(copy)])
