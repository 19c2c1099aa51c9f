"""Where WebSockets lead; joins the feed, which tells, with the door, which knows callers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from django.urls import URLPattern, re_path

from accounts.sockets import resolve_scope, still_valid
from monitoring.feed.consumers import FeedConsumer, Visitor
from pulse.lib.clients import arrival_of_scope, headers_of_scope, is_loopback, limit_key
from pulse.lib.errors import ApiError


async def admit(scope: Mapping[str, Any]) -> Visitor:
    """Return who opens a socket; raises ApiError for whoever may not."""
    caller = await resolve_scope(scope)
    address = arrival_of_scope(scope, headers_of_scope(scope)).address
    return Visitor(caller, "" if is_loopback(address) else limit_key(address))


async def admit_by_socket_io(scope: Mapping[str, Any]) -> Visitor:
    """Return as `admit` does, for clients that name the WebSocket transport (http-api.md 15.4)."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    if query.get("transport", [""])[0] != "websocket":
        raise ApiError(404, "there is no such path")
    return await admit(scope)


async def admit_nobody(scope: Mapping[str, Any]) -> Visitor:
    """Refuse a socket on any other path."""
    raise ApiError(404, "there is no such path")


def feed(resolve: Callable[[Mapping[str, Any]], Awaitable[Visitor]]) -> Callable[..., Any]:
    """Return the consumer behind a way in."""
    consumer: Callable[..., Any] = FeedConsumer.as_asgi(resolve=resolve, still_valid=still_valid)  # type: ignore[no-untyped-call]
    return consumer


websocket_urlpatterns: list[URLPattern] = [
    re_path(r"^ws$", feed(admit)),
    re_path(r"^socket\.io/", feed(admit_by_socket_io)),
    re_path(r"", feed(admit_nobody)),
]
