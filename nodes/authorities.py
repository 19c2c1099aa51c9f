"""Who may renew the certificate that an instance has pinned: it is remembered while the pin holds.

A host of a cluster has its certificate from the cluster's own authority, which it tells over the trusted connection. One that this
machine trusts for the name of the host is renewed by any of the authorities that it trusts. Everything else stays with its pin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from nodes import reach
from nodes.models import ClusterEndpoint, Instance
from pulse.lib.outbound.budget import Budget
from pulse.lib.outbound.connecting import PUBLIC, connect, presented_certificate, shown_certificate
from pulse.lib.outbound.errors import OutboundError
from pulse.lib.outbound.places import place_of

HANDSHAKE_SECONDS = 5.0


def is_wanted(instance: Instance) -> bool:
    """Return whether a certificate is pinned of which nobody knows who may renew it."""
    return bool(instance.fingerprint and not instance.authority and instance.host.startswith("https://"))


def signer_of(fingerprint: str, told: Iterable[str]) -> str:
    """Return the authority, in PEM, that has signed the certificate with this fingerprint; "" when none of those told has.

    `told` are certificates as the host lists them. One that has signed itself is nobody's authority.
    """
    certificates = [certificate for text in told if (certificate := parsed(text)) is not None]
    pinned = next((one for one in certificates if fingerprint_of(one) == fingerprint), None)
    if pinned is None:
        return ""
    for certificate in certificates:
        if certificate is not pinned and is_authority(certificate) and has_signed(certificate, pinned):
            return certificate.public_bytes(Encoding.PEM).decode()
    return ""


def parsed(text: str) -> x509.Certificate | None:
    """Return the first certificate in a text, None when there is none that can be read."""
    try:
        return x509.load_pem_x509_certificate(text.encode())
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return None


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in hex and lower case."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def is_authority(certificate: x509.Certificate) -> bool:
    """Return whether a certificate may sign others, and has no other authority above it."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return False
    return constraints.ca and has_signed(certificate, certificate)


def has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether one certificate has signed the other."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def is_public(instance: Instance) -> bool:
    """Return whether this machine trusts the pinned certificate for the name of the host; only a handshake is made."""
    place = place_of(instance.host)
    budget = Budget(place, seconds=HANDSHAKE_SECONDS)
    try:
        shown = shown_certificate(place, reach.policy(), budget, verify_tls=True)
    except OutboundError:
        return False
    return hashlib.sha256(shown).hexdigest() == instance.fingerprint


def remember(instance: Instance, authority: str) -> bool:
    """Keep who may renew the pinned certificate; False when the pin has changed meanwhile."""
    kept = Instance.objects.filter(pk=instance.pk, fingerprint=instance.fingerprint, authority="").update(
        authority=authority
    )
    if kept:
        instance.authority = authority
    return kept == 1


def remember_public(instance: Instance) -> bool:
    """Keep that public authorities may renew the pinned certificate, if one of them has signed it."""
    return is_public(instance) and remember(instance, PUBLIC)


def vouches(instance: Instance) -> str:
    """Return the fingerprint of another certificate than the pinned one that the remembered authority vouches for, else ""."""
    place = place_of(instance.host)
    budget = Budget(place, seconds=HANDSHAKE_SECONDS)
    try:
        connection = connect(
            place,
            reach.policy(),
            budget,
            verify_tls=False,
            fingerprint=instance.fingerprint,
            authority=instance.authority,
        )
    except OutboundError:
        return ""
    try:
        shown = hashlib.sha256(presented_certificate(connection)).hexdigest()
    finally:
        connection.close()
    return shown if shown != instance.fingerprint else ""


def pin_anew(instance: Instance, pinned: str, renewed: str, *, at: datetime) -> bool:
    """Pin the certificate with which its authority has replaced a pinned one, of the host or of a member of its cluster.

    True when it is news; another process may have been first. The version stays: nobody has changed the configuration.
    """
    members = ClusterEndpoint.objects.filter(instance_id=instance.pk, fingerprint=pinned).update(
        fingerprint=renewed
    )
    own = Instance.objects.filter(pk=instance.pk, fingerprint=pinned).update(
        fingerprint=renewed, certificate_renewed_at=at
    )
    if own or members:
        recognise_by(instance, pinned, renewed)
    if own:
        instance.fingerprint, instance.certificate_renewed_at = renewed, at
    return bool(own or members)


def recognise_by(instance: Instance, pinned: str, renewed: str) -> None:
    """Let the node that had one certificate be recognised by the other from now on."""
    instance.told_nodes = {
        name: [renewed if certificate == pinned else certificate, *rest]
        for name, (certificate, *rest) in instance.told_nodes.items()
    }
    if instance.shown_fingerprint == pinned:
        instance.shown_fingerprint = renewed
    Instance.objects.filter(pk=instance.pk, version=instance.version).update(
        told_nodes=instance.told_nodes, shown_fingerprint=instance.shown_fingerprint
    )
