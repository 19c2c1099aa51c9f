"""When a figure is stale, and when it no longer counts as the present; pure.

Stale is at once: what a poll could not renew, be it the first that failed, is shown as it was last seen, and marked (`is_stale`).
After `SILENCE_SECONDS` a PVE that does not answer has nodes that are offline (`figures.nodes.remembered_node`); what becomes of the guests
and storages of one node that is away is in `known.presence`. A PBS or PMG that does not answer is offline at once.
Source: state.md 6 of the contract.
"""

from pulse.lib.instants import AHEAD

#: After this long without an answer a host counts as down.
SILENCE_SECONDS = 35.0
#: After this long what one call has told no longer counts as the present, while the host answers others.
GRACE_SECONDS = 60.0
#: The clocks of the machines of one installation may differ by this.
AHEAD_SECONDS = AHEAD.total_seconds()


def is_recent(then_epoch: float, *, at_epoch: float, seconds: float) -> bool:
    """Return whether an instant is so many seconds ago at most; one that lies ahead is not (docs/clock.md)."""
    return -AHEAD_SECONDS <= at_epoch - then_epoch <= seconds


def age_seconds(then_epoch: float | None, *, at_epoch: float) -> float | None:
    """Return how long ago an instant is; None while it is not known: there is none, or it lies ahead."""
    age = at_epoch - then_epoch if then_epoch else -AHEAD_SECONDS - 1
    return max(0.0, age) if age >= -AHEAD_SECONDS else None
