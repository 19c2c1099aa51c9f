"""accounts.claim, the page /setup and `pulse claim-code`: the first account, made once."""

from __future__ import annotations

import hmac
import stat
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import claim, tokens
from accounts.models import Claim
from pulse.lib.auth import Access
from tests.accounts.fixtures import PASSWORD, REMOTE
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    """A data directory of its own."""
    settings.PULSE_DATA_DIR = tmp_path / "data"
    return settings.PULSE_DATA_DIR


@pytest.fixture
def code() -> str:
    """The one-time code of a fresh install."""
    assert claim.ensure_code()
    return claim.read_code() or ""


def form(code: str, **changed: str) -> dict[str, str]:
    """Return what a person types."""
    return {"code": code, "username": "ada", "password": PASSWORD, "password_again": PASSWORD} | changed


def test_nobody_has_an_account_on_a_fresh_install():
    assert User.objects.count() == 0


def test_the_code_has_192_bits_and_belongs_to_nobody_else(code, data_dir):
    file = data_dir / "claim.code"

    assert len(code) == 32
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


def test_the_code_stays_the_same_until_it_is_used(code):
    assert claim.ensure_code()
    assert claim.read_code() == code


def test_the_code_is_not_logged(caplog):
    caplog.set_level("DEBUG")

    claim.ensure_code()

    assert (claim.read_code() or "") not in caplog.text


def test_a_code_that_others_can_read_is_worthless(code, data_dir):
    (data_dir / "claim.code").chmod(0o644)

    assert not claim.is_code(code)


@pytest.mark.parametrize("text", ["", " ", "wrong", "ü"])
def test_nothing_but_the_code_is_the_code(text, code):
    assert not claim.is_code(text)
    assert claim.is_code(f" {code}\n")


@pytest.mark.parametrize("is_right", [True, False], ids=["hit", "miss"])
def test_the_code_is_compared_in_constant_time(is_right, code, monkeypatch):
    compare, compared = hmac.compare_digest, []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or compare(a, b))
    text = code if is_right else f"{code[:-1]}-"

    assert claim.is_code(text) is is_right
    assert compared == [(code.encode(), text.encode())]


def test_without_a_file_nothing_is_the_code():
    assert not claim.is_code("")


def test_whoever_knows_the_code_gets_the_first_account_and_is_signed_in(code, remote, data_dir):
    response = remote.post("/setup", form(code), **OWN_PAGE)

    assert (response.status_code, response.headers["Location"]) == (302, "/")
    user = User.objects.get()
    assert (user.username, user.is_superuser, user.check_password(PASSWORD)) == ("ada", True, True)
    assert "admin" in remote.get("/api/security/me").json()["scopes"]
    assert not (data_dir / "claim.code").exists()


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_page_is_gone_for_ever_once_claimed(method, code, remote):
    remote.post("/setup", form(code), **OWN_PAGE)

    assert getattr(Client(**REMOTE), method)("/setup", form(code), **OWN_PAGE).status_code == 404


def test_deleting_the_account_does_not_bring_the_page_back(code, remote):
    remote.post("/setup", form(code), **OWN_PAGE)
    User.objects.all().delete()

    assert remote.get("/setup").status_code == 404
    assert claim.ensure_code() is False


def test_an_account_made_by_command_counts_as_the_claim(code, remote, make_user):
    make_user(is_superuser=True)

    assert remote.get("/setup").status_code == 404
    assert remote.post("/setup", form(code), **OWN_PAGE).status_code == 404


def test_a_leftover_code_is_removed_at_the_next_start(code, make_user, data_dir):
    make_user()

    assert claim.ensure_code() is False
    assert not (data_dir / "claim.code").exists()


def test_a_wrong_code_makes_nothing(code, remote):
    response = remote.post("/setup", form("wrong"), **OWN_PAGE)

    assert response.status_code == 401
    assert b"This code is not right" in response.content
    assert User.objects.count() == 0


def test_the_api_token_claims_too(remote, with_api_token):
    response = remote.post("/setup", form(with_api_token), **OWN_PAGE)

    assert response.status_code == 302
    assert User.objects.get().is_superuser


def test_a_token_without_admin_does_not_claim(remote):
    _, text = tokens.issue(name="ci", scopes=[Access.SETTINGS_WRITE], at=NOON)

    assert remote.post("/setup", form(text), **OWN_PAGE).status_code == 401


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"password": "short", "password_again": "short"}, "at least 12 characters"),
        ({"password": "password1234", "password_again": "password1234"}, "too common"),
        ({"password": "ada-ada-ada-ada", "username": "ada-ada-ada-ad"}, "too similar"),
        ({"password_again": "something else"}, "The two passwords differ"),
        ({"password": "x" * 129, "password_again": "x" * 129}, "at most 128 characters"),
        ({"username": ""}, "This field is required"),
        ({"username": "a b<script>"}, "Enter a valid username"),
    ],
    ids=str,
)
def test_a_poor_account_is_refused_with_the_reason(changed, problem, code, remote):
    response = remote.post("/setup", form(code, **changed), **OWN_PAGE)

    assert response.status_code == 400
    assert problem in response.content.decode()
    assert User.objects.count() == 0
    assert claim.is_code(code)


def test_rules_for_passwords_are_told_to_nobody_without_the_code(code, remote):
    response = remote.post("/setup", form("wrong", password="short"), **OWN_PAGE)

    assert b"at least 12 characters" not in response.content


def test_no_password_is_ever_shown_again(code, remote):
    response = remote.post("/setup", form("wrong"), **OWN_PAGE)

    assert PASSWORD not in response.content.decode()


def test_no_code_is_ever_shown_again(code, remote):
    wrong = remote.post("/setup", form("a-wrong-code"), **OWN_PAGE)
    right = remote.post("/setup", form(code, password="short"), **OWN_PAGE)

    assert (wrong.status_code, right.status_code) == (401, 400)
    assert b"a-wrong-code" not in wrong.content
    assert code.encode() not in right.content


def test_another_site_cannot_claim(code, remote):
    assert remote.post("/setup", form(code)).status_code == 403
    assert remote.post("/setup", form(code), HTTP_ORIGIN="http://evil.test").status_code == 403
    assert User.objects.count() == 0


def test_ten_tries_in_five_minutes_are_all_a_client_gets(code, remote):
    with time_machine.travel(NOON, tick=False):
        tries = [remote.post("/setup", form("wrong"), **OWN_PAGE).status_code for _ in range(11)]
        right = remote.post("/setup", form(code), **OWN_PAGE)

    assert tries == [401] * 10 + [429]
    assert (right.status_code, right.headers["Retry-After"]) == (429, "115")
    with time_machine.travel(NOON + timedelta(minutes=5), tick=False):
        assert remote.post("/setup", form(code), **OWN_PAGE).status_code == 302


def test_forged_addresses_do_not_win_more_tries(code, remote, still_noon):
    tries = [
        remote.post("/setup", form("wrong"), HTTP_X_FORWARDED_FOR=f"198.51.100.{n}", **OWN_PAGE).status_code
        for n in range(11)
    ]

    assert tries[-1] == 429


def test_of_two_claims_at_the_same_moment_one_succeeds(code, monkeypatch):
    # Both have looked before either has written.
    monkeypatch.setattr(claim, "is_claimed", lambda: False)

    claim.claim(username="first", password=PASSWORD, at=NOON)
    with pytest.raises(claim.AlreadyClaimed):
        claim.claim(username="second", password=PASSWORD, at=NOON)

    assert [user.username for user in User.objects.all()] == ["first"]
    assert Claim.objects.count() == 1


def test_whoever_comes_second_is_told_so(code, remote, monkeypatch):
    answers = iter([False])
    claim.claim(username="first", password=PASSWORD, at=NOON)
    # The page was opened before the first claim, its code is used up since.
    monkeypatch.setattr(claim, "is_claimed", lambda: next(answers, True))

    response = remote.post("/setup", form(code, username="second"), **OWN_PAGE)

    assert response.status_code == 409
    assert User.objects.count() == 1


def test_the_command_prints_the_code_and_nothing_else(code, capsys):
    call_command("claim_code")

    assert capsys.readouterr().out == f"{code}\n"


def test_the_command_makes_the_code_if_need_be(capsys):
    call_command("claim_code")

    assert claim.is_code(capsys.readouterr().out)


def test_the_command_refuses_once_claimed(make_user):
    make_user()

    with pytest.raises(CommandError, match="has been claimed"):
        call_command("claim_code")
