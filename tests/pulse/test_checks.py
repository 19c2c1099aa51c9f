"""System checks: a wrong or risky setting is told at start-up."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from django.core.checks import run_checks
from django.db import connection

from pulse import checks

pytestmark = pytest.mark.django_db


def ids() -> list[str]:
    """Return the ids of what our checks find now."""
    return [message.id for message in run_checks(tags=["pulse"])]


@pytest.fixture(autouse=True)
def private_directory(settings, tmp_path):
    """A data directory as the start makes it."""
    tmp_path.chmod(0o700)
    settings.PULSE_DATA_DIR = tmp_path


def test_the_defaults_are_in_order():
    assert ids() == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("API_TOKEN_IS_SHORT", True, "pulse.W001"),
        ("PULSE_AUTH", "open", "pulse.W002"),
        ("PULSE_REDIS_URL", "redis://localhost", "pulse.E001"),
        ("PULSE_DATABASE_URL", "postgresql://localhost/pulse", "pulse.E001"),
    ],
)
def test_a_risky_setting_is_told_by_its_id(settings, name, value, expected):
    setattr(settings, name, value)

    assert ids() == [expected]


def test_redis_and_postgresql_together_are_in_order(settings):
    settings.PULSE_REDIS_URL = "redis://localhost"
    settings.PULSE_DATABASE_URL = "postgresql://localhost/pulse"

    assert ids() == []


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_data_directory_that_others_can_read_is_told(tmp_path, mode):
    tmp_path.chmod(mode)

    assert ids() == ["pulse.W003"]


def test_a_data_directory_that_is_not_there_yet_is_in_order(settings, tmp_path):
    settings.PULSE_DATA_DIR = tmp_path / "later"

    assert ids() == []


class FileDatabase:
    """Stands for a connection to a SQLite file."""

    vendor = "sqlite"

    def __init__(self, path: object, *pragmas: str) -> None:
        self.raw = sqlite3.connect(path)
        for pragma in pragmas:
            self.raw.execute(pragma)

    def is_in_memory_db(self) -> bool:
        return False

    def cursor(self) -> object:
        return contextlib.closing(self.raw.cursor())


def test_sqlite_in_another_mode_than_asked_for_is_an_error(monkeypatch, tmp_path):
    database = FileDatabase(tmp_path / "file", "PRAGMA journal_mode=DELETE", "PRAGMA synchronous=FULL")
    monkeypatch.setattr(checks, "connection", database)

    found = checks.check_sqlite(None)
    database.raw.close()

    assert [message.id for message in found] == ["pulse.E002"]
    assert "'journal_mode': 'delete'" in found[0].msg


def test_sqlite_in_the_mode_asked_for_is_in_order(monkeypatch, tmp_path):
    database = FileDatabase(tmp_path / "file", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
    monkeypatch.setattr(checks, "connection", database)

    found = checks.check_sqlite(None)
    database.raw.close()

    assert found == []


def test_the_settings_ask_sqlite_for_these_modes(settings):
    command = settings.DATABASES["default"]["OPTIONS"]["init_command"]

    assert "journal_mode=WAL" in command
    assert "synchronous=NORMAL" in command
    assert settings.DATABASES["default"]["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert connection.vendor == "sqlite"
