"""Instants as the wire writes them: RFC 3339, UTC, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime

#: What the contract sends for an instant that is not known.
ZERO_TIME = "0001-01-01T00:00:00Z"


def rfc3339(at: datetime | None) -> str:
    """Return the instant in UTC with milliseconds at most; the zero time for None."""
    if at is None:
        return ZERO_TIME
    text = at.astimezone(UTC).isoformat(timespec="milliseconds" if at.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def from_epoch(seconds: float) -> datetime:
    """Return the aware UTC instant of epoch seconds."""
    return datetime.fromtimestamp(seconds, tz=UTC)
