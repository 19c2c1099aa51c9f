"""When whole states go out to clients of the original protocol; pure. `now` is monotonic seconds."""

from __future__ import annotations

from monitoring.wire.fragments import Fragments

#: How long a change waits for those of other instances: with what sending takes, it is at every client half a second after
#: it is in the state.
MOST_WAIT_SECONDS = 0.3
#: How much later than the interval a state without news goes, so that it goes with a poll and not just before it.
SLACK_RATIO = 0.1
MOST_SLACK_SECONDS = 0.5


class Cadence:
    """A state goes out when every healthy instance is newer in it, or when the first change has waited long enough.

    Without any news one goes out in each interval, by the clock.
    """

    def __init__(self, now: float) -> None:
        self._sent_monotonic = now
        self._news_monotonic: float | None = None  # of the first change since then
        self._follows_polls = False

    def changed(self, now: float) -> None:
        """Note that there is news."""
        if self._news_monotonic is None:
            self._news_monotonic = now

    def deadline(self, interval_seconds: float) -> float:
        """Return when a state goes out even if nothing more is published."""
        if self._news_monotonic is not None:
            return self._news_monotonic + MOST_WAIT_SECONDS
        return (
            self._sent_monotonic
            + interval_seconds
            + (slack(interval_seconds) if self._follows_polls else 0.0)
        )

    def is_due(self, now: float, interval_seconds: float, *, is_complete: bool) -> bool:
        """Return whether a state goes out now; a complete one has nothing to wait for."""
        if self._news_monotonic is not None and is_complete:
            return True
        return now >= self.deadline(interval_seconds)

    def sent(self, now: float) -> None:
        """Remember that a state went out."""
        self._follows_polls = self._news_monotonic is not None
        self._sent_monotonic, self._news_monotonic = now, None


def slack(interval_seconds: float) -> float:
    """Return by how much a state without news may come late."""
    return min(MOST_SLACK_SECONDS, interval_seconds * SLACK_RATIO)


def is_complete(sent: Fragments, now: Fragments) -> bool:
    """Return whether every healthy instance was polled since a state went out; False while none is healthy.

    One that does not answer is not waited for.
    """
    healthy = [key for key, fragment in now.items() if key.part == "resources" and fragment.is_healthy]
    return bool(healthy) and all(key not in sent or sent[key].version != now[key].version for key in healthy)
