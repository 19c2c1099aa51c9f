"""How the means of many objects are written."""

from __future__ import annotations

import pytest

from monitoring.api.spelling import MOST_SHARES, ShareTexts, Speller
from monitoring.history.metrics import CPU, DISK_TOTAL, DISK_USED, NETWORK_IN
from monitoring.history.scales import RATE, SIZE, UNKNOWN

#: Sizes up to 3.9 GiB have codes in even steps.
SOME = 200


def texts_of(name, width, lines):
    """Return the numbers of a series as they are written, None where there are none."""
    series = Speller(name, width).series(lines)
    return None if series is None else [series.form % value for value in series.values]


@pytest.mark.parametrize(
    ("codes", "width", "texts"),
    [
        ([47, 1000, 0], 1, ["4.7", "100", "0"]),
        ([47, UNKNOWN, 51], 1, ["4.7", "null", "5.1"]),
        ([47, 47, 47, 47], 1, ["4.7", "4.7", "4.7", "4.7"]),
        ([47, 47, 47, 47], 2, ["4.7", "4.7"]),
        ([10, 20, 31, 31, 42, 43], 3, ["2.033", "3.867"]),
        ([10, 20, UNKNOWN, UNKNOWN], 2, ["1.5", "null"]),
        ([UNKNOWN, UNKNOWN], 1, None),
    ],
)
def test_a_figure_has_four_digits_at_most(codes, width, texts):
    assert texts_of("cpu", width, {CPU: codes}) == texts


def test_bytes_are_whole():
    assert texts_of("netin", 1, {NETWORK_IN: [20, 15]}) == ["20", "15"]
    assert texts_of("netin", 2, {NETWORK_IN: [20, 15]}) == ["18"]
    assert texts_of("netin", 1, {NETWORK_IN: [RATE.code(20480), 0]}) == ["20579", "0"]


def test_of_what_nothing_is_kept_nothing_is_written():
    assert texts_of("cpu", 1, {}) is None
    assert texts_of("disk", 1, {DISK_USED: [SOME]}) is None
    assert texts_of("disk", 1, {DISK_TOTAL: [SOME]}) is None


@pytest.mark.parametrize(
    ("used", "total", "width", "texts"),
    [
        ([SOME, 2 * SOME], [4 * SOME, 4 * SOME], 1, ["25", "50"]),
        ([SOME, SOME], [4 * SOME, 4 * SOME], 1, ["25", "25"]),
        ([SOME, SOME], [4 * SOME, 2 * SOME], 1, ["25", "50"]),
        ([SOME, 2 * SOME], [4 * SOME, 4 * SOME], 2, ["37.5"]),
        ([SOME, UNKNOWN], [4 * SOME, 4 * SOME], 1, ["25", "null"]),
        ([SOME, SOME], [4 * SOME, UNKNOWN], 1, ["25", "null"]),
        ([SOME, SOME + 1], [SOME, SOME], 1, ["100", "100"]),
        ([UNKNOWN, UNKNOWN], [SOME, SOME], 1, None),
        ([SOME, SOME], [UNKNOWN, UNKNOWN], 1, None),
        ([SOME, 2 * SOME], [0, 0], 1, None),
        ([UNKNOWN, SOME], [SOME, UNKNOWN], 1, None),
    ],
)
def test_a_share_is_that_of_each_bucket(used, total, width, texts):
    assert texts_of("disk", width, {DISK_USED: used, DISK_TOTAL: total}) == texts


def test_shares_do_not_fill_the_memory():
    texts = ShareTexts(SIZE.figures, 1e12, "%.4g")

    assert {texts[code] for code in range(5000)} >= {"0", "1.049"}
    assert len(texts) == MOST_SHARES
    assert texts[4999] == texts[4999] != texts[4000]
