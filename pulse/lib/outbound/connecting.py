"""Connections to an address that the policy allows, with the certificate checked before a byte of a request leaves.

urllib3 connects and speaks TLS and HTTP. Its pool is not used, because it neither holds a deadline over a whole call nor tells a
stale connection from a dead host.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import hmac
import ssl
from typing import Literal

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from pulse.lib.outbound import names
from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.errors import (
    CertificateChanged,
    CertificateUntrusted,
    OutboundError,
    Refused,
    TimedOut,
    TlsFailed,
    TlsMissing,
    Unreachable,
)
from pulse.lib.outbound.places import Place
from pulse.lib.outbound.policy import AddressPolicy

#: How long a host may take to accept a connection.
CONNECT_SECONDS = 3.0

#: Stands for the authorities that this machine trusts, where one is remembered.
PUBLIC = "public"

Trust = Literal["verified", "pinned", "unverified"]


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


@functools.lru_cache(maxsize=256)
def context_by(authority: str) -> ssl.SSLContext:
    """Return the TLS settings that take what this one authority has signed, for whatever name; ValueError for what is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    try:
        context.load_verify_locations(cadata=authority)
    except ssl.SSLError:
        raise ValueError("no certificate of an authority") from None
    return context


def connect(
    place: Place,
    policy: AddressPolicy,
    budget: Budget,
    *,
    verify_tls: bool,
    fingerprint: str = "",
    authority: str = "",
) -> HTTPConnection:
    """Return an open connection whose certificate is trusted; nothing was sent on it.

    A fingerprint pins exactly this certificate, whatever `verify_tls` says. Where an `authority` is given another one is taken
    as well if that has signed it and it is valid: the certificate of an authority in PEM, or PUBLIC for those that this machine
    trusts, which must vouch for the host's name too. Raises an OutboundError.
    """
    if fingerprint and place.scheme != "https":
        raise TlsMissing(f"{place} is addressed without TLS, so its confirmed certificate cannot be checked")
    trust: Trust = "pinned" if fingerprint else "verified" if verify_tls else "unverified"
    try:
        return _connected(place, policy, budget, trust, fingerprint=fingerprint)
    except CertificateChanged as error:
        if not authority:
            raise
        changed = error
    try:
        return _renewed(place, policy, budget, authority)
    except (TlsFailed, ValueError):
        pass  # what is wrong with the other certificate does not matter: it is not the pinned one
    raise changed


def _renewed(place: Place, policy: AddressPolicy, budget: Budget, authority: str) -> HTTPConnection:
    if authority == PUBLIC:
        return _connected(place, policy, budget, "verified")
    return _connected(place, policy, budget, "pinned", context=context_by(authority))


def _connected(
    place: Place,
    policy: AddressPolicy,
    budget: Budget,
    trust: Trust,
    *,
    fingerprint: str = "",
    context: ssl.SSLContext | None = None,
) -> HTTPConnection:
    """Return a connection to the first address that takes one: the name is looked up once, its addresses are tried in turn."""
    failure: OutboundError | None = None
    addresses = names.resolve(place.host, policy=policy, seconds=budget.left_seconds(), port=place.port)
    for address in addresses:
        wait_seconds = min(CONNECT_SECONDS, budget.left_seconds())
        connection = _connection(address, place, trust, wait_seconds, context)
        try:
            _open(connection, place, wait_seconds)
            if fingerprint:
                _check_fingerprint(connection, place, fingerprint)
        except (Refused, Unreachable, TimedOut) as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure or Unreachable(f"{place} has no address")


def _connection(
    address: str, place: Place, trust: Trust, wait_seconds: float, context: ssl.SSLContext | None
) -> HTTPConnection:
    connection: HTTPConnection
    if place.scheme == "http":
        connection = HTTPConnection(address, place.port, timeout=wait_seconds)
    else:
        connection = HTTPSConnection(
            address,
            place.port,
            timeout=wait_seconds,
            server_hostname=place.host,
            ssl_context=context or context_for(trust),
            assert_hostname=None if trust == "verified" else False,
        )
    # A lost connection is opened again here, with its checks, and never by the library on its own.
    connection.auto_open = 0
    return connection


def _open(connection: HTTPConnection, place: Place, wait_seconds: float) -> None:
    """Connect and shake hands, with every failure told by its phase."""
    try:
        connection.connect()
    except NewConnectionError as error:  # in urllib3 a kind of ConnectTimeoutError, so it comes first
        raise _unreachable(place, error.__cause__) from None
    except ConnectTimeoutError:
        raise TimedOut(f"{place} did not accept a connection within {wait_seconds:.3g} s") from None
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message.rstrip(".")
        raise CertificateUntrusted(f"The certificate of {place} is not trusted: {reason}") from None
    except TimeoutError:
        raise TimedOut(f"{place} did not finish the TLS handshake within {wait_seconds:.3g} s") from None
    except (ssl.SSLError, OSError, ValueError) as error:
        raise TlsFailed(f"No TLS connection to {place}: {_tls_reason(error)}") from None


def _unreachable(place: Place, cause: BaseException | None) -> OutboundError:
    number = cause.errno if isinstance(cause, OSError) else None
    if number == errno.ECONNREFUSED:
        return Refused(f"{place} refused the connection")
    code = errno.errorcode.get(number or 0, "")
    words = {
        "EHOSTUNREACH": "no route to the host",
        "ENETUNREACH": "no route to the network",
        "ECONNRESET": "the connection was reset",
        "EMFILE": "this machine has too many open files",
        "ENFILE": "this machine has too many open files",
    }.get(code, code or "no connection")
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


def shown_certificate(place: Place, policy: AddressPolicy, budget: Budget, *, verify_tls: bool) -> bytes:
    """Return the certificate that a host shows, in DER, b"" without TLS; nothing but the handshake is sent."""
    connection = connect(place, policy, budget, verify_tls=verify_tls)
    try:
        return presented_certificate(connection)
    finally:
        connection.close()
