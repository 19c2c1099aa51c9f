"""How `pulse run` begins: what was collected before is restored first, and nothing waits long for it."""

from __future__ import annotations

import threading
import time

import pytest

from monitoring.polling import restoring
from pulse.runtime import run
from pulse.runtime.threads import ThreadPool

WAIT_SECONDS = 10.0


class Executor:
    """Stands for the executor: notes when the schedule was started."""

    def __init__(self):
        self.pool = ThreadPool(2, name="test")
        self.has_begun = threading.Event()

    def beat(self, schedule, tasks):
        self.has_begun.set()


@pytest.fixture
def executor():
    executor = Executor()
    yield executor
    executor.pool.stop(WAIT_SECONDS)


def test_what_was_collected_is_restored_before_the_first_polls(executor, monkeypatch):
    order = []
    monkeypatch.setattr(
        restoring, "restore_collected", lambda at: order.append(("restored", executor.has_begun.is_set()))
    )

    run.begin(executor)

    assert order == [("restored", False)]
    assert executor.has_begun.is_set()


def test_the_first_answers_do_not_wait_for_what_takes_long(executor, monkeypatch):
    may_end = threading.Event()
    monkeypatch.setattr(restoring, "restore_collected", lambda at: may_end.wait(WAIT_SECONDS))
    began = time.monotonic()

    run.begin(executor)

    assert time.monotonic() - began < WAIT_SECONDS / 2
    assert not executor.has_begun.is_set()
    may_end.set()
    assert executor.has_begun.wait(WAIT_SECONDS)


def test_polling_begins_whatever_happens_to_what_was_collected(executor, monkeypatch, caplog):
    def broken(at):
        raise RuntimeError("a flaw")

    monkeypatch.setattr(restoring, "restore_collected", broken)

    run.begin(executor)

    assert executor.has_begun.wait(WAIT_SECONDS)
