"""Brute force of passwords: how often an account may be tried, from one network and from all of them.

Failures are rows, so that every process counts together and a restart forgets nothing. Source: security.md A.3.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from django.db.models import Q
from django.utils.crypto import salted_hmac

from accounts.models import SignInFailure, SignInFailureQuerySet
from pulse.lib.clients import network_of
from pulse.lib.errors import ApiError
from pulse.lib.instants import AHEAD

#: Failures of one account from one /24 or /64 within SPAN.
MAX_FAILURES = 5
SPAN = timedelta(minutes=15)
#: From the sixth failure on, from wherever, an account answers only this often: 1 s, 2 s, 4 s and so on.
#: Bounded, so that nobody can lock the owner out from everywhere.
MAX_DELAY_SECONDS = 30
#: Of 16 requests that are worked on at once so many may be tries that write; who finds no place waits so long.
MAX_AT_ONCE = 4
PLACE_SECONDS = 1.0
places = BoundedSemaphore(MAX_AT_ONCE)


def take(username: str, address: str, *, at: datetime) -> int:
    """Count a try before the password is looked at; 0 when it may go on, else the seconds to wait.

    The row is written first and counted afterwards, so that tries at the same moment cannot all pass. A refused try
    leaves no row.
    """
    with place():
        return taken(username, address, at=at)


@contextmanager
def place() -> Iterator[None]:
    """Hold one of the few places for those who write without being known; raises ApiError 503 when there is none for long.

    Whoever waits for a database that is locked holds up no more than these.
    """
    if not places.acquire(timeout=PLACE_SECONDS):
        raise ApiError(503, "too many people sign in at this moment; try again", headers={"Retry-After": "5"})
    try:
        yield
    finally:
        places.release()


def taken(username: str, address: str, *, at: datetime) -> int:
    """Write the try and return how long it has to wait."""
    # Those of a clock that was ahead would lock the account until this one is there.
    SignInFailure.objects.filter(Q(failed_at__lte=at - SPAN) | Q(failed_at__gt=at + AHEAD)).delete()
    account, network = account_digest(username), network_of(address)
    own = SignInFailure.objects.create(account=account, network=network, failed_at=at)
    others = SignInFailure.objects.filter(account=account).exclude(pk=own.pk)
    wait = max(network_wait(others, network, at), delay_wait(others, at))
    if wait:
        own.delete()
    return wait


def network_wait(others: SignInFailureQuerySet, network: str, at: datetime) -> int:
    """Return how long this network has to wait for the account."""
    instants = list(others.filter(network=network).order_by("-failed_at").values_list("failed_at", flat=True))
    if len(instants) < MAX_FAILURES:
        return 0
    return seconds_until(instants[MAX_FAILURES - 1] + SPAN, at)


def delay_wait(others: SignInFailureQuerySet, at: datetime) -> int:
    """Return how long everybody has to wait for the account."""
    count = others.count()
    last = others.order_by("-failed_at").first()
    if last is None or count < MAX_FAILURES:
        return 0
    delay = min(MAX_DELAY_SECONDS, 2 ** min(count - MAX_FAILURES, 5))
    until = last.failed_at + timedelta(seconds=delay)
    return seconds_until(until, at) if until > at else 0


def give_back(username: str, address: str, *, at: datetime) -> None:
    """Forget the try that was taken at the instant: its password was never looked at."""
    SignInFailure.objects.of(account_digest(username), network_of(address)).filter(failed_at=at).delete()


def forget(username: str, address: str) -> None:
    """Begin anew for this account from this network: the right password came."""
    SignInFailure.objects.of(account_digest(username), network_of(address)).delete()


def unlock(username: str) -> int:
    """Forget all failures of an account; returns how many."""
    return SignInFailure.objects.filter(account=account_digest(username)).delete()[0]


def account_digest(username: str) -> str:
    """Return under which name an account is counted, whatever its spelling."""
    name = unicodedata.normalize("NFKC", username.strip()).casefold()
    return salted_hmac("accounts.lockout", name, algorithm="sha256").hexdigest()


def seconds_until(instant: datetime, at: datetime) -> int:
    """Return the whole seconds from `at` to the instant, at least 1."""
    return max(1, math.ceil((instant - at).total_seconds()))
