"""Pulse under a path of somebody's name, such as `/pulse`: that path is taken off before anything else looks."""

from __future__ import annotations

from pulse.runtime.bodies import Receive, Scope
from pulse.runtime.limiter import Application, Send


class Prefix:
    """An ASGI application that serves the same with and without the prefix: proxies pass on either."""

    def __init__(self, app: Application, prefix: str) -> None:
        self.app = app
        self.prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve under the rest of the path."""
        path = scope.get("path", "")
        if self.prefix and (path == self.prefix or path.startswith(f"{self.prefix}/")):
            scope = {**scope, "path": path[len(self.prefix) :] or "/"}
        await self.app(scope, receive, send)
