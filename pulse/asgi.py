"""The ASGI application: HTTP through a bounded number of threads into Django, WebSockets to the live feed.

It runs under any ASGI server; the product's own is `pulse.runtime.server`.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

# Before the consumers are imported: they need the apps to be loaded.
django.setup(set_prefix=False)

from pulse.routing import websocket_urlpatterns  # noqa: E402
from pulse.runtime.handler import SyncHandler  # noqa: E402
from pulse.runtime.limiter import Limiter  # noqa: E402
from pulse.runtime.prefix import Prefix  # noqa: E402

django_application = SyncHandler()
application = Prefix(
    ProtocolTypeRouter(
        {
            "http": Limiter(
                django_application,
                max_body_bytes=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
                admit=django_application.admit,
            ),
            "websocket": URLRouter(websocket_urlpatterns),
        }
    ),
    settings.PULSE_URL_PREFIX,
)
