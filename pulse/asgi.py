"""The ASGI application: HTTP through a bounded number of threads into Django, WebSockets to the live feed.

It runs under any ASGI server; the product's own is `pulse.runtime.server`.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import re_path

# Before the consumers are imported: they need the apps to be loaded.
django_application = get_asgi_application()

from pulse.routing import websocket_urlpatterns  # noqa: E402
from pulse.runtime.limiter import Limiter, Message, Receive, Scope, Send  # noqa: E402


async def no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a WebSocket on a path that is not ours; without this each one would be a traceback in the log."""
    await receive()
    refusal: Message = {"type": "websocket.close"}
    await send(refusal)


application = ProtocolTypeRouter(
    {
        "http": Limiter(django_application, max_body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        "websocket": URLRouter([*websocket_urlpatterns, re_path(r"", no_such_socket)]),  # type: ignore[arg-type]
    }
)
