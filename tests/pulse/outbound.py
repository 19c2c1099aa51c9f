"""Calls of the library for outbound calls to scripted servers."""

from __future__ import annotations

from typing import Any

from requests import Response

from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.places import place_of
from pulse.lib.outbound.policy import AddressPolicy
from pulse.lib.outbound.session import Adapter, Session
from tests.nodes.servers import ScriptedServer

ANY = AddressPolicy(allows_loopback=True, allows_private=True)
PUBLIC = AddressPolicy(allows_loopback=False, allows_private=False)


def session(policy: AddressPolicy = ANY, *, verify_tls: bool = False, **options: Any) -> Session:
    """Return a session that accepts any certificate, unless options of the adapter say otherwise."""
    return Session(Adapter(policy, verify_tls=verify_tls, **options))


def budget(server: ScriptedServer, seconds: float, silence_seconds: float | None = None) -> Budget:
    """Return what a call to the server may cost, from now on."""
    return Budget(place_of(server.url), seconds=seconds, silence_seconds=silence_seconds)


def fetch(server: ScriptedServer, **options: Any) -> Response:
    """Return the answer to one GET with a session of its own."""
    with session(**options) as own:
        return own.get(server.url, timeout=10)
