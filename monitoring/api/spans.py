"""What is asked for: of which time (`range`, or `start` and `end`), how many points, which metrics."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from pulse.lib.endpoints import Parameter
from pulse.lib.errors import ApiError
from pulse.lib.instants import LAST_EPOCH

_DAY = 86_400
#: In seconds, by name; the first eight are those of the contract (http-api.md 4.1).
RANGES: Mapping[str, int] = {
    "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 4 * 3600, "12h": 12 * 3600, "24h": _DAY, "7d": 7 * _DAY,
    "30d": 30 * _DAY, "90d": 90 * _DAY, "1y": 365 * _DAY, "2y": 730 * _DAY,
}  # fmt: skip
DEFAULT_RANGE = "1h"
#: The longest time that can be asked for at once.
LONGEST_SECONDS = 5 * 366 * _DAY
#: From here on a number is meant in milliseconds: in seconds it is the year 5138.
_FIRST_MILLISECONDS = 100_000_000_000
_NUMBER = re.compile(r"[0-9]{1,15}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,6}", re.ASCII)
#: The `+` of an offset that was not percent-encoded arrives as a blank.
_LOST_PLUS = re.compile(r" (?=[0-9]{2}:[0-9]{2}$)", re.ASCII)

_INSTANT = "Epoch seconds, epoch milliseconds, or RFC 3339."
START = Parameter(f"From when, in place of `range`. {_INSTANT}", "2026-01-01T00:00:00Z")
END = Parameter(
    f"Until when; now without it. Beside `range` and without `start`: the end of it. {_INSTANT}", "1767268800"
)


class Span(NamedTuple):
    """From one second to another, the last one not included; epoch seconds."""

    start_epoch: int
    end_epoch: int


def span_of(query: Mapping[str, str], *, at_epoch: int, is_lenient: bool = False) -> Span:
    """Return the time that a query asks for, at the latest until now; raises ApiError 400.

    A `range` that nobody knows counts as one hour for clients of the contract (`is_lenient`).
    """
    end = min(instant_of("end", query["end"]), at_epoch) if query.get("end") else at_epoch
    if query.get("start"):
        start = instant_of("start", query["start"])
    else:
        start = max(end - range_of(query.get("range", ""), is_lenient=is_lenient), 0)
    if start >= end:
        raise ApiError(400, "start must be before end, and not in the future")
    if end - start > LONGEST_SECONDS:
        raise ApiError(400, "start and end must not be more than five years apart")
    return Span(start, end)


def range_of(text: str, *, is_lenient: bool = False) -> int:
    """Return the seconds of a named range; raises ApiError 400 for one that there is not."""
    seconds = RANGES.get(text or DEFAULT_RANGE)
    if seconds is not None:
        return seconds
    if is_lenient:
        return RANGES[DEFAULT_RANGE]
    raise ApiError(400, f"range must be one of {', '.join(RANGES)}")


def instant_of(name: str, text: str) -> int:
    """Return the epoch seconds that a parameter says; raises ApiError 400."""
    if _NUMBER.fullmatch(text):
        number = int(text)
        seconds = number // 1000 if number >= _FIRST_MILLISECONDS else number
    else:
        seconds = _rfc3339(text)
    if not 0 <= seconds <= LAST_EPOCH:
        raise ApiError(400, f"{name} must be epoch seconds, epoch milliseconds or an RFC 3339 time")
    return seconds


def _rfc3339(text: str) -> int:
    """Return the epoch seconds of an RFC 3339 text, -1 when it is none."""
    try:
        at = datetime.fromisoformat(_LOST_PLUS.sub("+", text))
        return int(at.timestamp()) if at.tzinfo is not None else -1
    except (ValueError, OverflowError):
        return -1


def points_of(query: Mapping[str, str], *, default: int, most: int) -> int:
    """Return how many points are asked for of each series; raises ApiError 400."""
    text = query.get("points", "")
    if not text:
        return default
    if not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise ApiError(400, f"points must be a whole number from 1 to {most}")
    return int(text)


def metrics_of(query: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Return the metrics that are asked for, none without a choice; raises ApiError 400 for one that is not known."""
    names = [name for name in dict.fromkeys(query.get("metric", "").split(",")) if name]
    if unknown := next((name for name in names if name not in known), None):
        raise ApiError(400, f"there is no metric {unknown!r:.60} here; there are {', '.join(known)}")
    return names
