"""A plain HTTP channel on loopback through which other processes change the estate and read its counters."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tests.fake_proxmox.http import MAX_HEAD_BYTES, Answer, BadRequest, Request, read_request
from tests.fake_proxmox.site_pmg import MAIL_VERBS
from tests.fake_proxmox.sites import VERBS

if TYPE_CHECKING:
    from tests.fake_proxmox.estate import FakeEstate
    from tests.fake_proxmox.server import FakeServer

IDLE_SECONDS = 30.0


class Control:
    """The control channel of one estate."""

    def __init__(self, estate: FakeEstate, port: int) -> None:
        self._estate = estate
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._port}"

    async def open(self) -> None:
        """The channel listens."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=MAX_HEAD_BYTES)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """The channel is closed."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader, idle_seconds=IDLE_SECONDS)
            if request is None:
                return
            # In a thread: a verb may wait for this very loop to open or close a server.
            status, document = await asyncio.to_thread(self._answer, request)
            body = json.dumps(document).encode()
            answer = Answer(status, body=body, content_type="application/json")
            writer.write(
                answer.head(date=self._estate.clock.now(), server="control", closes=True, length=len(body))
                + body
            )
            await writer.drain()
        except (BadRequest, ConnectionError):
            pass
        finally:
            writer.close()

    def _answer(self, request: Request) -> tuple[int, Any]:
        try:
            arguments = json.loads(request.body) if request.body else {}
            return 200, self._carry_out(f"{request.method} {request.path}", arguments)
        except (KeyError, ValueError, TypeError, StopIteration, AttributeError) as wrong:
            return 400, {"error": f"{type(wrong).__name__}: {wrong}"}

    def _carry_out(self, call: str, arguments: dict[str, Any]) -> Any:
        match call:
            case "GET /servers":
                return self._estate.describe()
            case "GET /traffic":
                return {server.url: server.traffic.snapshot() for server in self._estate.servers}
            case "GET /load":
                return {site.name: site.load.peaks() for site in self._estate.sites}
            case "POST /traffic/reset":
                for server in self._estate.servers:
                    server.traffic.reset()
                return {}
            case "POST /verb":
                return self._verb(**arguments)
            case "POST /fault":
                chosen = self._servers(arguments.pop("server", None))
                return {"ids": {server.url: server.faults.add(**arguments) for server in chosen}}
            case "POST /fault/clear":
                for server in self._servers(arguments.get("server")):
                    server.faults.clear(arguments.get("id"))
                return {}
            case "POST /latency":
                for server in self._servers(arguments.get("server")):
                    server.latency_ms = float(arguments["ms"])
                return {}
            case "POST /clock":
                self._estate.clock.advance(float(arguments["advance"]))
                return {"now": self._estate.clock.now()}
        raise ValueError(f"no such call: {call}")

    def _verb(self, verb: str, site: str, **arguments: Any) -> Any:
        if verb not in VERBS and verb not in MAIL_VERBS:
            raise ValueError(f"no such verb: {verb}")
        return {"result": getattr(self._estate.site(site), verb)(**arguments)}

    def _servers(self, name: str | None) -> Iterable[FakeServer]:
        """Return the servers with a url or node name, all without one; raises ValueError if there is none."""
        chosen = [server for server in self._estate.servers if name in (None, server.url, server.name)]
        if not chosen:
            raise ValueError(f"no such server: {name}")
        return chosen
