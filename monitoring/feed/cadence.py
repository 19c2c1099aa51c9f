"""When whole states go out to clients of the original protocol; pure. `now` is monotonic seconds."""

from __future__ import annotations

#: How much sooner or later than the interval a state may go, so that it goes with a poll and not just before it.
SLACK_RATIO = 0.1
MOST_SLACK_SECONDS = 0.5


class Cadence:
    """One state per interval: right after a publication when one comes in time, else by the clock.

    A clock alone would settle just before the polls for ever, and each client would be one interval behind.
    """

    def __init__(self, now: float) -> None:
        self._sent_monotonic = now
        self._follows_polls = False

    def deadline(self, interval_seconds: float) -> float:
        """Return when a state goes out even if nothing was published."""
        return (
            self._sent_monotonic
            + interval_seconds
            + (slack(interval_seconds) if self._follows_polls else 0.0)
        )

    def is_due(self, now: float, interval_seconds: float, *, published: bool) -> bool:
        """Return whether a state goes out now; `published` says that there is news since the last one."""
        if now >= self.deadline(interval_seconds):
            return True
        if not published:
            return False
        return not self._follows_polls or now >= self._sent_monotonic + interval_seconds - slack(
            interval_seconds
        )

    def sent(self, now: float, *, published: bool) -> None:
        """Remember that a state went out; without news in it, the next publication goes out at once."""
        self._sent_monotonic = now
        self._follows_polls = published


def slack(interval_seconds: float) -> float:
    """Return by how much a state may come early or late."""
    return min(MOST_SLACK_SECONDS, interval_seconds * SLACK_RATIO)
