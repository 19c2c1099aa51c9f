"""Whether Pulse can save: by SQLite's own words, told once, and nobody waits for what is known to fail.

How whole processes live with a full disk is in tests/attacks/test_full_disk.py.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import ExitStack, closing

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError, connection, transaction
from django.test import Client

from accounts import lockout, sessions
from monitoring.known.memory import PollMemory
from monitoring.polling import outcomes, turns
from monitoring.store import current
from nodes.models import Instance
from nodes.proxmox.errors import LoginFailed
from pulse import ready
from pulse.lib import saving
from pulse.lib.errors import ApiError, refusal_of
from pulse.lib.logs import Told, WithoutUnavailable
from pulse.lib.sqlite3 import base
from pulse.runtime import watching
from tests.conftest import NOON
from tests.factories import make_instance

LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "127.0.0.1:7655"}


@pytest.fixture(autouse=True)
def nothing_wrong():
    """Every test begins and ends with a disk that can be written."""
    saving.change(None)
    yield
    saving.change(None)
    base.freeze(is_frozen=False)


@pytest.fixture
def room(tmp_path, monkeypatch, settings):
    """`room[0]` is how many bytes are free; the ballast is of 4 KiB and leaves 8 KiB to others."""
    settings.PULSE_DATA_DIR = tmp_path
    free = [1 << 30]
    monkeypatch.setattr(saving, "BALLAST_BYTES", 4096)
    monkeypatch.setattr(saving, "ROOM_BYTES", 8192)
    monkeypatch.setattr(saving, "FULL_BYTES", 1)
    monkeypatch.setattr(saving, "free_bytes", lambda: free[0])
    return free


# --- what SQLite says ---------------------------------------------------------------------------------------------


def failure(call) -> sqlite3.Error:
    """The error that a call of SQLite ends with."""
    with pytest.raises(sqlite3.Error) as caught:
        call()
    return caught.value


@pytest.fixture
def connected():
    """`connected(path)` opens a database until the end of the test."""
    with ExitStack() as opened:
        yield lambda path, **options: opened.enter_context(closing(sqlite3.connect(path, **options)))


@pytest.fixture
def database(tmp_path, connected):
    """A database with a table."""
    path = tmp_path / "some.sqlite3"
    connected(path).execute("CREATE TABLE things (name TEXT)")
    return path


def test_a_full_disk_is_known_by_its_error(database, connected):
    full = connected(database)
    full.execute("PRAGMA max_page_count = 2")

    error = failure(lambda: full.execute("INSERT INTO things VALUES (zeroblob(100000))"))

    assert saving.cause_of(error) == saving.FULL


def test_a_lock_of_another_program_is_known_by_its_error(database, connected):
    holder = connected(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    waiting = connected(database, timeout=0)
    error = failure(lambda: waiting.execute("INSERT INTO things VALUES ('')"))

    assert saving.cause_of(error) == saving.LOCKED


def test_a_file_system_that_is_read_only_is_known_by_its_error(database, room, connected):
    reader = connected(f"file:{database}?mode=ro", uri=True)

    error = failure(lambda: reader.execute("INSERT INTO things VALUES ('')"))

    assert saving.cause_of(error) == saving.READ_ONLY


def test_missing_rights_are_known_by_their_error(tmp_path, room):
    error = failure(lambda: sqlite3.connect(tmp_path / "nothing here" / "some.sqlite3"))

    assert saving.cause_of(error) == saving.READ_ONLY


def test_a_file_that_cannot_be_made_for_want_of_room_is_a_full_disk(tmp_path, room):
    room[0] = 0

    error = failure(lambda: sqlite3.connect(tmp_path / "nothing here" / "some.sqlite3"))

    assert saving.cause_of(error) == saving.FULL


def test_a_wrong_statement_says_nothing_about_the_disk(database, connected):
    error = failure(lambda: connected(database).execute("INSERT INTO nothing VALUES ('')"))

    assert saving.cause_of(error) is None


# --- nobody waits, and it is told once ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_cannot_be_written_is_refused_at_once_with_its_cause_and_reading_goes_on():
    saving.change(saving.LOCKED)

    with pytest.raises(OperationalError) as caught, transaction.atomic():
        Instance.objects.update(name="another")

    refusal = refusal_of(caught.value)
    assert (refusal.status, refusal.message) == (
        503,
        "nothing can be saved: the database is locked by another program",
    )
    assert Instance.objects.count() == 0


@pytest.mark.django_db
def test_with_the_room_that_was_kept_writing_goes_on():
    saving.change(saving.ON_BALLAST)

    assert make_instance("pve").pk


def test_each_change_is_one_line(caplog):
    caplog.set_level(logging.INFO, logger="pulse.lib.saving")
    for _ in range(40):
        saving.begin(saving.LOCKED)
    for _ in range(40):
        saving.end()

    assert [record.getMessage() for record in caplog.records] == [
        "nothing can be saved: the database is locked by another program",
        "everything can be saved again",
    ]


def test_a_failure_is_told_once_until_it_changes_or_ends():
    told = Told()

    news = [
        told.is_news("redis", "refused"),
        told.is_news("redis", "refused"),
        told.is_news("redis", "silent"),
    ]
    ends = [told.is_over("redis"), told.is_over("redis")]

    assert news == [True, False, True]
    assert ends == [True, False]
    assert told.is_news("redis", "silent")


def record(error: Exception | None, status: int) -> logging.LogRecord:
    """A line of Django about a request."""
    made = logging.LogRecord(
        "django.request", logging.ERROR, "", 0, "failed", None, (type(error), error, None) if error else None
    )
    made.status_code = status
    return made


def test_of_a_database_that_is_away_requests_leave_one_line_and_of_flaws_each_its_own():
    passes = WithoutUnavailable().filter

    assert [passes(record(OperationalError("gone"), 500)) for _ in range(3)] == [True, False, False]
    assert [passes(record(KeyError("flaw"), 500)) for _ in range(3)] == [True, True, True]
    assert not passes(record(None, 503))
    assert passes(record(None, 500))


# --- polling goes on -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_refused_login_is_left_alone_also_while_its_row_cannot_say_so(monkeypatch):
    instance, plan, now = make_instance("pve"), turns.Plan(), [1000.0]
    monkeypatch.setattr(turns, "PLAN", plan)
    monkeypatch.setattr(outcomes.time, "monotonic", lambda: now[0])
    memory = PollMemory(login_is_refused=True)
    saving.change(saving.FULL)

    def due():
        return plan.take(lambda: [(instance.pk, None)], at=NOON, monotonic=now[0], interval=10)

    first = due()
    with pytest.raises(OperationalError), transaction.atomic():
        outcomes.record_failure(instance, memory, LoginFailed("401"), at=NOON)
    now[0] += 59
    soon = due()
    now[0] += 3600

    assert (first, soon, due()) == ([instance.pk], [], [instance.pk])


# --- the room that is kept ---------------------------------------------------------------------------------------


def test_room_is_kept_where_there_is_enough_and_given_back_first(room, tmp_path):
    laid = saving.lay_ballast()
    size = (tmp_path / "ballast").stat().st_size
    blocks = (tmp_path / "ballast").stat().st_blocks

    saving.begin(saving.FULL)

    assert (laid, size, blocks) == (True, 4096, 8)
    assert not (tmp_path / "ballast").exists()
    assert saving.trouble() == saving.ON_BALLAST
    saving.begin(saving.FULL)
    assert saving.trouble() == saving.FULL


def test_no_room_is_kept_on_a_small_disk(room, tmp_path):
    room[0] = 4096 + 8191

    assert not saving.lay_ballast()
    assert not (tmp_path / "ballast").exists()


def test_the_watch_tells_a_disk_that_others_fill_up_and_its_end(room, tmp_path):
    watching.look()
    room[0] = 0
    watching.look()
    told = saving.trouble()
    room[0] = 4096 + 8191
    watching.look()
    still = saving.trouble()
    room[0] = 4096 + 8192
    watching.look()
    ended = saving.trouble()
    watching.look()

    assert (told, still, ended) == (saving.ON_BALLAST, saving.ON_BALLAST, None)
    assert (tmp_path / "ballast").exists()


def test_the_watch_finds_out_by_writing_when_a_lock_is_over(room, database, connected, monkeypatch):
    monkeypatch.setitem(django_settings.DATABASES["default"], "NAME", database)
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", 0.01)
    holder = connected(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    saving.change(saving.LOCKED)

    watching.look()
    held = saving.trouble()
    holder.execute("COMMIT")
    watching.look()

    assert (held, saving.trouble()) == (saving.LOCKED, None)


@pytest.mark.django_db
def test_a_file_that_nobody_changes_is_read_without_its_log(database):
    entry = django_settings.DATABASES["default"] | {"NAME": str(database)}
    base.freeze(is_frozen=True)
    frozen = base.DatabaseWrapper(connection.settings_dict | entry, "frozen")
    with frozen.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM things")
        count = cursor.fetchone()[0]
    base.freeze(is_frozen=False)

    frozen.close_if_unusable_or_obsolete()

    assert count == 0
    assert frozen.connection is None
    assert [path.name for path in database.parent.iterdir()] == ["some.sqlite3"]


# --- who is told, and who need not wait ------------------------------------------------------------------------------


@pytest.fixture
def alive(fresh_store):
    """Polls were started just now."""
    current.store().show_life("tasks", seconds=30)


def test_ready_is_200_while_everything_works(alive):
    response = Client(**LOCAL).get("/api/ready")

    assert (response.status_code, response.json()["status"]) == (200, "ready")


def test_ready_is_503_with_the_cause_and_health_goes_on(alive):
    saving.change(saving.FULL)

    answer = Client(**LOCAL).get("/api/ready")

    assert answer.status_code == 503
    body = answer.json()
    assert (body["error"], body["code"], body["details"]) == (
        "the disk of the data directory is full",
        "not_ready",
        {"database": "the disk of the data directory is full"},
    )
    assert Client(**LOCAL).get("/api/health").status_code == 200


def test_ready_is_503_when_no_polls_are_started_any_more(fresh_store, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(ready.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(ready, "_began", 0.0)
    at_the_start = ready.own_problems()
    now[0] = 31.0

    assert at_the_start == {}
    assert ready.own_problems() == {"schedule": "no polls are started any more"}


@pytest.mark.django_db
def test_the_page_has_a_banner_with_the_cause():
    saving.change(saving.READ_ONLY)

    page = Client(**LOCAL).get("/").content.decode()

    assert (
        "<strong>The data directory cannot be written any more: its file system is read-only, or rights are missing.</strong>"
        in page
    )


def test_a_session_in_use_is_not_written_while_nothing_can_be():
    saving.change(saving.FULL)
    session: dict[str, int] = {}

    sessions.touch(session, at=NOON)

    assert session == {}


def test_tries_to_sign_in_have_a_few_places_of_their_own(monkeypatch):
    monkeypatch.setattr(lockout, "PLACE_SECONDS", 0.01)
    entered, leave = threading.Semaphore(0), threading.Event()

    def waits():
        with lockout.place():
            entered.release()
            leave.wait(10)

    holders = [threading.Thread(target=waits) for _ in range(lockout.MAX_AT_ONCE)]
    for holder in holders:
        holder.start()
        entered.acquire()
    try:
        with pytest.raises(ApiError) as caught, lockout.place():
            pass
    finally:
        leave.set()
        for holder in holders:
            holder.join()

    assert (caught.value.status, lockout.MAX_AT_ONCE) == (503, 4)
    with lockout.place():
        pass
