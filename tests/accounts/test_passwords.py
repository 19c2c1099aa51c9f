"""Passwords: which may be chosen, how they are kept, and who may change one."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from accounts.forms import ClaimForm, SignInForm
from tests.accounts.fixtures import PASSWORD, REMOTE
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ME = "/api/security/me"
OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}
NEW = "another long password"


def problems_of(password: str, username: str = "ada") -> list[str]:
    """Return what the form of the first account says against a password."""
    given = {"code": "x", "username": username, "password": password, "password_again": password}
    return ClaimForm(given).errors.get("password", [])


def sign_in(client: Client, password: str, *, username: str = "ada") -> int:
    """Return the status of a try to sign in: 302 for a good one."""
    return client.post("/login", {"username": username, "password": password}, **OWN_PAGE).status_code


@pytest.mark.parametrize(
    "password",
    [
        "twelve chars",
        "onlysmalllettersinit",
        "739184620573",
        " a blank at each end ",
        "пароль на русском",
        "🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊",
        "<script>alert(1)</script>",
        "x" * 100 + "y" * 28,
    ],
)
def test_any_characters_make_a_password_from_12_to_128_of_them(password):
    assert problems_of(password) == []


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("eleven char", "too short"),
        ("x" * 129, "at most 128 characters"),
        ("qwerty123456", "too common"),
        ("QWERTY123456", "too common"),
    ],
)
def test_a_short_an_endless_or_a_common_one_is_refused_with_the_reason(password, problem):
    assert problem in " ".join(problems_of(password))


def test_the_name_of_the_account_makes_no_password():
    assert "too similar" in " ".join(problems_of("lovelace.ada1", "lovelace.ada"))


@pytest.mark.parametrize(
    "other", ["Correct Horse Battery ", "correct horse battery", "Correct Horse Battery, "]
)
def test_a_password_is_compared_as_it_was_typed(other, remote):
    User.objects.create_user("ada", password="Correct Horse Battery")

    assert sign_in(remote, other) == 401
    assert sign_in(remote, "Correct Horse Battery") == 302


def test_the_last_of_128_characters_counts(remote):
    User.objects.create_user("ada", password="x" * 127 + "y")

    assert sign_in(remote, "x" * 127 + "z") == 401
    assert sign_in(remote, "x" * 127 + "y") == 302


def test_a_password_is_kept_as_argon2id_of_19_mib_and_two_passes():
    ada = User.objects.create_user("ada", password=PASSWORD)

    assert ada.password.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


def test_a_password_stays_good_for_as_long_as_nobody_changes_it(remote):
    with time_machine.travel(NOON - timedelta(days=5 * 365), tick=False):
        User.objects.create_user("ada", password=PASSWORD)

    with time_machine.travel(NOON, tick=False):
        assert sign_in(remote, PASSWORD) == 302


def test_people_sign_in_with_name_and_password_and_no_question():
    assert list(SignInForm().fields) == ["username", "password", "remember"]


class Inputs(HTMLParser):
    """The attributes of the inputs of a page by their names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an input that has a name."""
        attributes = dict(attrs)
        if tag == "input" and attributes.get("name"):
            self.found[str(attributes["name"])] = attributes


@pytest.mark.parametrize(
    ("page", "name", "purpose"),
    [
        ("/login", "password", "current-password"),
        ("/setup", "password", "new-password"),
        ("/setup", "password_again", "new-password"),
    ],
)
def test_a_password_is_hidden_while_it_is_typed_and_helpers_may_fill_it_in(page, name, purpose, remote):
    text = remote.get(page).content.decode()
    attributes = Inputs(text).found[name]

    assert (attributes["type"], attributes["autocomplete"]) == ("password", purpose)
    assert "onpaste" not in text


def change(client: Client, old: str, new: str) -> int:
    """Return the status of a change of the own password: 302 for a good one."""
    data = {"old_password": old, "new_password1": new, "new_password2": new}
    return client.post("/admin/password_change/", data, **OWN_PAGE).status_code


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("not my password", NEW, 200),
        (PASSWORD, "short", 200),
        (PASSWORD, "qwerty123456", 200),
        (PASSWORD, NEW, 302),
    ],
)
def test_the_own_password_is_changed_by_who_knows_it_to_one_that_may_be_chosen(
    old, new, status, session_client
):
    client = session_client("root", is_superuser=True, is_staff=True)

    assert change(client, old, new) == status
    assert User.objects.get().check_password(NEW) is (status == 302)


def test_a_forgotten_password_is_set_anew_on_the_machine_and_ends_the_sessions(monkeypatch, session_client):
    client = session_client("ada")
    monkeypatch.setattr("getpass.getpass", lambda prompt: NEW)

    call_command("changepassword", "ada")

    assert client.get(ME).status_code == 401
    assert sign_in(Client(**REMOTE), NEW) == 302
