"""Failed tries to come in: counted per account and network, forgotten after a while, never a lock of the owner from everywhere."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.core.cache import cache

from pulse.lib.clients import parse_address


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many failures within how many seconds."""

    name: str
    failures: int
    seconds: int


SIGN_IN = Allowance("sign-in", 5, 15 * 60)
CLAIM = Allowance("claim", 10, 5 * 60)


def network_of(address: str) -> str:
    """Return the /24 or /64 of an address: who has one address of it has them all."""
    parsed = parse_address(address)
    if parsed is None:
        return "unknown"
    return ".".join(str(parsed).split(".")[:3]) if parsed.version == 4 else parsed.exploded[:19]


def key_of(allowance: Allowance, address: str, account: str) -> str:
    """Return the cache key; accounts are hashed, since people type passwords into the wrong field."""
    digest = hashlib.sha256(account.strip().lower().encode()).hexdigest()[:24]
    return f"attempts:{allowance.name}:{network_of(address)}:{digest}"


def is_locked(allowance: Allowance, address: str, account: str = "") -> bool:
    """Return whether the failures of this account from this network are used up."""
    return int(cache.get(key_of(allowance, address, account), 0)) >= allowance.failures


def note_failure(allowance: Allowance, address: str, account: str = "") -> None:
    """Count one failure; the first one starts the time."""
    key = key_of(allowance, address, account)
    cache.add(key, 0, timeout=allowance.seconds)
    try:
        cache.incr(key)
    except ValueError:  # it expired between the two calls
        cache.set(key, 1, timeout=allowance.seconds)


def forget(allowance: Allowance, address: str, account: str = "") -> None:
    """Start again: the right credential came."""
    cache.delete(key_of(allowance, address, account))
