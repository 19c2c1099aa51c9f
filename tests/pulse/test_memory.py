"""What a long-lived process does about its memory."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from pulse.runtime import memory


@pytest.fixture(autouse=True)
def nothing_stays_exempt() -> Iterator[None]:
    """The tests that follow have their collector as it was."""
    yield
    gc.unfreeze()


class Waiting:
    """Stands for the executor: what it shall do later, and when."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], object]]] = []

    def call_later(self, delay_seconds: float, call: Callable[[], object]) -> None:
        self.calls.append((delay_seconds, call))


class Knot:
    """What refers to itself: only the collector frees it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_exempt_and_is_garbage_by_now_is_freed():
    knot = Knot()
    is_there = weakref.ref(knot)
    memory.settle_memory()
    del knot

    memory.settle_memory()

    assert is_there() is None


def test_what_stays_is_exempt_from_later_collections():
    memory.settle_memory()

    assert gc.get_freeze_count() > 10_000
    assert gc.isenabled()


def test_memory_is_settled_again_and_again_each_time_after_twice_as_long_at_most_after_a_quarter_of_an_hour(
    monkeypatch,
):
    settled = []
    monkeypatch.setattr(memory, "settle_memory", lambda: settled.append(True))
    waiting = Waiting()

    memory.keep_settled(waiting)
    for _ in range(9):
        waiting.calls[-1][1]()

    assert [seconds for seconds, _ in waiting.calls] == [30, 60, 120, 240, 480, 900, 900, 900, 900, 900]
    assert len(settled) == 9
