"""Instants as the wire writes them: RFC 3339, UTC, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated

import msgspec
from django.utils.timesince import timesince

#: How an answer declares an instant.
WireInstant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]

#: The end of the year 9999: what a host tells beyond it is no instant.
LAST_EPOCH = 253_402_300_799
#: What lies further ahead was told by another clock than there is now, and nobody knows how long ago it was (docs/clock.md).
AHEAD = timedelta(seconds=5)
#: What the contract sends for an instant that is not known.
ZERO_TIME = "0001-01-01T00:00:00Z"


def rfc3339(at: datetime | None) -> str:
    """Return the instant in UTC with milliseconds at most; the zero time for None."""
    if at is None:
        return ZERO_TIME
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def ago(at: datetime | None, now: datetime) -> str | None:
    """Return how long ago an instant was: in seconds up to two minutes, then in words; None for none.

    The instant itself where it lies ahead: the clock was set back, and nobody knows how long ago it was.
    """
    if at is None:
        return None
    if at - now > AHEAD:
        return f"at {at:%Y-%m-%d %H:%M} by an earlier clock"
    seconds = max(0, round((now - at).total_seconds()))
    return f"{seconds} s ago" if seconds < 120 else f"{timesince(at, now)} ago"


def from_epoch(seconds: float) -> datetime:
    """Return the aware UTC instant of epoch seconds."""
    return datetime.fromtimestamp(seconds, tz=UTC)


@lru_cache(maxsize=16384)  # the last backups of ten thousand guests are told at every poll
def instant(epoch_seconds: float | None) -> str:
    """Return whole epoch seconds on the wire; the zero time when there are none, or none that a calendar has."""
    if not epoch_seconds or not 0 < epoch_seconds <= LAST_EPOCH:
        return ZERO_TIME
    return rfc3339(from_epoch(int(epoch_seconds)))


@lru_cache(maxsize=64)
def instant_seen(epoch_seconds: float | None) -> str:
    """Return the same of when something was seen: another one with each poll, which would drive out those that come again."""
    return instant.__wrapped__(epoch_seconds)
