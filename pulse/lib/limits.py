"""Rate limits: how often a client may come within a span, counted by django-ratelimit on the cache `limits`.

Counted before the work is done (http-api.md 1.3). Why its windows do, and what is ours around it: docs/decisions/0014.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django_ratelimit.core import get_usage

from pulse.lib.auth import Limit


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request may go on, how many more may follow, and after which time a refused one may come again."""

    limit: Limit
    is_allowed: bool
    remaining: int
    wait_seconds: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell the client."""
        headers = {"X-RateLimit-Limit": str(self.limit.count), "X-RateLimit-Remaining": str(self.remaining)}
        return headers if self.is_allowed else headers | {"Retry-After": str(self.wait_seconds)}


def hit(limit: Limit, client: str) -> Verdict:
    """Count one request of the client and return whether it may go on."""
    usage = usage_of(limit, client, counts=True)
    return verdict(limit, usage, is_allowed=not usage["should_limit"])


def look(limit: Limit, client: str) -> Verdict:
    """Return whether one more request of the client would go on; nothing is counted."""
    usage = usage_of(limit, client, counts=False)
    return verdict(limit, usage, is_allowed=usage["count"] < usage["limit"])


def usage_of(limit: Limit, client: str, *, counts: bool) -> dict[str, Any]:
    """Return what django-ratelimit knows of the client's present window."""
    usage: dict[str, Any] = get_usage(
        None,
        group=limit.bucket,
        key=lambda group, request: client,
        rate=(limit.count, limit.seconds),
        increment=counts,
    )
    return usage


def verdict(limit: Limit, usage: dict[str, Any], *, is_allowed: bool) -> Verdict:
    """Return what the usage means; the next window begins in the second after the last of this one."""
    remaining = max(0, limit.count - usage["count"])
    wait = 0 if is_allowed else max(1, usage["time_left"] + 1)
    return Verdict(limit, is_allowed, remaining, wait)
