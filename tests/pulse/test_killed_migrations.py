"""A process that is killed while it makes or changes the tables is started again, and all is well.

Source: reliability.md B46.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: Brings the database of an older version up to date again and again, each time in a process of its own that kills itself a few
#: steps later than the one before, until one ends well; prints how often it was killed. A step is one change of the tables, or the note that a migration is done.
SCRIPT = """
import os, signal, sys
import django; django.setup()
from django.core.management import call_command
from django.db import connections
from django.db.migrations.migration import Migration
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from pulse.runtime import schema
def counted(call, *, before):
    def run(*args, **kwargs):
        if before: step()
        result = call(*args, **kwargs)
        if not before: step()
        return result
    return run
left = 0
def step():
    global left
    left -= 1
    if not left: os.kill(os.getpid(), signal.SIGKILL)
def kinds(of):
    for one in of.__subclasses__():
        yield one
        yield from kinds(one)
for kind in kinds(Operation):
    if "database_forwards" in vars(kind):
        kind.database_forwards = counted(kind.database_forwards, before=False)
MigrationRecorder.record_applied = counted(MigrationRecorder.record_applied, before=True)
schema.keep_copy = counted(schema.keep_copy, before=False)
def child_of(call):
    child = os.fork()
    if not child:
        call()
        connections.close_all()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert child_of(lambda: call_command("migrate", "sessions", verbosity=0, skip_checks=True)) == 0
kills = 0
while True:
    left = 1 + 3 * kills
    code = child_of(schema.bring_up_to_date)
    if code == 0: break
    assert code == -signal.SIGKILL, code
    kills += 1
    assert kills < 200, "it never comes to an end"
print(kills)
"""


def tables(path: Path) -> tuple[list[tuple[str, str]], list[tuple[str, ...]]]:
    """Return the tables and indexes with how they are made, and what SQLite finds wrong with the file."""
    with closing(sqlite3.connect(path)) as database:
        made = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        ).fetchall()
        done = database.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall()
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        return [*made, *done], database.execute("PRAGMA integrity_check").fetchall()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_killed_at_any_step_the_tables_are_at_last_as_if_it_never_was(tmp_path):
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "pulse.settings"}

    def made(name: str, script: str) -> tuple[str, object]:
        """Return what a script prints that makes the tables in a directory of its own, and the tables."""
        folder = tmp_path / name
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT,
            env=environment | {"PULSE_DATA_DIR": str(folder)}, capture_output=True, text=True, timeout=170,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout, tables(folder / "pulse.sqlite3")

    _, wanted = made(
        "whole",
        "import django; django.setup()\nfrom pulse.runtime import schema\nschema.bring_up_to_date()",
    )
    kills, found = made("killed", SCRIPT)

    assert int(kills) >= 10
    assert found == wanted
    assert found[1] == [("ok",)]
