"""What SQLite stores of hostile answers, PostgreSQL stores, too (security.md A45): it takes no NUL, and no half of a character."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.process.running import ROOT
from tests.scale.servers import PostgresServer

pytestmark = [pytest.mark.scale, pytest.mark.timeout(180)]


def test_hostile_readings_are_stored_in_postgresql():
    with tempfile.TemporaryDirectory(prefix="pulse-scale-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        postgres = PostgresServer(folder / "postgres")
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "tests.scale.on_postgres"]
        try:
            run = subprocess.run(
                [*command, "-p", "no:cacheprovider", "--reuse-db", "tests/nodes/test_readings_stored.py"],
                cwd=ROOT,
                env={**os.environ, "TEST_POSTGRES_URL": postgres.url},
                capture_output=True,
                text=True,
            )
            where = ("-h", "127.0.0.1", "-p", str(postgres.port), "-U", "pulse", "-d", "test_pulse")
            postgres.run("psql", *where, "-c", "SELECT count(*) FROM nodes_guest")  # they were there indeed
        finally:
            postgres.stop()

    assert run.returncode == 0, run.stdout[-3000:]
