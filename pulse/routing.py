"""Where WebSockets lead; joins the feed, which tells, with the door, which knows callers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.urls import URLPattern, re_path

from accounts import sockets
from accounts.credentials import Refusal
from monitoring.consumers import FeedConsumer, Refused
from pulse.lib.auth import Caller


async def resolve(scope: Mapping[str, Any]) -> Caller:
    """Return who opens a socket; raises Refused for whoever may not."""
    found = await sockets.resolve(scope)
    if isinstance(found, Refusal):
        raise Refused(found.status, found.message, found.code)
    return found


feed = FeedConsumer.as_asgi(resolve=resolve, still_valid=sockets.still_valid)

websocket_urlpatterns: list[URLPattern] = [
    re_path(r"^ws$", feed),
    re_path(r"^socket\.io/", feed),
]
