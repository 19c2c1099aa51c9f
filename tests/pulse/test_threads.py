"""The bounded thread pool of the one-process mode."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pulse.runtime.threads import ThreadPool

PATIENCE_SECONDS = 10


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(2, name="test")
    yield pool
    pool.stop(PATIENCE_SECONDS)


def wait_until_rested(pool: ThreadPool) -> None:
    """Return when no thread of the pool is at work."""
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 200):
        if pool.busy == 0:
            return
        pause.wait(0.005)
    raise AssertionError("the pool is still busy")


def test_a_call_runs_in_a_thread_of_the_pool(pool: ThreadPool):
    names: list[str] = []
    done = threading.Event()

    pool.submit(lambda: (names.append(threading.current_thread().name), done.set()))

    assert done.wait(PATIENCE_SECONDS)
    assert names == ["test-1"]


def test_a_rested_thread_works_before_a_new_one_is_made(pool: ThreadPool):
    names: list[str] = []
    for _ in range(3):
        done = threading.Event()
        pool.submit(lambda done=done: (names.append(threading.current_thread().name), done.set()))
        assert done.wait(PATIENCE_SECONDS)
        wait_until_rested(pool)

    assert names == ["test-1", "test-1", "test-1"]


def test_no_more_calls_run_at_once_than_the_pool_has_threads(pool: ThreadPool):
    release = threading.Event()
    started = threading.Semaphore(0)
    third_ran = threading.Event()
    for _ in range(2):
        pool.submit(lambda: (started.release(), release.wait(PATIENCE_SECONDS)))
    for _ in range(2):
        assert started.acquire(timeout=PATIENCE_SECONDS)

    pool.submit(third_ran.set)
    ran_early = third_ran.wait(0.05)
    release.set()

    assert not ran_early
    assert third_ran.wait(PATIENCE_SECONDS)


def test_a_call_that_raises_even_system_exit_leaves_its_thread_alive(pool: ThreadPool, caplog):
    def leave() -> None:
        raise SystemExit(3)

    pool.submit(leave)
    wait_until_rested(pool)
    names: list[str] = []
    pool.submit(lambda: names.append(threading.current_thread().name))
    wait_until_rested(pool)

    assert names == ["test-1"]
    assert "a call ended with an error" in caplog.text


def test_stopping_says_whether_the_running_calls_ended_in_time():
    pool = ThreadPool(1, name="test")
    release = threading.Event()
    started = threading.Event()
    pool.submit(lambda: (started.set(), release.wait(PATIENCE_SECONDS)))
    assert started.wait(PATIENCE_SECONDS)

    ended_while_hanging = pool.stop(0.01)
    release.set()

    assert ended_while_hanging is False
    assert pool.stop(PATIENCE_SECONDS) is True


def test_nothing_starts_after_the_stop():
    pool = ThreadPool(1, name="test")
    pool.stop(1)

    assert pool.submit(lambda: None) is False


def test_a_pool_that_is_hopelessly_behind_refuses_the_newest_call(monkeypatch, caplog):
    monkeypatch.setattr("pulse.runtime.threads.MAX_WAITING", 1)
    pool = ThreadPool(1, name="test")
    release = threading.Event()
    pool.submit(lambda: release.wait(PATIENCE_SECONDS))

    waiting, refused = pool.submit(lambda: None), pool.submit(lambda: None)
    release.set()
    pool.stop(PATIENCE_SECONDS)

    assert (waiting, refused) == (True, False)
    assert "1 calls are waiting already, one was dropped" in caplog.text
