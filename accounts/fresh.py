"""A fresh installation: is it one still, and does this machine still need no credential?

It ends for good with the first request that shows a proxy or a foreign name: what is passed on by a proxy on this machine
comes from this machine as well. Source: README.md decision 1 of the contract.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from django.conf import settings
from django.db import DatabaseError, connection
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from accounts.models import LoopbackEnd
from pulse.lib import peers
from pulse.lib.clients import Arrival, arrival_of
from pulse.lib.peers import Peer

logger = logging.getLogger(__name__)

#: One question instead of three: a fresh installation asks it at every request.
CONFIGURED = (
    "SELECT EXISTS (SELECT 1 FROM auth_user) "
    "OR EXISTS (SELECT 1 FROM accounts_apitoken) OR EXISTS (SELECT 1 FROM accounts_claim)"
)
CLOSED = " OR ".join((CONFIGURED, "EXISTS (SELECT 1 FROM accounts_loopbackend)"))
#: Monitors ask here, by whatever name or address they know this machine.
PROBED = "/api/health"
MAX_SHOWN_CHARS = 80

#: Sent once in the life of an installation, with the row as `end`.
loopback_ended = Signal()

#: Of this process: signs mean nothing any more, because the exception has ended or something is configured.
_is_settled = False
#: A sign was seen that could not be written down.
_has_ended_here = False


def is_configured() -> bool:
    """Return whether callers need a credential: an `API_TOKEN`, a stored token or an account exists.

    Revoked and expired tokens count, and so does a claim whose account was deleted: what was closed stays closed.
    """
    if settings.API_TOKEN_DIGEST:
        return True
    with connection.cursor() as cursor:
        cursor.execute(CONFIGURED)
        return bool(cursor.fetchone()[0])


def is_open() -> bool:
    """Return whether this machine is served without a credential."""
    if settings.PULSE_AUTH != "auto" or settings.API_TOKEN_DIGEST or _has_ended_here:
        return False
    with connection.cursor() as cursor:
        cursor.execute(CLOSED)
        return not cursor.fetchone()[0]


def has_ended() -> bool:
    """Return whether the exception has ended by something else than a configuration."""
    return _has_ended_here or LoopbackEnd.objects.exists()


def is_served(arrival: Arrival) -> bool:
    """Return whether a request of this machine itself needs no credential; one by a service ends the exception.

    Whoever has gone before the answer is not served, and says nothing of who it was: people close pages while they load.
    """
    if not is_open():
        return False
    peer = Peer.PERSON if arrival.ends is None else peers.peer_of(arrival.ends)
    if peer is Peer.SERVICE:
        watch_for("a service of this machine, and no person, sent a request")
    return peer is Peer.PERSON


def watch(arrival: Arrival, *, is_probe: bool = False) -> None:
    """End the exception if the request shows a proxy or a foreign name; a probe may name whatever it likes."""
    sign = "" if _is_settled else sign_of(arrival, is_probe=is_probe)
    if sign:
        watch_for(sign)


def sign_of(arrival: Arrival, *, is_probe: bool = False) -> str:
    """Return what shows a proxy or a foreign name, as a sentence; empty when nothing does."""
    if arrival.forwarded_by:
        return f"a request carried the header {shown(arrival.forwarded_by)}"
    if is_probe:
        return ""
    if arrival.host and not arrival.is_for_this_machine:
        return f"a request was for the Host {shown(arrival.host)}"
    if not arrival.is_of_same_origin:
        return f"a request was sent by a page of {shown(arrival.origin or '')}"
    return ""


def shown(text: str) -> str:
    """Return what a stranger wrote, short and without anything that a terminal or a log takes for a command."""
    cut = text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 1]}…"
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in cut)


def watch_for(sign: str) -> None:
    """End the exception because of the sign, unless there is none to end; never raises."""
    global _has_ended_here, _is_settled
    if settings.PULSE_AUTH != "auto":
        return
    try:
        if not is_configured():
            end(LoopbackEnd.Cause.SIGN, sign, at=timezone.now())
        _is_settled = True
    except DatabaseError:
        _has_ended_here = True
        logger.exception("that this machine needs a credential from now on could not be written down")


def end(cause: LoopbackEnd.Cause, sign: str, *, at: datetime) -> None:
    """End the exception for good, in every process; only the first time is told. Raises DatabaseError."""
    row, is_first = LoopbackEnd.objects.get_or_create(
        id=1, defaults={"ended_at": at, "cause": cause, "sign": sign}
    )
    if is_first:
        logger.warning(
            "from now on this machine, too, is served only with a credential: %s; "
            "claim Pulse at /setup with the code that `pulse claim-code` prints",
            sign or row.get_cause_display(),
        )
        loopback_ended.send_robust(sender=LoopbackEnd, end=row)


def forget() -> None:
    """Look at the database anew."""
    global _has_ended_here, _is_settled
    _has_ended_here = _is_settled = False


class FreshMiddleware:
    """See every request before anything refuses it: while Pulse is fresh, some of them end that."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        watch(arrival_of(request), is_probe=request.path_info == PROBED)
        return self.get_response(request)
