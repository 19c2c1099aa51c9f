"""/login, /logout, sessions and lock-outs: people with passwords."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client

from accounts import lockout
from accounts.models import SignInFailure
from accounts.tasks import prune_sessions
from tests.accounts.fixtures import PASSWORD, REMOTE
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ME = "/api/security/me"
OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}
TLS_PAGE = {"HTTP_ORIGIN": "https://pulse.test"}


def sign_in(client: Client, password: str = PASSWORD, *, username: str = "ada", next: str = "", **extra):
    """Send the form."""
    data = {"username": username, "password": password, "next": next}
    if extra.pop("remember", False):
        data["remember"] = "on"
    return client.post("/login", data, **(OWN_PAGE | extra))


@pytest.fixture
def ada(make_user) -> User:
    """An account."""
    return make_user("ada")


@pytest.fixture
def hashes(monkeypatch) -> list[str]:
    """What the password hasher was asked to do."""
    from accounts.hashers import BoundedArgon2Hasher

    done: list[str] = []
    for name in ("encode", "verify"):
        real = getattr(BoundedArgon2Hasher, name)
        monkeypatch.setattr(
            BoundedArgon2Hasher,
            name,
            lambda self, *args, real=real, name=name: done.append(name) or real(self, *args),
        )
    return done


# --- Coming in ----------------------------------------------------------------------------------------------------


def test_name_and_password_open_a_session(ada, remote):
    response = sign_in(remote)

    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert remote.get(ME).json()["name"] == "ada"


def test_the_page_has_a_form_and_is_kept_by_no_cache(ada, remote):
    response = remote.get("/login?next=/settings")

    assert response.status_code == 200
    assert b'name="next" value="/settings"' in response.content
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize(
    "given",
    [
        {"password": "wrong password"},
        {"username": "nobody"},
        {"username": "nobody", "password": ""},
        {"password": "x" * 200},
        {"username": "x" * 200},
        {"username": "ada\x00"},
    ],
    ids=str,
)
def test_everything_else_gets_the_same_answer(given, ada, remote):
    response = sign_in(remote, **given)

    assert response.status_code == 401
    assert b"This name and password do not go together." in response.content
    assert remote.get(ME).status_code == 401
    assert "WWW-Authenticate" not in response.headers


def test_a_disabled_account_gets_the_same_answer(ada, remote):
    User.objects.update(is_active=False)

    response = sign_in(remote)

    assert response.status_code == 401
    assert b"This name and password do not go together." in response.content


@pytest.mark.parametrize("username", ["ada", "nobody"])
def test_an_unknown_name_costs_the_same_work_as_a_known_one(
    username, ada, remote, hashes, django_assert_num_queries
):
    remote.get("/api/version")  # its Host is foreign: the first time it is looked whether that ends anything
    with django_assert_num_queries(8):
        sign_in(remote, "wrong password", username=username)

    assert len(hashes) == 1


def test_the_typed_password_is_never_shown_again(ada, remote):
    response = sign_in(remote, "wrong-but-close-password")

    assert b"wrong-but-close-password" not in response.content


@pytest.mark.parametrize(
    ("next", "location"),
    [
        ("/simple-stats?a=1", "/simple-stats?a=1"),
        ("", "/"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("///evil.test/", "/"),
        ("/\\evil.test/", "/"),
        ("\\\\evil.test", "/"),
        ("javascript:alert(1)", "/"),
        ("http:evil.test", "/"),
        ("/\t/evil.test", "/"),
        ("simple-stats", "/"),
    ],
)
def test_the_way_on_never_leads_to_another_site(next, location, ada, remote):
    assert sign_in(remote, next=next).headers["Location"] == location


def test_another_site_cannot_sign_anybody_in(ada, remote):
    assert sign_in(remote, HTTP_ORIGIN="http://evil.test").status_code == 403
    assert remote.get(ME).status_code == 401


def test_signing_out_ends_the_session_on_the_server(ada, remote):
    sign_in(remote)
    key = remote.cookies["pulse_session"].value

    response = remote.post("/logout", **OWN_PAGE)

    assert response.headers["Location"] == "/login"
    assert not Session.objects.filter(session_key=key).exists()
    remote.cookies["pulse_session"] = key
    assert remote.get(ME).status_code == 401


def test_another_site_cannot_sign_anybody_out(ada, remote):
    sign_in(remote)

    assert remote.post("/logout").status_code == 403
    assert remote.get("/logout").status_code == 405
    assert remote.get(ME).status_code == 200


# --- Cookies and the life of a session ------------------------------------------------------------------------------


def test_the_session_gets_a_new_name_at_the_sign_in(ada, remote):
    sign_in(remote)
    before = remote.cookies["pulse_session"].value

    sign_in(remote)

    assert remote.cookies["pulse_session"].value != before
    assert not Session.objects.filter(session_key=before).exists()


def test_a_session_that_was_planted_is_not_taken_over(ada, remote):
    remote.cookies["pulse_session"] = "a" * 32

    sign_in(remote)

    assert remote.cookies["pulse_session"].value != "a" * 32


def test_the_cookie_of_a_plain_connection(ada, remote):
    cookie = sign_in(remote).cookies["pulse_session"]

    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert (cookie["secure"], cookie["domain"]) == ("", "")


def test_the_cookie_of_a_tls_connection_is_bound_to_this_host_and_tls(ada, remote):
    response = sign_in(remote, **TLS_PAGE, secure=True)
    cookie = response.cookies["__Host-pulse"]

    assert "pulse_session" not in response.cookies
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (
        True,
        True,
        "Lax",
        "/",
        "",
    )
    assert remote.get(ME, secure=True).json()["name"] == "ada"


def test_every_cookie_of_a_tls_connection_is_secure(ada, remote):
    response = remote.get("/login", secure=True)

    assert [(name, cookie["secure"]) for name, cookie in response.cookies.items()] == [
        ("__Host-pulse_csrf", True)
    ]


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("", {"__Host-pulse", "__Host-pulse_csrf"}),
        ("/pulse", {"__Secure-pulse", "__Secure-pulse_csrf"}),
    ],
)
def test_over_tls_every_cookie_has_a_protected_name(prefix, names, make_user, remote, settings):
    settings.PULSE_URL_PREFIX = prefix
    settings.SESSION_COOKIE_PATH = settings.CSRF_COOKIE_PATH = prefix or "/"
    make_user("root", is_superuser=True, is_staff=True)
    change = {
        "old_password": PASSWORD,
        "new_password1": "another long one",
        "new_password2": "another long one",
    }
    answers = [
        remote.get("/login", secure=True),
        sign_in(remote, username="root", **TLS_PAGE, secure=True),
        remote.post("/admin/password_change/", change, **TLS_PAGE, secure=True),
        remote.post("/admin/auth/user/add/", {"_popup": "1"}, **TLS_PAGE, secure=True),
        remote.get("/admin/", secure=True),
    ]
    cookies = [cookie for answer in answers for cookie in answer.cookies.items()]

    assert {name for name, _ in cookies} == names
    assert {(cookie["secure"], cookie["path"], cookie["domain"]) for _, cookie in cookies} == {
        (True, prefix or "/", "")
    }


def test_no_sentence_of_the_admin_travels_in_a_cookie(make_user, remote):
    make_user("root", is_superuser=True, is_staff=True)
    sign_in(remote, username="root")
    remote.post("/admin/accounts/apitoken/", {"action": "revoke", "_selected_action": "7"}, **OWN_PAGE)

    answer = remote.post("/admin/accounts/apitoken/", {"action": "", "_selected_action": "7"}, **OWN_PAGE)

    assert "messages" not in answer.cookies
    assert b"No action selected." in remote.get("/admin/accounts/apitoken/").content


def test_the_proof_of_a_form_is_taken_under_the_name_of_its_scheme(ada, remote):
    remote.get("/login", secure=True)
    proof = remote.cookies["__Host-pulse_csrf"].value
    form = urlencode({"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": proof})
    sent = {"content_type": "application/x-www-form-urlencoded", "secure": True}
    sent["HTTP_REFERER"] = "https://pulse.test/login"  # without an Origin Django wants it over TLS

    by_tls = remote.post("/login", form, **sent)
    remote.cookies.clear()
    remote.cookies["pulse_csrf"] = proof
    planted = remote.post("/login", form, **sent)

    assert (by_tls.status_code, planted.status_code) == (302, 403)


@pytest.mark.parametrize(
    ("cookie", "is_tls", "is_dark"),
    [
        ("pulse_theme", False, True),
        ("__Host-pulse_theme", True, True),
        ("pulse_theme", True, False),
        ("__Host-pulse_theme", False, True),  # TLS ends at a proxy that is not trusted
        ("__Secure-pulse_theme", True, False),
    ],
)
def test_the_theme_is_read_under_the_name_that_its_script_gives_it(cookie, is_tls, is_dark, remote):
    remote.cookies[cookie] = "dark"

    page = remote.get("/login", secure=is_tls).content

    assert (b'data-theme="dark"' in page) is is_dark


def test_no_script_can_read_the_proof_of_a_form(remote):
    assert remote.get("/login").cookies["pulse_csrf"]["httponly"] is True


def test_a_plain_cookie_is_not_taken_over_tls(ada, remote):
    sign_in(remote)

    assert remote.get(ME, secure=True).status_code == 401


def test_signing_out_over_tls_deletes_the_tls_cookie(ada, remote):
    sign_in(remote, **TLS_PAGE, secure=True)

    response = remote.post("/logout", **TLS_PAGE, secure=True)

    assert response.cookies["__Host-pulse"]["max-age"] == 0
    assert remote.get(ME, secure=True).status_code == 401


@pytest.mark.parametrize(
    ("remember", "idle", "is_alive"),
    [
        (False, timedelta(hours=11, minutes=59), True),
        (False, timedelta(hours=12), False),
        (True, timedelta(hours=13), True),
        (True, timedelta(days=29), True),
        (True, timedelta(days=30), False),
    ],
)
def test_a_session_that_is_not_used_ends(remember, idle, is_alive, ada, remote):
    with time_machine.travel(NOON, tick=False):
        sign_in(remote, remember=remember)

    with time_machine.travel(NOON + idle, tick=False):
        assert (remote.get(ME).status_code == 200) is is_alive


def test_a_session_in_use_lasts_seven_days_and_no_longer(ada, remote):
    with time_machine.travel(NOON, tick=False):
        sign_in(remote)
    statuses = []
    for hours in range(6, 24 * 7 + 6, 6):
        with time_machine.travel(NOON + timedelta(hours=hours), tick=False):
            statuses.append(remote.get(ME).status_code)

    assert statuses == [200] * 27 + [401]


def test_a_session_in_use_is_written_every_ten_minutes_at_most(ada, remote, django_assert_num_queries):
    with time_machine.travel(NOON, tick=False):
        sign_in(remote)

    with time_machine.travel(NOON + timedelta(minutes=9), tick=False), django_assert_num_queries(2):
        remote.get(ME)
    with time_machine.travel(NOON + timedelta(minutes=10), tick=False):
        remote.get(ME)
    with time_machine.travel(NOON + timedelta(minutes=19), tick=False), django_assert_num_queries(2):
        remote.get(ME)


def test_a_new_password_ends_the_sessions_that_know_the_old_one(ada, remote):
    sign_in(remote)

    ada.set_password("another long password")
    ada.save()

    assert remote.get(ME).status_code == 401


def test_changing_ones_own_password_keeps_the_session_in_which_it_was_changed(make_user, remote):
    make_user("root", is_superuser=True, is_staff=True)
    sign_in(remote, username="root")
    other = Client(**REMOTE)
    sign_in(other, username="root")

    response = remote.post(
        "/admin/password_change/",
        {
            "old_password": PASSWORD,
            "new_password1": "another long password",
            "new_password2": "another long password",
        },
        **OWN_PAGE,
    )

    assert response.status_code == 302
    assert remote.get(ME).status_code == 200
    assert other.get(ME).status_code == 401


def test_sessions_that_are_over_are_pruned(ada, remote):
    with time_machine.travel(NOON, tick=False):
        sign_in(remote)
        sign_in(Client(**REMOTE), "wrong password")
        sign_in(Client(**REMOTE), remember=True)

    with time_machine.travel(NOON + timedelta(hours=12 + 47), tick=False):
        prune_sessions()
        assert Session.objects.count() == 2  # the clock may have been ahead for a while
    with time_machine.travel(NOON + timedelta(hours=12 + 49), tick=False):
        prune_sessions()

    assert Session.objects.count() == 1
    assert SignInFailure.objects.count() == 0


@pytest.mark.parametrize("spelling", ["naïve café secret", "nai\u0308ve cafe\u0301 secret"])
def test_the_same_letters_are_the_same_password_on_every_system(spelling, remote, db):
    User.objects.create_user("zoe", password="naïve café secret")

    assert sign_in(remote, spelling, username="zoe").status_code == 302


# --- Brute force --------------------------------------------------------------------------------------------------


def test_the_sixth_try_from_one_network_waits_a_quarter_of_an_hour(ada, remote):
    with time_machine.travel(NOON, tick=False):
        statuses = [sign_in(remote, "wrong password").status_code for _ in range(5)]
        refused = sign_in(remote)

    assert statuses == [401] * 5
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "900")
    assert b"Too many tries. Try again in 15 minutes." in refused.content
    with time_machine.travel(NOON + timedelta(minutes=15), tick=False):
        assert sign_in(remote).status_code == 302


def test_a_refused_try_hashes_nothing_and_does_not_lengthen_the_wait(ada, remote, hashes):
    with time_machine.travel(NOON, tick=False):
        for _ in range(5):
            sign_in(remote, "wrong password")
    hashes.clear()

    with time_machine.travel(NOON + timedelta(minutes=14), tick=False):
        refused = sign_in(remote)

    assert (refused.status_code, refused.headers["Retry-After"], hashes) == (429, "60", [])
    assert SignInFailure.objects.count() == 5


def test_an_unknown_name_is_locked_like_a_known_one(ada, remote):
    statuses = [sign_in(remote, "wrong password", username="nobody").status_code for _ in range(6)]

    assert statuses == [401] * 5 + [429]


def test_the_right_password_begins_anew(ada, remote):
    for _ in range(4):
        sign_in(remote, "wrong password")
    sign_in(remote)

    statuses = [sign_in(remote, "wrong password").status_code for _ in range(5)]

    assert statuses == [401] * 5


def test_other_spellings_of_a_name_do_not_win_more_tries(ada, remote):
    names = ["ada", "ADA", " ada ", "Ada", "ａｄａ", "adA"]

    statuses = [sign_in(remote, "wrong password", username=name).status_code for name in names]

    assert statuses == [401] * 5 + [429]


@pytest.mark.parametrize(
    "addresses",
    [[f"192.0.2.{n}" for n in range(1, 7)], [f"2001:db8::{n:x}" for n in range(1, 7)]],
    ids=["one /24", "one /64"],
)
def test_neighbours_share_their_tries(addresses, ada, db):
    statuses = [
        sign_in(Client(**(REMOTE | {"REMOTE_ADDR": address})), "wrong password").status_code
        for address in addresses
    ]

    assert statuses == [401] * 5 + [429]


def test_an_account_under_attack_from_everywhere_answers_ever_more_slowly_but_never_closes(ada, db):
    waits = []
    at = NOON
    for n in range(14):
        wait = lockout.take("ada", f"198.51.{n}.1", at=at)
        waits.append(wait)
        if wait:
            at += timedelta(seconds=wait)
            assert lockout.take("ada", f"198.51.{n}.1", at=at) == 0

    assert waits == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30, 30, 30]


def test_an_attack_on_one_account_leaves_the_others_alone(ada, make_user, remote):
    make_user("grace")
    for _ in range(6):
        sign_in(remote, "wrong password")

    assert sign_in(remote, username="grace").status_code == 302


def test_one_client_cannot_try_every_account(ada, remote, still_noon):
    statuses = [sign_in(remote, "wrong password", username=f"user-{n}").status_code for n in range(31)]

    assert statuses == [401] * 30 + [429]


def test_forged_addresses_do_not_win_more_tries(ada, remote):
    statuses = [
        sign_in(remote, "wrong password", HTTP_X_FORWARDED_FOR=f"198.51.{n}.1").status_code for n in range(6)
    ]

    assert statuses[-1] == 429


def test_clients_behind_a_trusted_proxy_are_told_apart(ada, remote, settings):
    settings.PULSE_TRUSTED_PROXIES = ["192.0.2.7"]
    with time_machine.travel(NOON, tick=False):
        for n in range(5):
            sign_in(remote, "wrong password", HTTP_X_FORWARDED_FOR=f"203.0.113.{n}, 198.51.100.9")

    with time_machine.travel(NOON + timedelta(seconds=5), tick=False):
        same = sign_in(remote, HTTP_X_FORWARDED_FOR="203.0.113.5, 198.51.100.77")
        other = sign_in(remote, HTTP_X_FORWARDED_FOR="203.0.113.5")

    assert (same.status_code, other.status_code) == (429, 302)


def test_what_was_typed_as_a_name_is_not_kept(ada, remote):
    sign_in(remote, "wrong password", username="MyPassword-in-the-wrong-field")

    assert "password-in-the-wrong" not in str(SignInFailure.objects.values().get()).lower()


def test_the_command_unlocks_an_account(ada, remote, capsys):
    for _ in range(6):
        sign_in(remote, "wrong password")

    call_command("unlock", "ada")

    assert capsys.readouterr().out == "5 failed sign-ins forgotten\n"
    assert sign_in(remote).status_code == 302


def test_a_crowd_waits_for_its_turn_to_hash_and_is_told_when_it_is_too_large(ada, remote, monkeypatch):
    from accounts import hashers

    monkeypatch.setattr(hashers, "MAX_WAIT_SECONDS", 0.01)
    for _ in range(hashers.MAX_AT_ONCE):
        hashers.turns.acquire()
    try:
        response = sign_in(remote)
    finally:
        for _ in range(hashers.MAX_AT_ONCE):
            hashers.turns.release()

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert sign_in(remote).status_code == 302


def test_a_try_whose_password_was_never_looked_at_does_not_count(ada, remote, monkeypatch):
    from accounts import hashers

    monkeypatch.setattr(hashers, "MAX_WAIT_SECONDS", 0.01)
    for _ in range(hashers.MAX_AT_ONCE):
        hashers.turns.acquire()
    try:
        statuses = [sign_in(remote).status_code for _ in range(7)]
    finally:
        for _ in range(hashers.MAX_AT_ONCE):
            hashers.turns.release()

    assert statuses == [503] * 7
    assert not SignInFailure.objects.exists()
    assert sign_in(remote).status_code == 302
