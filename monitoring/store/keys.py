"""What the keys of Pulse in Redis are called. There are no others: a test plants wrong things at every kind of them."""

from __future__ import annotations

#: Keys, ticks and what is kept are of this layout; another release must not read them.
LAYOUT = 3
#: The parts of the state, which version of each there is, and the channel on which news of them travel.
FRAGMENT, VERSIONS, TICKS = "fragment", "versions", "ticks"
#: The right to do something about an instance.
LEASE = "lease"
#: That a part of Pulse is alive.
ALIVE = "alive"
#: Beside these, each `Kind` that is kept (monitoring/store/current.py) has keys of its own name.
OWN_KINDS = (FRAGMENT, VERSIONS, TICKS, LEASE, ALIVE)


def key(kind: str, of: int | str | None = None) -> str:
    """Return the name of a key, which carries its layout."""
    return f"pulse:{LAYOUT}:{kind}" if of is None else f"pulse:{LAYOUT}:{kind}:{of}"
