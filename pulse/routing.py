"""Where WebSockets lead; joins the feed, which tells, with the door, which knows callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import URLPattern, re_path

from accounts.sockets import resolve_scope, still_valid
from monitoring.consumers import FeedConsumer, Refused
from pulse.lib.auth import Caller
from pulse.lib.errors import ApiError


async def resolve(scope: Mapping[str, Any]) -> Caller:
    """Return who opens a socket; raises Refused for whoever may not."""
    try:
        return await resolve_scope(scope)
    except ApiError as refusal:
        raise Refused(refusal.status, refusal.message, refusal.code) from None


feed = FeedConsumer.as_asgi(resolve=resolve, still_valid=still_valid)

websocket_urlpatterns: list[URLPattern] = [
    re_path(r"^ws$", feed),
    re_path(r"^socket\.io/", feed),
]
