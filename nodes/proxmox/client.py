"""GET calls to one Proxmox host, two at once; every failure is a ProxmoxError."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import msgspec
from requests import Response

from nodes.proxmox import answers, metering
from nodes.proxmox.errors import LoginFailed, ProxmoxError, SessionRefused, TimedOut, outbound_errors_told
from nodes.proxmox.login import Credential, login_for
from nodes.proxmox.slots import Slots, is_in_background, slots_of
from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.places import place_of
from pulse.lib.outbound.policy import AddressPolicy
from pulse.lib.outbound.session import Adapter, Session

__all__ = ["Answer", "Client", "Credential", "Meter", "Target"]

BASE_PATH = "/api2/json"
#: Proxmox closes an idle connection after 5 s.
IDLE_SECONDS = 4.0
MAX_BODY_BYTES = 32 << 20
#: For so long a good answer proves that a Proxmox host is there, however another call ends.
PROOF_SECONDS = 60.0
#: What every Proxmox host answers to whoever may log in.
PROOF_PATH = "/version"
#: What may be called where nobody has decided otherwise.
HOST_POLICY = AddressPolicy(allows_loopback=False, allows_private=True)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a client calls and as whom; a fingerprint pins exactly this certificate, whatever `verify_tls` says.

    `authority` may renew the pinned one: as in `pulse.lib.outbound.connecting.connect`. `policy` judges where the URL leads, each time.
    """

    kind: str  # pve, pbs, pmg
    url: str  # normalised, such as https://pve1.lab:8006
    credential: Credential
    fingerprint: str = ""  # SHA-256, 64 hex digits in lower case
    verify_tls: bool = False
    authority: str = field(default="", repr=False)
    policy: AddressPolicy = field(default=HOST_POLICY, repr=False)


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

    def record(self, *, seconds: float, bytes_received: int, is_failure: bool) -> None:
        """Count one call."""
        with self._lock:
            self.calls += 1
            self.failed_calls += is_failure
            self.bytes_received += bytes_received
            self.seconds += seconds


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
        self._timeout_seconds = timeout_seconds
        self._deadline_seconds = deadline_seconds
        self._ends_at = time.monotonic() + lifetime_seconds
        self._proven_at = -math.inf  # when an answer came last that only a Proxmox host gives
        self._login = login_for(target.kind, target.credential)
        self._slots = slots or slots_of(target.url)
        self._adapter = Adapter(
            target.policy,
            verify_tls=target.verify_tls,
            fingerprint=target.fingerprint,
            authority=target.authority,
            max_body_bytes=max_body_bytes,
            idle_seconds=IDLE_SECONDS,
        )
        self._session = Session(self._adapter, {"Accept": "application/json"})

    def __repr__(self) -> str:
        return f"<Client {self.target.url}>"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def fingerprint(self) -> str:
        """Of the certificate shown last; "" before the first connection and without TLS."""
        return self._adapter.presented_fingerprint

    @property
    def renewed_fingerprint(self) -> str:
        """Of the certificate with which the authority has replaced the pinned one; "" while none was seen."""
        return self._adapter.renewed_fingerprint

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        timeout_seconds: float | None = None,
        plain: answers.Plain | None = None,
    ) -> Answer:
        """Return the answer to GET `/api2/json` + path; `timeout_seconds` is a tighter limit for this whole call.

        In the background it is the only one: a host that walks a whole storage is silent until it has done so.
        Each segment of the path is already percent-encoded. Raises ProxmoxError and nothing else.
        """
        started = time.monotonic()
        budget = self._budget(timeout_seconds, self._ends_at - started)
        asked = f"{path}?{urlencode(params)}" if params else path
        is_failure, status = True, None
        try:
            with self._turn(budget):
                try:
                    reply = self._ask(asked, budget)
                    status = reply.status_code
                    envelope = answers.decode(reply, self.place, plain)
                except ProxmoxError as error:
                    if error.host_remedy and self._is_host_in_doubt(budget):
                        error.blame_host()
                    raise
            is_failure, self._proven_at = False, time.monotonic()
        except ProxmoxError as error:
            status = status or error.status
            raise
        finally:
            seconds, received = time.monotonic() - started, budget.received_bytes
            self.meter.record(seconds=seconds, bytes_received=received, is_failure=is_failure)
            metering.record(seconds=seconds, bytes_received=received, status=status, is_failure=is_failure)
        return Answer(data=envelope.data, total=envelope.total, seconds=seconds)

    def close(self) -> None:
        """Close all connections; those in use are closed by their call when it ends."""
        self._session.close()

    def _budget(self, timeout_seconds: float | None, left_seconds: float) -> Budget:
        if timeout_seconds is not None and is_in_background():
            return Budget(self.place, seconds=min(timeout_seconds, left_seconds))
        limit = math.inf if timeout_seconds is None else timeout_seconds
        seconds = min(limit, self._deadline_seconds, left_seconds)
        return Budget(self.place, seconds=seconds, silence_seconds=self._timeout_seconds)

    @contextmanager
    def _turn(self, budget: Budget) -> Iterator[None]:
        with outbound_errors_told():
            wait_seconds = budget.left_seconds()
        if not self._slots.take(wait_seconds):
            raise TimedOut(f"{self.place} is still busy with other calls after {budget.seconds:.3g} s")
        try:
            yield
        finally:
            self._slots.give_back()

    def _ask(self, path: str, budget: Budget) -> Response:
        """Return the reply with status 200; logs in again once when a ticket is no longer taken."""

        def post_ticket(form: bytes) -> object:
            return self._post_ticket(form, budget)

        headers = self._login.headers(post_ticket)
        reply = self._send("GET", path, budget, headers=headers)
        if reply.status_code == 401 and self._login.refused(headers):
            reply = self._send("GET", path, budget, headers=self._login.headers(post_ticket))
            if reply.status_code == 401:
                raise self._session_refused(reply)
        elif reply.status_code == 599 and "redirect" in reply.reason.lower():
            # A glitch of Proxmox's own connection to the other node, gone with the next try.
            reply = self._send("GET", path, budget, headers=headers)
        if reply.status_code != 200:
            raise self._error(reply)
        return reply

    def _is_host_in_doubt(self, budget: Budget) -> bool:
        """Return whether a second call ends strangely as well, when none was answered properly not long ago."""
        if time.monotonic() - self._proven_at < PROOF_SECONDS:
            return False
        try:
            reply = self._send("GET", PROOF_PATH, budget, headers=self._login.current_headers())
            if reply.status_code != 200:
                raise self._error(reply)
            answers.decode(reply, self.place)
        except ProxmoxError as error:
            return bool(error.host_remedy)
        self._proven_at = time.monotonic()
        return False

    def _session_refused(self, reply: Response) -> SessionRefused:
        message = answers.message_of(reply, kind=self.target.kind, hidden=self.target.credential.secrets)
        because = f": {message}" if message else ""
        error = SessionRefused(f"{self.place} accepted the login and refused the session{because}")
        error.status, error.said = reply.status_code, message
        return error

    def _post_ticket(self, form: bytes, budget: Budget) -> object:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        reply = self._send("POST", "/access/ticket", budget, headers=headers, form=form)
        if reply.status_code == 200:
            return answers.decode(reply, self.place).data
        error = self._error(reply)
        if self.target.kind == "pbs" and reply.status_code == 400:
            # A user name without a realm, for one, is a bad parameter there and not a failed login.
            refused = LoginFailed(error.cause)
            refused.said = error.said
            raise refused
        raise error

    def _send(
        self,
        method: str,
        path: str,
        budget: Budget,
        *,
        headers: Mapping[str, str],
        form: bytes | None = None,
    ) -> Response:
        """Return the reply of whatever status."""
        url = f"{self.target.url}{BASE_PATH}{path}"
        with outbound_errors_told():
            return self._session.request(method, url, headers=headers, data=form, timeout=budget)

    def _error(self, reply: Response) -> ProxmoxError:
        secrets = self.target.credential.secrets
        error = answers.error_of(reply, kind=self.target.kind, place=self.place, hidden=secrets)
        error.status = reply.status_code
        return error
