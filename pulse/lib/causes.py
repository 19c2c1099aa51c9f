"""On whose behalf something happens: what the lines of the log tell beside their message.

Set where a request is taken in and where its caller is recognised, read by the formatters (`pulse.lib.logs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the log is set up before Django is
    from pulse.lib.auth import Caller


@dataclass(frozen=True, slots=True)
class Cause:
    """Who, from which address, by which request; empty where it is not known."""

    by: str = ""  # the account or the token, or what stands for one
    address: str = ""
    request_id: str = ""  # as in the X-Request-ID of the answer


UNKNOWN = Cause()
CAUSE: ContextVar[Cause] = ContextVar("cause", default=UNKNOWN)
WITHOUT_CREDENTIAL = {
    "loopback": "this machine, without a credential",
    "open": "somebody, without a credential",
}


@contextmanager
def caused(*, by: str = "", address: str = "", request_id: str = "") -> Iterator[None]:
    """Let everything within have this cause and no other."""
    token = CAUSE.set(Cause(by, address, request_id))
    try:
        yield
    finally:
        CAUSE.reset(token)


def came_from(address: str) -> None:
    """Note the address of the client that sent the present request."""
    CAUSE.set(replace(CAUSE.get(), address=address))


def sent_by(caller: Caller) -> None:
    """Note who sent the present request."""
    name = f"API token {caller.name}" if caller.kind == "token" else caller.name
    CAUSE.set(replace(CAUSE.get(), by=WITHOUT_CREDENTIAL.get(caller.kind, name)))
