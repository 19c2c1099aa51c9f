"""Which calls are due in a poll, and how much they may cost; pure. Times are epoch seconds.

Source: api-facts.md 10 (cheapest complete picture), 1.5 (three workers per node for everybody).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Load, kernel and file system of a node.
NODE_DETAIL_SECONDS = 60.0
#: Whether a host that stood alone has joined a cluster.
MEMBERSHIP_SECONDS = 60.0
DATASTORE_SECONDS = 30.0
VERSION_SECONDS = 3600.0
#: A call that the account may not make is not made again for this long.
DENIAL_SECONDS = 1800.0
#: After this long without an answer the last figures no longer count as the present (state.md 6).
GRACE_SECONDS = 60.0
#: Node details stop taking more nodes in one poll after this long; the rest comes in the next.
DETAIL_BUDGET_SECONDS = 2.0
#: Login failures in a row after which tries become rarer, and how rare.
LOGIN_FAILURES = 5
LOGIN_RETRY_SECONDS = {"token": 60.0, "password": 300.0}


def is_due(last_at: float | None, period: float, at: float) -> bool:
    """Return whether something that was last done at an instant, or never, is to be done again."""
    return not last_at or at - last_at >= period - 0.5


def nodes_due(
    online: Iterable[str], read_at: Mapping[str, float], *, at: float, interval: float
) -> list[str]:
    """Return the nodes whose details are due, the oldest first.

    Nodes never read are all due; of the others at most their even share per poll, so that calls spread over the period.
    """
    names = list(online)
    new = [name for name in names if name not in read_at]
    old = sorted((name for name in names if name in read_at), key=lambda name: read_at[name])
    share = max(1, -(-len(names) * int(interval) // int(NODE_DETAIL_SECONDS)))
    if len(names) * interval < NODE_DETAIL_SECONDS:
        due = [name for name in old if is_due(read_at[name], NODE_DETAIL_SECONDS, at)][:1]
    else:
        due = [name for name in old if at - read_at[name] >= NODE_DETAIL_SECONDS - interval][:share]
    return new + due


def next_try_seconds(login_failures: int, credential_kind: str, interval: float) -> float:
    """Return how long until the next poll: rarer when the login keeps being refused, to lock nobody out."""
    if login_failures < LOGIN_FAILURES:
        return interval
    return max(interval, LOGIN_RETRY_SECONDS.get(credential_kind, 60.0))
