"""Is it alive, and which version is it: the two answers everybody gets (http-api.md 3.1 and 3.2)."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.response import Response

import pulse
from pulse.lib.auth import Access
from pulse.lib.endpoints import Endpoint, Operation, PreparedEndpoint, Tag

#: The routes are loaded before the first request is served.
STARTED_SECONDS = time.monotonic()


class Health(msgspec.Struct):
    """That Pulse serves: `timestamp` is now, in Unix seconds, `uptime` the seconds since it was started."""

    status: Literal["healthy"]
    timestamp: int
    uptime: float


class Version(msgspec.Struct, rename="camel"):
    """Which Pulse this is. In a container it cannot update itself: pull a newer image instead."""

    version: str
    build: Literal["release", "development"]
    runtime: Literal["python"]
    channel: str
    is_docker: bool
    is_development: bool


class HealthView(PreparedEndpoint):
    """Whether the process serves."""

    @Operation(Access.PUBLIC, Tag.ABOUT, {200: Health})
    def get(self, request: HttpRequest) -> HttpResponse:
        """Is Pulse alive?

        For load balancers and container health checks. It needs no credential, and asks neither the database nor any host:
        how the hosts are is told by `/api/state`.
        """
        return HttpResponse(health_now(), content_type="application/json")


def health_now() -> bytes:
    """Return that Pulse is alive, as JSON."""
    uptime = round(time.monotonic() - STARTED_SECONDS, 1)
    return msgspec.json.encode(Health("healthy", int(time.time()), uptime))


class VersionView(Endpoint):
    """Which version runs."""

    @Operation(Access.PUBLIC, Tag.ABOUT, {200: Version})
    def get(self, request: HttpRequest) -> Response:
        """Which version runs, and on what

        Needs no credential.
        """
        return Response(
            Version(
                version=f"v{pulse.__version__}",
                build="development" if settings.PULSE_DEVELOPMENT else "release",
                runtime="python",
                channel=settings.UPDATE_CHANNEL,
                is_docker=is_container(),
                is_development=settings.PULSE_DEVELOPMENT,
            )
        )


@cache
def is_container() -> bool:
    """Return whether this is a container, in which Pulse cannot update itself."""
    try:
        return Path("/.dockerenv").exists() or "docker" in Path("/proc/1/cgroup").read_text()
    except OSError:
        return False
