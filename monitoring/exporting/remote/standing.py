"""How a target stands: what one turn has come to, and what of that is kept and told."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, Min

from monitoring.exporting.remote.names import Names
from monitoring.exporting.remote.outcomes import Outcome, Verdict, wait_seconds
from monitoring.exporting.remote.posting import tried
from monitoring.models import RemoteWriteCursor, RemoteWriteTarget
from pulse.lib.instants import rfc3339

logger = logging.getLogger(__name__)

#: Messages refused in a row after which a turn ends.
MOST_REFUSED = 5
#: How long it is told that samples were dropped.
TOLD = timedelta(days=1)


@dataclass(slots=True)
class Turn:
    """What one turn has come to so far; `names` are the labels of what was looked at in it, by instance."""

    target: RemoteWriteTarget
    at: datetime
    ends_monotonic: float
    sent: int = 0
    dropped: int = 0
    refused_in_a_row: int = 0
    drop_reason: str = ""
    failure: Outcome | None = None
    names: dict[int, Names] = field(default_factory=dict)

    @property
    def epoch(self) -> int:
        """The instant of the turn."""
        return int(self.at.timestamp())

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be sent in this turn."""
        return (
            self.failure is not None
            or self.refused_in_a_row >= MOST_REFUSED
            or time.monotonic() >= self.ends_monotonic
        )

    def drop(self, count: int, reason: str) -> None:
        """Count samples that are not sent."""
        self.dropped += count
        self.drop_reason = reason if count else self.drop_reason


def record(turn: Turn) -> None:
    """Keep what a turn has come to, unless somebody has changed the target meanwhile; a turn in which nothing happened leaves no trace."""
    values = outcome_values(turn)
    if turn.sent:
        values["sent_count"] = F("sent_count") + turn.sent
    if turn.dropped:
        values["dropped_count"] = F("dropped_count") + turn.dropped
        values |= {"dropped_at": turn.at, "drop_reason": turn.drop_reason[:300]}
    if not values:
        return
    target = turn.target
    if RemoteWriteTarget.objects.filter(pk=target.pk, version=target.version).update(**values):
        log_change(turn)


def outcome_values(turn: Turn) -> dict[str, object]:
    """Return what changes on the row because the engine was asked."""
    if turn.failure is not None:
        failures = turn.target.failures + 1
        wait = wait_seconds(failures, turn.failure.wait_seconds, chance=secrets.randbelow(1001) / 1000)
        return {
            "failures": failures,
            "failing_since": turn.target.failing_since or turn.at,
            "failure_message": turn.failure.message[:300],
            "next_try_at": turn.at + timedelta(seconds=wait),
        }
    if turn.sent or turn.refused_in_a_row:
        return {
            "failures": 0,
            "failing_since": None,
            "failure_message": "",
            "next_try_at": None,
            **({"last_success_at": turn.at} if turn.sent else {}),
        }
    return {}


def log_change(turn: Turn) -> None:
    """Log that an engine begins to fail or to refuse, or takes samples again; not every try."""
    target = turn.target
    if turn.failure is not None and not target.failures:
        logger.warning("Samples cannot be written to %s: %s", target, turn.failure.message)
    elif turn.failure is None and target.failures:
        logger.info("Samples are written to %s again", target)
    if turn.dropped and turn.drop_reason != target.drop_reason:
        logger.warning("%d samples for %s were dropped: %s", turn.dropped, target, turn.drop_reason)


def try_now(target: RemoteWriteTarget, *, at: datetime) -> str:
    """Return why a target takes nothing, "" when it does: then what waits is sent with the next turn."""
    outcome = tried(target, at=at)
    if outcome.verdict is Verdict.ACCEPTED:
        RemoteWriteTarget.objects.filter(pk=target.pk).update(next_try_at=None)
    return outcome.message


def lag_seconds(target: RemoteWriteTarget, *, at: datetime) -> int | None:
    """Return how old the oldest sample is that waits for a target; None while nothing was ever planned for it.

    A minute that is not over does not wait.
    """
    oldest = RemoteWriteCursor.objects.filter(target=target).aggregate(oldest=Min("next_epoch"))["oldest"]
    return None if oldest is None else max(0, int(at.timestamp()) - int(oldest))


def told(*, at: datetime) -> Iterator[str]:
    """Yield a sentence, without its full stop, for each target that fails, and for each that has dropped samples lately."""
    for target in RemoteWriteTarget.objects.filter(is_enabled=True):
        if target.failing_since is not None:
            since = rfc3339(target.failing_since.replace(microsecond=0))
            yield f"samples are not written to {target} since {since}: {target.failure_message}"
        if target.dropped_at is not None and abs(at - target.dropped_at) <= TOLD:
            yield f"samples for {target} were dropped, {target.dropped_count} so far: {target.drop_reason}"
