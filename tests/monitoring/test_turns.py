"""When an instance is polled next: in the turn that it shares with others, once in each interval."""

from __future__ import annotations

from datetime import timedelta

import pytest

from monitoring.tasks import next_poll_at
from tests.conftest import NOON


def seconds_until_next(pk, late_seconds, *, interval, settings):
    """How long after noon an instance is polled next that is polled so long after noon."""
    settings.POLLING_INTERVAL_SECONDS = interval
    return (next_poll_at(pk, NOON + timedelta(seconds=late_seconds)) - NOON).total_seconds()


@pytest.mark.parametrize(
    ("late", "expected"),
    [(0, 10), (0.9, 10), (4.9, 10), (5, 10), (5.1, 20), (9.9, 20), (10.4, 20), (3600.3, 3610)],
    ids=str,
)
def test_a_turn_comes_once_in_an_interval_however_late_the_last_poll_was(late, expected, settings):
    assert seconds_until_next(1, late, interval=10, settings=settings) == expected


@pytest.mark.parametrize(
    ("interval", "late", "expected"), [(3, 1, 3), (3, 1.6, 6), (60, 2, 60), (3600, 0, 3600)]
)
def test_other_intervals_have_their_own_turns(interval, late, expected, settings):
    assert seconds_until_next(5, late, interval=interval, settings=settings) == expected


def test_fourteen_instances_that_were_added_one_after_the_other_share_a_turn(settings):
    nexts = {seconds_until_next(pk, 0.3 * pk, interval=10, settings=settings) for pk in range(1, 15)}

    assert nexts == {10}


def test_a_large_estate_takes_turns_over_half_the_interval(settings):
    nexts = [seconds_until_next(pk, 0, interval=10, settings=settings) for pk in range(300)]

    assert (min(nexts), max(nexts)) == (10.0, 14.6875)
    assert len(set(nexts)) == 16
    assert max(nexts.count(seconds) for seconds in set(nexts)) == 32
