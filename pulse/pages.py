"""The page of the product: one dashboard, drawn live by the scripts under `static/pulse/js`."""

from __future__ import annotations

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page

from pulse.lib import saving
from pulse.lib.auth import Access, caller_of, policy

#: What `app.js` imports, so that the browser fetches all of it at once and not one import after the other.
MODULES = tuple(
    f"pulse/js/{name}.js"
    for name in (
        "concerns",
        "feed",
        "format",
        "guests",
        "order",
        "overview",
        "page",
        "state",
        "storage",
        "table",
        "words",
    )
)


@policy(GET=Access.PAGE)
@never_cache
@gzip_page
def home(request: HttpRequest) -> HttpResponse:
    """Show the dashboard; it runs no query, the figures come over the live feed."""
    caller = caller_of(request)
    context = {
        "modules": MODULES,
        # The page measures ages by the clock of the server: the one of the browser may be wrong.
        "now_ms": int(time.time() * 1000),
        "poll_seconds": settings.POLLING_INTERVAL_SECONDS,
        "trouble": saving.trouble(),
        "is_open": settings.PULSE_AUTH == "open",
        "is_fresh": caller.kind == "loopback",
        "may_see_settings": caller.may(Access.SETTINGS_READ),
        "may_change_settings": caller.may(Access.SETTINGS_WRITE),
    }
    return render(request, "home.html", context)
