"""Where Pulse listens by default, and what the person at the terminal is told."""

from __future__ import annotations

import pytest

from pulse.runtime import greeting
from pulse.runtime.greeting import bind_address


@pytest.mark.parametrize(
    ("bind", "auth", "is_configured", "expected"),
    [
        pytest.param("", "auto", False, "127.0.0.1", id="fresh install: this machine only"),
        pytest.param("", "auto", True, "0.0.0.0", id="configured: every address"),
        pytest.param("", "open", False, "0.0.0.0", id="opened on purpose"),
        pytest.param("", "required", False, "0.0.0.0", id="a credential is demanded anyway"),
        pytest.param("192.0.2.1", "auto", False, "192.0.2.1", id="PULSE_BIND decides"),
        pytest.param("127.0.0.1", "open", True, "127.0.0.1", id="PULSE_BIND decides against the default"),
    ],
)
def test_where_it_listens(settings, bind, auth, is_configured, expected):
    settings.PULSE_BIND = bind
    settings.PULSE_AUTH = auth

    assert bind_address(is_configured=is_configured) == expected


def test_a_fresh_install_is_told_how_to_claim_it_and_never_the_code(settings, tmp_path):
    settings.PULSE_DATA_DIR = tmp_path
    (tmp_path / "claim.code").write_text("CANARY")

    text = greeting.greeting("127.0.0.1", 7655, is_configured=False)

    assert "http://127.0.0.1:7655/" in text
    assert "this machine only, without a password, until it is claimed" in text
    assert "claim-code" in text
    assert "claim it before you put a reverse proxy or a tunnel in front of it" in text
    assert str(tmp_path) in text
    assert "CANARY" not in text


def test_one_whose_exception_has_ended_does_not_promise_it():
    text = greeting.greeting("127.0.0.1", 7655, is_configured=False, is_ended=True)

    assert "this machine only" not in text
    assert "nobody until it is claimed" in text


def test_a_configured_one_says_who_may_come_in():
    text = greeting.greeting("0.0.0.0", 7655, is_configured=True)

    assert "http://localhost:7655/ and every address of this machine" in text
    assert "whoever signs in or presents a token" in text
    assert "claim" not in text


def test_an_open_one_says_so_loudly(settings):
    settings.PULSE_AUTH = "open"

    assert "EVERYBODY" in greeting.greeting("0.0.0.0", 7655, is_configured=False)


def test_an_ipv6_address_can_be_clicked():
    assert "http://[::1]:7655/" in greeting.greeting("::1", 7655, is_configured=True)
