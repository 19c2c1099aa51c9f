"""Rate limits: a sliding window of instants per bucket and client.

Counted before the work is done; refused requests do not count (http-api.md 1.3). With Redis the processes count
together; while it does not answer each counts for itself, so that a limit is never lifted.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import redis
from django.conf import settings

from pulse.lib.auth import Limit

logger = logging.getLogger(__name__)

#: Clients that one process counts in one bucket; the one that was quiet longest is forgotten first.
MAX_CLIENTS = 20_000
REDIS_SECONDS = 0.5
#: After a failure Redis is not asked again for this long: each try would keep a caller waiting.
PAUSE_SECONDS = 5.0

#: KEYS[1]: the window. ARGV: its length in ms, the count, a unique member. Returns allowed, used, ms to wait.
COUNT_SCRIPT = """
local now = redis.call('TIME')
local at = now[1] * 1000 + math.floor(now[2] / 1000)
local window = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', at - window)
local used = redis.call('ZCARD', KEYS[1])
if used >= tonumber(ARGV[2]) then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return {0, used, first[2] + window - at}
end
redis.call('ZADD', KEYS[1], at, ARGV[3])
redis.call('PEXPIRE', KEYS[1], window)
return {1, used + 1, 0}
"""


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
        told = {"X-RateLimit-Limit": str(self.limit.count), "X-RateLimit-Remaining": str(self.remaining)}
        return told if self.is_allowed else told | {"Retry-After": str(self.wait_seconds)}


class MemoryWindows:
    """The windows of this process, bounded in number for each bucket."""

    def __init__(self, max_clients: int = MAX_CLIENTS) -> None:
        self.max_clients = max_clients
        self._lock = Lock()
        self._buckets: dict[str, OrderedDict[str, tuple[float, ...]]] = {}

    def hit(self, limit: Limit, client: str, *, at: float) -> Verdict:
        """Count a request at the instant (epoch seconds)."""
        with self._lock:
            clients = self._buckets.setdefault(limit.bucket, OrderedDict())
            hits = tuple(hit for hit in clients.pop(client, ()) if at - limit.seconds < hit <= at)
            is_allowed = len(hits) < limit.count
            if is_allowed:
                hits = (*hits, at)
            clients[client] = hits
            if len(clients) > self.max_clients:
                clients.popitem(last=False)
        wait = 0 if is_allowed else max(1, math.ceil(hits[0] + limit.seconds - at))
        return Verdict(limit, is_allowed, limit.count - len(hits), wait)

    def forget(self, limit: Limit, client: str) -> None:
        """Begin anew for the client."""
        with self._lock:
            if limit.bucket in self._buckets:
                self._buckets[limit.bucket].pop(client, None)

    def clear(self) -> None:
        """Begin anew for everybody."""
        with self._lock:
            self._buckets.clear()

    def __len__(self) -> int:
        return sum(len(clients) for clients in self._buckets.values())


class RedisWindows:
    """The windows that all processes share."""

    def __init__(self, url: str) -> None:
        self.client = redis.Redis.from_url(
            url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        )
        self.count: Any = self.client.register_script(COUNT_SCRIPT)
        self.paused_until = 0.0

    def hit(self, limit: Limit, client: str) -> Verdict | None:
        """Count a request now, by the clock of Redis; None when it does not answer."""
        if time.monotonic() < self.paused_until:
            return None
        arguments = [limit.seconds * 1000, limit.count, secrets.token_hex(8)]
        try:
            is_allowed, used, wait = self.count(keys=[self.key(limit, client)], args=arguments)
        except redis.RedisError as error:
            self.pause(error)
            return None
        return Verdict(limit, bool(is_allowed), limit.count - used, math.ceil(wait / 1000))

    def forget(self, limit: Limit, client: str) -> None:
        """Begin anew for the client."""
        try:
            self.client.delete(self.key(limit, client))
        except redis.RedisError as error:
            self.pause(error)

    def pause(self, error: redis.RedisError) -> None:
        """Leave Redis alone for a while."""
        if time.monotonic() >= self.paused_until:
            logger.warning("rate limits are counted by each process alone: %s", type(error).__name__)
        self.paused_until = time.monotonic() + PAUSE_SECONDS

    @staticmethod
    def key(limit: Limit, client: str) -> str:
        """Return the key of a window."""
        return f"pulse:limit:{limit.bucket}:{client}"


windows = MemoryWindows()


@lru_cache(maxsize=1)
def shared(url: str) -> RedisWindows:
    """Return the windows in the Redis of the URL."""
    return RedisWindows(url)


def hit(limit: Limit, client: str, *, at: float) -> Verdict:
    """Count one request of the client at the instant (epoch seconds) and return whether it may go on."""
    verdict = shared(settings.PULSE_REDIS_URL).hit(limit, client) if settings.PULSE_REDIS_URL else None
    if verdict is None:
        return windows.hit(limit, client, at=at)
    if verdict.is_allowed:
        windows.hit(limit, client, at=at)  # remembered for the time when Redis is silent
    return verdict


def forget(limit: Limit, client: str) -> None:
    """Begin anew for the client: it has shown that it may."""
    windows.forget(limit, client)
    if settings.PULSE_REDIS_URL:
        shared(settings.PULSE_REDIS_URL).forget(limit, client)
