"""The ASGI application: HTTP through a bounded number of threads into Django, WebSockets to the live feed.

It runs under any ASGI server; the product's own is `pulse.runtime.server`.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

# Before the consumers are imported: they need the apps to be loaded.
django.setup(set_prefix=False)

from monitoring.api.state import unchanged  # noqa: E402
from pulse.routing import websocket_urlpatterns  # noqa: E402
from pulse.runtime.handler import SyncHandler  # noqa: E402
from pulse.runtime.limiter import Limiter  # noqa: E402
from pulse.runtime.prefix import Prefix  # noqa: E402
from pulse.runtime.repeats import Head, Repeats  # noqa: E402
from pulse.views import health_now  # noqa: E402


def state_again(head: Head) -> bytes | None:
    """Return the body of an answer that says that the state has not changed, while that is so."""
    return b"" if unchanged(head.status, head.get(b"etag").decode()) else None


django_application = SyncHandler()
application = Prefix(
    ProtocolTypeRouter(
        {
            "http": Repeats(
                Limiter(
                    django_application,
                    max_body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
                    admit=django_application.admit,
                ),
                {"/api/health": lambda head: health_now(), "/api/state": state_again},
                clock=time.monotonic,
            ),
            "websocket": URLRouter(websocket_urlpatterns),
        }
    ),
    settings.PULSE_URL_PREFIX,
)
