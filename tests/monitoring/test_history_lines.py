"""The means of many objects as codes, by hand."""

from __future__ import annotations

import pytest

from monitoring.choices import SpanSource
from monitoring.history.columns import Grid
from monitoring.history.lines import lines_of, means_of
from monitoring.history.metrics import CPU, NETWORK_IN, Kind
from monitoring.history.pages import Codes, Page, Strip
from monitoring.history.scales import PERCENT, RATE, UNKNOWN

MINUTES = range(0, 360, 60)


def page(means, *, epochs=MINUTES, width=60, kept=((0, 360),), source=SpanSource.OWN, metric=CPU, **aspects):
    """Return a page of one guest, whose codes are tenths of a percent."""
    strip = Strip(
        Kind.GUEST, list(epochs), [width] * len(means), lambda: iter([(7, {metric: Codes(means, **aspects)})])
    )
    return Page(source, width, list(kept), [strip], kept=list(kept))


def line(*pages, size=6, step=60, metric=CPU):
    return lines_of(pages, Grid(0, step, size))[Kind.GUEST, 7][metric]


def test_a_point_of_each_bucket_stays_the_code_that_it_is():
    assert line(page([10, 20, UNKNOWN, 40, 50, 60])) == [10, 20, UNKNOWN, 40, 50, 60]


def test_only_what_is_taken_from_a_page_is_told():
    assert line(page([10, 20, 30, 40, 50, 60], kept=[(120, 240)])) == [
        UNKNOWN, UNKNOWN, 30, 40, UNKNOWN, UNKNOWN,
    ]  # fmt: skip


def test_pages_follow_upon_each_other():
    first = page([10, 20], epochs=(0, 60), kept=[(0, 120)])
    second = page([50, 60], epochs=(240, 300), kept=[(240, 360)])

    assert line(first, second) == [10, 20, UNKNOWN, UNKNOWN, 50, 60]


@pytest.mark.parametrize(
    ("means", "aspects", "expected"),
    [
        ([10, 20, 30, 40, 50, 60], {}, [20, 50]),
        ([10, 10, 10, 10, 10, 10], {}, [10, 10]),
        ([10, UNKNOWN, 31, UNKNOWN, UNKNOWN, UNKNOWN], {}, [20, UNKNOWN]),
        ([10, 20, 30, 40, 50, 60], {"counts": [6, 6, 0, 1, 1, 4]}, [15, 55]),
    ],
    ids=["even", "constant", "with gaps", "of few samples"],
)
def test_points_that_meet_become_the_code_of_their_mean(means, aspects, expected):
    assert line(page(means, **aspects), size=2, step=180) == expected


def test_points_of_two_pages_meet_too():
    first = page([10, 20, 30], epochs=(0, 60, 120), kept=[(0, 180)])
    second = page([40], epochs=(180,), kept=[(180, 240)])

    assert line(first, second, size=1, step=300) == [25]


def test_a_point_of_proxmox_fills_all_that_it_covers():
    told = page([10, 20], epochs=(0, 180), width=180, source=SpanSource.PROXMOX)

    assert line(told) == [10, 10, 10, 20, 20, 20]


def test_the_mean_of_rates_is_that_of_what_they_mean_not_of_their_codes():
    one, thousand = RATE.code(1), RATE.code(1000)

    (met,) = line(
        page([one, thousand], epochs=(0, 60), metric=NETWORK_IN), size=1, step=120, metric=NETWORK_IN
    )

    assert RATE.figure(met) == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize(
    ("codes", "width", "expected"),
    [
        ([10, 20, 30, 50], 1, [1, 2, 3, 5]),
        ([10, 20, 30, 50], 2, [1.5, 4]),
        ([10, 20, 30, 60, 50, 40], 3, [2, 5]),
        ([10, UNKNOWN, UNKNOWN, UNKNOWN], 2, [1, None]),
        ([UNKNOWN, 20], 1, [None, 2]),
        ([30, 30, 30, 30], 2, [3, 3]),
        ([UNKNOWN, UNKNOWN], 2, [None]),
    ],
)
def test_neighbours_become_one_bucket_with_their_mean(codes, width, expected):
    assert means_of(codes, width, PERCENT.figures) == pytest.approx(expected)
