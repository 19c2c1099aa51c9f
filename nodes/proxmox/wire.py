"""One HTTPS exchange with one host, bounded in time and size, with the certificate checked before a byte of it leaves.

urllib3 connects, speaks TLS and HTTP; its pool is not used, because it neither holds a deadline over a whole call
nor tells a stale connection from a dead host.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import hmac
import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.response import HTTPResponse

from nodes.addresses import Place
from nodes.proxmox import names
from nodes.proxmox.errors import (
    BadAnswer,
    CertificateChanged,
    ProxmoxError,
    Refused,
    TimedOut,
    TlsFailed,
    TooLarge,
    Unreachable,
)

#: How long a host may take to accept a connection.
CONNECT_SECONDS = 3.0
#: Head, chunk marks and trailers, on top of the body.
HEAD_BYTES = 256 << 10
READ_BYTES = 64 << 10
BUFFER_BYTES = 16 << 10
#: Decompressed in steps, so that a small answer which unfolds to gigabytes stops early.
INFLATE_BYTES = 1 << 20
#: Enough of an error's body to find its message.
ERROR_BODY_BYTES = 64 << 10
GZIP_WINDOW_BITS = 31

Trust = Literal["verified", "pinned", "unverified"]


class Dropped(Unreachable):
    """The connection broke before the answer began: on a kept-alive connection, a reason to try once more."""


class Deadline:
    """The end of one call, and the longest silence within it."""

    __slots__ = ("ends_at", "place", "seconds", "silence_seconds")

    def __init__(self, place: Place, *, seconds: float, silence_seconds: float) -> None:
        self.place = place
        self.seconds = seconds
        self.silence_seconds = silence_seconds
        self.ends_at = time.monotonic() + seconds

    def left(self) -> float:
        """Return how long the next wait may last; TimedOut when the call is over."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise self.passed()
        return min(left, self.silence_seconds)

    def passed(self) -> TimedOut:
        """Return the error for a wait that was too long."""
        limit = min(self.seconds, self.silence_seconds) if time.monotonic() < self.ends_at else self.seconds
        return TimedOut(f"{self.place} gave no complete answer within {limit:.3g} s")


class _Allowance:
    """What one answer may still cost: time until the deadline, and bytes on the wire."""

    __slots__ = ("deadline", "limit_bytes", "received_bytes")

    def __init__(self, deadline: Deadline, limit_bytes: int) -> None:
        self.deadline = deadline
        self.limit_bytes = limit_bytes
        self.received_bytes = 0

    def take(self, count: int) -> None:
        """Count bytes that arrived; TooLarge when they are too many."""
        self.received_bytes += count
        if self.received_bytes > self.limit_bytes:
            raise TooLarge(f"{self.deadline.place} sent more than {self.limit_bytes >> 20} MiB")


class _TimedReader(io.RawIOBase):
    """The bytes of one answer; each wait for more ends with the deadline, and their number is limited.

    The limit also holds for what no body limit sees: interim answers, chunk marks and trailers.
    """

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, allowance: _Allowance) -> None:
        self._raw = raw
        self._sock = sock
        self._allowance = allowance

    def readable(self) -> bool:
        """Return True: this is how io.BufferedReader asks."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Read what has arrived, or wait for it until the deadline."""
        deadline = self._allowance.deadline
        self._sock.settimeout(deadline.left())
        try:
            count: int | None = self._raw.readinto(buffer)
        except TimeoutError:
            raise deadline.passed() from None
        self._allowance.take(count or 0)
        return count

    def close(self) -> None:
        """Close the socket's own reader too, which counts its users."""
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer that is read through a _TimedReader, from its first byte on."""

    def __init__(self, sock: Any, *args: Any, allowance: _Allowance, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), sock, allowance), BUFFER_BYTES)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whatever its status; `body` is decoded, `received_bytes` is what travelled."""

    status: int
    reason: str
    content_type: str
    location: str
    retry_after: str
    body: bytearray
    received_bytes: int


@functools.cache
def context_for(trust: Trust) -> ssl.SSLContext:
    """Return the TLS settings of one kind of trust, shared by all connections of that kind and no other.

    urllib3 writes `verify_mode` and `check_hostname` on the context it is given: sharing one between kinds would turn
    verification off for all. Sharing within a kind saves 22 ms and 0.8 MB per connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if trust == "verified":
        context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def connect(place: Place, *, trust: Trust, fingerprint: str = "", deadline: Deadline) -> HTTPConnection:
    """Return an open connection whose certificate has been checked as `trust` says; nothing was sent on it.

    The name is looked up once and its addresses are tried in turn. Raises a ProxmoxError.
    """
    failure: ProxmoxError | None = None
    for address in names.resolve(place.host, seconds=deadline.left()):
        try:
            return _connect_to(address, place, trust, fingerprint, deadline)
        except (Refused, Unreachable, TimedOut) as error:
            failure = error
    raise failure or Unreachable(f"{place} has no address")


def _connect_to(
    address: str, place: Place, trust: Trust, fingerprint: str, deadline: Deadline
) -> HTTPConnection:
    wait = min(CONNECT_SECONDS, deadline.left())
    connection: HTTPConnection
    if place.scheme == "http":
        connection = HTTPConnection(address, place.port, timeout=wait)
    else:
        connection = HTTPSConnection(
            address,
            place.port,
            timeout=wait,
            server_hostname=place.host,
            ssl_context=context_for(trust),
            assert_hostname=None if trust == "verified" else False,
        )
    # A lost connection is opened again here, with its checks, and never by the library on its own.
    connection.auto_open = 0
    try:
        _open(connection, place, wait)
        if fingerprint:
            _check_fingerprint(connection, place, fingerprint)
    except BaseException:
        connection.close()
        raise
    return connection


def _open(connection: HTTPConnection, place: Place, wait: float) -> None:
    """Connect and shake hands, with every failure told by its phase."""
    try:
        connection.connect()
    except NewConnectionError as error:  # in urllib3 a kind of ConnectTimeoutError, so it comes first
        raise _unreachable(place, error.__cause__) from None
    except ConnectTimeoutError:
        raise TimedOut(f"{place} did not accept a connection within {wait:.3g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise TlsFailed(
            f"The certificate of {place} is not trusted: {error.verify_message.rstrip('.')}"
        ) from None
    except TimeoutError:
        raise TimedOut(f"{place} did not finish the TLS handshake within {wait:.3g} s") from None
    except (ssl.SSLError, OSError, ValueError) as error:
        raise TlsFailed(
            f"No TLS connection to {place}: {_tls_reason(error)}",
            remedy="Check that the port speaks HTTPS (8006 for PVE and PMG, 8007 for PBS) and that nothing is in between",
        ) from None


def _unreachable(place: Place, cause: BaseException | None) -> ProxmoxError:
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ECONNREFUSED:
        return Refused(f"{place} refused the connection")
    told = errno.errorcode.get(number or 0, "")
    words = {
        "EHOSTUNREACH": "no route to the host",
        "ENETUNREACH": "no route to the network",
        "ECONNRESET": "the connection was reset",
        "EMFILE": "this machine has too many open files",
        "ENFILE": "this machine has too many open files",
    }.get(told, told or "no connection")
    return Unreachable(f"{place} cannot be reached: {words}")


def _tls_reason(error: BaseException) -> str:
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    if isinstance(error, (ConnectionError, ssl.SSLEOFError)):
        return "the connection was closed during the handshake"
    return "the handshake failed"


def presented_certificate(connection: HTTPConnection) -> bytes:
    """Return the certificate that the other end showed, in DER; b"" without TLS."""
    sock = connection.sock
    return (sock.getpeercert(binary_form=True) or b"") if isinstance(sock, ssl.SSLSocket) else b""


def presented_fingerprint(connection: HTTPConnection) -> str:
    """Return the SHA-256 of that certificate, "" without TLS."""
    certificate = presented_certificate(connection)
    return hashlib.sha256(certificate).hexdigest() if certificate else ""


def _check_fingerprint(connection: HTTPConnection, place: Place, expected: str) -> None:
    presented = presented_fingerprint(connection)
    if not hmac.compare_digest(presented, expected):
        raise CertificateChanged(
            f"{place} shows another certificate than the confirmed one",
            expected=expected,
            presented=presented,
        )


def exchange(
    connection: HTTPConnection,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    deadline: Deadline,
    max_body_bytes: int,
) -> Reply:
    """Return the answer to one request; the connection stays open only when it can carry another one.

    Raises Dropped when it broke before the answer began, and other ProxmoxErrors; it is closed then.
    """
    allowance = _Allowance(deadline, max_body_bytes + HEAD_BYTES)
    is_reusable = False
    response: HTTPResponse | None = None
    try:
        response = _begin(connection, method, path, headers, body, allowance)
        content = _content(response, deadline.place, max_body_bytes)
        # What was refused may have been left unread, and must not be taken for the answer to the next request.
        is_reusable = response.status == http.client.OK
    finally:
        if not is_reusable:
            if response is not None:
                response.close()
            connection.close()
    head = response.headers
    return Reply(
        status=response.status,
        reason=response.reason or "",
        content_type=head.get("Content-Type", ""),
        location=head.get("Location", ""),
        retry_after=head.get("Retry-After", ""),
        body=content,
        received_bytes=allowance.received_bytes,
    )


def _begin(
    connection: HTTPConnection,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes | None,
    allowance: _Allowance,
) -> HTTPResponse:
    """Send the request and return the answer with its head read."""
    deadline = allowance.deadline
    connection.timeout = deadline.left()
    connection.response_class = functools.partial(  # type: ignore[assignment]  # a factory serves as well
        _TimedResponse, allowance=allowance
    )
    try:
        connection.request(
            method, path, body=body, headers=headers, preload_content=False, decode_content=False
        )
        return connection.getresponse()
    except TimeoutError:
        raise deadline.passed() from None
    except OSError:  # RemoteDisconnected and TLS failures are among them
        raise Dropped(f"{deadline.place} closed the connection without an answer") from None
    except (http.client.HTTPException, HTTPError, ValueError):
        raise BadAnswer(f"{deadline.place} does not answer as an HTTP server") from None


def _content(response: HTTPResponse, place: Place, limit: int) -> bytearray:
    """Return the body of a success, or as much of a failure's as holds its message."""
    if response.status == http.client.OK:
        return _body(response, place, limit)
    try:
        return _body(response, place, ERROR_BODY_BYTES)
    except ProxmoxError:
        return bytearray()  # the status line says enough


def _body(response: HTTPResponse, place: Place, limit: int) -> bytearray:
    """Return the decoded body; TooLarge as soon as it grows beyond the limit, on the wire or unfolded."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", ""):
        raise BadAnswer(f"{place} encodes its answer in a way that was not asked for")
    inflater = zlib.decompressobj(GZIP_WINDOW_BITS) if coding == "gzip" else None
    body = bytearray()
    try:
        for piece in response.stream(READ_BYTES, decode_content=False):
            if inflater is None:
                body += piece
            else:
                _inflate(inflater, piece, body, limit)
            if len(body) > limit:
                raise TooLarge(f"{place} sent an answer of more than {limit >> 20} MiB")
    except zlib.error:
        raise BadAnswer(f"{place} sent an answer that cannot be decompressed") from None
    except (HTTPError, http.client.HTTPException, OSError, ValueError):
        raise Unreachable(f"The connection to {place} broke in the middle of an answer") from None
    if inflater is not None and not inflater.eof:
        raise Unreachable(f"The connection to {place} broke in the middle of an answer")
    return body


def _inflate(inflater: Any, piece: bytes, body: bytearray, limit: int) -> None:
    """Append what a piece unfolds to, up to a little more than the limit."""
    while piece and not inflater.eof and len(body) <= limit:
        body += inflater.decompress(piece, INFLATE_BYTES)
        piece = inflater.unconsumed_tail
