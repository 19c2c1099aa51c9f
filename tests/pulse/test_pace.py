"""How often something may come: a bound over a moving span, and turns one after the other."""

from __future__ import annotations

import pytest

from pulse.lib.pace import Pace, Turns


def test_so_many_are_kept_and_one_more_is_not():
    pace = Pace(3, 10.0)

    assert [pace.is_kept(at) for at in (0.0, 0.0, 1.0, 2.0)] == [True, True, True, False]


def test_the_span_moves_with_the_clock():
    pace = Pace(3, 10.0)

    assert [pace.is_kept(at) for at in (0.0, 4.0, 8.0, 10.0, 13.0, 24.0)] == [
        True,
        True,
        True,
        True,
        False,
        True,
    ]


def test_a_few_go_at_once_and_the_others_one_after_the_other():
    turns = Turns(10, at_once=2, longest_seconds=1.0)

    assert [turns.wait_seconds(100.0) for _ in range(4)] == pytest.approx([0.0, 0.0, 0.1, 0.2])


def test_who_would_wait_too_long_has_no_turn_and_takes_none_from_others():
    turns = Turns(10, at_once=1, longest_seconds=0.25)

    waits = [turns.wait_seconds(0.0) for _ in range(5)]

    assert waits[:3] == pytest.approx([0.0, 0.1, 0.2])
    assert waits[3:] == [None, None]
    assert turns.wait_seconds(0.25) is not None


def test_after_a_while_nobody_waits_any_more():
    turns = Turns(10, at_once=2, longest_seconds=1.0)
    for _ in range(5):
        turns.wait_seconds(0.0)

    assert turns.wait_seconds(60.0) == 0.0
