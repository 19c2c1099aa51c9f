"""What can go wrong on the way to another machine and back. Who calls says in its own words what to do about it."""

from __future__ import annotations


class OutboundError(Exception):
    """A call without an answer. `str()` says what happened, without a full stop.

    It names host and port, and never what was sent, the rest of the address or what came back: all of them may hold secrets.
    """


class NotSendable(OutboundError):
    """The address or a header cannot be part of a request; nothing was sent."""


class NameNotFound(OutboundError):
    """The name does not resolve; `is_certain` when a name server said so, and did not just stay silent."""

    def __init__(self, cause: str, *, is_certain: bool = True) -> None:
        super().__init__(cause)
        self.is_certain = is_certain


class AddressRefused(OutboundError):
    """The policy does not allow the address; nothing was sent to it. `is_this_machine`: because it is a loopback address."""

    def __init__(self, cause: str, *, is_this_machine: bool = False) -> None:
        super().__init__(cause)
        self.is_this_machine = is_this_machine


class Refused(OutboundError):
    """Nothing listens at the port."""


class Unreachable(OutboundError):
    """No way to the host, or the connection broke."""


class Dropped(Unreachable):
    """The connection broke before the answer began: on a kept one, a reason to try once more."""


class TimedOut(OutboundError):
    """No complete answer within the time limit."""


class LookupTimedOut(TimedOut):
    """No name server answered in time."""


class TlsFailed(OutboundError):
    """The handshake failed."""


class CertificateUntrusted(TlsFailed):
    """No authority that this machine trusts vouches for the certificate, or it is for another name, or it has expired."""


class TlsMissing(TlsFailed):
    """The address is one without TLS, so a certificate can neither be shown nor checked."""


class CertificateChanged(OutboundError):
    """The certificate is not the pinned one; nothing was sent. Both fingerprints are SHA-256 in hex, lower case."""

    def __init__(self, cause: str, *, expected: str, presented: str) -> None:
        super().__init__(cause)
        self.expected = expected
        self.presented = presented


class NotHttp(OutboundError):
    """The answer is not HTTP, or is encoded in a way that was not asked for."""


class TooLarge(OutboundError):
    """The answer is larger than the caller wants it."""
