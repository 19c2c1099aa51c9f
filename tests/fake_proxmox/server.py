"""One listening address that answers as a Proxmox host: accepts, shakes hands, converses."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.fake_proxmox.answering import answer_to
from tests.fake_proxmox.certificates import CERTIFICATE_DAYS, Certificate, certificate
from tests.fake_proxmox.delivery import Wire, deliver_badly, say_nothing
from tests.fake_proxmox.faults import CONNECTION_KINDS, DELIVERY_KINDS, FaultSet
from tests.fake_proxmox.http import MAX_HEAD_BYTES, Answer, BadRequest, Request, read_request
from tests.fake_proxmox.model import BackupServer, Node
from tests.fake_proxmox.pmg_model import MailNode
from tests.fake_proxmox.traffic import LoggedRequest, Traffic
from tests.ports import held, port_of

if TYPE_CHECKING:
    from tests.fake_proxmox.clock import Clock
    from tests.fake_proxmox.sites import FakeSite

_SERVER_NAMES = {"pve": "pve-api-daemon/3.0", "pbs": "proxmox-backup-proxy", "pmg": "pve-api-daemon/3.0"}
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
        self.idle_seconds = 60.0 if site.kind == "pbs" else 5.0
        self.requests_per_connection = 1_000_000 if site.kind == "pbs" else 100
        self.traffic = Traffic()
        self.faults = FaultSet(take_down=self.stop, bring_up=self.start, reset=site.reset_counters)
        self._certificate = certificate(site.kind, name, host, valid_days=self._valid_days())
        self.authority_pem = ""  # told in the place of what nobody has signed with
        self._issue = 0
        self._holder: socket.socket | None = None
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._announce_certificate()

    # What a person would type in.

    @property
    def kind(self) -> str:
        """Product: pve, pbs or pmg."""
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

    def show(self, shown: Certificate, *, authority_pem: str) -> None:
        """From the next connection on this certificate is served, announced, and listed with the authority that has signed it."""
        self.authority_pem = authority_pem
        self._certificate = shown
        self._announce_certificate()

    def renew_certificate(self) -> None:
        """From the next connection on another certificate is served, and announced in GET /nodes."""
        self._issue += 1
        self.facts.certificate_expires_at = self.clock.now() + CERTIFICATE_DAYS * 86_400
        self._certificate = certificate(self.kind, self.name, self.host, self._issue)
        self._announce_certificate()

    @property
    def facts(self) -> Node | BackupServer | MailNode:
        """What is known of the host: a node of a cluster or mail gateway, or a backup server."""
        model = self.site.model
        return model if isinstance(model, BackupServer) else model.nodes[self.name]

    def certificate_row(self, filename: str) -> dict[str, object]:
        """Return what the API tells of the served certificate; its span is told in the time of the data."""
        authority = "PVE Cluster Manager CA" if self.kind == "pve" else "Proxmox Backup Server"
        expires_at = int(self.facts.certificate_expires_at)
        return {
            "filename": filename,
            "fingerprint": self._certificate.fingerprint_with_colons,
            "subject": f"/OU=PVE Cluster Node/O=Proxmox Virtual Environment/CN={self.name}.home.lan",
            "issuer": f"/CN=Proxmox Virtual Environment/OU=cluster/O={authority}",
            "notbefore": expires_at - 730 * 86_400,
            "notafter": expires_at,
            "public-key-type": "id-ecPublicKey",
            "public-key-bits": 256,
            "san": ["127.0.0.1", "localhost", f"{self.name}.home.lan"],
            "pem": self._certificate.pem,
        }

    def _valid_days(self) -> int:
        return round((self.facts.certificate_expires_at - self.clock.now()) / 86_400)

    def tell_truth(self) -> None:
        """Its address and certificate are told as they are."""
        if isinstance(self.facts, Node):
            self.facts.address = self.host
        self._announce_certificate()

    def _announce_certificate(self) -> None:
        self.facts.fingerprint = self._certificate.fingerprint_with_colons

    # Listening.

    def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self.site.estate.run(self._open())

    def stop(self) -> None:
        """Refuse connections and cut those that exist."""
        self.site.estate.run(self._close())

    def place(self, port: int) -> None:
        """Take a port until `release`, also while nobody listens there; 0 lets the system choose.

        Raises OSError when it is taken.
        """
        self._holder = held(self.host, port)
        self.port = port_of(self._holder)

    def listen(self) -> None:
        """Let connections come without answering yet. Raises OSError when somebody else listens there."""
        listener = held(self.host, self.port)
        try:
            listener.listen(512)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._listener = listener

    def release(self) -> None:
        """Give the port back."""
        self._stop_listening()
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _open(self) -> None:
        if self._listener is None:
            self.listen()
        if self._accepting is None:
            self._accepting = asyncio.create_task(self._accept())

    async def _close(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._accepting = None
        self._stop_listening()
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
            await say_nothing(connection, begins=fault.kind == "tls-stall")
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
            await self._converse(Wire(reader, writer, connection))
            await _hang_up(writer)
        except (ConnectionError, ssl.SSLError, OSError):
            pass  # the client went away
        finally:
            transport.abort()

    def _foreign_certificate(self) -> Certificate:
        return certificate(self.kind, self.name, self.host, _FOREIGN_ISSUE)

    async def _converse(self, wire: Wire) -> None:
        for turn in range(1, self.requests_per_connection + 1):
            try:
                request = await read_request(wire.reader, idle_seconds=self.idle_seconds)
            except BadRequest as bad:
                wire.writer.write(self.head(Answer(400, str(bad), content_type=""), closes=True, length=0))
                return
            if request is None:
                return
            self.traffic.received(request.size)
            closes = (
                turn == self.requests_per_connection
                or request.headers.get("connection", "").lower() == "close"
            )
            if await self._exchange(request, wire, closes=closes):
                return

    async def _exchange(self, request: Request, wire: Wire, *, closes: bool) -> bool:
        """Answer one request; return whether the connection is over."""
        path = _api_path(request)
        node = _node_in_charge(request.segments, self.name)
        credential = _credential_kind(request)
        authorization = request.headers.get("authorization", "")
        self.traffic.began(node, path, with_credential=credential != "none", authorization=authorization)
        self.site.load.began(node)
        try:
            started_at = time.monotonic()
            answer = answer_to(self, request, path)
            await self._delay(answer, started_at)
            # Before a byte leaves: whoever has the answer finds it counted.
            self.traffic.answered(LoggedRequest.of(request, path, answer.status, credential))
            closes = closes or (self.kind != "pbs" and answer.status >= 400)
            fault = self.faults.take(DELIVERY_KINDS, path)
            if fault is not None:
                await deliver_badly(self, fault, answer, wire)
                return True
            self.send(wire.writer, self.head(answer, closes=closes, length=len(answer.body)) + answer.body)
            await wire.writer.drain()
            return closes
        finally:
            self.traffic.ended(node)
            self.site.load.ended(node)

    async def _delay(self, answer: Answer, started_at: float) -> None:
        seconds = self.latency_ms / 1_000 + answer.delay_seconds
        if answer.status == 401:
            # Guessing is slow on purpose; the time already spent counts.
            seconds += max(0.0, self.site.estate.unauthorized_delay_seconds - (time.monotonic() - started_at))
        if seconds > 0:
            await asyncio.sleep(seconds)

    # On the wire.

    def head(self, answer: Answer, *, closes: bool, length: int | None) -> bytes:
        """Return the head of an answer as this server writes it."""
        date = self.clock.now() + self.faults.clock_offset_seconds()
        return answer.head(date=date, server=_SERVER_NAMES[self.kind], closes=closes, length=length)

    def send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        """Put bytes on the wire, and count them."""
        self.traffic.sent(len(data))
        writer.write(data)


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


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    """Say goodbye properly; the caller cuts what is left after that."""
    writer.close()
    with suppress(TimeoutError):
        await asyncio.wait_for(writer.wait_closed(), 2)
