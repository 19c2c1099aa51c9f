"""Who may call what: scopes, callers, and the access that each view declares.

A view without a declaration is refused (`accounts.door`). Source: README.md decision 1 of the contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeVar

from django.http import HttpRequest


class Access(StrEnum):
    """What a route demands: nothing, its own proof, a person, or a caller with this scope."""

    PUBLIC = "public"
    OWN_TOKEN = "own-token"  # noqa: S105  the view checks a token of its own kind
    PAGE = "page"  # a page for people: without a credential the answer leads to the login page
    SESSION = "session"  # a page about the own account: whoever has signed in, whatever they may do
    DJANGO_ADMIN = "django-admin"  # the admin checks its users itself
    MONITORING_READ = "monitoring:read"
    METRICS_READ = "metrics:read"  # figures as series alone, for a program that collects them
    SETTINGS_READ = "settings:read"
    SETTINGS_WRITE = "settings:write"
    ALERTS_WRITE = "alerts:write"
    ADMIN = "admin"


#: The scopes that a token can carry, in the order in which forms list them.
SCOPES = (
    Access.MONITORING_READ,
    Access.METRICS_READ,
    Access.SETTINGS_READ,
    Access.SETTINGS_WRITE,
    Access.ALERTS_WRITE,
    Access.ADMIN,
)

#: Scopes of a caller without a credential (loopback exception, PULSE_AUTH=open): never `admin`.
OPEN_SCOPES = frozenset(SCOPES) - {Access.ADMIN}

CallerKind = Literal["anonymous", "loopback", "open", "token", "session"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request, once the door has looked at it."""

    kind: CallerKind
    scopes: frozenset[Access] = frozenset()
    name: str = ""
    token_pk: int | None = None
    user_pk: int | None = None
    session_key: str = field(default="", repr=False)

    def may(self, access: Access) -> bool:
        """Return whether the caller passes a route of this access; `admin` includes every other scope.

        Who may read everything that is monitored may read its figures as well.
        """
        if access in (Access.PUBLIC, Access.OWN_TOKEN, Access.DJANGO_ADMIN):
            return True
        if access is Access.PAGE:
            return bool(self.scopes)
        if access is Access.SESSION:
            return self.kind == "session"
        if access is Access.METRICS_READ and Access.MONITORING_READ in self.scopes:
            return True
        return access in self.scopes or Access.ADMIN in self.scopes


ANONYMOUS = Caller("anonymous")


@dataclass(frozen=True, slots=True)
class Limit:
    """A sliding window: at most `count` requests in `seconds`, one bucket for every route that names it."""

    bucket: str
    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What a view demands for each method it answers; HEAD counts as GET, OPTIONS is answered for all.

    `limit` is of the whole route, `limits` are of single methods in its place.
    `calls_hosts`: a GET already calls other machines, so it is not for pages of other sites to send.
    """

    methods: Mapping[str, Access]
    limit: Limit | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    calls_hosts: bool = False

    def limit_of(self, method: str) -> Limit | None:
        """Return how often a client may ask with this method, None for as often as it likes."""
        return self.limits.get(method, self.limit)


View = TypeVar("View", bound=Callable[..., Any])


def policy(limit: Limit | None = None, **methods: Access) -> Callable[[View], View]:
    """Declare on a view what each method demands: `@policy(GET=Access.MONITORING_READ)`.

    For functions that are pages; the routes of the API declare it as `pulse.lib.endpoints` has it.
    """
    declared = Policy(methods=dict(methods), limit=limit)

    def mark(view: View) -> View:
        view.policy = declared  # type: ignore[attr-defined]
        return view

    return mark


def policy_of(view: Callable[..., Any]) -> Policy | None:
    """Return what a resolved view declares, looking through `as_view()`; None when it declares nothing."""
    declared = getattr(view, "policy", None) or getattr(getattr(view, "cls", None), "policy", None)
    return declared if isinstance(declared, Policy) else None


def caller_of(request: HttpRequest) -> Caller:
    """Return who the door found behind the request."""
    return getattr(request, "caller", ANONYMOUS)
