"""accounts.sockets: who may open `/ws` (state.md 7.1, security.md A60), and how long."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from accounts import sockets, tokens
from accounts.models import ApiToken
from accounts.sockets import caller_of_scope, is_still_valid, resolve_scope, still_valid
from pulse.lib.auth import OPEN_SCOPES, Access, Caller
from pulse.lib.errors import ApiError
from pulse.lib.keys import token_digest

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

OWN, FOREIGN, LISTED = "http://pulse.test", "https://evil.test", "https://panel.test"


def scope_of(*, peer="192.0.2.7", host="pulse.test", scheme="ws", version="1.1", **headers):
    """Return the scope of a handshake; `_` in a header's name stands for `-`."""
    raw = [(b"host", host.encode())] + [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
        if value is not None
    ]
    return {
        "type": "websocket",
        "path": "/ws",
        "scheme": scheme,
        "http_version": version,
        "client": (peer, 50000) if peer else None,
        "headers": raw,
        "query_string": b"token=whatever",
    }


def local(**headers):
    """Return the scope of a handshake on this machine."""
    return scope_of(peer="127.0.0.1", host="localhost:7655", **headers)


def refusal_of(scope) -> tuple[int, str]:
    """Return status and code with which the handshake is refused."""
    with pytest.raises(ApiError) as refused:
        caller_of_scope(scope)
    return refused.value.status, refused.value.code


@pytest.fixture
def cookie(session_client) -> str:
    """The cookie of a person who is signed in."""
    return f"theme=dark; pulse_session={session_client().cookies['pulse_session'].value}"


@pytest.fixture
def token() -> str:
    """A token that may read."""
    return tokens.issue(name="wall", scopes=[Access.MONITORING_READ], at=timezone.now())[1]


# --- Handshake ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allowed", "origin", "with_cookie", "with_token", "outcome"),
    [
        (["*"], None, False, True, "token"),
        (["*"], OWN, False, True, "token"),
        (["*"], FOREIGN, False, True, "token"),
        ([LISTED], None, False, True, "token"),
        ([LISTED], OWN, False, True, "token"),
        ([LISTED], LISTED, False, True, "token"),
        ([LISTED], FOREIGN, False, True, (403, "origin_not_allowed")),
        ([LISTED], "null", False, True, (403, "origin_not_allowed")),
        ([LISTED], OWN, True, False, "session"),
        (["*"], OWN, True, False, "session"),
        (["*"], None, True, False, (403, "origin_not_allowed")),
        (["*"], FOREIGN, True, False, (403, "origin_not_allowed")),
        ([LISTED], LISTED, True, False, (403, "origin_not_allowed")),
        (["*"], "http://pulse.test:81", True, False, (403, "origin_not_allowed")),
        (["*"], "null", True, False, (403, "origin_not_allowed")),
        (["*"], OWN, True, True, "token"),
        (["*"], OWN, False, False, (401, "unauthorized")),
        (["*"], None, False, False, (401, "unauthorized")),
    ],
)
def test_who_may_open_a_socket_from_which_page(
    allowed, origin, with_cookie, with_token, outcome, settings, cookie, token
):
    settings.ALLOWED_ORIGINS = allowed
    scope = scope_of(
        origin=origin, cookie=cookie if with_cookie else None, x_api_token=token if with_token else None
    )

    if isinstance(outcome, str):
        assert caller_of_scope(scope).kind == outcome
    else:
        assert refusal_of(scope) == outcome


@pytest.mark.parametrize("page", [None, "http://localhost:7655"])
def test_a_fresh_install_opens_to_this_machine(page):
    caller = caller_of_scope(local(origin=page))

    assert (caller.kind, caller.scopes) == ("loopback", OPEN_SCOPES)


@pytest.mark.parametrize(
    "changed",
    [
        {"peer": "10.0.0.5"},
        {"peer": ""},
        {"host": "evil.test"},
        {"origin": FOREIGN},
        {"origin": "http://localhost:3000"},
        {"origin": "null"},
        {"x_forwarded_for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"version": "1.0"},
    ],
    ids=str,
)
def test_a_fresh_install_opens_to_nobody_else(changed):
    scope = scope_of(**({"peer": "127.0.0.1", "host": "localhost:7655"} | changed))

    assert refusal_of(scope) == (401, "unauthorized")


def test_a_configured_install_does_not_open_to_this_machine(token):
    assert refusal_of(local()) == (401, "unauthorized")


def test_open_opens_to_everybody_and_needs_no_cookie(settings, cookie):
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]

    assert caller_of_scope(scope_of(origin=FOREIGN)).kind == "open"
    assert caller_of_scope(scope_of(origin=FOREIGN, cookie=cookie)).kind == "open"
    assert caller_of_scope(scope_of(origin=OWN, cookie=cookie)).kind == "session"


def test_a_token_in_the_query_is_not_looked_at(token):
    scope = scope_of() | {"query_string": f"token={token}".encode()}

    assert refusal_of(scope) == (401, "unauthorized")


def test_a_wrong_token_is_refused_beside_a_good_cookie(cookie):
    assert refusal_of(scope_of(origin=OWN, cookie=cookie, authorization="Bearer wrong")) == (
        401,
        "unauthorized",
    )


def test_a_token_that_may_not_read_is_refused():
    _, text = tokens.issue(name="x", scopes=[Access.SETTINGS_READ], at=timezone.now())

    assert refusal_of(scope_of(x_api_token=text)) == (403, "forbidden")


@pytest.mark.parametrize(
    ("origin", "answer"), [(None, "token"), (OWN, "token"), (FOREIGN, (403, "origin_not_allowed"))]
)
def test_a_password_opens_no_socket_for_a_page_of_another_site(origin, answer, token):
    """Browsers add it by themselves, as they do cookies."""
    password = b64encode(f"anybody:{token}".encode()).decode()
    scope = scope_of(authorization=f"Basic {password}", origin=origin)

    assert (caller_of_scope(scope).kind if answer == "token" else refusal_of(scope)) == answer


def offering(*protocols, **headers):
    """Return the scope of a handshake that offers these sub-protocols."""
    return scope_of(**headers) | {"subprotocols": list(protocols)}


@pytest.mark.parametrize(
    ("allowed", "origin", "outcome"),
    [
        (["*"], None, "token"),
        (["*"], OWN, "token"),
        (["*"], FOREIGN, "token"),
        ([LISTED], LISTED, "token"),
        ([LISTED], FOREIGN, (403, "origin_not_allowed")),
        ([LISTED], "null", (403, "origin_not_allowed")),
    ],
)
def test_a_token_among_the_sub_protocols_opens_a_socket_for_whom_a_token_does(
    allowed, origin, outcome, settings, token
):
    settings.ALLOWED_ORIGINS = allowed
    scope = offering("pulse", f"bearer.{token}", origin=origin)

    assert (caller_of_scope(scope).kind if outcome == "token" else refusal_of(scope)) == outcome


def test_a_token_among_the_sub_protocols_may_be_percent_encoded(settings):
    settings.API_TOKEN_DIGEST = token_digest("base64/like+token==%41")

    assert caller_of_scope(offering("pulse", "bearer.base64%2Flike+token%3D%3D%2541")).kind == "token"


@pytest.mark.parametrize(
    "protocols",
    [
        ["pulse", "bearer."],
        ["pulse", "bearer.wrong"],
        ["pulse", "bearer.pulse_AAAAAAAA_" + "a" * 43],
        ["bearer.wrong"],
        ["pulse", "bearer.%ff"],
    ],
    ids=str,
)
def test_a_wrong_token_among_the_sub_protocols_is_refused(protocols, cookie):
    assert refusal_of(offering(*protocols, cookie=cookie, origin=OWN)) == (401, "unauthorized")


@pytest.mark.parametrize("name", ["{}", "Bearer.{}", "token.{}", "bearer{}", "pulse.bearer.{}"])
def test_a_token_under_another_name_is_no_token(name, token):
    assert refusal_of(offering("pulse", name.format(token))) == (401, "unauthorized")


def test_two_tokens_among_the_sub_protocols_are_none(token):
    assert caller_of_scope(offering(f"bearer.{token}", f"bearer.{token}")).kind == "token"
    assert refusal_of(offering(f"bearer.{token}", "bearer.other")) == (401, "unauthorized")


def test_the_password_of_a_proxy_does_not_hide_the_token_of_a_sub_protocol(token):
    assert caller_of_scope(offering("pulse", f"bearer.{token}", authorization="Basic dTpw")).kind == "token"


@pytest.mark.parametrize("text", ["Basic dTpw", "Basic b3BlcmF0b3I6aHVudGVyMg==", "Negotiate YII", "junk"])
def test_credentials_that_are_a_proxys_are_passed_by(text, cookie):
    assert caller_of_scope(scope_of(origin=OWN, cookie=cookie, authorization=text)).kind == "session"
    assert refusal_of(scope_of(authorization=text)) == (401, "unauthorized")


def test_a_fresh_install_ignores_a_token_of_this_machine():
    assert caller_of_scope(local(x_api_token="from-the-document")).kind == "loopback"
    assert caller_of_scope(local() | {"subprotocols": ["pulse", "bearer.x"]}).kind == "loopback"
    assert refusal_of(local(x_api_token="x", origin=FOREIGN)) == (401, "unauthorized")


def test_a_page_whose_session_is_refused_is_told_what_differs(cookie):
    with pytest.raises(ApiError) as refused:
        caller_of_scope(scope_of(host="127.0.0.1:7655", cookie=cookie, origin="https://pulse.test"))

    assert refused.value.message == (
        "a session opens the feed from pages of this Pulse only: its page is at https://pulse.test, but it reached Pulse "
        "for the Host 127.0.0.1:7655. Behind a reverse proxy, let it pass the Host header on as it came "
        "(docs/reverse-proxies.md)"
    )


def test_two_tokens_at_once_are_none(token):
    scope = scope_of(x_api_token=token)
    scope["headers"].append((b"x-api-token", token.encode()))

    assert refusal_of(scope) == (401, "unauthorized")


def test_wrong_tokens_are_counted_together_with_those_of_requests(with_api_token, still_noon):
    client = Client(REMOTE_ADDR="192.0.2.7")
    for n in range(30):
        client.get("/api/security/me", HTTP_X_API_TOKEN=f"guess-{n}")

    assert refusal_of(scope_of(x_api_token="guess")) == (429, "rate_limited")


def test_a_host_that_is_not_listed_is_refused(settings, token):
    settings.ALLOWED_HOSTS = ["pulse.example"]

    assert refusal_of(scope_of(x_api_token=token)) == (400, "bad_request")
    assert caller_of_scope(scope_of(host="pulse.example:7655", x_api_token=token)).kind == "token"


@pytest.mark.parametrize("host", ["[::1].evil.test", "localhost:7655:1", "a b", "a/b", "pulse_test"])
def test_a_host_that_is_no_host_is_refused(host, token):
    assert refusal_of(scope_of(host=host, x_api_token=token)) == (400, "bad_request")


def test_behind_a_listed_tls_proxy_the_page_under_https_is_ours(settings, session_client, make_user):
    settings.PULSE_TRUSTED_PROXIES = ["192.0.2.7"]
    settings.ALLOWED_ORIGINS = [LISTED]
    client = session_client()
    forwarded = {"host": "127.0.0.1:7655", "x_forwarded_proto": "https", "x_forwarded_host": "pulse.test"}
    cookie = f"__Host-pulse={client.cookies['pulse_session'].value}"

    opened = caller_of_scope(scope_of(**forwarded, cookie=cookie, origin="https://pulse.test"))

    assert opened.kind == "session"
    assert refusal_of(scope_of(**forwarded, cookie=cookie, origin=OWN)) == (403, "origin_not_allowed")


def test_behind_an_unknown_tls_proxy_the_page_under_https_is_ours_too(cookie, settings):
    settings.ALLOWED_ORIGINS = [LISTED]

    assert caller_of_scope(scope_of(cookie=cookie, origin="https://pulse.test")).kind == "session"


@pytest.mark.parametrize(
    "value", ["pulse_session=", "pulse_session=nonsense", "pulse_session", "\xff=\xff", ";;;"]
)
def test_a_cookie_that_means_nothing_is_nobody(value, make_user):
    make_user()

    assert refusal_of(scope_of(origin=OWN, cookie=value)) == (401, "unauthorized")


# --- An open socket -----------------------------------------------------------------------------------------------


def test_a_token_keeps_its_socket_until_it_is_revoked(token):
    caller = caller_of_scope(scope_of(x_api_token=token))
    assert is_still_valid(caller)

    tokens.revoke(ApiToken.objects.get(), at=timezone.now())

    assert not is_still_valid(caller)


def test_a_token_keeps_its_socket_until_it_expires():
    at = timezone.now()
    _, text = tokens.issue(
        name="x", scopes=[Access.MONITORING_READ], at=at, expires_at=at + timedelta(hours=1)
    )
    caller = caller_of_scope(scope_of(x_api_token=text))

    assert is_still_valid(caller)
    with time_machine.travel(at + timedelta(hours=1)):
        assert not is_still_valid(caller)


@pytest.mark.parametrize(
    "end",
    [
        lambda client: client.post("/logout", HTTP_ORIGIN=OWN),
        lambda client: User.objects.update(is_active=False),
        lambda client: User.objects.all().delete(),
        lambda client: change_password(),
        lambda client: client.session.delete(),
    ],
    ids=["sign-out", "disabled", "deleted", "new password", "session gone"],
)
def test_a_session_keeps_its_socket_until_it_ends(end, session_client):
    client = session_client()
    cookie = f"pulse_session={client.cookies['pulse_session'].value}"
    caller = caller_of_scope(scope_of(origin=OWN, cookie=cookie))
    assert is_still_valid(caller)

    end(client)

    assert not is_still_valid(caller)


def change_password() -> None:
    """Give the only account another password."""
    user = User.objects.get()
    user.set_password("another long password")
    user.save()


def test_this_machine_keeps_its_socket_until_something_is_configured(make_user):
    caller = caller_of_scope(local())
    assert is_still_valid(caller)

    make_user()

    assert not is_still_valid(caller)


def test_an_open_socket_does_not_outlive_the_open_mode(settings):
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]
    caller = caller_of_scope(scope_of())
    assert is_still_valid(caller)

    settings.PULSE_AUTH = "auto"

    assert not is_still_valid(caller)


def test_the_api_token_keeps_its_socket(with_api_token):
    assert is_still_valid(caller_of_scope(scope_of(x_api_token=with_api_token)))


def test_nobody_and_a_session_without_a_name_are_not_valid():
    assert not is_still_valid(Caller("anonymous"))
    assert not is_still_valid(Caller("session", OPEN_SCOPES, user_pk=1))


def test_the_session_key_is_not_shown(cookie):
    caller = caller_of_scope(scope_of(origin=OWN, cookie=cookie))

    assert caller.session_key
    assert caller.session_key not in repr(caller)


# --- Off the event loop -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_handshake_is_looked_up_off_the_event_loop():
    caller = asyncio.run(resolve_scope(local()))

    assert caller.kind == "loopback"


def test_a_database_that_does_not_answer_refuses(monkeypatch):
    def broken(scope):
        raise DatabaseError("secret of the database")

    monkeypatch.setattr(sockets, "caller_of_scope", broken)

    with pytest.raises(ApiError) as refused:
        asyncio.run(resolve_scope(local()))
    assert (refused.value.status, "secret" in refused.value.message) == (503, False)


def test_a_database_that_does_not_answer_ends_open_sockets(monkeypatch):
    def broken(caller):
        raise DatabaseError("gone")

    monkeypatch.setattr(sockets, "is_still_valid", broken)

    assert asyncio.run(still_valid(Caller("loopback"))) is False


def test_sockets_of_one_caller_share_a_look_up(monkeypatch):
    asked = []
    monkeypatch.setattr(sockets, "is_still_valid", lambda caller: asked.append(caller) or True)
    monkeypatch.setattr(sockets.time, "monotonic", lambda: 100.0)

    async def many():
        return await asyncio.gather(*(still_valid(Caller("loopback")) for _ in range(100)))

    assert asyncio.run(many()) == [True] * 100
    assert len(asked) == 1


def test_an_answer_about_a_socket_is_believed_for_a_second_only(monkeypatch):
    answers = iter([True, False])
    monkeypatch.setattr(sockets, "is_still_valid", lambda caller: next(answers))
    clock = [100.0]
    monkeypatch.setattr(sockets.time, "monotonic", lambda: clock[0])

    async def ask(at: float) -> bool:
        clock[0] = at
        return await still_valid(Caller("loopback"))

    assert [asyncio.run(ask(at)) for at in (100.0, 100.9, 101.0)] == [True, True, False]


def test_callers_that_come_and_go_do_not_pile_up(monkeypatch):
    monkeypatch.setattr(sockets, "is_still_valid", lambda caller: True)
    monkeypatch.setattr(sockets, "MAX_RECHECKS", 10)

    async def many():
        for n in range(100):
            await still_valid(Caller("session", session_key=str(n)))

    asyncio.run(many())

    assert len(sockets.rechecks) <= 10
