"""One listening address that answers as a Proxmox host: accepts, shakes hands, checks, answers, misbehaves on demand."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import ssl
import struct
import time
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.fake_proxmox import pbs, pve
from tests.fake_proxmox.access import Account, Refused
from tests.fake_proxmox.calls import ApiFailure, Call, Encoded, Entry
from tests.fake_proxmox.certificates import Certificate, certificate
from tests.fake_proxmox.faults import (
    ANSWER_KINDS,
    CONNECTION_KINDS,
    CONTENT_KINDS,
    DELIVERY_KINDS,
    Fault,
    FaultSet,
    replaced_answer,
    spoiled,
)
from tests.fake_proxmox.figures import encode
from tests.fake_proxmox.http import MAX_HEAD_BYTES, Answer, BadRequest, Request, read_request
from tests.fake_proxmox.model import Cluster
from tests.fake_proxmox.traffic import LoggedRequest, Traffic

if TYPE_CHECKING:
    from tests.fake_proxmox.clock import Clock
    from tests.fake_proxmox.sites import FakeSite

logger = logging.getLogger(__name__)

#: Bodies up to this size are never compressed.
GZIP_FROM_BYTES = 1_024
_TABLES = {"pve": pve.TABLE, "pbs": pbs.TABLE}
_SERVER_NAMES = {"pve": "pve-api-daemon/3.0", "pbs": "proxmox-backup-proxy"}
_HANDSHAKE_SECONDS = 30.0
#: Issue numbers of certificates that were never announced.
_FOREIGN_ISSUE = -1


class FakeServer:
    """A host of a FakeSite, listening on its own address with its own certificate."""

    def __init__(self, site: FakeSite, name: str, host: str, port: int) -> None:
        self.site = site
        self.name = name
        self.host = host
        self.port = port  # 0 until the site is placed
        self.latency_ms = 0.0
        self.uses_gzip = True
        # PVE closes early; PBS is patient.
        self.idle_seconds = 5.0 if site.kind == "pve" else 60.0
        self.requests_per_connection = 100 if site.kind == "pve" else 1_000_000
        self.traffic = Traffic()
        self.faults = FaultSet(take_down=self.stop, bring_up=self.start, reset=site.reset_counters)
        self._certificate = certificate(site.kind, name, host)
        self._issue = 0
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._announce_certificate()

    # What a person would type in.

    @property
    def kind(self) -> str:
        """Product: pve or pbs."""
        return self.site.kind

    @property
    def url(self) -> str:
        """The base address without /api2/json."""
        return f"https://{self.host}:{self.port}"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the served certificate, lower-case hexadecimal."""
        return self._certificate.fingerprint

    @property
    def certificate_pem(self) -> str:
        """The served certificate itself."""
        return self._certificate.pem

    @property
    def user(self) -> str:
        """User for a login with password."""
        return self.site.access.user

    @property
    def password(self) -> str:
        """Password of that user."""
        return self.site.access.password

    @property
    def token_id(self) -> str:
        """Full id of an API token with the auditor's rights."""
        return self.site.access.token_id

    @property
    def token_value(self) -> str:
        """Secret of that token."""
        return self.site.access.token_value

    @property
    def clock(self) -> Clock:
        """Time of the data."""
        return self.site.clock

    @property
    def is_listening(self) -> bool:
        """Whether connections are accepted."""
        return self._listener is not None

    def renew_certificate(self) -> None:
        """From the next connection on another certificate is served, and announced in GET /nodes."""
        self._issue += 1
        self._certificate = certificate(self.kind, self.name, self.host, self._issue)
        self._announce_certificate()

    def _announce_certificate(self) -> None:
        model = self.site.model
        announced = self._certificate.fingerprint_with_colons
        if isinstance(model, Cluster):
            model.nodes[self.name].fingerprint = announced
        else:
            model.fingerprint = announced

    # Listening.

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self.site.estate.run(self._open())

    def stop(self) -> None:
        """Refuse connections and cut those that exist."""
        self.site.estate.run(self._close())

    def bind(self, port: int) -> None:
        """Take a port without answering yet; 0 lets the system choose. Raises OSError when it is taken."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, port))
            listener.listen(512)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._listener = listener
        self.port = listener.getsockname()[1]

    def release(self) -> None:
        """Give a bound port back before anything was accepted."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _open(self) -> None:
        if self._listener is None:
            self.bind(self.port)
        if self._accepting is None:
            self._accepting = asyncio.create_task(self._accept())

    async def _close(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        self.release()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        assert self._listener is not None
        while True:
            connection, _ = await loop.sock_accept(self._listener)
            self.traffic.connected()
            task = asyncio.create_task(self._serve(connection))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            # Not in the task itself: one that is cancelled before its first step never reaches its `finally`.
            task.add_done_callback(lambda _, ended=connection: ended.close())

    # One connection.

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fault = self.faults.take(CONNECTION_KINDS)
        if fault is not None and fault.kind != "certificate":
            await _say_nothing(connection, reads=fault.kind == "tls-stall")
            return
        shown = self._certificate if fault is None else self._foreign_certificate()
        reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=shown.context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=1.0,
            )
        except (OSError, ssl.SSLError):
            self.traffic.shaken(succeeded=False)
            return
        self.traffic.shaken(succeeded=True)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            await self._converse(reader, writer, connection)
            await _hang_up(writer)
        except (ConnectionError, ssl.SSLError, OSError):
            pass  # the client went away
        finally:
            transport.abort()

    def _foreign_certificate(self) -> Certificate:
        return certificate(self.kind, self.name, self.host, _FOREIGN_ISSUE)

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: socket.socket
    ) -> None:
        for turn in range(1, self.requests_per_connection + 1):
            try:
                request = await read_request(reader, idle_seconds=self.idle_seconds)
            except BadRequest as bad:
                writer.write(self._head(Answer(400, str(bad), content_type=""), closes=True, length=0))
                return
            if request is None:
                return
            self.traffic.received(request.size)
            closes = (
                turn == self.requests_per_connection
                or request.headers.get("connection", "").lower() == "close"
            )
            if await self._exchange(request, writer, connection, closes=closes):
                return

    async def _exchange(
        self, request: Request, writer: asyncio.StreamWriter, connection: socket.socket, *, closes: bool
    ) -> bool:
        """Answer one request; return whether the connection is over."""
        path = _api_path(request)
        node = _node_in_charge(request.segments, self.name)
        credential = _credential_kind(request)
        self.traffic.began(node, path, with_credential=credential != "none")
        try:
            started_at = time.monotonic()
            answer = self._answer(request, path)
            await self._delay(answer, started_at)
            # Before a byte leaves: whoever has the answer finds it counted.
            self.traffic.answered(LoggedRequest.of(request, path, answer.status, credential))
            closes = closes or (self.kind == "pve" and answer.status >= 400)
            fault = self.faults.take(DELIVERY_KINDS, path)
            if fault is not None:
                await self._deliver_badly(fault, answer, writer, connection)
                return True
            self._send(writer, self._head(answer, closes=closes, length=len(answer.body)) + answer.body)
            await writer.drain()
            return closes
        finally:
            self.traffic.ended(node)

    async def _delay(self, answer: Answer, started_at: float) -> None:
        seconds = self.latency_ms / 1_000
        if answer.status == 401:
            # Guessing is slow on purpose; the time already spent counts.
            seconds += max(0.0, self.site.estate.unauthorized_delay_seconds - (time.monotonic() - started_at))
        if seconds > 0:
            await asyncio.sleep(seconds)

    # Finding the answer.

    def _answer(self, request: Request, path: str) -> Answer:
        fault = self.faults.take(ANSWER_KINDS, path)
        if fault is not None:
            answer = self._fault_answer(fault, path)
        else:
            with self.site.lock:
                answer = self._answer_or_confess(request)
            if (content := self.faults.take(CONTENT_KINDS, path)) is not None:
                answer.body = spoiled(content, _plain(answer))
                answer.headers = []
        return answer

    def _answer_or_confess(self, request: Request) -> Answer:
        """Return the right answer; a mistake of the fake itself is told loudly, not taken for a broken connection."""
        try:
            return self._right_answer(request)
        except Exception as error:
            logger.exception("the fake Proxmox failed on %s %s", request.method, request.path)
            return Answer(500, f"the fake failed: {error!r}", content_type="")

    def _fault_answer(self, fault: Fault, path: str) -> Answer:
        reason = fault.options.get("reason", "")
        match fault.kind:
            case "401":
                return self._refusal(reason or "permission denied - invalid PVE ticket")
            case "403":
                return self._failure(
                    ApiFailure(403, reason or f"Permission check failed ({path}, Sys.Audit)")
                )
            case "500":
                return self._failure(ApiFailure(500, reason or "got timeout"))
            case "595":
                return self._failure(ApiFailure(595, reason or "No route to host"))
            case "status":
                body = fault.options.get("body", "").encode()
                return Answer(int(fault.options["status"]), reason, body)
        return replaced_answer(fault)

    def _right_answer(self, request: Request) -> Answer:
        if request.segments[:2] != ["api2", "json"]:
            return self._not_api(request)
        try:
            if request.method == "GET" and request.body and self.kind == "pve":
                raise ApiFailure(501, "Unexpected content for method 'GET'")
            data = self._carry_out(request)
        except Refused as refused:
            return self._refusal(str(refused))
        except ApiFailure as failure:
            return self._failure(failure)
        shared = data if isinstance(data, Encoded) else Encoded(encode(data))
        wants_gzip = "gzip" in request.headers.get("accept-encoding", "")
        if self.uses_gzip and wants_gzip and len(shared.body) > GZIP_FROM_BYTES:
            return Answer(200, body=shared.gzipped, headers=[("Content-Encoding", "gzip")])
        return Answer(200, body=shared.body)

    def _carry_out(self, request: Request) -> object:
        table = _TABLES[self.kind]
        segments = request.segments[2:]
        now = self.clock.now()
        found = table.find(request.method, segments)
        told_now = now + self.faults.clock_offset_seconds()
        # The credential comes before the path: a stranger does not learn which calls there are.
        is_public = found is not None and found[0].is_public
        account = None if is_public else self._caller(request, told_now)
        if found is None:
            raise self._no_such_call(request)
        entry, names = found
        call = Call(self.site, self, account, now, told_now, names, request.parameters())
        self._check(entry, call)
        return entry.handler(call)

    def _check(self, entry: Entry, call: Call) -> None:
        account = call.account
        if entry.is_root_only and not (account is not None and account.is_superuser):
            raise ApiFailure(403, "Permission check failed (user != root@pam)")
        if entry.privilege is not None:
            path, privilege = entry.privilege[0].format(**call.names), entry.privilege[1]
            if not call.may(path, privilege):
                raise ApiFailure(403, f"Permission check failed ({path}, {privilege})")
        errors = {
            name: "property is not defined in schema and the schema does not allow additional properties"
            for name in call.parameters
            if name not in entry.parameters
        }
        errors |= {
            name: "property is missing and it is not optional"
            for name in entry.required
            if name not in call.parameters
        }
        if errors:
            raise ApiFailure(400, "Parameter verification failed.", errors)
        if entry.is_proxied:
            pve.check_node(call, call.names["node"])

    def _caller(self, request: Request, now: float) -> Account:
        """Return the account behind a request: a cookie wins over a token. Raises Refused."""
        access, product = self.site.access, self.kind.upper()
        names = [f"{product}AuthCookie"] + ([f"__Host-{product}AuthCookie"] if self.kind == "pbs" else [])
        ticket = next((value for name in names if (value := request.cookie(name))), "")
        if ticket:
            account = access.by_ticket(ticket, now)
            if request.method != "GET" and not request.headers.get("csrfpreventiontoken"):
                raise Refused("Permission denied - invalid csrf token")
            return account
        scheme, separator = f"{product}APIToken", "=" if self.kind == "pve" else ":"
        header = request.headers.get("authorization", "")
        if header[: len(scheme) + 1] in (f"{scheme}=", f"{scheme} "):
            token_id, found, secret = header[len(scheme) + 1 :].partition(separator)
            if not found:
                raise Refused("no token value")
            return access.by_token(unquote(token_id), secret, now)
        raise Refused("No ticket")

    # Words of failure.

    def _no_such_call(self, request: Request) -> ApiFailure:
        path = "/" + "/".join(request.segments[2:])
        if self.kind == "pbs":
            return ApiFailure(404, f"Path '{path}' not found.")
        return ApiFailure(501, f"Method '{request.method} {path}' not implemented")

    def _not_api(self, request: Request) -> Answer:
        if request.path == "/" and request.method == "GET":
            page = b"<!DOCTYPE html><html><head><title>Proxmox</title></head><body></body></html>"
            return Answer(200, body=page, content_type="text/html;charset=UTF-8")
        return Answer(404, f"no such file '{request.path}'", content_type="")

    def _refusal(self, reason: str) -> Answer:
        if self.kind == "pbs":
            return Answer(401, body=b"authentication failed", content_type="application/json")
        return Answer(401, reason, content_type="")

    def _failure(self, failure: ApiFailure) -> Answer:
        if self.kind == "pbs":
            return self._pbs_failure(failure)
        body: dict[str, object] = {"data": None}
        if failure.errors is not None:
            body["errors"] = failure.errors
        model = self.site.model
        if isinstance(model, Cluster) and model.version.tells_errors_in_body:
            body["message"] = failure.reason + "\n"
        return Answer(failure.status, failure.reason, _compact(body))

    @staticmethod
    def _pbs_failure(failure: ApiFailure) -> Answer:
        """Plain text that calls itself JSON, as PBS does."""
        text = failure.reason
        if failure.status == 403:
            text = "permission check failed"
        elif failure.errors is not None:
            text = "parameter verification failed - " + "\n".join(
                f"'{k}': {v}" for k, v in failure.errors.items()
            )
        status = 400 if failure.status == 500 else failure.status
        return Answer(status, body=text.encode(), content_type="application/json")

    # On the wire.

    def _head(self, answer: Answer, *, closes: bool, length: int | None) -> bytes:
        date = self.clock.now() + self.faults.clock_offset_seconds()
        return answer.head(date=date, server=_SERVER_NAMES[self.kind], closes=closes, length=length)

    def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.traffic.sent(len(data))
        writer.write(data)

    async def _deliver_badly(
        self, fault: Fault, answer: Answer, writer: asyncio.StreamWriter, connection: socket.socket
    ) -> None:
        options, body = fault.options, answer.body
        match fault.kind:
            case "hang":
                await asyncio.Event().wait()
            case "drip":
                await self._drip(writer, self._head(answer, closes=True, length=len(body)) + body, options)
            case "reset":
                self._send(writer, self._head(answer, closes=True, length=len(body)))
                self._send(writer, body[: options.get("after_bytes", 100)])
                await writer.drain()
                _reset(writer, connection)
            case "truncate":
                self._send(writer, self._head(answer, closes=True, length=len(body)))
                self._send(writer, body[: options.get("after_bytes", 100)])
            case "wrong-length":
                length = max(0, len(body) + options.get("delta", -10))
                self._send(writer, self._head(answer, closes=True, length=length) + body)
            case "endless":
                await self._stream_without_end(answer, writer, options)

    async def _drip(self, writer: asyncio.StreamWriter, data: bytes, options: dict[str, float]) -> None:
        step = options.get("bytes_per_second", 10)
        # At least ten writes a second, so that no read of the client ever times out on its own.
        size, pause = max(1, int(step / 10)), max(0.1, 1 / step)
        for at in range(0, len(data), size):
            self._send(writer, data[at : at + size])
            await writer.drain()
            await asyncio.sleep(pause)

    async def _stream_without_end(
        self, answer: Answer, writer: asyncio.StreamWriter, options: dict[str, float]
    ) -> None:
        answer.headers = [("Transfer-Encoding", "chunked")]
        self._send(writer, self._head(answer, closes=True, length=None))
        self._send(writer, b"9\r\n" + b'{"data":[' + b"\r\n")
        chunk = b'{"type":"node","node":"x"},' * 1_200
        framed = f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"
        pause = len(framed) / options.get("bytes_per_second", 4_000_000)
        while True:
            self._send(writer, framed)
            await writer.drain()
            await asyncio.sleep(pause)


def _compact(body: dict[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(answer: Answer) -> bytes:
    return gzip.decompress(answer.body) if answer.headers else answer.body


def _api_path(request: Request) -> str:
    if request.segments[:2] == ["api2", "json"]:
        return "/" + "/".join(request.segments[2:])
    return request.path


def _node_in_charge(segments: list[str], asked: str) -> str:
    """Return which node carries a call out: the one in the path, else the one that was asked."""
    named = segments[3] if len(segments) > 4 and segments[2] == "nodes" else ""
    return asked if named in ("", "localhost") else named


def _credential_kind(request: Request) -> str:
    if "AuthCookie=" in request.headers.get("cookie", ""):
        return "ticket"
    if request.headers.get("authorization"):
        return "token"
    return "login" if request.body else "none"


async def _say_nothing(connection: socket.socket, *, reads: bool) -> None:
    """Hold a connection open until the client leaves (noticed only when reading) or the server stops."""
    if not reads:
        await asyncio.Event().wait()
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while await loop.sock_recv(connection, 65_536):
            pass


def _reset(writer: asyncio.StreamWriter, connection: socket.socket) -> None:
    """Cut a connection so that the client sees a reset, not an end."""
    # With a linger time of zero, closing sends RST.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Say goodbye properly; the caller cuts what is left after that."""
    writer.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 2)
