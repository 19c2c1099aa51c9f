"""One try of a connection, step by step: name, port, certificate, login, and what is there to monitor."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from nodes.proxmox import mail, pbs, pve, values
from nodes.proxmox.client import Client, Target
from nodes.proxmox.errors import NotFound, PermissionDenied, ServerError, TlsFailed, outbound_errors_told
from nodes.proxmox.readings.live import ClusterReading, NodeCertificateReading
from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.connecting import shown_certificate
from pulse.lib.outbound.places import Place, place_of
from pulse.lib.outbound.policy import AddressPolicy

Result = TypeVar("Result")

NAMES_LIMIT = 50
TEXT_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a host shows before anybody logs in; the texts are the host's own claims."""

    fingerprint: str  # SHA-256, 64 hex digits in lower case
    subject: str = ""
    issuer: str = ""
    not_after: datetime | None = None  # None: the certificate cannot be read
    names: tuple[str, ...] = ()  # DNS names and IP addresses
    is_trusted: bool = False  # by the certificate authorities of this machine, for this host


@dataclass(frozen=True, slots=True)
class Probe:
    """What a successful try found."""

    kind: str
    version: str
    node_count: int
    is_cluster: bool
    cluster: ClusterReading | None  # None for PBS, and when the account may not ask
    datastore_count: int
    latency_ms: int  # of the first call: connection, login and answer
    fingerprint: str  # of the certificate shown; "" without TLS
    server_name: str  # the host's own node name, "" when it does not tell
    nodes: tuple[NodeCertificateReading, ...] = ()  # of a PVE


def probe(target: Target, *, timeout_seconds: float = 10.0) -> Probe:
    """Return what is at the other end, asking as polling will ask; all steps together within the limit.

    Raises the ProxmoxError of the step that failed, in words for people.
    """
    with Client(
        target,
        timeout_seconds=timeout_seconds,
        deadline_seconds=timeout_seconds,
        lifetime_seconds=timeout_seconds,
    ) as client:
        return PROBES[target.kind](client)


def _probe_pve(client: Client) -> Probe:
    started = time.monotonic()
    nodes = pve.node_certificates(client)
    latency_ms = _milliseconds_since(started)
    version = pve.version(client).version
    # Without Sys.Audit on / the cluster stays unknown, and monitoring works all the same.
    cluster = _unless_refused(lambda: pve.cluster_status(client))
    local = next((member.name for member in cluster.members if member.is_local), "") if cluster else ""
    return Probe(
        kind="pve",
        version=version,
        node_count=len(nodes),
        is_cluster=cluster.is_cluster if cluster else len(nodes) > 1,
        cluster=cluster,
        datastore_count=0,
        latency_ms=latency_ms,
        fingerprint=client.fingerprint,
        server_name=local or (nodes[0].name if len(nodes) == 1 else ""),
        nodes=nodes,
    )


def _probe_pbs(client: Client) -> Probe:
    started = time.monotonic()
    datastores = pbs.datastores(client)
    latency_ms = _milliseconds_since(started)
    return Probe(
        kind="pbs",
        version=pbs.version(client).version,
        node_count=1,
        is_cluster=False,
        cluster=None,
        datastore_count=len(datastores),
        latency_ms=latency_ms,
        fingerprint=client.fingerprint,
        server_name=_unless_refused(lambda: pbs.node_name(client)) or "",
    )


def _probe_pmg(client: Client) -> Probe:
    started = time.monotonic()
    nodes = mail.cluster_status(client)
    return Probe(
        kind="pmg",
        version=next((node.version for node in nodes if node.version), "") or pve.version(client).version,
        node_count=len(nodes),
        is_cluster=len(nodes) > 1,
        cluster=None,
        datastore_count=0,
        latency_ms=_milliseconds_since(started),
        fingerprint=client.fingerprint,
        server_name=nodes[0].name if len(nodes) == 1 else "",
    )


PROBES: Mapping[str, Callable[[Client], Probe]] = {"pve": _probe_pve, "pbs": _probe_pbs, "pmg": _probe_pmg}


def _milliseconds_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)


def _unless_refused(ask: Callable[[], Result]) -> Result | None:
    """Return the answer, or None when the host does not give this one."""
    try:
        return ask()
    except (PermissionDenied, NotFound, ServerError):
        return None


def certificate_of(url: str, *, policy: AddressPolicy, timeout_seconds: float = 10.0) -> Certificate:
    """Return the certificate that a host shows; nothing but the handshake is sent to it.

    Raises a ProxmoxError when there is no TLS to be had.
    """
    place = place_of(url)
    if place.scheme != "https":
        raise TlsFailed(
            f"{place} is addressed without TLS and shows no certificate",
            remedy="Begin the host with https://",
        )
    budget = Budget(place, seconds=timeout_seconds)
    try:
        return _described(_shown(place, policy, budget, verify_tls=True), is_trusted=True)
    except TlsFailed:
        return _described(_shown(place, policy, budget, verify_tls=False), is_trusted=False)


def _shown(place: Place, policy: AddressPolicy, budget: Budget, *, verify_tls: bool) -> bytes:
    with outbound_errors_told():
        return shown_certificate(place, policy, budget, verify_tls=verify_tls)


def _described(encoded: bytes, *, is_trusted: bool) -> Certificate:
    fingerprint = hashlib.sha256(encoded).hexdigest()
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        return Certificate(
            fingerprint=fingerprint,
            subject=values.text(certificate.subject.rfc4514_string(), TEXT_LIMIT),
            issuer=values.text(certificate.issuer.rfc4514_string(), TEXT_LIMIT),
            not_after=certificate.not_valid_after_utc,
            names=_alternative_names(certificate),
            is_trusted=is_trusted,
        )
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        # OpenSSL was content with it; its fingerprint can be confirmed all the same.
        return Certificate(fingerprint=fingerprint, is_trusted=is_trusted)


def _alternative_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (
        ValueError,
        x509.ExtensionNotFound,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ):
        return ()
    addresses = (str(address) for address in extension.get_values_for_type(x509.IPAddress))
    names = [*extension.get_values_for_type(x509.DNSName), *addresses]
    return tuple(values.text(name) for name in names[:NAMES_LIMIT])
