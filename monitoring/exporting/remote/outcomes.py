"""What an answer of the engine means, and when to try again; pure.

Source: Prometheus Remote-Write 1.0 specification, "Backoff" and "Retries".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import NamedTuple

#: The wait after the first failure; it doubles with each further one.
FIRST_SECONDS = 10.0
LONGEST_SECONDS = 300.0
#: As long as an engine may ask to be left alone.
LONGEST_ASKED_SECONDS = 900.0

#: What is wrong with the request as such, so that another one may be taken. All else that is refused is wrong with the target.
REFUSING = frozenset({400, 409, 413, 415, 422})
#: What engines say about samples, in our own words: what another server says is never repeated.
CAUSES: Mapping[str, str] = {
    "out of order": "it has newer samples already",
    "out-of-order": "it has newer samples already",
    "out of bounds": "the samples are too old for it",
    "too old": "the samples are too old for it",
    "duplicate": "it has other values for these instants",
    "limit": "a limit of it is reached",
    "label": "it does not take these labels",
}
SENTENCES: Mapping[int, str] = {
    401: "the engine refuses the login (401)",
    403: "the login may not write there (403)",
    404: "nothing takes samples at this address (404)",
    405: "nothing takes samples at this address (405)",
    429: "the engine asks for less (429)",
}
MIMIR_CODE = re.compile(rb"err-mimir-[a-z-]{1,60}")


class Verdict(StrEnum):
    """What becomes of the samples of a request."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"  # they are refused, and would be again
    LATER = "later"


class Outcome(NamedTuple):
    """What a request has come to; `message` says why it was not accepted, `wait_seconds` how long the engine asks to wait."""

    verdict: Verdict
    message: str = ""
    wait_seconds: float | None = None


ACCEPTED = Outcome(Verdict.ACCEPTED)


def outcome_of(status: int, body: bytes, retry_after: str | None, *, at: datetime) -> Outcome:
    """Return what the answer of an engine means."""
    if 200 <= status < 300:
        return ACCEPTED
    if status in REFUSING:
        return Outcome(Verdict.DROPPED, f"the engine refuses samples ({status}){cause_of(body)}")
    if 300 <= status < 400:
        message = f"the engine leads elsewhere ({status}); enter the address that it leads to"
    else:
        message = SENTENCES.get(status, f"the engine answers with {status}")
    return Outcome(Verdict.LATER, message, asked_seconds(retry_after, at=at))


def cause_of(body: bytes) -> str:
    """Return what an engine has against samples, as far as it says something that is known."""
    if found := MIMIR_CODE.search(body):
        return f": {found.group().decode()}"
    told = body[:2000].decode(errors="replace").lower()
    return next((f": {ours}" for theirs, ours in CAUSES.items() if theirs in told), "")


def asked_seconds(retry_after: str | None, *, at: datetime) -> float | None:
    """Return how long a `Retry-After` asks to wait, in seconds or as a date; None for what says nothing."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return min(float(text), LONGEST_ASKED_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max((until - at).total_seconds(), 0.0), LONGEST_ASKED_SECONDS)


def wait_seconds(failures: int, asked: float | None, *, chance: float) -> float:
    """Return how long to wait after so many failures in a row; `chance` from 0 to 1 spreads those that failed together.

    At least as long as was asked for, at most five minutes otherwise.
    """
    longest = min(FIRST_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_SECONDS)
    return max(longest * (0.75 + 0.25 * chance), asked or 0.0)
