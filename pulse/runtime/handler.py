"""Django behind ASGI with one change of thread a request, instead of one for each signal and for the view.

Everything of ours is synchronous: views, middleware, database. Django's own handler serves that too, at three times the
processor time, most of it tasks and threads handing over to each other (docs/decisions/0008).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import closing
from io import BytesIO
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import HttpResponseBase
from django.urls import set_script_prefix

from pulse.lib.errors import ApiError, response_of
from pulse.lib.heads import COUNTED, HEAD_ONLY, Admitted
from pulse.runtime.bodies import Admission, Message, Receive, Scope, has_body
from pulse.runtime.limiter import Send

Result = TypeVar("Result")

logger = logging.getLogger(__name__)


class SyncHandler(BaseHandler):
    """An ASGI application for HTTP. Answers are sent whole, but those that stream: a piece of them is made when the last one is sent."""

    request_class = ASGIRequest

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request in the thread that its context names."""
        body = await whole_body(receive) if has_body(scope) else b""
        if body is None:
            return  # the client has gone
        response, start, content = await in_thread(self.begun, dict(scope), body)
        await send(start)
        if not response.streaming:
            await send({"type": "http.response.body", "body": content})
            return
        gone = asyncio.ensure_future(until_left(receive))
        try:
            pieces = iter(response if scope["method"] != "HEAD" else ())
            while not gone.done() and (piece := await in_thread(next, pieces, None)) is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await in_thread(response.close)

    async def admit(self, scope: Scope) -> Admission | list[Message]:
        """Return whose body may come, by the head of the request alone, or the answer that refuses it."""
        return await sync_to_async(self.look_at_head, thread_sensitive=True)({**scope, HEAD_ONLY: True})

    def look_at_head(self, scope: dict[str, Any]) -> Admission | list[Message]:
        """Return as `admit` does."""
        response, start, content = self.begun(scope, b"")
        if not isinstance(response, Admitted):
            return [start, {"type": "http.response.body", "body": content}]
        return Admission(
            response.client,
            is_known=response.caller.kind in ("token", "session"),
            carried={COUNTED: response.counted},
        )

    def answer(self, scope: dict[str, Any], body: bytes) -> tuple[Message, bytes]:
        """Return the first message of the answer and its content."""
        response, start, content = self.begun(scope, body)
        if response.streaming:
            with closing(response):
                content = b"".join(response)
        return start, content

    def begun(self, scope: dict[str, Any], body: bytes) -> tuple[Any, Message, bytes]:
        """Return the answer, its first message and its content; one that streams has none yet, all others are closed."""
        # `Prefix` has taken off what may be in front of the path; Django wants it there, once.
        scope["path"] = f"{settings.PULSE_URL_PREFIX}{scope['path']}"
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=type(self), scope=scope)
        response = self.respond(scope, body)
        if response.streaming:
            return response, start_message(response), b""
        with closing(response):
            return response, start_message(response), response.content  # type: ignore[attr-defined]

    def respond(self, scope: dict[str, Any], body: bytes) -> HttpResponseBase:
        """Return what the views answer, or a refusal for a path that is no text."""
        try:
            request = self.request_class(scope, BytesIO(body))
        except UnicodeDecodeError:
            logger.debug("a request with a path that is not UTF-8 was refused")
            return response_of(ApiError(400, "the path of the request cannot be read", code="bad_request"))
        return self.get_response(request)


async def in_thread(work: Callable[..., Result], *arguments: Any) -> Result:
    """Return what is done in the thread of the request, one thing after the other."""
    return await sync_to_async(work, thread_sensitive=True)(*arguments)


async def until_left(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def whole_body(receive: Receive) -> bytes | None:
    """Return the body of a request, None when its client leaves before the end; the limiter has bounded it."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def start_message(response: HttpResponseBase) -> Message:
    """Return status, headers and cookies of a response."""
    headers = [(name.encode("ascii").lower(), value.encode("latin-1")) for name, value in response.items()]
    headers += [
        (b"set-cookie", cookie.output(header="").strip().encode("ascii"))
        for cookie in response.cookies.values()
    ]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers}
