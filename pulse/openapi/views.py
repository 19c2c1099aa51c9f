"""The description of the API, for programs and as a page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, PreparedEndpoint, Tag
from pulse.lib.headers import CONTENT_SECURITY_POLICY


class DocumentView(PreparedEndpoint):
    """The OpenAPI document."""

    @Operation(Access.MONITORING_READ, Tag.ABOUT, {200: dict[str, Any]})
    def get(self, request: HttpRequest) -> HttpResponse:
        """This description, as an OpenAPI 3.1 document

        From it clients can be generated, and requests be tried.
        """
        from pulse.openapi.document import document

        return HttpResponse(document(), content_type="application/json")


class PageView(PreparedEndpoint):
    """The page that shows the document."""

    @Operation(Access.PAGE, Tag.ABOUT, {200: str}, media_type="text/html")
    def get(self, request: HttpRequest) -> HttpResponse:
        """This description, as a page on which requests can be tried

        Whoever has no credential is led to the sign-in. Requests that are tried here are made with the session of the page, or with
        the token that is given under "Authorize".
        """
        response = render(request, "docs.html")
        # Swagger UI builds HTML of texts, which Trusted Types would stop; all else is as strict as everywhere.
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response
