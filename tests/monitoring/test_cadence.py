"""Cadence: one whole state in each interval, with the polls when they come, without them when not (state.md 5)."""

from __future__ import annotations

import pytest

from monitoring.feed.cadence import Cadence, slack


def sent_at(instants, *, publications, interval=10.0):
    """The instants, of those at which somebody looks, at which a state goes out."""
    cadence, published, sent = Cadence(0.0), False, []
    for at in instants:
        published = published or at in publications
        if cadence.is_due(at, interval, published=published):
            cadence.sent(at, published=published)
            sent.append(at)
            published = False
    return sent


def test_without_polls_the_clock_alone_decides():
    assert sent_at(range(31), publications=()) == [10, 20, 30]


def test_states_go_with_the_polls_from_the_first_one_on():
    assert sent_at(range(41), publications={3, 13, 23, 33}) == [3, 13, 23, 33]


def test_of_many_polls_in_an_interval_one_is_followed():
    assert sent_at(range(31), publications={1, 4, 7, 11, 14, 17, 21, 24, 27}) == [1, 11, 21]


def test_a_poll_that_comes_a_little_early_or_late_is_waited_for():
    instants = [0.0, 2.0, 11.6, 12.0, 22.0, 22.4, 22.5]

    assert sent_at(instants, publications={2.0, 11.6, 22.4}) == [2.0, 11.6, 22.4]
    assert 12.0 not in sent_at(instants, publications={2.0, 11.6, 22.4})


def test_a_poll_that_stays_away_is_not_waited_for_longer_than_the_slack():
    assert sent_at([2.0, 12.0, 12.5, 13.0], publications={2.0, 13.0}) == [2.0, 12.5, 13.0]


@pytest.mark.parametrize(
    ("interval", "expected"), [(3.0, 0.3), (5.0, 0.5), (10.0, 0.5), (3600.0, 0.5)], ids=str
)
def test_the_slack_is_a_tenth_of_the_interval_and_half_a_second_at_most(interval, expected):
    assert slack(interval) == pytest.approx(expected)


def test_a_shorter_interval_counts_from_the_last_state():
    cadence = Cadence(100.0)

    assert cadence.deadline(60.0) == 160.0
    assert not cadence.is_due(104.9, 5.0, published=False)
    assert cadence.is_due(105.0, 5.0, published=False)
