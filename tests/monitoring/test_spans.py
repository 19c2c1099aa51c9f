"""What a query asks for: of which time, how many points, which metrics."""

from __future__ import annotations

import pytest

from monitoring.api.spans import Span, metrics_of, points_of, span_of
from pulse.lib.errors import ApiError

#: 2026-01-01T12:00:00Z
NOON = 1_767_268_800


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("5m", 1_767_268_500),
        ("15m", 1_767_267_900),
        ("30m", 1_767_267_000),
        ("1h", 1_767_265_200),
        ("4h", 1_767_254_400),
        ("12h", 1_767_225_600),
        ("24h", 1_767_182_400),
        ("7d", 1_766_664_000),
        ("30d", 1_764_676_800),
        ("90d", 1_759_492_800),
        ("1y", 1_735_732_800),
        ("2y", 1_704_196_800),
    ],
)
def test_a_named_range_ends_now(name, start):
    assert span_of({"range": name}, at_epoch=NOON) == Span(start, NOON)


@pytest.mark.parametrize("query", [{}, {"range": ""}, {"range": "1H"}, {"range": "3h"}, {"range": "-5m"}])
def test_for_a_client_of_the_contract_what_nobody_knows_is_an_hour(query):
    assert span_of(query, at_epoch=NOON, is_lenient=True) == Span(1_767_265_200, NOON)


def test_elsewhere_a_range_that_nobody_knows_is_refused():
    with pytest.raises(ApiError, match=r"range must be one of 5m, 15m, .* 2y"):
        span_of({"range": "3h"}, at_epoch=NOON)


@pytest.mark.parametrize(
    "text",
    [
        "1767225600",
        "1767225600000",
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T01:00:00 01:00",  # the plus was not percent-encoded
        "2025-12-31T19:00:00.500-05:00",
    ],
)
def test_an_instant_is_told_in_seconds_milliseconds_or_rfc_3339(text):
    assert span_of({"start": text}, at_epoch=NOON) == Span(1_767_225_600, NOON)


def test_start_and_end_are_taken_as_they_are():
    query = {"start": "1767225600", "end": "1767229200", "range": "7d"}

    assert span_of(query, at_epoch=NOON) == Span(1_767_225_600, 1_767_229_200)


def test_an_end_alone_is_that_of_the_range():
    assert span_of({"end": "1767229200", "range": "30m"}, at_epoch=NOON) == Span(1_767_227_400, 1_767_229_200)


def test_nothing_is_told_of_the_future():
    assert span_of({"start": "1767265200", "end": "1767355200"}, at_epoch=NOON) == Span(1_767_265_200, NOON)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"start": "yesterday"}, "start must be epoch seconds, epoch milliseconds or an RFC 3339 time"),
        ({"start": "2026-01-01T00:00:00"}, "start must be epoch seconds"),  # of which zone?
        ({"end": "2026-13-01T00:00:00Z"}, "end must be epoch seconds"),
        ({"start": "-5"}, "start must be epoch seconds"),
        ({"start": "1e9"}, "start must be epoch seconds"),
        ({"start": "9" * 15}, "start must be epoch seconds"),
        ({"start": "9" * 400}, "start must be epoch seconds"),
        ({"start": "\u0661\u0667"}, "start must be epoch seconds"),
        ({"start": "1767229200", "end": "1767229200"}, "start must be before end"),
        ({"start": "1767355200"}, "not in the future"),
        ({"start": "0"}, "more than five years apart"),
    ],
)
def test_what_is_no_time_is_refused(query, words):
    with pytest.raises(ApiError, match=words) as refused:
        span_of(query, at_epoch=NOON, is_lenient=True)

    assert (refused.value.status, refused.value.code) == (400, "validation_error")


def test_a_number_of_points_is_taken_within_bounds():
    assert points_of({}, default=300, most=2000) == 300
    assert points_of({"points": "1"}, default=300, most=2000) == 1
    assert points_of({"points": "2000"}, default=300, most=2000) == 2000


@pytest.mark.parametrize("text", ["0", "2001", "-1", "1.5", "many", "1e3", "9" * 5000])
def test_any_other_number_of_points_is_refused(text):
    with pytest.raises(ApiError, match="points must be a whole number from 1 to 2000"):
        points_of({"points": text}, default=300, most=2000)


def test_metrics_are_told_once_each_in_the_order_in_which_they_were_asked_for():
    assert metrics_of({"metric": "disk,cpu,,disk"}, ("cpu", "memory", "disk")) == ["disk", "cpu"]
    assert metrics_of({}, ("cpu",)) == []


def test_a_metric_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ApiError, match="there is no metric 'temperature' here; there are cpu, disk"):
        metrics_of({"metric": "cpu,temperature"}, ("cpu", "disk"))
