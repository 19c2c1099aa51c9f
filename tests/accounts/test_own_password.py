"""/password: whoever has signed in changes the own password, knowing the old one."""

from __future__ import annotations

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from accounts.models import SignInFailure
from tests.accounts.fixtures import LOCAL, PASSWORD, REMOTE
from tests.accounts.test_passwords import Inputs
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ME = "/api/security/me"
OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}
NEW = "another long password"
FLAGS = {"a plain user": {}, "staff": {"is_staff": True}, "a superuser": {"is_superuser": True}}


def sign_in(password: str = PASSWORD) -> Client:
    """Return a client that has sent the form of the sign-in."""
    client = Client(enforce_csrf_checks=True, **REMOTE)
    client.post("/login", {"username": "ada", "password": password}, **OWN_PAGE)
    return client


def change(client: Client, old: str = PASSWORD, new: str = NEW, again: str = "", **extra):
    """Send the form."""
    data = {"old_password": old, "password": new, "password_again": again or new}
    return client.post("/password", data, **(OWN_PAGE | extra))


def is_changed() -> bool:
    """Return whether the new password is the one that counts."""
    return User.objects.get().check_password(NEW)


@pytest.fixture
def ada(make_user) -> User:
    """An account that may read and nothing else."""
    return make_user("ada")


@pytest.mark.parametrize("who", FLAGS)
def test_every_account_changes_its_own(who, make_user):
    make_user("ada", **FLAGS[who])
    client = sign_in()

    response = change(client)

    assert (response.status_code, response.headers["Location"]) == (302, "/password")
    assert is_changed()
    page = client.get("/password").content
    assert b"Your password is changed. All other sessions of this account have ended." in page


def test_all_other_sessions_of_the_account_end_and_this_one_gets_another_key(ada, make_user):
    make_user("grace")
    own, other = sign_in(), sign_in()
    grace = Client(**REMOTE)
    grace.post("/login", {"username": "grace", "password": PASSWORD}, **OWN_PAGE)
    before = own.cookies["pulse_session"].value

    change(own)

    statuses = [client.get(ME).status_code for client in (own, other, grace)]
    assert statuses == [200, 401, 200]
    assert own.cookies["pulse_session"].value != before
    assert Client(**REMOTE, HTTP_COOKIE=f"pulse_session={before}").get(ME).status_code == 401
    assert Session.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "status", "problem"),
    [
        ({"old": "not my password"}, 401, "This is not your password."),
        ({"old": ""}, 400, "This field is required."),
        ({"new": "short"}, 400, "too short"),
        ({"new": "Password2026!"}, 400, "too common"),
        ({"new": "ProxmoxPulse7"}, 400, "names of this product"),
        ({"new": "x" * 129}, 400, "at most 128 characters"),
        ({"again": "another long one"}, 400, "The two passwords differ."),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_the_reason(given, status, problem, ada):
    client = sign_in()

    response = change(client, **given)

    assert response.status_code == status
    assert problem in response.content.decode()
    assert not is_changed()


def test_the_page_shows_the_rules_and_hides_what_is_typed(ada):
    client = sign_in()
    text = client.get("/password").content.decode()
    answer = change(client, "typed-but-wrong", "typed-as-the-new-one").content.decode()
    fields = Inputs(text).found

    assert "at least 12 characters" in text
    assert "one that many people use" in text
    assert {
        (fields[name]["type"], fields[name]["autocomplete"]) for name in ("old_password", "password")
    } == {
        ("password", "current-password"),
        ("password", "new-password"),
    }
    assert "typed-" not in answer


def test_guesses_of_the_old_one_count_as_failed_sign_ins(ada):
    client = sign_in()
    with time_machine.travel(NOON, tick=False):
        client = sign_in()
        statuses = [change(client, "wrong password").status_code for _ in range(5)]
        refused = change(client)
        elsewhere = Client(**REMOTE).post("/login", {"username": "ada", "password": PASSWORD}, **OWN_PAGE)

    assert statuses == [401] * 5
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    assert b"Too many tries. Try again in 15 minutes." in refused.content
    assert elsewhere.status_code == 429
    assert not is_changed()


def test_the_right_one_begins_anew(ada):
    client = sign_in()
    for _ in range(4):
        change(client, "wrong password")

    change(client)

    assert not SignInFailure.objects.exists()


def test_a_try_whose_password_was_never_looked_at_does_not_count(ada, monkeypatch):
    from accounts import hashers

    client = sign_in()
    monkeypatch.setattr(hashers, "MAX_WAIT_SECONDS", 0.01)
    for _ in range(hashers.MAX_AT_ONCE):
        hashers.turns.acquire()
    try:
        response = change(client)
    finally:
        for _ in range(hashers.MAX_AT_ONCE):
            hashers.turns.release()

    assert response.status_code == 503
    assert not SignInFailure.objects.exists()


@pytest.mark.parametrize("extra", [{"HTTP_ORIGIN": "http://evil.test"}, {"HTTP_ORIGIN": "null"}], ids=str)
def test_another_site_changes_nothing(extra, ada):
    assert change(sign_in(), **extra).status_code == 403
    assert not is_changed()


def test_a_token_is_refused_also_beside_a_good_session(ada, token_client):
    client = token_client("admin")
    page, form = client.get("/password"), change(client)
    beside = sign_in()
    both = change(beside, HTTP_X_API_TOKEN=client.defaults["HTTP_X_API_TOKEN"])

    assert (page.status_code, form.status_code, both.status_code) == (403, 403, 403)
    assert b"this is for people who have signed in with name and password" in page.content
    assert not is_changed()


@pytest.mark.parametrize(("mode", "client"), [("auto", LOCAL), ("open", REMOTE)])
def test_who_has_not_signed_in_is_led_to_the_way_in(mode, client, db, settings):
    settings.PULSE_AUTH, settings.PULSE_ALLOWED_HOSTS = mode, ["pulse.test", "localhost"]
    caller = Client(enforce_csrf_checks=True, **client)

    page, form = caller.get("/password"), change(caller, HTTP_ORIGIN=f"http://{client['HTTP_HOST']}")

    assert (page.status_code, page.headers["Location"]) == (302, "/setup")
    assert form.status_code == 401


def test_a_person_of_the_open_mode_who_has_signed_in_may(ada, settings):
    settings.PULSE_AUTH, settings.PULSE_ALLOWED_HOSTS = "open", ["pulse.test"]

    assert change(sign_in()).status_code == 302


def test_it_and_the_way_out_are_on_every_page_for_whoever_has_signed_in(ada, settings):
    client = sign_in()
    pages = [client.get(path).content for path in ("/", "/password", "/simple-stats", "/api/docs")]
    settings.PULSE_AUTH, settings.PULSE_ALLOWED_HOSTS = "open", ["pulse.test"]
    without = Client(**REMOTE).get("/").content

    assert [b'<a href="/password">' in page for page in pages] == [True] * 4
    assert [b'<form method="post" action="/logout" data-leave>' in page for page in pages] == [True] * 4
    assert b'<a href="/password">' not in without
    assert b"/logout" not in without
