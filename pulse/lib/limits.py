"""Rate limits: a sliding window of instants per bucket and client, counted before any work is done."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from threading import Lock

from django.conf import settings
from django.http import HttpRequest
from django_ratelimit.core import is_ratelimited

from pulse.lib.auth import Limit

#: Clients counted at once in this process; the one that was quiet longest is forgotten first.
MOST_CLIENTS = 20_000


class Windows:
    """Sliding windows of this process, bounded in number and each in length."""

    def __init__(self, most: int = MOST_CLIENTS) -> None:
        self._most = most
        self._lock = Lock()
        self._hits: OrderedDict[str, list[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hits)

    def hit(self, key: str, limit: Limit, at: float) -> float | None:
        """Count one request at the instant (seconds); the seconds to wait when it is one too many.

        A refused request is not counted, as the contract says (http-api.md 1.3).
        """
        with self._lock:
            hits = [instant for instant in self._hits.pop(key, ()) if instant > at - limit.seconds]
            refused = len(hits) >= limit.count
            if not refused:
                hits.append(at)
            self._hits[key] = hits
            while len(self._hits) > self._most:
                self._hits.popitem(last=False)
            return hits[0] + limit.seconds - at if refused else None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._hits.clear()


windows = Windows()


def wait_seconds(limit: Limit, client: str, request: HttpRequest, *, at: float | None = None) -> int | None:
    """Count one request of a client; whole seconds to wait when the limit is reached, None when it may go on.

    In a scale-out the processes also count together in the cache; when the cache fails, each counts for itself,
    so that a limit is never lifted.
    """
    wait = windows.hit(f"{limit.bucket}:{client}", limit, time.monotonic() if at is None else at)
    if wait is not None:
        return max(1, math.ceil(wait))
    if settings.PULSE_REDIS_URL and _too_many_in_all(limit, client, request):
        return limit.seconds
    return None


def _too_many_in_all(limit: Limit, client: str, request: HttpRequest) -> bool:
    rate = f"{limit.count}/{limit.seconds}s"
    try:
        return bool(
            is_ratelimited(request, group=limit.bucket, key=lambda *_: client, rate=rate, increment=True)
        )
    except Exception:  # whatever the cache raises: this process has counted for itself already
        return False
