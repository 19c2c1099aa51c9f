"""Whose certificate is accepted, and that nothing is said to anybody else."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from nodes.probe import certificate_of
from nodes.proxmox import wire
from nodes.proxmox.client import Client, Credential, Target
from nodes.proxmox.errors import CertificateChanged, TlsFailed
from tests.fake_proxmox import FakeServer
from tests.nodes.servers import TOKEN, always, ask, own_certificate, scripted

DATA = b'{"data":{"version":"9.1"}}'
WRONG = "ab" * 32


def test_the_pinned_certificate_is_accepted() -> None:
    with scripted(always(DATA)) as server:
        answer = ask(server.target(fingerprint=own_certificate().fingerprint))

    assert answer.data == {"version": "9.1"}


def test_another_certificate_than_the_pinned_one_gets_not_one_byte() -> None:
    with scripted(always(DATA)) as server, pytest.raises(CertificateChanged) as caught:
        ask(server.target(fingerprint=WRONG))

    assert server.connections == 1
    assert server.received_bytes == 0
    assert caught.value.expected == WRONG
    assert caught.value.presented == own_certificate().fingerprint


def test_a_certificate_swapped_after_pinning_gets_no_byte_and_no_credential(fake_pve: FakeServer) -> None:
    with Client(Target("pve", fake_pve.url, TOKEN, fingerprint=fake_pve.fingerprint)) as client:
        fake_pve.faults.add("certificate")
        with pytest.raises(CertificateChanged):
            client.get("/version")

    fake_pve.stop()  # and has read whatever there was
    assert fake_pve.traffic.connections == 1
    assert fake_pve.traffic.bytes_received == 0
    assert fake_pve.traffic.credentials_seen is False


def test_each_new_connection_is_checked_and_not_only_the_first(fake_pve: FakeServer) -> None:
    credential = Credential(token_id=fake_pve.token_id, token_value=fake_pve.token_value)
    with Client(Target("pve", fake_pve.url, credential, fingerprint=fake_pve.fingerprint)) as client:
        client.get("/version")
        fake_pve.renew_certificate()
        fake_pve.stop()
        fake_pve.start()
        with pytest.raises(CertificateChanged) as caught:
            client.get("/version")

    assert caught.value.presented == fake_pve.fingerprint


def test_the_certificate_that_was_shown_can_be_learned() -> None:
    with scripted(always(DATA)) as server, Client(server.target()) as client:
        client.get("/version")

    assert client.fingerprint == own_certificate().fingerprint


def test_a_confirmed_certificate_cannot_be_checked_without_tls_so_nothing_is_sent() -> None:
    with scripted(always(DATA), tls=False) as server, pytest.raises(TlsFailed, match="without TLS"):
        ask(server.target(fingerprint=WRONG))

    assert server.connections == 0


def test_an_unknown_certificate_is_accepted_when_nothing_is_to_be_verified() -> None:
    with scripted(always(DATA)) as server:
        assert ask(server.target()).data == {"version": "9.1"}


def test_an_unknown_certificate_is_refused_when_it_is_to_be_verified() -> None:
    with scripted(always(DATA)) as server, pytest.raises(TlsFailed, match="is not trusted") as caught:
        ask(Target("pve", server.url, TOKEN, verify_tls=True))

    assert server.received_bytes == 0
    assert "Confirm the certificate's fingerprint" in str(caught.value)


def test_a_plain_http_address_is_called_as_it_says() -> None:
    with scripted(always(DATA), tls=False) as server:
        assert ask(server.target()).data == {"version": "9.1"}


@dataclass
class Authority:
    """A certificate authority that this machine trusts for the length of a test."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    def context_for(self, *names: x509.GeneralName, days: int = 30) -> ssl.SSLContext:
        """Return a server's context with a certificate for these names."""
        key = ec.generate_private_key(ec.SECP256R1())
        built = build(
            subject="host", issuer=self.certificate.subject, key=key, signer=self.key, names=names, days=days
        )
        path = self.folder / "host.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + built.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def build(
    *,
    subject: str,
    issuer: x509.Name | None,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    names: tuple[x509.GeneralName, ...] = (),
    days: int = 30,
) -> x509.Certificate:
    """Return a certificate that ends so many days from now; an authority's when it has no issuer."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer or name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = build(subject="test authority", issuer=None, key=key, signer=key, days=90)
    (tmp_path / "authority.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    wire.context_for.cache_clear()
    yield Authority(key, certificate, tmp_path)
    wire.context_for.cache_clear()


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


def test_a_certificate_of_a_trusted_authority_for_the_address_is_accepted(authority: Authority) -> None:
    with scripted(always(DATA), context=authority.context_for(LOOPBACK)) as server:
        answer = ask(Target("pve", server.url, TOKEN, verify_tls=True))

    assert answer.data == {"version": "9.1"}


def test_a_certificate_of_a_trusted_authority_for_the_name_is_accepted(authority: Authority) -> None:
    with scripted(always(DATA), context=authority.context_for(x509.DNSName("localhost"))) as server:
        target = Target("pve", f"https://localhost:{server.port}", TOKEN, verify_tls=True)
        answer = ask(target)

    assert answer.data == {"version": "9.1"}


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    context = authority.context_for(x509.DNSName("pve1.lab"))
    with scripted(always(DATA), context=context) as server, pytest.raises(TlsFailed, match="mismatch"):
        ask(Target("pve", server.url, TOKEN, verify_tls=True))

    assert server.received_bytes == 0


def test_a_certificate_that_has_expired_is_refused(authority: Authority) -> None:
    context = authority.context_for(LOOPBACK, days=-1)
    with scripted(always(DATA), context=context) as server, pytest.raises(TlsFailed, match="expired"):
        ask(Target("pve", server.url, TOKEN, verify_tls=True))


def test_a_certificate_that_this_machine_trusts_is_shown_as_trusted(authority: Authority) -> None:
    with scripted(always(DATA), context=authority.context_for(LOOPBACK)) as server:
        shown = certificate_of(server.url)

    assert (shown.is_trusted, shown.subject, shown.issuer) == (True, "CN=host", "CN=test authority")
    assert server.connections == 1


def test_calls_without_verification_do_not_turn_it_off_for_others(authority: Authority) -> None:
    with (
        scripted(always(DATA)) as unknown,
        scripted(always(DATA), context=authority.context_for(LOOPBACK)) as known,
    ):
        verified = Target("pve", known.url, TOKEN, verify_tls=True)
        ask(verified)
        ask(unknown.target())
        ask(unknown.target(fingerprint=own_certificate().fingerprint))
        with pytest.raises(TlsFailed):
            ask(Target("pve", unknown.url, TOKEN, verify_tls=True))
        answer = ask(verified)

    assert answer.data == {"version": "9.1"}


def test_each_kind_of_trust_has_one_context_of_its_own() -> None:
    kinds: tuple[wire.Trust, ...] = ("verified", "pinned", "unverified")

    contexts = [wire.context_for(kind) for kind in kinds]

    assert len({id(context) for context in contexts}) == 3
    assert [id(wire.context_for(kind)) for kind in kinds] == [id(context) for context in contexts]
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED, ssl.CERT_NONE, ssl.CERT_NONE]


@pytest.mark.parametrize("kind", ["verified", "pinned", "unverified"])
def test_no_kind_of_trust_speaks_less_than_tls_1_2(kind: wire.Trust) -> None:
    assert wire.context_for(kind).minimum_version == ssl.TLSVersion.TLSv1_2
