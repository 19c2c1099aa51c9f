"""Server certificates as Proxmox makes them: one per node, made at start, never written into the repository."""

from __future__ import annotations

import ipaddress
import os
import ssl
import tempfile
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True)
class Certificate:
    """A certificate ready to be served."""

    context: ssl.SSLContext
    pem: str
    fingerprint: str  # SHA-256 of the DER form, lower-case hexadecimal

    @property
    def fingerprint_with_colons(self) -> str:
        """The form in which the API prints it."""
        text = self.fingerprint.upper()
        return ":".join(text[at : at + 2] for at in range(0, len(text), 2))


#: How long a certificate lives from now on, unless told otherwise.
CERTIFICATE_DAYS = 700
_cache: dict[tuple[str, str, str, int, int], Certificate] = {}
_cache_lock = threading.Lock()


def certificate(
    kind: str, node: str, address: str, issue: int = 0, *, valid_days: int = CERTIFICATE_DAYS
) -> Certificate:
    """Return the certificate of a node: the same object whenever asked again; another `issue` is a renewal."""
    key = (kind, node, address, issue, valid_days)
    with _cache_lock:
        if key not in _cache:
            _cache[key] = _make(kind, node, address, valid_days)
        return _cache[key]


def _make(kind: str, node: str, address: str, valid_days: int) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = ec.generate_private_key(ec.SECP256R1()) if kind == "pve" else key
    owner = {"pve": "PVE Cluster Node", "pbs": "Proxmox Backup Server"}.get(kind, "Proxmox Mail Gateway")
    subject = _name(owner, _common_name(node))
    issuer = _name("PVE Cluster Manager CA", "Proxmox Virtual Environment") if kind == "pve" else subject
    now = datetime.now(UTC)
    names = [
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.DNSName("localhost"),
        x509.DNSName(_common_name(node)),
    ]
    if address != "127.0.0.1":
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=valid_days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    pem = built.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Certificate(_context(pem, private), pem.decode(), built.fingerprint(hashes.SHA256()).hex())


def _common_name(node: str) -> str:
    return f"{node}.home.lan"


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _context(pem: bytes, private: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The ssl module reads keys from files only; the file is gone again before anything listens.
    handle, path = tempfile.mkstemp(prefix="fake-proxmox-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(private + pem)
        context.load_cert_chain(path)
    finally:
        os.unlink(path)
    return context
