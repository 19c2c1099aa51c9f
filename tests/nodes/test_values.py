from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.proxmox import values

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, 5),
        (-5, -5),
        ("1048576", 1048576),
        (" 12 ", 12),
        ("1.5", 1),
        (1.9, 1),
        ("1e3", 1000),
        ("9223372036854775807", 9223372036854775807),
        (9223372036854775807, 9223372036854775807),
        (9223372036854775808, None),
        (-9223372036854775809, None),
        ("9223372036854775808", None),
        (10**400, None),
        ("9" * 5000, None),
        (1e300, None),
        (float("nan"), None),
        (float("inf"), None),
        ("nan", None),
        ("Infinity", None),
        ("1_000", None),
        ("٣", None),
        ("²", None),
        ("", None),
        ("0x10", None),
        ("12 MiB", None),
        (True, None),
        (None, None),
        ([1], None),
        ({"a": 1}, None),
    ],
)
def test_a_whole_number_is_read_from_any_plain_spelling(value: object, expected: int | None) -> None:
    assert values.whole(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.25, 0.25),
        (1, 1.0),
        ("0.45", 0.45),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("1e-3", 0.001),
        (float("nan"), None),
        (float("-inf"), None),
        ("1e999", None),
        (10**400, None),
        ("N/A", None),
        (False, None),
        (None, None),
    ],
)
def test_a_real_number_is_finite_or_unknown(value: object, expected: float | None) -> None:
    assert values.real(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (7, 7), ("7", 7), (-1, None), ("-1", None), (-0.4, 0), (2**63, None)],
)
def test_a_size_is_never_negative(value: object, expected: int | None) -> None:
    assert values.size(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.5, 0.5), (1.75, 1.75), (-0.1, None), ("0.5", 0.5), (1, 1.0), (float("nan"), None)],
)
def test_a_ratio_may_exceed_one_but_not_be_negative(value: object, expected: float | None) -> None:
    assert values.ratio(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (1, True),
        (0, False),
        ("1", True),
        ("0", False),
        ("", False),
        ("true", True),
        ("No", False),
        (2, None),
        ("maybe", None),
        (None, None),
        (0.0, None),
        ([], None),
    ],
)
def test_a_truth_value_is_read_from_every_spelling_of_it(value: object, expected: bool | None) -> None:
    assert values.truth(value) is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("web-01", "web-01"),
        ("  web  ", "web"),
        ("we\x00b\x1b[31m\x7f", "web[31m"),
        ("two\nlines", "two lines"),
        ("müller 🦊", "müller 🦊"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("abc\u202etxt.exe", "abctxt.exe"),
        ("a\u2028b", "ab"),
        (101, "101"),
        (1.5, "1.5"),
        (True, ""),
        (float("nan"), ""),
        (None, ""),
        (["x"], ""),
    ],
)
def test_text_is_one_clean_line(value: object, expected: str) -> None:
    assert values.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1767225600, 1767225600),
        ("1606311559", 1606311559),
        (0, None),
        (-1, None),
        (253402300799, 253402300799),
        (253402300800, None),
        (None, None),
        (True, None),
    ],
)
def test_an_instant_is_one_that_has_a_date(value: object, expected: int | None) -> None:
    assert values.epoch(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("one\ntwo", "one\ntwo"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("\n\none  \n\n  two\n\n", "one\n\n  two"),
        ("a\tb\x00\u202e\u2028c", "a bc"),
        ("half \ud800\npair", "half \ufffd\npair"),
        ("größe\n🦊", "größe\n🦊"),
        (7, "7"),
        (None, ""),
        (["x"], ""),
    ],
)
def test_text_of_several_lines_keeps_its_line_breaks(value: object, expected: str) -> None:
    assert values.lines(value) == expected


def test_text_of_several_lines_is_cut_at_its_limit() -> None:
    assert values.lines("abc\n\ndef", 5) == "abc"
    assert values.lines("abc\n\ndef", 6) == "abc\n\nd"


def test_text_is_cut_at_its_limit() -> None:
    assert values.text("abcdefgh", 5) == "abcde"


def test_text_of_other_scripts_is_cut_at_its_limit_too() -> None:
    assert values.text("ä" * 1000, 5) == "äääää"


def test_a_list_with_one_entry_that_is_no_number_reads_as_no_list() -> None:
    assert values.reals(["0.5", "x", "0.3"], 3) == ()


def test_a_list_of_numbers_is_cut_at_its_limit() -> None:
    assert values.reals(["0.5", 0.25, 1, 9], 3) == (0.5, 0.25, 1.0)


@given(ANYTHING)
def test_no_value_makes_a_reader_raise_or_give_what_cannot_be_stored(value: object) -> None:
    number, real, text = values.whole(value), values.real(value), values.text(value, 50)

    assert number is None or -(2**63) <= number < 2**63
    json.dumps([number, real, values.size(value), values.ratio(value), values.truth(value)], allow_nan=False)
    assert "\x00" not in text
    assert len(text.encode()) <= 200
