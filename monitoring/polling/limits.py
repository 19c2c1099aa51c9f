"""How much a poll may cost, and which nodes are due in it; pure. Times are epoch seconds.

Source: api-facts.md 10 (cheapest complete picture), 1.5 (three workers per node for everybody).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

#: Load, kernel and file system of a node.
NODE_DETAIL_SECONDS = 60.0
#: Whether a cluster polled twice still is.
DUPLICATE_SECONDS = 60.0
#: How long the certificates of one cluster, as two instances have read them, may differ because they were renewed.
RENEWAL_SECONDS = 900.0
#: An empty list where there were entries is believed only when it comes for the third time.
BELIEVED_EMPTY = 3
#: A whole poll, whatever the interval.
POLL_SECONDS = 25.0
#: Node details stop taking more nodes in one poll after this long; the rest comes in the next.
DETAIL_BUDGET_SECONDS = 2.0
#: The membership comes from memory; the figures, which are there by then, do not wait long for it.
MEMBERSHIP_CALL_SECONDS = 5.0
#: A node answers about itself within this, or it hangs.
DETAIL_CALL_SECONDS = 5.0
#: Login failures in a row after which tries become rarer, and how rare.
LOGIN_FAILURES = 5
LOGIN_RETRY_SECONDS = {"token": 60.0, "password": 300.0}
#: What a host may ask us to wait, at most.
LONGEST_WAIT_SECONDS = 600.0


def deadline_seconds(interval: float) -> float:
    """Return how long a whole poll may take: less than two intervals, so that at most one turn is missed."""
    return min(POLL_SECONDS, 2 * interval - 1)


def nodes_due(
    online: Iterable[str], asked_epoch: Mapping[str, float], *, at_epoch: float, interval: float
) -> list[str]:
    """Return the nodes whose details are due, the oldest first.

    Nodes never asked are all due; of the others at most their even share per poll, so that calls spread over the period.
    """
    names = list(online)
    new = [name for name in names if name not in asked_epoch]
    old = sorted((name for name in names if name in asked_epoch), key=lambda name: asked_epoch[name])
    share = max(1, -(-len(names) * int(interval) // int(NODE_DETAIL_SECONDS)))
    if len(names) * interval < NODE_DETAIL_SECONDS:
        due = [name for name in old if at_epoch - asked_epoch[name] >= NODE_DETAIL_SECONDS - 0.5][:1]
    else:
        due = [name for name in old if at_epoch - asked_epoch[name] >= NODE_DETAIL_SECONDS - interval][:share]
    return new + due


def next_try_seconds(
    interval: float, *, is_refused: bool, credential_kind: str, asked_seconds: float | None = None
) -> float:
    """Return how long until the next poll after a failure.

    Rarer when the login keeps being refused, to lock nobody out, and when the host asks for time.
    """
    wait = LOGIN_RETRY_SECONDS.get(credential_kind, 60.0) if is_refused else 0.0
    return max(interval, wait, min(asked_seconds or 0.0, LONGEST_WAIT_SECONDS))


def longest_wait_seconds(interval: float) -> float:
    """Return the longest that anything puts off a poll: what is due later than that was planned by another clock."""
    return max(2 * interval, LONGEST_WAIT_SECONDS, *LOGIN_RETRY_SECONDS.values())
