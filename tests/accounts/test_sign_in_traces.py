"""What a sign-in leaves behind: a key that nobody can guess, and a line in the log that tells who came from where."""

from __future__ import annotations

import logging
import re

import pytest
from django.test import Client

from accounts.session_store import SessionStore
from tests.accounts.fixtures import PASSWORD, REMOTE

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}


def sign_in(username: str, password: str) -> Client:
    """Return a client that has tried to sign in."""
    client = Client(**REMOTE)
    client.post("/login", {"username": username, "password": password}, **OWN_PAGE)
    return client


def test_the_key_of_a_session_has_more_than_128_bits(make_user):
    make_user("ada")
    keys = {sign_in("ada", PASSWORD).cookies["pulse_session"].value for _ in range(3)}

    assert len(keys) == 3
    assert all(re.fullmatch(r"[a-z0-9]{32}", key) for key in keys)  # of 36 signs each: 165 bits


def test_the_key_of_a_session_is_drawn_by_the_system(monkeypatch):
    monkeypatch.setattr("secrets.choice", lambda signs: "q")
    session = SessionStore()

    session.create()

    assert session.session_key == "q" * 32


def test_another_secret_key_ends_all_sessions(make_user, settings):
    make_user("ada")
    client = sign_in("ada", PASSWORD)
    before = client.get("/api/security/me").status_code

    settings.SECRET_KEY = "another key of more than thirty-two characters"

    assert (before, client.get("/api/security/me").status_code) == (200, 401)


def test_a_sign_in_is_logged_with_account_and_address(make_user, caplog):
    make_user("ada")
    with caplog.at_level(logging.INFO, "accounts"):
        sign_in("ada", PASSWORD)

    assert caplog.messages == ["ada signed in from 192.0.2.7"]


def test_a_failed_one_is_logged_with_the_address_and_nothing_that_was_typed(make_user, caplog):
    make_user("ada")
    with caplog.at_level(logging.DEBUG):
        sign_in("ada", "wrong password")
        sign_in("a password in the wrong field", "x")

    assert [message for message in caplog.messages if "sign-in" in message] == [
        "a sign-in from 192.0.2.7 failed"
    ] * 2
    assert not re.search(r"wrong password|wrong field|ada", caplog.text)
