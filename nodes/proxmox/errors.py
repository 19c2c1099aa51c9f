"""Everything that can go wrong between Pulse and a Proxmox host, each with its cause and its remedy in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pulse.lib.outbound import errors as outbound

#: Where an address is refused because it is this machine's own.
LOOPBACK_REMEDY = (
    "If Pulse runs on the Proxmox host, give the network address of the host, or allow this machine: "
    "pulse instance allow-loopback, or Address rules in the admin"
)


class ProxmoxError(Exception):
    """A call that gave no reading. `str()` is one sentence for people: what happened, then what to do.

    `code` is the machine name, stored and shown; `is_connection_level` says that another address of the same
    cluster may still answer. `retry_after_seconds` is what the host asked to wait, None when it did not. `status` is the
    HTTP status of the answer, None when there was none.
    No text of an error carries a secret or the body of an answer.
    """

    code = "proxmox_error"
    #: How long to leave the subject of the call alone before it is tried again.
    patience_seconds = 60.0
    status: int | None = None
    is_connection_level = False
    remedy = ""
    #: What the other side said, as it stands at the end of the cause.
    said = ""
    #: The remedy where not only this call ended so, and it is in doubt what answers there; "" where that makes no difference.
    host_remedy = ""

    def __init__(
        self,
        cause: str,
        *,
        remedy: str | None = None,
        host_remedy: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        self.cause = cause
        self.retry_after_seconds = retry_after_seconds
        if remedy is not None:
            self.remedy = remedy
        if host_remedy is not None:
            self.host_remedy = host_remedy
        super().__init__(f"{cause}. {self.remedy}".strip() if self.remedy else cause)

    @property
    def own_words(self) -> str:
        """The sentence without what the other side said: that may be any server, and whoever asks not meant to read it."""
        if not self.said:
            return str(self)
        cause = self.cause.removesuffix(f": {self.said}")
        return f"{cause}. {self.own_remedy}" if self.own_remedy else cause

    @property
    def own_remedy(self) -> str:
        """The remedy without what the other side said."""
        return self.remedy

    def blame_host(self) -> None:
        """Say what to do about the host and not about the one call: other calls have ended like this one."""
        self.remedy = self.host_remedy
        self.args = (f"{self.cause}. {self.host_remedy}",)


class NameNotFound(ProxmoxError):
    """The host name does not resolve."""

    code = "name_not_found"
    is_connection_level = True
    remedy = "Check the spelling of the host, or use its IP address"


class AddressRefused(ProxmoxError):
    """The host's address is one that no Proxmox host can have; nothing was sent to it."""

    code = "address_refused"
    is_connection_level = True
    remedy = "Use the address of the Proxmox host itself"


class Refused(ProxmoxError):
    """Nothing listens at the port."""

    code = "refused"
    is_connection_level = True
    remedy = "Check the port (8006 for PVE and PMG, 8007 for PBS) and that the Proxmox services run"


class Unreachable(ProxmoxError):
    """No route to the host, or the connection broke before an answer began."""

    code = "unreachable"
    is_connection_level = True
    remedy = "Check the network, the firewall and that the host is up"


class TimedOut(ProxmoxError):
    """No complete answer within the time limit."""

    code = "timeout"
    is_connection_level = True
    remedy = "Check that the host is up and not overloaded, and that no firewall drops the packets"


class TlsFailed(ProxmoxError):
    """The TLS handshake failed, or the certificate is not trusted."""

    code = "tls"
    is_connection_level = True
    remedy = "Confirm the certificate's fingerprint, or install a certificate that this machine trusts"


class CertificateChanged(ProxmoxError):
    """The host shows another certificate than the pinned one; nothing was sent to it.

    Both fingerprints are SHA-256 in hex, lower case.
    """

    code = "certificate_changed"
    is_connection_level = True
    remedy = (
        "If the certificate was renewed, confirm the new fingerprint in the node's settings; "
        "if not, somebody may be in between"
    )

    def __init__(self, cause: str, *, expected: str = "", presented: str = "") -> None:
        super().__init__(cause)
        self.expected = expected
        self.presented = presented


class LoginFailed(ProxmoxError):
    """401: the token or the password is not accepted."""

    code = "login_failed"
    remedy = (
        "Check user, realm and password, or that the token exists, has not expired and its secret is right"
    )


class SessionRefused(LoginFailed):
    """401 with a ticket that the login has given just before: user and password are right."""

    code = "session_refused"
    remedy = (
        "The clock of the host may be wrong, or calls reach another host than the login did: "
        "check the clock, and a proxy or load balancer if there is one"
    )


class PermissionDenied(ProxmoxError):
    """403: the account is known and may not do this."""

    code = "permission_denied"
    remedy = "Give the account, and its token, the role PVEAuditor (PVE) or Audit (PBS) on /, or audit (PMG)"

    def __init__(self, cause: str, *, path: str = "", privilege: str = "") -> None:
        named = f"Give the account, and its token, the privilege {privilege} on {path}"
        super().__init__(cause, remedy=named if path and privilege else None)
        self.path = path
        self.privilege = privilege

    @property
    def own_remedy(self) -> str:
        """The remedy without path and privilege."""
        return type(self).remedy


class NotFound(ProxmoxError):
    """404 or 501: this version has no such path."""

    code = "not_found"
    remedy = "The version of the host may not have it"
    host_remedy = "Check that the address is the one of a Proxmox host"


class NodeBusy(ProxmoxError):
    """595 to 599: the asked host could not reach the node that the call is about."""

    code = "node_busy"
    remedy = "Check that the node is up and that the cluster's own certificates are valid"


class ServerError(ProxmoxError):
    """500 and other failures that Proxmox reports about one call."""

    code = "server_error"
    remedy = "Look into the task log and the system log of the host"


class GuestNotRunning(ServerError):
    """The call needs a running guest, and this one is not."""

    code = "stopped"
    remedy = "Start the guest, or leave it: a stopped guest cannot be asked"


class GuestNotFound(ServerError):
    """The asked node has no such guest: it was removed, or has moved to another node."""

    code = "guest_not_found"
    remedy = "Look the guest up again: it may have moved to another node"


class AgentNotConfigured(ServerError):
    """The guest's configuration has no guest agent."""

    code = "agent_disabled"
    patience_seconds = 300.0
    remedy = "Switch on the QEMU guest agent in the options of the guest, and install it in the guest"


class AgentNotRunning(ServerError):
    """The guest agent is configured and does not answer."""

    code = "agent_not_running"
    patience_seconds = 300.0
    remedy = "Start the guest agent (qemu-guest-agent) in the guest, or install it there"


class AgentTimedOut(ServerError):
    """The guest agent took the question and did not answer it in time."""

    code = "agent_timeout"
    patience_seconds = 300.0
    remedy = "Check the guest: a network file system that hangs in it holds up the agent"


class AgentRefused(ServerError):
    """The command is disabled in the configuration of the guest agent."""

    code = "agent_refused"
    patience_seconds = 300.0
    remedy = "Allow the command in the configuration of the guest agent"


class AgentUnsupported(ServerError):
    """The guest agent does not know the command, or cannot carry it out on this system."""

    code = "not_supported"
    patience_seconds = 300.0
    remedy = "Update the guest agent; on some systems it cannot tell this at all"


class NoCeph(ServerError):
    """The asked node has no Ceph; another one of the cluster may."""

    code = "no_ceph"
    remedy = "Ask a node where Ceph is installed"


class NoZfs(ServerError):
    """The asked node has no ZFS."""

    code = "no_zfs"
    remedy = "Nothing needs to be done: the node does not use ZFS"


class BadAnswer(ProxmoxError):
    """The answer is not what a Proxmox host sends: HTML, broken JSON, or a shape that cannot be read."""

    code = "bad_answer"
    remedy = "If it stays so, look into the system log of the host"
    host_remedy = (
        "Check that the address and port belong to a Proxmox host and not to a proxy or another web server"
    )


class TooLarge(ProxmoxError):
    """The answer is larger than any Proxmox host sends."""

    code = "too_large"
    remedy = "Nothing of it was used; look at what the host has so many of"


class CredentialUnreadable(ProxmoxError):
    """The stored credential cannot be opened: its key is gone, or it was damaged; nothing was sent."""

    code = "credential_unreadable"
    remedy = "Enter the password or the token again"


#: What failed on the way, to the error that it is here, with a remedy that fits better than that error's own.
FAILURES: dict[type[outbound.OutboundError], tuple[type[ProxmoxError], str | None]] = {
    outbound.NotSendable: (BadAnswer, "Check the address of the host"),
    outbound.NameNotFound: (NameNotFound, None),
    outbound.AddressRefused: (AddressRefused, None),
    outbound.Refused: (Refused, None),
    outbound.Unreachable: (Unreachable, None),
    outbound.Dropped: (Unreachable, None),
    outbound.TimedOut: (TimedOut, None),
    outbound.LookupTimedOut: (TimedOut, NameNotFound.remedy),
    outbound.CertificateUntrusted: (TlsFailed, None),
    outbound.TlsMissing: (TlsFailed, "Begin the host with https://, or remove the fingerprint"),
    outbound.TlsFailed: (
        TlsFailed,
        "Check that the port speaks HTTPS (8006 for PVE and PMG, 8007 for PBS) and that nothing is in between",
    ),
    outbound.NotHttp: (BadAnswer, None),
    outbound.TooLarge: (TooLarge, None),
}


@contextmanager
def outbound_errors_told() -> Iterator[None]:
    """Turn what fails on the way to a host into a ProxmoxError with its remedy."""
    try:
        yield
    except outbound.OutboundError as error:
        raise _told(error) from None


def _told(error: outbound.OutboundError) -> ProxmoxError:
    if isinstance(error, outbound.CertificateChanged):
        return CertificateChanged(str(error), expected=error.expected, presented=error.presented)
    kind, remedy = FAILURES[type(error)]
    if isinstance(error, outbound.AddressRefused) and error.is_this_machine:
        remedy = LOOPBACK_REMEDY
    return kind(str(error), remedy=remedy)
