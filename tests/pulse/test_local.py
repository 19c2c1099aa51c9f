"""Celery tasks in threads of this process: what `.delay()` and the beat schedule promise."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Task
from celery.schedules import crontab
from celery.signals import before_task_publish

from pulse.celery import app
from pulse.runtime import local
from pulse.runtime.local import LocalExecutor

PATIENCE_SECONDS = 10

events: queue.Queue[Any] = queue.Queue()


@app.task(name="tests.record")
def record(value: object) -> None:
    events.put(value)


@app.task(name="tests.hang")
def hang(release: threading.Event) -> None:
    events.put("hanging")
    release.wait(PATIENCE_SECONDS)


@app.task(name="tests.fail")
def fail() -> None:
    raise RuntimeError("out of order")


@app.task(name="tests.try_twice", bind=True, max_retries=3)
def try_twice(self: Task, value: str) -> None:
    if self.request.retries == 0:
        raise self.retry(countdown=0.01)
    events.put((value, self.request.retries))


@app.task(name="tests.never_succeed", bind=True, max_retries=1)
def never_succeed(self: Task) -> None:
    events.put(self.request.retries)
    try:
        raise RuntimeError("out of order")
    except RuntimeError as error:
        raise self.retry(exc=error, countdown=0.0) from error


@pytest.fixture
def executor(monkeypatch) -> Iterator[LocalExecutor]:
    # The database of a test belongs to its thread; what the tasks here do needs none.
    monkeypatch.setattr(local, "close_old_connections", lambda: None)
    while not events.empty():
        events.get_nowait()
    executor = LocalExecutor(threads=2)
    executor.install()
    yield executor
    executor.stop(PATIENCE_SECONDS)


def next_event() -> Any:
    return events.get(timeout=PATIENCE_SECONDS)


def test_delay_runs_the_task_in_this_process(executor):
    record.delay("now")

    assert next_event() == "now"


def test_a_signature_runs_in_this_process_too(executor):
    record.s("signed").delay()

    assert next_event() == "signed"


def test_a_countdown_is_waited_for(executor):
    record.apply_async(("later",), countdown=0.05)
    record.apply_async(("now",))

    assert [next_event(), next_event()] == ["now", "later"]


def test_an_eta_is_waited_for(executor):
    record.apply_async(("later",), eta=datetime.now(UTC) + timedelta(seconds=0.05))
    record.apply_async(("now",))

    assert [next_event(), next_event()] == ["now", "later"]


def test_a_task_that_expired_before_a_thread_was_free_does_not_run(executor):
    release = threading.Event()
    for _ in range(2):
        hang.delay(release)
    assert [next_event(), next_event()] == ["hanging", "hanging"]

    record.apply_async(("expired",), expires=0.0)
    record.apply_async(("fresh",), expires=60)
    release.set()

    assert next_event() == "fresh"
    assert events.empty()


def test_retry_runs_the_task_again_with_its_count(executor):
    try_twice.delay("again")

    assert next_event() == ("again", 1)


def test_retries_end_at_their_maximum_with_the_error_in_the_log(executor, caplog):
    never_succeed.delay()

    assert [next_event(), next_event()] == [0, 1]
    assert executor.stop(PATIENCE_SECONDS)
    assert "task tests.never_succeed failed" in caplog.text
    assert events.empty()


def test_a_task_that_raises_is_logged_and_the_next_one_runs(executor, caplog):
    fail.delay()
    record.delay("next")

    assert next_event() == "next"
    executor.stop(PATIENCE_SECONDS)
    assert "task tests.fail failed" in caplog.text
    assert "out of order" in caplog.text


def test_wrong_arguments_are_refused_where_delay_is_called(executor):
    with pytest.raises(TypeError):
        record.delay()


def test_a_callback_is_refused_rather_than_forgotten(executor):
    with pytest.raises(ValueError, match="callbacks do not run without a broker"):
        record.apply_async(("first",), link=record.s("second"))


def test_hosts_that_hang_leave_threads_for_the_others():
    executor = LocalExecutor()
    executor.install()
    release = threading.Event()
    try:
        for _ in range(12):
            executor.pool.submit(lambda: release.wait(PATIENCE_SECONDS))
        served = threading.Event()
        executor.pool.submit(served.set)

        assert served.wait(PATIENCE_SECONDS)
    finally:
        release.set()
        executor.stop(PATIENCE_SECONDS)


def test_without_an_executor_the_task_goes_to_the_broker():
    published: list[str] = []

    def note(sender: str, **_: object) -> None:
        published.append(sender)

    before_task_publish.connect(note)
    try:
        record.delay("by broker")
    finally:
        before_task_publish.disconnect(note)

    assert published == ["tests.record"]


def test_beat_runs_an_entry_again_and_again(executor):
    executor.beat({"often": {"task": "tests.record", "schedule": 0.01, "args": ("tick",)}}, app.tasks)

    assert [next_event(), next_event(), next_event()] == ["tick", "tick", "tick"]


def test_beat_skips_an_entry_while_its_last_run_is_on(executor):
    release = threading.Event()
    executor.beat({"slow": {"task": "tests.hang", "schedule": 0.005, "args": (release,)}}, app.tasks)
    assert next_event() == "hanging"

    # Ten turns later there is still only the one run.
    executor.call_later(0.05, lambda: events.put("ten turns later"))

    assert next_event() == "ten turns later"
    release.set()
    assert next_event() == "hanging"


def test_beat_first_runs_a_rare_entry_after_a_minute(executor, monkeypatch):
    monkeypatch.setattr(local, "FIRST_RUN_SECONDS", 0.02)
    executor.beat({"rare": {"task": "tests.record", "schedule": 6 * 3600.0, "args": ("rare",)}}, app.tasks)
    executor.call_later(0.0, lambda: events.put("before"))

    assert [next_event(), next_event()] == ["before", "rare"]


def test_a_calendar_entry_waits_for_its_time():
    nightly = crontab(hour=3, minute=30, app=app, nowfun=lambda: datetime(2026, 1, 1, 3, 0, tzinfo=UTC))

    assert local.seconds_to_next(nightly) == pytest.approx(1800, abs=1)


def test_missed_turns_are_not_made_up_for(executor, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(local.time, "monotonic", lambda: now)
    entry = local.BeatEntry(
        executor, "entry", record, {"task": "tests.record", "schedule": 10.0, "args": ("x",)}
    )
    entry.due = 100.0

    entry.start()

    assert entry.due == 1010.0


def test_stopping_ends_within_the_time_although_a_task_hangs(executor):
    release = threading.Event()
    hang.delay(release)
    assert next_event() == "hanging"

    assert executor.stop(timeout_seconds=0.01) is False
    release.set()


def test_after_the_stop_nothing_is_installed(executor):
    executor.stop(PATIENCE_SECONDS)

    assert local._installed is None
