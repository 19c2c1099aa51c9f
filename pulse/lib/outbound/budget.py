"""What one call may still cost."""

from __future__ import annotations

import time

from pulse.lib.outbound.errors import TimedOut
from pulse.lib.outbound.places import Place


class Budget:
    """The end of one call, however many requests it takes, and the longest silence within it; counts what it receives."""

    __slots__ = ("ends_at", "place", "received_bytes", "seconds", "silence_seconds")

    def __init__(self, place: Place, *, seconds: float, silence_seconds: float | None = None) -> None:
        self.place = place
        self.seconds = seconds
        self.silence_seconds = seconds if silence_seconds is None else silence_seconds
        self.ends_at = time.monotonic() + seconds
        self.received_bytes = 0  # as they travelled

    def left_seconds(self) -> float:
        """Return how long the next wait may last; TimedOut when the call is over."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise self.passed()
        return min(left, self.silence_seconds)

    def passed(self) -> TimedOut:
        """Return the error for a wait that was too long."""
        is_over = time.monotonic() >= self.ends_at
        limit = self.seconds if is_over else min(self.seconds, self.silence_seconds)
        return TimedOut(f"{self.place} gave no complete answer within {limit:.3g} s")
