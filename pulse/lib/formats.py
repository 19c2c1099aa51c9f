"""The one form in which REST framework answers: JSON, whatever a client says that it accepts (http-api.md 1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class JsonRenderer(BaseRenderer):
    """Encodes structs, mappings, lists and plain values; NaN never leaves."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Return the answer as bytes."""
        return msgspec.json.encode(data)


class JsonAlways(BaseContentNegotiation):
    """Takes the only renderer: an `Accept` header decides nothing, so that nobody gets a 406."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Return none: bodies are read by pulse.lib.body, whatever their Content-Type."""
        return None

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """Return the renderer and its media type."""
        return next(iter(renderers)), "application/json"
