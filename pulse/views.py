"""Is it alive, and which version is it: the two answers everybody gets (http-api.md 3.1 and 3.2)."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse

import pulse
from pulse.lib.auth import Access, policy

#: The routes are loaded before the first request is served.
STARTED_SECONDS = time.monotonic()


@policy(GET=Access.PUBLIC)
def health(request: HttpRequest) -> HttpResponse:
    """Answer that the process serves, with its uptime in seconds; no database is asked."""
    return answer(
        {
            "status": "healthy",
            "timestamp": int(time.time()),
            "uptime": round(time.monotonic() - STARTED_SECONDS, 1),
        }
    )


@policy(GET=Access.PUBLIC)
def version(request: HttpRequest) -> HttpResponse:
    """Answer which version runs, and on what."""
    return answer(
        {
            "version": f"v{pulse.__version__}",
            "build": "development" if settings.PULSE_DEVELOPMENT else "release",
            "runtime": "python",
            "channel": settings.UPDATE_CHANNEL,
            "isDocker": is_container(),
            "isDevelopment": settings.PULSE_DEVELOPMENT,
        }
    )


def answer(body: dict[str, object]) -> HttpResponse:
    """Return the object as JSON that no cache keeps."""
    return HttpResponse(
        msgspec.json.encode(body), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


@cache
def is_container() -> bool:
    """Return whether this is a container, in which Pulse cannot update itself."""
    try:
        return Path("/.dockerenv").exists() or "docker" in Path("/proc/1/cgroup").read_text()
    except OSError:
        return False
