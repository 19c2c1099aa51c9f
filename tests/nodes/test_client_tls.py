"""Whose certificate is accepted, and that nothing is said to anybody else."""

from __future__ import annotations

import pytest

from nodes.probe import certificate_of
from nodes.proxmox.client import Client, Credential
from nodes.proxmox.errors import CertificateChanged, TlsFailed
from tests.authorities import LOOPBACK, Authority
from tests.fake_proxmox import FakeServer
from tests.nodes.servers import LOCAL, TOKEN, always, ask, local, own_certificate, scripted

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
    with Client(local("pve", fake_pve.url, TOKEN, fingerprint=fake_pve.fingerprint)) as client:
        fake_pve.faults.add("certificate")
        with pytest.raises(CertificateChanged):
            client.get("/version")

    fake_pve.stop()  # and has read whatever there was
    assert fake_pve.traffic.connections == 1
    assert fake_pve.traffic.bytes_received == 0
    assert fake_pve.traffic.credentials_seen is False


def test_each_new_connection_is_checked_and_not_only_the_first(fake_pve: FakeServer) -> None:
    credential = Credential(token_id=fake_pve.token_id, token_value=fake_pve.token_value)
    with Client(local("pve", fake_pve.url, credential, fingerprint=fake_pve.fingerprint)) as client:
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


def test_an_unknown_certificate_is_refused_when_it_is_to_be_verified() -> None:
    with scripted(always(DATA)) as server, pytest.raises(TlsFailed, match="is not trusted") as caught:
        ask(local("pve", server.url, TOKEN, verify_tls=True))

    assert server.received_bytes == 0
    assert "Confirm the certificate's fingerprint" in str(caught.value)


def test_a_plain_http_address_is_called_as_it_says() -> None:
    with scripted(always(DATA), tls=False) as server:
        assert ask(server.target()).data == {"version": "9.1"}


def test_a_certificate_that_this_machine_trusts_is_shown_as_trusted(authority: Authority) -> None:
    with scripted(always(DATA), context=authority.context_for(LOOPBACK)) as server:
        shown = certificate_of(server.url, policy=LOCAL)

    assert (shown.is_trusted, shown.subject, shown.issuer) == (True, "CN=host", "CN=test authority")
    assert server.connections == 1
