"""The description of the API."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from pulse.lib.auth import Access
from pulse.lib.endpoints import Operation, PreparedEndpoint, Tag


class DocumentView(PreparedEndpoint):
    """The OpenAPI document."""

    @Operation(Access.MONITORING_READ, Tag.ABOUT, {200: dict[str, Any]})
    def get(self, request: HttpRequest) -> HttpResponse:
        """This description, as an OpenAPI 3.1 document

        From it clients can be generated, and requests be tried.
        """
        from pulse.openapi.document import document

        return HttpResponse(document(), content_type="application/json")
