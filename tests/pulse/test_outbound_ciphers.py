"""How calls to other machines are encrypted: with what is held to be good today, and with secrecy of what was said before."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pulse.lib.outbound.connecting import Trust, context_by, context_for
from tests.authorities import Authority

KINDS: tuple[Trust, ...] = ("verified", "pinned", "unverified")


@pytest.mark.parametrize("kind", KINDS)
def test_every_cipher_is_authenticated_and_of_128_bits_or_more(kind: Trust) -> None:
    ciphers = context_for(kind).get_ciphers()

    assert [cipher["name"] for cipher in ciphers if cipher["strength_bits"] < 128] == []
    assert [
        cipher["name"]
        for cipher in ciphers
        if any(word in cipher["name"] for word in ("NULL", "RC4", "3DES", "MD5", "EXP", "ADH", "AECDH"))
    ] == []
    assert len(ciphers) >= 5


@pytest.mark.parametrize("kind", KINDS)
def test_the_keys_of_every_connection_are_agreed_upon_anew(kind: Trust) -> None:
    ciphers = context_for(kind).get_ciphers()

    assert [
        cipher["name"] for cipher in ciphers if not cipher["name"].startswith(("TLS_", "ECDHE-", "DHE-"))
    ] == []


def test_a_single_authority_is_trusted_on_the_same_terms(authority: Authority) -> None:
    own = context_by(authority.certificate.public_bytes(Encoding.PEM).decode())

    assert own.minimum_version == context_for("verified").minimum_version
    assert own.get_ciphers() == context_for("verified").get_ciphers()
