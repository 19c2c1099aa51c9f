"""Points into the buckets of a grid, by hand."""

from __future__ import annotations

import pytest

from monitoring.choices import SpanSource
from monitoring.history.columns import Grid
from monitoring.history.filling import filled
from monitoring.history.metrics import CPU, Kind
from monitoring.history.pages import Codes, Page, Strip
from monitoring.history.scales import UNKNOWN

TEN = range(0, 60, 10)


def page(
    means, *, epochs=TEN, width=10, source=SpanSource.OWN, kept=((0, 60),), has_extremes=True, **aspects
):
    """Return a page of one guest, whose codes are tenths of a percent."""
    strip = Strip(
        Kind.GUEST, list(epochs), [width] * len(means), lambda: iter([(7, {CPU: Codes(means, **aspects)})])
    )
    return Page(source, width, list(kept), [strip], has_extremes=has_extremes, kept=list(kept))


def rounded(values):
    return [None if value is None else round(value, 2) for value in values]


@pytest.mark.parametrize(
    ("means", "aspects", "expected"),
    [
        ([10, 20, 30, 40, 50, 60], {}, [1.5, 3.5, 5.5]),
        ([10, 10, 10, 10, 10, 10], {}, [1, 1, 1]),
        ([10, 20, 30, UNKNOWN, UNKNOWN, UNKNOWN], {}, [1.5, 3, None]),
        ([10, 20, 30, 40, 50, 60], {"counts": [6, 6, 6, 6, 6, 6]}, [1.5, 3.5, 5.5]),
        ([10, 20, 30, 40, 50, 60], {"counts": [1, 3, 6, 6, 6, 6]}, [1.75, 3.5, 5.5]),
        ([10, UNKNOWN, 30, 40, 50, 60], {"counts": [1, 0, 6, 2, 6, 6]}, [1, 3.25, 5.5]),
    ],
    ids=["even", "constant", "with a gap", "buckets alike", "of few samples", "of few samples with a gap"],
)
def test_points_that_meet_in_a_bucket_become_their_mean(means, aspects, expected):
    found = filled([page(means, **aspects)], Grid(0, 20, 3))

    assert rounded(found[Kind.GUEST, 7][CPU].means) == expected


def test_of_those_that_meet_the_lowest_and_highest_are_kept():
    found = filled([page([10, 20, 30, UNKNOWN, UNKNOWN, UNKNOWN])], Grid(0, 20, 3))

    assert rounded(found[Kind.GUEST, 7][CPU].lows) == [1, 3, None]
    assert rounded(found[Kind.GUEST, 7][CPU].highs) == [2, 3, None]


def test_points_of_two_pages_meet_too():
    first = page([10, 20, 30], epochs=(0, 10, 20), kept=[(0, 30)])
    second = page([60, 40, 50], epochs=(30, 40, 50), kept=[(30, 60)])

    found = filled([first, second], Grid(0, 20, 3))

    assert rounded(found[Kind.GUEST, 7][CPU].means) == [1.5, 4.5, 4.5]


def test_a_point_fills_all_the_buckets_that_it_covers():
    found = filled([page([10, 20], epochs=(0, 30), width=30)], Grid(0, 10, 6))

    assert rounded(found[Kind.GUEST, 7][CPU].means) == [1, 1, 1, 2, 2, 2]


def test_what_is_not_taken_from_a_page_is_not_filled():
    found = filled([page([10, 20, 30, 40, 50, 60], kept=[(0, 10), (50, 60)])], Grid(0, 20, 3))

    assert rounded(found[Kind.GUEST, 7][CPU].means) == [1, None, 6]


def test_a_hole_within_a_bucket_is_not_filled_either():
    found = filled([page([10, 20, 30, 40, 50, 60], kept=[(0, 10), (20, 60)])], Grid(0, 60, 1))

    assert rounded(found[Kind.GUEST, 7][CPU].means) == [3.8]
