"""Whose certificate is accepted, and that nothing is said to anybody else."""

from __future__ import annotations

import ssl

import pytest
from cryptography import x509

from pulse.lib.outbound.connecting import Trust, context_for
from pulse.lib.outbound.errors import CertificateChanged, CertificateUntrusted, TlsMissing
from tests.authorities import LOOPBACK, Authority
from tests.nodes.servers import always, own_certificate, scripted
from tests.pulse.outbound import fetch, session

DATA = b"in"
WRONG = "ab" * 32


def test_an_unknown_certificate_is_accepted_when_nothing_is_to_be_verified() -> None:
    with scripted(always(DATA)) as server:
        assert fetch(server).content == DATA


def test_a_certificate_of_a_trusted_authority_for_the_address_is_accepted(authority: Authority) -> None:
    with scripted(always(DATA), context=authority.context_for(LOOPBACK)) as server:
        answered = fetch(server, verify_tls=True)

    assert answered.content == DATA


def test_a_certificate_of_a_trusted_authority_for_the_name_is_accepted(authority: Authority) -> None:
    context = authority.context_for(x509.DNSName("localhost"))
    with scripted(always(DATA), context=context) as server, session(verify_tls=True) as own:
        answered = own.get(f"https://localhost:{server.port}")

    assert answered.content == DATA


def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    context = authority.context_for(x509.DNSName("pve1.lab"))
    with (
        scripted(always(DATA), context=context) as server,
        pytest.raises(CertificateUntrusted, match="mismatch"),
    ):
        fetch(server, verify_tls=True)

    assert server.received_bytes == 0


def test_a_certificate_that_has_expired_is_refused(authority: Authority) -> None:
    context = authority.context_for(LOOPBACK, days=-1)
    with (
        scripted(always(DATA), context=context) as server,
        pytest.raises(CertificateUntrusted, match="expired"),
    ):
        fetch(server, verify_tls=True)


def test_calls_without_verification_do_not_turn_it_off_for_others(authority: Authority) -> None:
    with (
        scripted(always(DATA)) as unknown,
        scripted(always(DATA), context=authority.context_for(LOOPBACK)) as known,
    ):
        fetch(known, verify_tls=True)
        fetch(unknown)
        fetch(unknown, verify_tls=True, fingerprint=own_certificate().fingerprint)
        with pytest.raises(CertificateUntrusted):
            fetch(unknown, verify_tls=True)
        answered = fetch(known, verify_tls=True)

    assert answered.content == DATA


def test_each_kind_of_trust_has_one_context_of_its_own() -> None:
    kinds: tuple[Trust, ...] = ("verified", "pinned", "unverified")

    contexts = [context_for(kind) for kind in kinds]

    assert len({id(context) for context in contexts}) == 3
    assert [id(context_for(kind)) for kind in kinds] == [id(context) for context in contexts]
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED, ssl.CERT_NONE, ssl.CERT_NONE]


@pytest.mark.parametrize("kind", ["verified", "pinned", "unverified"])
def test_no_kind_of_trust_speaks_less_than_tls_1_2(kind: Trust) -> None:
    assert context_for(kind).minimum_version == ssl.TLSVersion.TLSv1_2


def test_trust_is_not_for_a_call_to_choose() -> None:
    with scripted(always(DATA)) as server, pytest.raises(CertificateUntrusted):
        session(verify_tls=True).get(server.url, verify=False)

    assert server.received_bytes == 0


def test_the_pinned_certificate_is_accepted_whoever_vouches_for_it() -> None:
    with scripted(always(DATA)) as server:
        answered = fetch(server, verify_tls=True, fingerprint=own_certificate().fingerprint)

    assert answered.content == DATA


def test_another_certificate_than_the_pinned_one_gets_not_one_byte(authority: Authority) -> None:
    with (
        scripted(always(DATA), context=authority.context_for(LOOPBACK)) as server,
        pytest.raises(CertificateChanged) as caught,
    ):
        session(verify_tls=True, fingerprint=WRONG).post(
            server.url, data=b"secret", headers={"Authorization": "Bearer secret"}
        )

    assert server.connections == 1
    assert server.received_bytes == 0
    assert caught.value.expected == WRONG
    assert len(caught.value.presented) == 64


def test_a_pin_cannot_be_checked_without_tls_so_nothing_is_sent() -> None:
    with scripted(always(DATA), tls=False) as server, pytest.raises(TlsMissing, match="without TLS"):
        fetch(server, fingerprint=WRONG)

    assert server.connections == 0
