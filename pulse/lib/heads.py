"""Requests whose body has not come: the door looks at their heads first, so that nobody waits for the bodies of strangers.

Such a request goes through the whole of Django twice, the first time with `HEAD_ONLY` in its scope and without a body: what
may not come in is refused by the same rules in the same words, what may is `Admitted` instead of shown to its view.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from pulse.lib.auth import Caller
from pulse.lib.limits import Verdict

HEAD_ONLY = "pulse.head_only"
#: The scope's key of what the rate limit said of the head: the same request is not counted again.
COUNTED = "pulse.counted"


class Admitted(HttpResponse):
    """The door's word that a request may go on; it never leaves the process."""

    def __init__(self, client: str, caller: Caller, counted: Verdict | None) -> None:
        super().__init__()
        self.client = client  # as in pulse.lib.clients.limit_key
        self.caller = caller
        self.counted = counted


def is_head_only(request: HttpRequest) -> bool:
    """Return whether the body of the request has still to come."""
    return bool(scope_of(request).get(HEAD_ONLY))


def counted(request: HttpRequest) -> Verdict | None:
    """Return what the rate limit said of the head of this request, None when it was not asked."""
    verdict = scope_of(request).get(COUNTED)
    return verdict if isinstance(verdict, Verdict) else None


def scope_of(request: HttpRequest) -> dict[str, Any]:
    """Return the ASGI scope, which only the server writes; empty where there is none."""
    scope: dict[str, Any] = getattr(request, "scope", {})
    return scope
