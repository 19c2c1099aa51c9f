"""What a threshold would have done (alerts.md 2.1 to 2.3, 2.10, and the cases E1, E5, E22, E25 of section 5)."""

from __future__ import annotations

import pytest

from monitoring.history.columns import Column, Grid
from monitoring.history.whatif import Rule, fired

START = 1_790_000_000
EIGHTY = Rule(80.0, 75.0)


def samples(*values):
    """Return samples as they were taken."""
    return Column(list(values), list(values), list(values))


def episodes(column, rule, step=10):
    """Return (start, fired, end) in seconds from the start, and the peak, of each episode."""
    found = fired(column, Grid(START, step, len(column.means)), rule)
    return [
        (
            one.start_epoch - START,
            one.fired_epoch - START,
            None if one.end_epoch is None else one.end_epoch - START,
            one.peak,
        )
        for one in found
    ]


def test_it_fires_at_the_trigger_and_ends_at_the_clear_level():
    assert episodes(samples(79.9, 80.0, 75.1, 75.0, 70.0), EIGHTY) == [(10, 10, 30, 80.0)]


def test_what_is_short_of_the_trigger_never_fires():
    assert episodes(samples(79.9, 79.9, 79.9), EIGHTY) == []


def test_values_between_the_levels_keep_one_episode():
    assert episodes(samples(*[81.0, 79.0] * 30), EIGHTY) == [(0, 0, None, 81.0)]


def test_each_time_it_comes_back_is_another_episode():
    assert episodes(samples(90, 70, 95, 70, 85), EIGHTY) == [
        (0, 0, 10, 90),
        (20, 20, 30, 95),
        (40, 40, None, 85),
    ]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(6, []), (7, [(0, 60, 70, 90.0)])],
    ids=["fifty seconds", "a minute"],
)
def test_a_delay_counts_from_the_first_sample_at_the_trigger(count, expected):
    column = samples(*[90.0] * count, 60.0)

    assert episodes(column, Rule(80.0, 75.0, 60)) == expected


def test_one_sample_short_of_the_trigger_begins_the_delay_anew():
    column = samples(90, 90, 90, 79, 90, 90, 90, 90, 60)

    assert episodes(column, Rule(80.0, 75.0, 30)) == [(40, 70, 80, 90)]


def test_a_delay_of_twelve_seconds_is_over_with_the_sample_after_it():
    assert episodes(samples(90, 90, 90), Rule(80.0, 75.0, 12)) == [(0, 20, None, 90)]


def test_a_delay_goes_on_over_a_short_gap():
    column = samples(90, 90, 90, 90, 90, None, 90)

    assert episodes(column, Rule(80.0, 75.0, 60)) == [(0, 60, None, 90)]


def test_a_delay_begins_anew_after_a_long_gap():
    column = samples(90, 90, 90, *[None] * 12, 90, 90, 90)

    assert episodes(column, Rule(80.0, 75.0, 60)) == []


def test_unknown_neither_fires_nor_ends_anything():
    assert episodes(samples(None, None, None), EIGHTY) == []
    assert episodes(samples(90, *[None] * 500, 90, 70), EIGHTY) == [(0, 0, 5020, 90)]


def test_an_episode_of_which_nothing_is_known_for_a_day_is_stale():
    column = samples(90.0, *[None] * 25, 90.0)

    found = fired(column, Grid(START, 3600, 27), EIGHTY)

    assert [(one.end_epoch, one.is_stale) for one in found] == [
        (START + 3600 + 24 * 3600, True),
        (None, False),
    ]


def test_an_episode_of_which_nothing_is_known_any_more_is_stale_after_a_day():
    found = fired(samples(90.0, *[None] * 24), Grid(START, 3600, 25), EIGHTY)

    assert [(one.end_epoch, one.is_stale) for one in found] == [(START + 25 * 3600, True)]


def test_an_episode_of_which_nothing_is_known_for_an_hour_is_still_on():
    found = fired(samples(90.0, None), Grid(START, 3600, 2), EIGHTY)

    assert [(one.end_epoch, one.is_stale) for one in found] == [(None, False)]


def test_below_means_downwards():
    rule = Rule(10.0, 15.0, is_below=True)

    assert episodes(samples(20, 10, 12, 5, 15, 20), rule) == [(10, 10, 40, 5)]


def test_a_peak_within_a_bucket_fires():
    column = Column([40.0, 40.0, 40.0], [30.0, 30.0, 30.0], [50.0, 85.0, 50.0])

    assert episodes(column, EIGHTY, step=300) == [(300, 300, 600, 85.0)]


def test_a_trough_within_a_bucket_ends_it():
    column = Column([90.0, 78.0, 78.0], [85.0, 74.0, 77.0], [95.0, 79.0, 79.0])

    assert episodes(column, EIGHTY, step=300) == [(0, 0, 300, 95.0)]


def test_what_comes_and_goes_within_each_bucket_is_one_episode():
    column = Column([70.0] * 3, [10.0] * 3, [90.0] * 3)

    assert episodes(column, EIGHTY, step=300) == [(0, 0, None, 90.0)]


def certainty(column, rule, step):
    return [one.is_certain for one in fired(column, Grid(START, step, len(column.means)), rule)]


def test_a_delay_that_every_value_of_the_buckets_has_served_is_certain():
    held = Column([90.0, 90.0], [85.0, 85.0], [95.0, 95.0])

    assert certainty(held, Rule(80.0, 75.0, 500), 300) == [True]


def test_a_delay_that_may_have_been_interrupted_within_a_bucket_is_not():
    maybe = Column([79.0, 79.0], [70.0, 70.0], [95.0, 95.0])

    assert certainty(maybe, Rule(80.0, 75.0, 500), 300) == [False]
    assert certainty(maybe, Rule(80.0, 75.0, 60), 300) == [False]
    assert certainty(maybe, EIGHTY, 300) == [True]


def test_of_a_mean_alone_only_that_it_was_reached_is_certain():
    told = Column([85.0, 85.0, 60.0], [None] * 3, [None] * 3)

    assert certainty(told, EIGHTY, 1800) == [True]
    assert certainty(told, Rule(80.0, 75.0, 600), 1800) == [False]
    assert episodes(told, EIGHTY, step=1800) == [(0, 0, 3600, 85.0)]


def test_a_delay_that_no_number_of_buckets_reaches_does_not_fire():
    held = Column([90.0, 60.0], [85.0, 55.0], [95.0, 65.0])

    assert episodes(held, Rule(80.0, 75.0, 400), step=300) == []
