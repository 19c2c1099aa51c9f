"""Routes that tell the state: `/api/state`, `/api/config`, what is left of Socket.IO, and a page of figures."""

from __future__ import annotations

import secrets

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from rest_framework.request import Request
from rest_framework.response import Response

from monitoring.api.answers import PublicConfig, State
from monitoring.feed.state import STATE
from pulse.lib.auth import Access, caller_of, policy
from pulse.lib.clients import arrival_of
from pulse.lib.endpoints import Endpoint, Operation, PreparedEndpoint, Tag
from pulse.lib.errors import ApiError
from pulse.lib.gzipping import accepts_gzip
from pulse.lib.origins import is_allowed

SOCKET_IO_SCRIPT = "https://cdn.socket.io/4.8.1/socket.io.min.js"


class StateView(PreparedEndpoint):
    """The whole state."""

    @Operation(Access.MONITORING_READ, Tag.MONITORING, {200: State, 304: None})
    def get(self, request: HttpRequest) -> HttpResponse:
        """Everything that is known now, as one object

        Nodes, guests, storages, backup servers and mail gateways of all instances, their backups and what is wrong with them,
        never older than the last poll. The answer has an `ETag`: send it back as `If-None-Match` and get 304 while nothing
        has changed. It is compressed for whoever accepts gzip.

        To follow the state, open the WebSocket `/ws` instead of asking again and again.
        """
        document = STATE.current()
        is_compressed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
        if names_etag(request.headers.get("If-None-Match", ""), document.etag):
            response = HttpResponse(status=304)
            del response.headers["Content-Type"]
        elif is_compressed:
            response = HttpResponse(document.gzipped(), content_type="application/json")
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = HttpResponse(document.body, content_type="application/json")
        # A strong ETag names bytes: the compressed form is another representation.
        response.headers["ETag"] = f'"{document.etag}-gzip"' if is_compressed else f'"{document.etag}"'
        if caller_of(request).kind == "token":
            # Programs may keep it to compare it. Browsers keep nothing (pulse.lib.headers): a page that wants to compare names the ETag.
            response.headers["Cache-Control"] = "private, no-cache"
        patch_vary_headers(response, ("Accept-Encoding",))
        return response


def unchanged(status: int, etag: str) -> bool:
    """Return whether an answer of this status with this `ETag` header may be given again: nothing has changed since."""
    return status == 304 and STATE.is_still(etag.strip('"').removesuffix("-gzip"))


def names_etag(header: str, etag: str) -> bool:
    """Return whether an If-None-Match header names the state in either form (weak comparison, RFC 9110 13.1.2)."""
    names = {part.strip().removeprefix("W/").strip('"').removesuffix("-gzip") for part in header.split(",")}
    return etag in names or header.strip() == "*"


class PublicConfigView(Endpoint):
    """Settings for every client."""

    @Operation(Access.MONITORING_READ, Tag.MONITORING, {200: PublicConfig})
    def get(self, request: Request) -> Response:
        """Settings that every client may know

        How often the hosts are polled, for example, and so how often it is worth to ask.
        """
        return Response(
            PublicConfig(
                polling_interval=settings.POLLING_INTERVAL_SECONDS,
                csrf_protection=False,
                auto_update_enabled=settings.AUTO_UPDATE_ENABLED,
                update_channel=settings.UPDATE_CHANNEL,
            )
        )


@policy(GET=Access.MONITORING_READ)
def socket_without_upgrade(request: HttpRequest) -> HttpResponse:
    """Answer a plain request to `/ws` (http-api.md 15.3)."""
    arrival = arrival_of(request)
    is_foreign = arrival.origin is not None and not arrival.is_own_page
    if is_foreign and not is_allowed(arrival.origin or "", settings.ALLOWED_ORIGINS):
        raise ApiError(403, "pages of this origin may not open the feed", code="origin_not_allowed")
    headers = {"Sec-WebSocket-Version": "13"}
    raise ApiError(400, "this address speaks WebSocket only", code="upgrade_required", headers=headers)


@policy(GET=Access.MONITORING_READ)
def socket_io(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer what is left of Socket.IO clients (http-api.md 15.4)."""
    transport = request.GET.get("transport", "")
    if "socket.io.js" in rest:
        return HttpResponseRedirect(SOCKET_IO_SCRIPT)
    if transport == "websocket":
        return socket_without_upgrade(request)
    if transport == "polling":
        if "sid" in request.GET:
            return HttpResponse("6", content_type="text/plain; charset=UTF-8")
        opening = {
            "sid": str(secrets.randbelow(10**18)),
            "upgrades": ["websocket"],
            "pingInterval": 25000,
            "pingTimeout": 60000,
        }
        return HttpResponse(b"0" + msgspec.json.encode(opening), content_type="text/plain; charset=UTF-8")
    return HttpResponseRedirect(f"{settings.PULSE_URL_PREFIX}/ws")


@policy(GET=Access.PAGE)
@never_cache
def simple_stats(request: HttpRequest) -> HttpResponse:
    """Show a table of containers that reads `/ws` (http-api.md 15.2)."""
    return render(request, "monitoring/simple_stats.html")
