"""How often something may come within a moving span, kept in a few numbers."""

from __future__ import annotations

from collections import deque


class Pace:
    """The instants of the last `most` and one more; times are of any one monotonic clock, in seconds."""

    def __init__(self, most: int, seconds: float) -> None:
        self.seconds = seconds
        self._instants: deque[float] = deque(maxlen=most + 1)

    def is_kept(self, at: float) -> bool:
        """Count one more; False when it is one too many within the span."""
        self._instants.append(at)
        is_full = len(self._instants) == self._instants.maxlen
        return not is_full or at - self._instants[0] >= self.seconds


class Turns:
    """Lets many through one after the other: so many at once, so many a second, and whoever would wait too long not at all."""

    def __init__(self, per_second: float, *, at_once: int, longest_seconds: float) -> None:
        self.step_seconds = 1 / per_second
        self.ahead_seconds = at_once * self.step_seconds
        self.longest_seconds = longest_seconds
        self._last_at = float("-inf")  # the turn of the last one; an earlier instant than `at` while few come

    def wait_seconds(self, at: float) -> float | None:
        """Return how long the next one waits for its turn, None when that would be too long and there is none."""
        turn_at = max(self._last_at + self.step_seconds, at - self.ahead_seconds + self.step_seconds)
        wait = max(0.0, turn_at - at)
        if wait > self.longest_seconds:
            return None
        self._last_at = turn_at
        return wait
