"""README.md decisions 1 and 2, and errors.md sections 1 to 3: who is served, and how the others are refused."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from accounts import credentials, tokens
from accounts.models import ApiToken
from pulse.lib.auth import Access
from pulse.lib.clients import read_arrival
from tests.accounts.fixtures import LOCAL, PASSWORD, REMOTE
from tests.conftest import NOON

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ME = "/api/security/me"
TOKENS = "/api/security/tokens"
FORM = "application/x-www-form-urlencoded"


def assert_error(response, status: int, code: str) -> None:
    """The answer is the one shape of an error."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/json"
    body = response.json()
    assert body["error"]
    assert (body["code"], body["status_code"]) == (code, status)
    assert isinstance(body["timestamp"], int)
    assert "WWW-Authenticate" not in response.headers


# --- The loopback exception ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "localhost:7655", "127.0.0.1:7655", "[::1]:7655", "LOCALHOST"])
@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_a_fresh_install_serves_this_machine_without_a_credential(peer, host):
    response = Client(REMOTE_ADDR=peer, HTTP_HOST=host).get(ME)

    assert response.json() == {
        "kind": "loopback",
        "name": "",
        "scopes": ["monitoring:read", "metrics:read", "settings:read", "settings:write", "alerts:write"],
    }


@pytest.mark.parametrize(
    "changed",
    [
        {"REMOTE_ADDR": "10.0.0.5"},
        {"REMOTE_ADDR": "10.0.0.5", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
        {"HTTP_X_FORWARDED_FOR": ""},
        {"HTTP_X_FORWARDED_HOST": "localhost"},
        {"HTTP_X_FORWARDED_PROTO": "http"},
        {"HTTP_X_FORWARDED_PREFIX": "/pulse"},
        {"HTTP_FORWARDED": "for=127.0.0.1"},
        {"HTTP_X_REAL_IP": "127.0.0.1"},
        {"HTTP_VIA": "1.1 proxy"},
        {"HTTP_CF_CONNECTING_IP": "127.0.0.1"},
        {"HTTP_HOST": "evil.test"},
        {"HTTP_HOST": "localhost.evil.test"},
        {"HTTP_HOST": "127.0.0.1.nip.test:7655"},
        {"HTTP_HOST": "192.168.1.10"},
        {"HTTP_ORIGIN": "https://evil.test"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": "http://localhost:3000"},
        {"HTTP_ORIGIN": "http://127.0.0.1"},
    ],
    ids=str,
)
def test_nothing_but_this_machine_itself_is_served_without_a_credential(changed):
    response = Client(**(LOCAL | changed)).get(ME)

    assert_error(response, 401, "unauthorized")


def test_a_request_by_http_1_0_may_come_from_a_proxy_that_says_nothing():
    facts = {"peer": "127.0.0.1", "scheme": "http", "headers": {"host": "127.0.0.1:7655"}, "trusted": ()}

    assert read_arrival(http_version="1.1", **facts).is_local
    assert not read_arrival(http_version="1.0", **facts).is_local


def test_a_trusted_proxy_on_this_machine_does_not_lend_its_address_to_its_clients(settings):
    settings.PULSE_TRUSTED_PROXIES = ["127.0.0.1"]

    response = Client(**LOCAL, HTTP_X_FORWARDED_FOR="127.0.0.1").get(ME)

    assert_error(response, 401, "unauthorized")


def test_the_exception_ends_with_the_first_token(api):
    assert api.get(ME).status_code == 200

    tokens.issue(name="first", scopes=[Access.MONITORING_READ], at=NOON)

    assert_error(api.get(ME), 401, "unauthorized")


def test_revoking_the_last_token_does_not_bring_the_exception_back(api):
    token, _ = tokens.issue(name="first", scopes=[Access.MONITORING_READ], at=NOON)

    tokens.revoke(token, at=NOON)

    assert_error(api.get(ME), 401, "unauthorized")


def test_the_exception_ends_with_an_account(api, make_user):
    make_user()

    assert_error(api.get(ME), 401, "unauthorized")


def test_the_exception_ends_with_an_api_token_of_the_environment(api, with_api_token):
    assert_error(api.get(ME), 401, "unauthorized")


def test_pulse_auth_required_switches_the_exception_off(api, settings):
    settings.PULSE_AUTH = "required"

    assert_error(api.get(ME), 401, "unauthorized")


def test_a_stranger_on_a_fresh_install_is_told_the_three_ways_in(remote):
    text = remote.get(ME, HTTP_HOST="localhost:7655").json()["error"]

    assert text == (
        "Unauthorized: this Pulse is not set up yet; open it on the machine itself, or claim it at /setup with the "
        "code that `pulse claim-code` prints, or set PULSE_AUTH=open"
    )


def test_a_stranger_on_a_configured_install_is_told_how_to_show_a_credential(remote, make_user):
    make_user()

    text = remote.get(ME).json()["error"]

    assert text == "Unauthorized: send an API token in the header X-API-Token, or sign in at /login"


# --- PULSE_AUTH=open ----------------------------------------------------------------------------------------------


def test_open_serves_everybody_with_everything_but_admin(remote, settings):
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]

    assert remote.get(ME).json()["scopes"] == [
        "monitoring:read",
        "metrics:read",
        "settings:read",
        "settings:write",
        "alerts:write",
    ]
    assert_error(remote.get(TOKENS), 401, "unauthorized")


def test_open_never_takes_anything_from_somebody_who_signed_in(session_client, settings):
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]

    scopes = session_client(is_superuser=False).get(ME).json()["scopes"]

    assert scopes == ["monitoring:read", "metrics:read", "settings:read", "settings:write", "alerts:write"]


# --- Tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_X_API_TOKEN": "{}"},
        {"HTTP_X_API_KEY": "{}"},
        {"HTTP_AUTHORIZATION": "Bearer {}"},
        {"HTTP_AUTHORIZATION": "bearer  {}"},
        {"HTTP_AUTHORIZATION": "{}"},
    ],
    ids=str,
)
def test_a_token_is_taken_from_each_documented_header(headers, with_api_token):
    sent = {name: form.format(with_api_token) for name, form in headers.items()}

    assert Client(**REMOTE, **sent).get(ME).json()["name"] == "API_TOKEN"


def basic(password: str) -> dict[str, str]:
    """The header of Basic credentials."""
    return {"HTTP_AUTHORIZATION": f"Basic {b64encode(f'anybody:{password}'.encode()).decode()}"}


def test_a_token_is_taken_as_a_password(with_api_token):
    assert Client(**REMOTE, **basic(with_api_token)).get(ME).json()["name"] == "API_TOKEN"


#: What a reverse proxy in front asks for, and passes on.
FOREIGN = [
    "Basic",
    "Basic  ",
    "Basic not-base64",
    "Basic /w==",
    "Basic dTpw",
    "Basic b3BlcmF0b3I6aHVudGVyMg==",
    "basic b3BlcmF0b3I6",
    "Negotiate YIIJvwYGKwYBBQUCoIIJszCC",
    "NTLM TlRMTVNTUAABAAAA",
    'Digest username="ada", realm="lab", nonce="4e", uri="/", response="6629"',
    "Token abcdef",
    "ApiKey abcdef",
    "AWS4-HMAC-SHA256 Credential=AKIA/20260101/eu, Signature=fe5f",
    "something",
]


@pytest.mark.parametrize("text", FOREIGN)
def test_credentials_that_are_a_proxys_are_passed_by(text, with_api_token, session_client):
    sent = {"HTTP_AUTHORIZATION": text}

    assert Client(**REMOTE, HTTP_X_API_TOKEN=with_api_token, **sent).get(ME).json()["name"] == "API_TOKEN"
    assert session_client().get(ME, **sent).json()["kind"] == "session"
    refused = Client(**REMOTE, **sent).get(ME)
    assert_error(refused, 401, "unauthorized")
    assert refused.json()["error"] == (
        "Unauthorized: send an API token in the header X-API-Token, or sign in at /login"
    )


@pytest.mark.parametrize("text", FOREIGN)
def test_a_browser_behind_a_proxy_that_asks_for_a_password_is_led_to_the_sign_in(text, with_api_token):
    response = Client(**REMOTE).get("/", HTTP_AUTHORIZATION=text)

    assert (response.status_code, response.headers["Location"]) == (302, "/login?next=/")


def test_the_password_of_a_proxy_locks_nobody_out(with_api_token, session_client, settings, still_noon):
    settings.API_TOKEN_IS_SHORT = True
    page = session_client()
    answers = {page.get(ME, **basic(f"colleague-{n}")).status_code for n in range(40)}

    assert answers == {200}
    assert Client(**REMOTE, HTTP_X_API_TOKEN=with_api_token).get(ME).status_code == 200


def test_guesses_as_passwords_are_bounded(with_api_token, settings, still_noon):
    settings.API_TOKEN_IS_SHORT = True
    client = Client(**REMOTE)
    for n in range(29):
        client.get(ME, **basic(f"guess-{n}"))
    assert client.get(ME, **basic(with_api_token)).json()["name"] == "API_TOKEN"

    client.get(ME, **basic("guess-29"))

    assert_error(client.get(ME, **basic(with_api_token)), 401, "unauthorized")


@pytest.mark.parametrize("form", ["Basic", "Bearer", "bare"])
def test_what_looks_like_a_token_of_ours_is_refused_however_it_is_shown(form, with_api_token, session_client):
    text = "pulse_AAAAAAAA_" + "a" * 43
    sent = (
        basic(text)
        if form == "Basic"
        else {"HTTP_AUTHORIZATION": text.join(("Bearer " * (form == "Bearer"), ""))}
    )

    response = session_client().get(ME, **sent)

    assert_error(response, 401, "unauthorized")
    assert response.json()["error"] == "Unauthorized: this API token is wrong, revoked or expired"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"HTTP_ORIGIN": "http://pulse.test"}, 201),
        ({"HTTP_ORIGIN": "http://evil.test"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
    ],
    ids=str,
)
def test_a_page_of_another_site_cannot_use_a_password_that_the_browser_knows(headers, status, with_api_token):
    """Browsers add it by themselves, as they do cookies."""
    client = Client(**REMOTE, **basic(with_api_token))

    response = client.post(TOKENS, BODY, content_type="application/json", **headers)

    assert response.status_code == status


@pytest.mark.parametrize("name", ["token", "api_token", "access_token", "X-API-Token"])
def test_a_token_in_the_query_is_not_looked_at(name, remote, with_api_token):
    response = remote.get(ME, {name: with_api_token})

    assert_error(response, 401, "unauthorized")
    assert with_api_token not in response.content.decode()


WRONG = ["", "wrong", "pulse_", "pulse_AAAAAAAA_" + "a" * 43, "ü" * 30, "x" * 10_000, "Basic dTpw", "Bearer"]


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_token_is_401_for_everybody_also_on_this_machine(text, with_api_token):
    assert_error(Client(**LOCAL, HTTP_X_API_TOKEN=text).get(ME), 401, "unauthorized")


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_token_is_401_for_everybody_else_on_a_fresh_install(text, remote):
    assert_error(remote.get(ME, HTTP_X_API_TOKEN=text), 401, "unauthorized")


@pytest.mark.parametrize("header", ["HTTP_X_API_TOKEN", "HTTP_X_API_KEY", "HTTP_AUTHORIZATION"])
@pytest.mark.parametrize("text", WRONG)
def test_a_fresh_install_ignores_a_token_of_this_machine(header, text, api):
    told = api.get(ME, **{header: f"Bearer {text}" if header == "HTTP_AUTHORIZATION" else text})

    assert told.json()["kind"] == "loopback"


def test_a_fresh_install_that_is_open_ignores_a_token_of_anybody(remote, settings):
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]

    assert remote.get(ME, HTTP_X_API_TOKEN="wrong").json()["kind"] == "open"


def test_a_fresh_install_ignores_any_number_of_tokens_of_this_machine(api, still_noon):
    answers = {api.get(ME, HTTP_X_API_TOKEN=f"example-{n}").status_code for n in range(40)}

    assert answers == {200}


@pytest.mark.parametrize(
    "changed",
    [{"HTTP_ORIGIN": "https://evil.test"}, {"HTTP_SEC_FETCH_SITE": "cross-site"}, {"HTTP_HOST": "evil.test"}],
    ids=str,
)
def test_a_token_that_is_ignored_opens_nothing_to_a_page_of_another_site(changed, api):
    """An own address for what it could do without the header."""
    response = api.post(
        "/api/config/nodes", "{}", content_type="application/json", HTTP_X_API_TOKEN="x", **changed
    )

    assert response.status_code in (401, 403)


def test_a_wrong_token_is_401_beside_a_good_session(session_client):
    client = session_client(is_superuser=True)

    assert_error(client.get(ME, HTTP_X_API_TOKEN="wrong"), 401, "unauthorized")


def test_a_token_needs_no_proof_of_origin_and_no_content_type(token_client):
    client = token_client("admin")

    response = client.post(
        TOKENS,
        json.dumps({"name": "x", "scopes": ["monitoring:read"]}),
        content_type="application/x-www-form-urlencoded",
        HTTP_ORIGIN="https://elsewhere.test",
        HTTP_SEC_FETCH_SITE="cross-site",
    )

    assert response.status_code == 201


def test_a_scope_that_is_missing_is_named(token_client):
    response = token_client("monitoring:read").get("/api/config/nodes")

    assert_error(response, 403, "forbidden")
    assert response.json()["error"] == "this needs the scope settings:read"


def test_a_stored_scope_that_does_not_exist_gives_nothing(token_client):
    client = token_client("monitoring:read")
    ApiToken.objects.update(scopes=["everything", "monitoring:READ"])

    assert_error(client.get(ME), 403, "forbidden")


def test_an_expired_token_is_wrong(db):
    at = timezone.now()
    _, text = tokens.issue(
        name="short", scopes=[Access.MONITORING_READ], at=at, expires_at=at + timedelta(days=1)
    )
    client = Client(**REMOTE, HTTP_X_API_TOKEN=text)

    assert client.get(ME).status_code == 200
    with time_machine.travel(at + timedelta(days=1), tick=False):
        assert_error(client.get(ME), 401, "unauthorized")


def test_a_revoked_token_is_wrong_from_the_next_request_on(token_client):
    client = token_client("monitoring:read")
    assert client.get(ME).status_code == 200

    tokens.revoke(ApiToken.objects.get(), at=timezone.now())

    assert_error(client.get(ME), 401, "unauthorized")


@pytest.mark.parametrize("is_right", [True, False], ids=["hit", "miss"])
def test_tokens_are_compared_in_constant_time(is_right, token_client, with_api_token, monkeypatch):
    compare, compared = hmac.compare_digest, []
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(1) or compare(a, b))
    client = token_client("monitoring:read")
    text = client.defaults["HTTP_X_API_TOKEN"]

    client.get(ME, HTTP_X_API_TOKEN=text if is_right else text[:-2] + "--")

    # Once against API_TOKEN, once against the stored digest.
    assert len(compared) == 2


def test_many_wrong_tokens_are_answered_429_and_the_right_one_still_passes(with_api_token, still_noon):
    client = Client(**REMOTE)
    answers = [client.get(ME, HTTP_X_API_TOKEN=f"guess-{n}").status_code for n in range(31)]

    assert answers == [401] * 30 + [429]
    assert client.get(ME, HTTP_X_API_TOKEN=with_api_token).status_code == 200


def test_a_short_api_token_is_not_even_compared_while_guesses_come_in(with_api_token, settings, still_noon):
    settings.API_TOKEN_IS_SHORT = True
    client = Client(**REMOTE)
    for n in range(30):
        client.get(ME, HTTP_X_API_TOKEN=f"guess-{n}")

    response = client.get(ME, HTTP_X_API_TOKEN=with_api_token)

    assert_error(response, 429, "rate_limited")
    assert int(response.headers["Retry-After"]) in range(1, 61)


def test_a_stale_dashboard_does_not_lock_the_right_token_out(with_api_token, settings, still_noon):
    settings.API_TOKEN_IS_SHORT = True
    client = Client(**REMOTE)
    answers = {client.get(ME, HTTP_X_API_TOKEN="the-token-of-last-year").status_code for _ in range(100)}

    assert answers == {401}
    assert client.get(ME, HTTP_X_API_TOKEN=with_api_token).status_code == 200


def test_wrong_tokens_count_by_what_they_are_and_not_by_how_they_come(with_api_token, still_noon):
    client = Client(**REMOTE)
    for n in range(29):
        client.get(ME, HTTP_X_API_TOKEN=f"guess-{n}")
    for header in ({"HTTP_X_API_KEY": "guess-0"}, {"HTTP_AUTHORIZATION": "Bearer guess-1"}) * 20:
        assert client.get(ME, **header).status_code == 401

    answers = [client.get(ME, HTTP_X_API_TOKEN=f"new-{n}").status_code for n in range(2)]

    assert answers == [401, 429]


def test_each_client_has_its_own_guesses(with_api_token, still_noon):
    for n in range(31):
        Client(**REMOTE).get(ME, HTTP_X_API_TOKEN=f"guess-{n}")

    answer = Client(**(REMOTE | {"REMOTE_ADDR": "192.0.2.8"})).get(ME, HTTP_X_API_TOKEN="guess-0")

    assert answer.status_code == 401


def test_a_wrong_token_is_kept_nowhere(with_api_token, still_noon, caplog):
    from django.core.cache import caches

    Client(**REMOTE).get(ME, HTTP_X_API_TOKEN="a-secret-of-another-service")
    kept = repr(caches["limits"]._cache)

    assert (
        len(caches["limits"]._cache) == 4
    )  # how many, and which; that the log has told it, and how many lines it has
    assert "a-secret" not in kept + caplog.text
    assert hashlib.sha256(b"a-secret-of-another-service").hexdigest() not in kept


# --- Sessions and other sites --------------------------------------------------------------------------------------

BODY = json.dumps({"name": "x", "scopes": ["monitoring:read"]})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"HTTP_ORIGIN": "http://pulse.test"}, 201),
        ({"HTTP_ORIGIN": "https://pulse.test"}, 201),  # a TLS proxy that is not listed
        ({"HTTP_ORIGIN": "http://pulse.test:8080"}, 403),
        ({"HTTP_ORIGIN": "http://evil-pulse.test"}, 403),
        ({"HTTP_ORIGIN": "http://pulse.test.evil.test"}, 403),
        ({"HTTP_ORIGIN": "http://pulse.test@evil.test"}, 403),
        ({"HTTP_ORIGIN": "null"}, 403),
        ({"HTTP_ORIGIN": "http://evil.test", "HTTP_SEC_FETCH_SITE": "same-origin"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, 201),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, 403),
        ({"HTTP_SEC_FETCH_SITE": "none"}, 403),
        ({"HTTP_REFERER": "http://pulse.test/"}, 403),
    ],
    ids=str,
)
def test_an_unsafe_request_by_cookie_needs_proof_of_its_page(headers, status, session_client):
    client = session_client(is_superuser=True)

    response = client.post(TOKENS, BODY, content_type="application/json", **headers)

    assert response.status_code == status
    if status == 403:
        assert_error(response, 403, "cross_site")


def test_a_form_token_is_proof_too(session_client):
    client = session_client(is_superuser=True)
    client.get("/login")
    token = client.cookies["pulse_csrf"].value

    refused = client.post(TOKENS, BODY, content_type="application/json", HTTP_X_CSRFTOKEN="a" * 32)
    done = client.post(TOKENS, BODY, content_type="application/json", HTTP_X_CSRFTOKEN=token)

    assert_error(refused, 403, "cross_site")
    assert done.status_code == 201


#: what a browser adds to a request of another site's page, whatever the page puts into it
FOREIGN = {
    "another site": {"HTTP_SEC_FETCH_SITE": "cross-site"},
    "a neighbour": {"HTTP_SEC_FETCH_SITE": "same-site"},
    "no site": {"HTTP_SEC_FETCH_SITE": "none"},
    "another origin": {"HTTP_ORIGIN": "http://evil.test"},
    "a sandbox": {"HTTP_ORIGIN": "null"},
}


@pytest.mark.parametrize("where", FOREIGN)
def test_a_form_token_in_the_hands_of_another_site_is_no_proof(where, session_client):
    client = session_client(is_superuser=True)
    client.get("/login")
    token = client.cookies["pulse_csrf"].value

    response = client.post(
        TOKENS, BODY, content_type="application/json", HTTP_X_CSRFTOKEN=token, **FOREIGN[where]
    )

    assert_error(response, 403, "cross_site")
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize("where", FOREIGN)
def test_no_other_site_signs_a_person_in_also_with_a_form_token(where, remote, make_user):
    make_user()
    remote.get("/login")
    token = remote.cookies["pulse_csrf"].value
    form = urlencode({"username": "ada", "password": PASSWORD, "csrfmiddlewaretoken": token})

    refused = remote.post("/login", form, content_type=FORM, **FOREIGN[where])
    was_let_in = "pulse_session" in remote.cookies
    own = remote.post("/login", form, content_type=FORM)

    assert (refused.status_code, was_let_in) == (403, False)
    assert own.status_code == 302


def test_reading_by_cookie_needs_no_proof(session_client):
    assert session_client().get(ME, HTTP_SEC_FETCH_SITE="cross-site").json()["kind"] == "session"


@pytest.mark.parametrize("mode", ["auto", "open"])
@pytest.mark.parametrize(
    ("headers", "is_served"),
    [
        ({}, True),  # curl
        ({"HTTP_SEC_FETCH_SITE": "none"}, True),
        ({"HTTP_SEC_FETCH_SITE": "same-origin"}, True),
        ({"HTTP_ORIGIN": "http://localhost"}, True),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, False),
        ({"HTTP_SEC_FETCH_SITE": "same-site"}, False),
        ({"HTTP_ORIGIN": "http://evil.test"}, False),
        ({"HTTP_ORIGIN": "null"}, False),
    ],
    ids=str,
)
def test_another_site_cannot_write_through_the_browser_of_a_caller_without_credential(
    mode, headers, is_served, api, settings
):
    settings.PULSE_AUTH = mode

    response = api.post("/api/config/nodes", "{}", content_type="text/plain", **headers)

    if is_served:
        assert_error(response, 400, "validation_error")
    else:
        assert response.status_code in (401, 403)


def test_open_serves_the_pages_of_a_listed_origin(remote, settings):
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.test"]
    settings.ALLOWED_ORIGINS = ["https://panel.test"]

    response = remote.post(
        "/api/config/nodes", "{}", content_type="text/plain", HTTP_ORIGIN="https://panel.test"
    )

    assert_error(response, 400, "validation_error")


def test_what_a_person_may_depends_on_the_account(session_client):
    plain = session_client("plain").get(ME).json()
    staff = session_client("staff", is_staff=True).get(ME).json()
    root = session_client("root", is_superuser=True).get(ME).json()

    assert plain == {"kind": "session", "name": "plain", "scopes": ["monitoring:read", "metrics:read"]}
    assert staff["scopes"] == [
        "monitoring:read",
        "metrics:read",
        "settings:read",
        "settings:write",
        "alerts:write",
    ]
    assert root["scopes"] == [
        "monitoring:read",
        "metrics:read",
        "settings:read",
        "settings:write",
        "alerts:write",
        "admin",
    ]


def test_a_session_ends_with_its_account(session_client):
    client = session_client()
    assert client.get(ME).status_code == 200

    User.objects.update(is_active=False)

    assert_error(client.get(ME), 401, "unauthorized")


# --- Order of checks, methods, bodies ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/api/state", "/api/nothing", "/login", "/admin/", "/static/x.css", "/ws"]
)
def test_options_is_answered_on_any_path_without_a_credential(path, remote, with_api_token):
    response = remote.options(path)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, DELETE, OPTIONS"


def test_a_wrong_method_is_refused_before_the_credential_is_looked_at(remote, with_api_token):
    response = remote.delete(TOKENS)

    assert_error(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_head_is_get_without_a_body(api):
    response = api.head(ME)

    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Type"] == "application/json"


def test_an_unknown_path_of_the_api_is_a_json_404_also_for_strangers(remote, with_api_token):
    assert_error(remote.get("/api/nothing"), 404, "not_found")
    assert_error(remote.post("/api/health/"), 404, "not_found")


def test_nothing_is_redirected_for_a_missing_slash(api):
    assert api.post("/admin").status_code == 404


def test_a_body_over_the_limit_is_refused_unread(token_client):
    client = token_client("admin")

    response = client.post(TOKENS, b"x" * ((1 << 20) + 1), content_type="application/json")

    assert_error(response, 413, "body_too_large")


def test_a_body_of_exactly_the_limit_is_read(token_client):
    body = BODY.encode().ljust(1 << 20)

    assert token_client("admin").post(TOKENS, body, content_type="application/json").status_code == 201


def test_the_credential_is_looked_at_before_the_size_of_the_body(remote, with_api_token):
    response = remote.post(TOKENS, b"x" * ((1 << 20) + 1), content_type="application/json")

    assert_error(response, 401, "unauthorized")


def test_a_content_length_that_is_no_number_is_refused(api):
    response = api.post("/api/config/nodes", b"{}", content_type="application/json", CONTENT_LENGTH="+2")

    assert_error(response, 400, "bad_request")


def test_a_query_over_8_kb_is_refused(api):
    assert_error(api.get(ME + "?" + "a" * 8193), 400, "bad_request")


def test_a_host_that_is_not_listed_is_refused_on_every_path(settings, remote):
    settings.ALLOWED_HOSTS = ["pulse.example"]

    assert_error(remote.get("/api/health"), 400, "bad_request")
    assert remote.get("/login").status_code == 400
    assert remote.get("/api/health", HTTP_HOST="pulse.example").status_code == 200


# --- What a refused page is told ----------------------------------------------------------------------------------

ADVICE = "Behind a reverse proxy, let it pass the Host header on as it came (docs/reverse-proxies.md)"
OTHER = "this request was not sent by a page of this Pulse: "


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (
            {"HTTP_HOST": "127.0.0.1:7655", "HTTP_ORIGIN": "https://pulse.example.org"},
            f"{OTHER}its page is at https://pulse.example.org, but it reached Pulse for the Host 127.0.0.1:7655. {ADVICE}",
        ),
        (
            {"HTTP_ORIGIN": "https://pulse.test:8443"},
            (
                f"{OTHER}its page is at https://pulse.test:8443, but it reached Pulse for the Host pulse.test: the port "
                f"was lost on the way. {ADVICE}"
            ),
        ),
        (
            {"HTTP_HOST": "pulse.test:7655", "HTTP_ORIGIN": "http://pulse.test"},
            f"{OTHER}its page is at http://pulse.test, but it reached Pulse for the Host pulse.test:7655. {ADVICE}",
        ),
        (
            {"HTTP_HOST": "[fd00::1]:7655", "HTTP_ORIGIN": "http://[fd00::1]:80"},
            f"{OTHER}its page is at http://[fd00::1], but it reached Pulse for the Host [fd00::1]:7655. {ADVICE}",
        ),
        ({"HTTP_ORIGIN": "null"}, f"{OTHER}its Origin is not the address of a page"),
        (
            {"HTTP_ORIGIN": "https://<script>alert(1)</script>"},
            f"{OTHER}its Origin is not the address of a page",
        ),
        ({"HTTP_ORIGIN": "https://evil.test/<b>"}, f"{OTHER}its Origin is not the address of a page"),
        ({"HTTP_SEC_FETCH_SITE": "cross-site"}, f"{OTHER}the browser says that it comes from another site"),
        (
            {},
            (
                "nothing proves that a page of this Pulse sent this request: it carries neither Origin nor Sec-Fetch-Site, "
                "nor the token of a form that is still good; reload the page and try again"
            ),
        ),
    ],
    ids=str,
)
def test_a_page_that_is_refused_is_told_what_differs(headers, told, session_client):
    client = session_client(is_superuser=True)

    response = client.post(TOKENS, BODY, content_type="application/json", **headers)

    assert_error(response, 403, "cross_site")
    assert response.json()["error"] == told


def test_a_page_by_http_is_told_that_it_should_be_by_https(session_client, settings):
    settings.PULSE_TRUSTED_PROXIES = ["192.0.2.7"]
    client = session_client(is_superuser=True)
    client.cookies["__Host-pulse"] = client.cookies["pulse_session"].value
    sent = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_ORIGIN": "http://pulse.test"}

    response = client.post(TOKENS, BODY, content_type="application/json", **sent)

    assert response.json()["error"] == (
        f"{OTHER}its page is at http://pulse.test, but it reached Pulse for the Host pulse.test by https. Open the page "
        "by the address that people use, and reload it"
    )


def test_the_page_of_a_refusal_escapes_what_it_tells(remote):
    response = remote.post("/login", {"username": "x"}, HTTP_ORIGIN='https://a"><script>.test')

    assert response.status_code == 403
    assert b"<script>." not in response.content


# --- Fail closed ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "guard", ["caller_by_token", "caller_of_user", "caller_without_credential", "shown_token"]
)
@pytest.mark.parametrize(
    ("error", "status"), [(DatabaseError("down"), 503), (ZeroDivisionError(), 500)], ids=str
)
def test_a_guard_that_breaks_refuses(guard, error, status, monkeypatch, with_api_token):
    def broken(*args, **kwargs):
        raise error

    monkeypatch.setattr(f"accounts.door.{guard}", broken)
    token = (
        {}
        if guard in ("caller_of_user", "caller_without_credential")
        else {"HTTP_X_API_TOKEN": with_api_token}
    )
    client = Client(**REMOTE, raise_request_exception=False, **token)

    response = client.get(ME)

    assert response.status_code == status
    assert "down" not in response.content.decode()


def test_health_is_answered_while_the_database_is_not(remote, monkeypatch):
    def broken():
        raise DatabaseError("down")

    monkeypatch.setattr(credentials, "is_configured", broken)

    assert remote.get("/api/health").status_code == 200


# --- Pages ---------------------------------------------------------------------------------------------------------


def test_a_page_leads_a_stranger_to_the_set_up_while_nothing_is_configured(remote):
    response = remote.get("/simple-stats")

    assert (response.status_code, response.headers["Location"]) == (302, "/setup")


def test_a_page_leads_a_stranger_to_the_sign_in_and_back(remote, make_user):
    make_user()

    response = remote.get("/simple-stats?a=1&b=%2F")

    assert (response.status_code, response.headers["Location"]) == (
        302,
        "/login?next=/simple-stats%3Fa%3D1%26b%3D%252F",
    )


def test_a_page_refuses_a_wrong_token_where_it_stands(remote):
    response = remote.get("/simple-stats", HTTP_X_API_TOKEN="wrong")

    assert response.status_code == 401
    assert b"this API token is wrong" in response.content


def test_only_refusals_for_want_of_a_credential_speak_of_one(api, token_client, session_client):
    other = [
        api.get("/api/nothing"),
        api.delete(ME),
        api.get(ME + "?" + "a" * 9000),
        token_client("monitoring:read").get(TOKENS),
        session_client(is_superuser=True).post(TOKENS, BODY, content_type="application/json"),
    ]

    texts = [response.json()["error"] for response in other]

    assert [
        text for text in texts if "Unauthorized" in text or "API_TOKEN" in text or "success" in text
    ] == []
    assert [response.status_code for response in other] == [404, 405, 400, 403, 403]


def test_the_browsable_api_is_not_there(api):
    response = api.get(ME, HTTP_ACCEPT="text/html")

    assert response.headers["Content-Type"] == "application/json"


def test_an_exception_tells_nothing_of_itself(api, monkeypatch):
    def broken(request):
        raise RuntimeError("/etc/pulse/secret SELECT password")

    monkeypatch.setattr("accounts.api.caller_of", broken)
    api.raise_request_exception = False

    response = api.get(ME)

    assert_error(response, 500, "internal_error")
    assert b"secret" not in response.content


def test_a_password_is_not_a_token(remote, make_user):
    make_user()

    assert_error(remote.get(ME, HTTP_AUTHORIZATION=f"Bearer {PASSWORD}"), 401, "unauthorized")
