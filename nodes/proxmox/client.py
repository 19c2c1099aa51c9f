"""GET calls to one Proxmox host: deadline, size limit, pinned certificate, two at once; every failure is a ProxmoxError."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

import msgspec
from urllib3.connection import HTTPConnection

from nodes.addresses import place_of
from nodes.proxmox import answers, metering, wire
from nodes.proxmox.errors import LoginFailed, ProxmoxError, TimedOut, TlsFailed
from nodes.proxmox.login import Credential, login_for
from nodes.proxmox.slots import Slots, is_in_background, slots_of
from nodes.proxmox.wire import Deadline, Reply, Trust

__all__ = ["Answer", "Client", "Credential", "Meter", "Target"]

BASE_PATH = "/api2/json"
#: Proxmox closes an idle connection after 5 s.
IDLE_SECONDS = 4.0
MAX_BODY_BYTES = 32 << 20

COMMON_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip", "User-Agent": "Pulse"}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client calls and as whom; a fingerprint pins exactly this certificate, whatever `verify_tls` says."""

    kind: str  # pve, pbs, pmg
    url: str  # normalised, such as https://pve1.lab:8006
    credential: Credential
    fingerprint: str = ""  # SHA-256, 64 hex digits in lower case
    verify_tls: bool = False

    @property
    def trust(self) -> Trust:
        """How the certificate of the host is judged."""
        if self.fingerprint:
            return "pinned"
        return "verified" if self.verify_tls else "unverified"


class Answer(msgspec.Struct, frozen=True, gc=False):
    """The `data` of one answer, as it was sent; `total` counts all rows where a list was cut."""

    data: object
    total: int | None
    seconds: float


class Meter:
    """What a client has cost so far. Threads may record and read it at any time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.calls = 0
        self.failed_calls = 0
        self.bytes_received = 0  # as they travelled
        self.seconds = 0.0  # spent waiting, over all calls

    def record(self, *, seconds: float, is_failure: bool) -> None:
        """Count one call."""
        with self._lock:
            self.calls += 1
            self.failed_calls += is_failure
            self.seconds += seconds

    def receive(self, count: int) -> None:
        """Count bytes of an answer."""
        with self._lock:
            self.bytes_received += count


class Client:
    """Calls to one host, from any number of threads. Close it, or leave its `with`, to close its connections.

    `timeout_seconds` bounds each silence, `deadline_seconds` the whole call with waiting, login and one more try,
    and `lifetime_seconds` all calls together, from now on. `slots` are shared with the other addresses of the same
    instance; without them they are those of this address.
    """

    def __init__(
        self,
        target: Target,
        *,
        timeout_seconds: float = 10.0,
        deadline_seconds: float = 20.0,
        lifetime_seconds: float = math.inf,
        max_body_bytes: int = MAX_BODY_BYTES,
        meter: Meter | None = None,
        slots: Slots | None = None,
    ) -> None:
        self.target = target
        self.place = place_of(target.url)
        self.meter = meter or Meter()
        #: Of the certificate shown last; "" before the first connection and without TLS.
        self.fingerprint = ""
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds
        self._ends_at = time.monotonic() + lifetime_seconds
        self._max_body_bytes = max_body_bytes
        self._login = login_for(target.kind, target.credential)
        self._headers = {**COMMON_HEADERS, "Host": str(self.place)}
        self._slots = slots or slots_of(target.url)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, HTTPConnection]] = []  # since when; the longest idle first
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Client {self.target.url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """Return the answer to GET `/api2/json` + path; `timeout_seconds` is a tighter limit for this whole call.

        In the background it is the only one: a host that walks a whole storage is silent until it has done so.
        Each segment of the path is already percent-encoded. Raises ProxmoxError and nothing else.
        """
        started = time.monotonic()
        deadline = self._deadline(timeout_seconds, self._ends_at - started)
        url = f"{BASE_PATH}{path}?{urlencode(params)}" if params else f"{BASE_PATH}{path}"
        is_failure, status, received = True, None, 0
        try:
            with self._turn(deadline):
                reply = self._ask(url, deadline)
            status, received = reply.status, reply.received_bytes
            envelope = answers.decode(reply, self.place)
            is_failure = False
        except ProxmoxError as error:
            status = status or error.status
            raise
        finally:
            seconds = time.monotonic() - started
            self.meter.record(seconds=seconds, is_failure=is_failure)
            metering.record(seconds=seconds, bytes_received=received, status=status, is_failure=is_failure)
        return Answer(data=envelope.data, total=envelope.total, seconds=seconds)

    def close(self) -> None:
        """Close all connections; those in use are closed by their call when it ends."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.close()

    def _deadline(self, timeout_seconds: float | None, left_seconds: float) -> Deadline:
        if timeout_seconds is not None and is_in_background():
            seconds = silence_seconds = min(timeout_seconds, left_seconds)
        else:
            limit = math.inf if timeout_seconds is None else timeout_seconds
            seconds = min(limit, self._deadline_seconds, left_seconds)
            silence_seconds = self._timeout_seconds
        return Deadline(self.place, seconds=seconds, silence_seconds=silence_seconds)

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self._slots.take(deadline.left()):
            raise TimedOut(f"{self.place} is still busy with other calls after {deadline.seconds:.3g} s")
        try:
            yield
        finally:
            self._slots.give_back()

    def _ask(self, url: str, deadline: Deadline) -> Reply:
        """Return the reply with status 200; logs in again once when a ticket is no longer taken."""

        def post_ticket(form: bytes) -> object:
            return self._post_ticket(form, deadline)

        headers = self._login.headers(post_ticket)
        reply = self._send("GET", url, headers, None, deadline)
        if reply.status == 401 and self._login.refused(headers):
            reply = self._send("GET", url, self._login.headers(post_ticket), None, deadline)
        elif reply.status == 599 and "redirect" in reply.reason.lower():
            # A glitch of Proxmox's own connection to the other node, gone with the next try.
            reply = self._send("GET", url, headers, None, deadline)
        if reply.status != 200:
            raise self._error(reply)
        return reply

    def _post_ticket(self, form: bytes, deadline: Deadline) -> object:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = self._send("POST", f"{BASE_PATH}/access/ticket", headers, form, deadline)
        if reply.status == 200:
            return answers.decode(reply, self.place).data
        error = self._error(reply)
        if self.target.kind == "pbs" and reply.status == 400:
            # A user name without a realm, for one, is a bad parameter there and not a failed login.
            raise LoginFailed(error.cause)
        raise error

    def _error(self, reply: Reply) -> ProxmoxError:
        secrets = self.target.credential.secrets
        error = answers.error_of(reply, kind=self.target.kind, place=self.place, hidden=secrets)
        error.status = reply.status
        return error

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, deadline: Deadline
    ) -> Reply:
        """Return the reply of whatever status; a kept connection that turns out to be dead is replaced once."""
        connection = self._kept_connection()
        if connection is not None:
            try:
                return self._exchange(connection, method, url, headers, body, deadline)
            except wire.Dropped:
                pass
        return self._exchange(self._new_connection(deadline), method, url, headers, body, deadline)

    def _exchange(
        self,
        connection: HTTPConnection,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        deadline: Deadline,
    ) -> Reply:
        reply = wire.exchange(
            connection,
            method,
            url,
            headers={**self._headers, **headers},
            body=body,
            deadline=deadline,
            max_body_bytes=self._max_body_bytes,
        )
        self.meter.receive(reply.received_bytes)
        self._keep(connection)
        return reply

    def _new_connection(self, deadline: Deadline) -> HTTPConnection:
        if self.target.fingerprint and self.place.scheme != "https":
            raise TlsFailed(
                f"{self.place} is addressed without TLS, so its confirmed certificate cannot be checked",
                remedy="Begin the host with https://, or remove the fingerprint",
            )
        connection = wire.connect(
            self.place, trust=self.target.trust, fingerprint=self.target.fingerprint, deadline=deadline
        )
        self.fingerprint = wire.presented_fingerprint(connection)
        return connection

    def _kept_connection(self) -> HTTPConnection | None:
        """Return the connection used last, unless the host has closed it by now."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            if time.monotonic() - since <= IDLE_SECONDS and connection.is_connected:
                return connection
            connection.close()

    def _keep(self, connection: HTTPConnection) -> None:
        """Keep an open connection for the next call; there are never more than calls at once."""
        if connection.sock is None:
            return
        with self._lock:
            if not self._is_closed:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()
