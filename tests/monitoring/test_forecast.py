"""When something is full. Series are at six hours; sizes are in units of 4 GiB, so that no rounding of the store matters."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from monitoring.history.columns import Column, Grid
from monitoring.history.forecast import forecast
from monitoring.known.forecasts import Forecast

DAY = 86400
FIRST = int(datetime(2026, 9, 1, tzinfo=UTC).timestamp())


def seen(used, total=1000.0, *, late_seconds=0) -> Forecast:
    """Return what is said of a series from the first of September on, at the end of it."""
    values = [None if value is None else float(value) for value in used]
    totals = total if isinstance(total, list) else [total] * len(values)
    grid = Grid(FIRST, 6 * 3600, len(values))
    return forecast(
        Column(values, [], []), Column(totals, [], []), grid, at_epoch=grid.end_epoch + late_seconds
    )


def days_until(epoch: float | None, told: Forecast) -> float | None:
    return None if epoch is None else round((epoch - told.made_epoch) / DAY, 1)


def line(days, first, per_day):
    """Return the means of a line over each quarter of a day."""
    return [first + per_day * (step + 0.5) / 4 for step in range(days * 4)]


def test_a_line_is_full_where_it_meets_the_size():
    told = seen(line(80, 100, 10))

    assert told.state == "growing"
    assert days_until(told.full_epoch, told) == pytest.approx(10, abs=0.3)
    assert told.earliest_epoch < told.full_epoch < told.latest_epoch
    assert told.bytes_per_day == pytest.approx(10)
    assert told.seen_from_epoch == FIRST
    assert told.seen_days == 80


def test_a_series_of_ten_days_counts_at_six_hours():
    told = seen(line(10, 700, 25))

    assert told.state == "growing"
    assert days_until(told.full_epoch, told) == pytest.approx(2, abs=0.2)


def test_figures_of_a_few_days_are_good_for_twice_as_many():
    told = seen(line(10, 200, 10))

    assert told.state == "too_uncertain"
    assert told.full_epoch is None
    assert told.latest_epoch is None
    assert days_until(told.earliest_epoch, told) == pytest.approx(62, abs=8)


def test_a_clean_up_does_not_hide_the_growth():
    before, after = line(50, 300, 10), line(30, 600, 10)

    told = seen(before + after)  # 800 before and 600 after it

    assert told.state == "growing"
    assert days_until(told.full_epoch, told) == pytest.approx(10, abs=1)
    assert told.bytes_per_day == pytest.approx(10, abs=0.3)


def test_a_clean_up_that_takes_a_day_is_one_clean_up():
    before, after = line(50, 300, 10), line(30, 600, 10)
    between = [750.0, 700.0, 650.0]

    told = seen(before + between + after)

    assert days_until(told.full_epoch, told) == pytest.approx(10, abs=1)


def test_what_came_once_is_no_growth():
    told = seen([200.0] * 240 + [700.0] * 120)

    assert told.state == "not_growing"
    assert told.bytes_per_day == pytest.approx(0, abs=0.01)


def test_the_teeth_of_a_prune_job_are_no_growth():
    told = seen([500 + 10 * (step % 28) for step in range(360)])

    assert told.state == "not_growing"


def test_a_saw_that_rises_is_full_with_a_tip():
    # Each week 140 come and 112 go: 4 a day. The tips are 135 above the valleys, the last of which is at 500 + 12 * 28.
    told = seen([500 + 28 * (step // 28) + 5 * (step % 28) for step in range(364)])

    assert told.state == "growing"
    assert told.bytes_per_day == pytest.approx(4, abs=0.2)
    assert days_until(told.full_epoch, told) == pytest.approx(6, abs=6)


@pytest.mark.parametrize("phase", range(7))
def test_the_rhythm_of_a_week_is_no_growth(phase):
    week = [0, 20, 40, 60, 80, 60, 30]

    told = seen([500 + week[(step // 4 + phase) % 7] for step in range(360)])

    assert told.state == "not_growing"


def test_the_rhythm_of_a_week_does_not_move_the_day_by_more_than_a_week():
    week = [0, 5, 10, 15, 20, 15, 5]

    told = seen([value + week[(step // 4) % 7] for step, value in enumerate(line(90, 100, 7))])

    assert days_until(told.full_epoch, told) == pytest.approx(36, abs=5)


def test_growth_that_doubles_is_expected_earlier_than_a_line():
    told = seen([500 * 2 ** (step / 4 / 100 - 0.9) for step in range(360)])

    # 100 days by its own law; a line from the last day would say 144.
    assert days_until(told.earliest_epoch, told) <= 100 <= days_until(told.latest_epoch, told)
    assert days_until(told.full_epoch, told) < 135


def test_growth_that_has_begun_lately_counts_as_it_is_now():
    told = seen([300.0] * 200 + line(40, 300, 10))

    assert told.state == "growing"
    assert days_until(told.full_epoch, told) == pytest.approx(30, abs=3)


def test_what_shrinks_is_not_growing():
    told = seen(line(90, 900, -5))

    assert told.state == "not_growing"
    assert told.bytes_per_day == pytest.approx(-5)
    assert (told.full_epoch, told.earliest_epoch, told.latest_epoch) == (None, None, None)


def test_what_would_take_more_than_two_years_has_no_date():
    told = seen(line(90, 100, 0.5))

    assert told.state == "growing"
    assert (told.full_epoch, told.earliest_epoch, told.latest_epoch) == (None, None, None)


def test_what_goes_up_and_down_for_weeks_is_too_uncertain():
    told = seen([880 + 100 * math.sin(step / 30) + 20 * math.sin(step / 11) for step in range(360)])

    assert told.state == "too_uncertain"
    assert told.full_epoch is None


@pytest.mark.parametrize("used", [999.5, 1000.0, 1020.0])
def test_what_is_full_is_full_now(used):
    told = seen([used] * 8)

    assert told.state == "full"
    assert told.full_epoch == told.made_epoch


@pytest.mark.parametrize("days", [1, 2])
def test_a_day_or_two_are_too_little(days):
    assert seen(line(days, 100, 50)).state == "too_little"


def test_three_days_among_holes_are_too_little_as_long_as_they_are_not_whole():
    told = seen([500, None, 510, None, None, 520, None, None, None, 530, None, 540, 550])

    assert told.state == "too_little"


def test_a_hole_of_weeks_is_no_jump_and_no_rest():
    used = line(80, 100, 10)
    used[100:180] = [None] * 80

    told = seen(used)

    assert days_until(told.full_epoch, told) == pytest.approx(10, abs=0.5)
    assert told.seen_days == 60


def test_the_newest_size_counts_and_a_resize_is_no_growth():
    told = seen(line(80, 100, 10), [950.0] * 200 + [1100.0] * 120)

    assert told.total_bytes == 1100
    assert days_until(told.full_epoch, told) == pytest.approx(20, abs=1)


def test_what_others_take_from_the_same_pool_counts_as_used():
    shrinking = [1000 - step / 4 for step in range(360)]

    told = seen([400.0] * 360, shrinking)

    assert told.bytes_per_day == pytest.approx(1)
    assert told.used_bytes == 400
    assert days_until(told.full_epoch, told) == pytest.approx(510, abs=2)


def test_nothing_known_is_unknown():
    assert seen([None] * 40).state == "unknown"
    assert seen(line(10, 1, 1), [None] * 40).state == "unknown"
    assert seen([0.0] * 40, 0.0).state == "unknown"


def test_what_was_seen_last_some_days_ago_is_not_known_now():
    assert seen(line(80, 100, 10), late_seconds=3 * DAY).state == "unknown"
    assert seen(line(80, 100, 10), late_seconds=-3 * DAY).state == "unknown"


def test_days_since_the_last_figure_are_not_given_as_a_present():
    told = seen(line(80, 100, 10), late_seconds=DAY)

    assert days_until(told.full_epoch, told) == pytest.approx(9, abs=0.3)
