"""What an answer means, and when it is tried again."""

from __future__ import annotations

import pytest

from monitoring.exporting.remote.outcomes import Outcome, Verdict, outcome_of, wait_seconds
from tests.conftest import NOON


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Outcome(Verdict.ACCEPTED)),
        (204, b"", Outcome(Verdict.ACCEPTED)),
        (
            400,
            b"out of order sample",
            Outcome(Verdict.DROPPED, "the engine refuses samples (400): it has newer samples already"),
        ),
        (
            400,
            b"failed pushing to ingester: user=x: err-mimir-max-series-per-user. To adjust",
            Outcome(Verdict.DROPPED, "the engine refuses samples (400): err-mimir-max-series-per-user"),
        ),
        (400, b"<secret of another server>", Outcome(Verdict.DROPPED, "the engine refuses samples (400)")),
        (413, b"", Outcome(Verdict.DROPPED, "the engine refuses samples (413)")),
        (401, b"", Outcome(Verdict.LATER, "the engine refuses the login (401)")),
        (404, b"", Outcome(Verdict.LATER, "nothing takes samples at this address (404)")),
        (
            302,
            b"",
            Outcome(Verdict.LATER, "the engine leads elsewhere (302); enter the address that it leads to"),
        ),
        (408, b"", Outcome(Verdict.LATER, "the engine answers with 408")),
        (500, b"", Outcome(Verdict.LATER, "the engine answers with 500")),
        (599, b"", Outcome(Verdict.LATER, "the engine answers with 599")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_samples_are_dropped_when_they_are_refused_and_kept_when_the_engine_cannot_take_any(
    status, body, expected
):
    assert outcome_of(status, body, None, at=NOON) == expected


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("86400", 900.0),
        ("99999999999", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Fri, 01 Jan 2027 12:00:00 GMT", 900.0),
        ("Thu, 01 Jan 2026 12:01:00", 60.0),
    ],
)
def test_an_engine_says_how_long_it_wants_to_be_left_alone(retry_after, expected):
    assert outcome_of(429, b"", retry_after, at=NOON).wait_seconds == expected


@pytest.mark.parametrize(
    ("failures", "asked", "chance", "expected"),
    [
        (1, None, 1.0, 10.0),
        (1, None, 0.0, 7.5),
        (2, None, 1.0, 20.0),
        (3, None, 1.0, 40.0),
        (5, None, 1.0, 160.0),
        (6, None, 1.0, 300.0),
        (6, None, 0.0, 225.0),
        (2_000_000, None, 1.0, 300.0),
        (1, 120.0, 0.5, 120.0),
        (6, 30.0, 1.0, 300.0),
        (6, 900.0, 1.0, 900.0),
    ],
)
def test_the_wait_doubles_up_to_five_minutes_and_is_as_long_as_was_asked_for(
    failures, asked, chance, expected
):
    assert wait_seconds(failures, asked, chance=chance) == expected
