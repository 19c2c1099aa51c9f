"""The cache that counts for the rate limits where several processes serve: in Redis, and alone while that is silent."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar, TypeVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis import RedisError, ResponseError

from pulse.lib.logs import Told

logger = logging.getLogger(__name__)

REDIS_SECONDS = 0.5
#: After a failure Redis is not asked again for this long: each try would keep a caller waiting.
PAUSE_SECONDS = 5.0
#: How long a count is remembered for the time when Redis is silent: longer than any window.
KEPT_SECONDS = 3600

Answer = TypeVar("Answer")


class Numbers:
    """Counts as Redis has them. Django's own way loads whatever is no number with pickle, which runs what it finds."""

    def dumps(self, value: int) -> int:
        """Return what is written, a number; raises TypeError for anything else."""
        if type(value) is not int:
            raise TypeError(f"only numbers are counted, not {type(value).__name__}")
        return value

    def loads(self, raw: bytes) -> int | None:
        """Return the number, None for what is none."""
        try:
            return int(raw)
        except ValueError:
            return None


@lru_cache(maxsize=1)
def redis_of(url: str) -> RedisCache:
    """Return the counts in a Redis; Django makes a cache anew for each thread, its connections stay."""
    options = {
        "socket_timeout": REDIS_SECONDS,
        "socket_connect_timeout": REDIS_SECONDS,
        "serializer": Numbers(),
    }
    return RedisCache(url, {"OPTIONS": options})


class SharedCounts(BaseCache):
    """Redis for all processes, and the memory of this one, which holds what Redis said last.

    A limit is never lifted because Redis is away: then each process counts for itself, from there on.
    """

    paused_until: ClassVar[float] = 0.0
    told: ClassVar[Told] = Told()

    def __init__(self, url: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.own = LocMemCache("limits", params)
        self.shared = redis_of(url)

    def add(
        self, key: str, value: Any, timeout: float | None = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Begin a count; False when there is one."""
        is_new = self.asked(lambda: self.shared.add(key, value, timeout, version))
        if is_new is None:
            return self.own.add(key, value, timeout, version)
        if is_new:
            self.own.set(key, value, timeout, version)
        return is_new

    def incr(self, key: str, delta: int = 1, version: int | None = None) -> int:
        """Count one more and return how many there are; raises ValueError for a count that is over by now."""
        count = self.asked(lambda: self.shared.incr(key, delta, version))
        if count is not None:
            self.own.set(key, count, KEPT_SECONDS, version)
            return count
        is_first = self.own.add(key, delta, KEPT_SECONDS, version)
        return delta if is_first else self.own.incr(key, delta, version)

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        """Return a count."""
        count = self.asked(lambda: self.shared.get(key, default, version))
        return self.own.get(key, default, version) if count is None else count

    def clear(self) -> None:
        """Begin anew for everybody, in this process; counts in Redis end by themselves."""
        self.own.clear()

    def asked(self, question: Callable[[], Answer]) -> Answer | None:
        """Return what Redis answers, None when it does not."""
        if time.monotonic() < self.paused_until:
            return None
        try:
            answer = question()
        except ResponseError:  # what is there is no number: this one is counted alone
            return None
        except RedisError as error:
            type(self).paused_until = time.monotonic() + PAUSE_SECONDS
            if self.told.is_news("redis", type(error).__name__):
                logger.warning("rate limits are counted by each process alone: %s", type(error).__name__)
            return None
        if self.told.is_over("redis"):
            logger.info("rate limits are counted together again")
        return answer
