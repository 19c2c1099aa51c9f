"""Cadence: a whole state when all have been polled, soon after a first change, and by the clock without any (state.md 5)."""

from __future__ import annotations

import pytest

from monitoring.feed.cadence import Cadence, is_complete, slack
from monitoring.wire.fragments import Fragment, FragmentKey


def fragments(**versions):
    """Fragments of instances by name and version; a version below zero is of one that does not answer."""
    return {
        FragmentKey(number, "resources"): Fragment(
            FragmentKey(number, "resources"), abs(version), name, name, version > 0, {}
        )
        for number, (name, version) in enumerate(versions.items())
    }


def sent_at(instants, *, publications=(), complete=(), interval=10.0):
    """The instants, of those at which somebody looks, at which a state goes out."""
    cadence, sent = Cadence(0.0), []
    for at in instants:
        if at in publications or at in complete:
            cadence.changed(at)
        if cadence.is_due(at, interval, is_complete=at in complete):
            cadence.sent(at)
            sent.append(at)
    return sent


def every(step, *, to):
    """The instants up to one, a tenth of a second apart or another step."""
    return [round(number * step, 1) for number in range(round(to / step) + 1)]


def test_without_polls_the_clock_alone_decides():
    assert sent_at(range(31)) == [10, 20, 30]


def test_the_state_of_one_instance_goes_with_its_poll():
    polls = {3.0, 13.0, 23.0, 33.4}

    assert sent_at(every(0.1, to=40), complete=polls) == [3.0, 13.0, 23.0, 33.4]


def test_a_state_that_all_are_in_goes_at_once_and_once():
    assert sent_at(every(0.1, to=12), publications={3.0, 3.1}, complete={3.2}) == [3.2]


def test_a_change_waits_for_others_three_tenths_of_a_second():
    assert sent_at(every(0.1, to=12), publications={3.0}) == [3.3]


def test_two_instances_a_little_apart_are_told_apart():
    assert sent_at(every(0.1, to=12), publications={3.0, 5.0}) == [3.3, 5.3]


def test_fourteen_instances_over_the_interval_are_told_at_most_three_times_a_second():
    publications = {round(0.7 * number, 1) for number in range(1, 15)}
    close = {round(2 + 0.1 * number, 1) for number in range(14)}

    assert len(sent_at(every(0.1, to=10.2), publications=publications)) == 14
    assert sent_at(every(0.1, to=5), publications=close) == [2.3, 2.7, 3.1, 3.5]


def test_a_poll_that_comes_a_little_late_is_waited_for():
    instants = [0.0, 2.0, 12.0, 12.4, 22.4]

    assert sent_at(instants, complete={2.0, 12.4, 22.4}) == [2.0, 12.4, 22.4]


def test_a_poll_that_stays_away_is_not_waited_for_longer_than_the_slack():
    assert sent_at([2.0, 12.0, 12.5, 13.0], complete={2.0, 13.0}) == [2.0, 12.5, 13.0]


@pytest.mark.parametrize(
    ("interval", "expected"), [(3.0, 0.3), (5.0, 0.5), (10.0, 0.5), (3600.0, 0.5)], ids=str
)
def test_the_slack_is_a_tenth_of_the_interval_and_half_a_second_at_most(interval, expected):
    assert slack(interval) == pytest.approx(expected)


def test_a_shorter_interval_counts_from_the_last_state():
    cadence = Cadence(100.0)

    assert cadence.deadline(60.0) == 160.0
    assert not cadence.is_due(104.9, 5.0, is_complete=False)
    assert cadence.is_due(105.0, 5.0, is_complete=False)


@pytest.mark.parametrize(
    ("sent", "now", "expected"),
    [
        ({}, {}, False),
        ({}, {"a": 1}, True),
        ({"a": 1}, {"a": 1}, False),
        ({"a": 1}, {"a": 2}, True),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, False),
        ({"a": 1, "b": 1}, {"a": 2, "b": 2}, True),
        ({"a": 1, "b": 1}, {"a": 2, "b": -1}, True),
        ({"a": 1, "b": 1}, {"a": 1, "b": -2}, False),
        ({"a": -1, "b": -1}, {"a": -2, "b": -2}, False),
        ({"a": 1}, {"a": 2, "new": 1}, True),
        ({"a": 1, "gone": 1}, {"a": 1}, False),
    ],
    ids=str,
)
def test_a_state_is_complete_when_every_healthy_instance_is_newer_in_it(sent, now, expected):
    assert is_complete(fragments(**sent), fragments(**now)) is expected


def test_lists_alone_complete_nothing_and_are_not_waited_for():
    key = FragmentKey(0, "lists")
    lists = {key: Fragment(key, 5, "a", "a", True, {})}

    assert not is_complete(fragments(a=1), fragments(a=1) | lists)
    assert is_complete(fragments(a=1) | lists, fragments(a=2) | lists)
