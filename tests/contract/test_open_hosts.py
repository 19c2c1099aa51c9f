"""PULSE_AUTH=open under foreign names, and what pages of other sites make a browser ask (security.md A5)."""

from __future__ import annotations

import socket

import pytest
from django.test import Client

from accounts.sockets import caller_of_scope
from pulse.lib.errors import ApiError
from tests.accounts.fixtures import LOCAL
from tests.architecture.routes import all_routes
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

STATE = "/api/security/me"


@pytest.fixture
def opened(settings):
    """Everybody is served who asks for an address, localhost or a listed name."""
    settings.PULSE_AUTH = "open"
    settings.PULSE_ALLOWED_HOSTS = ["pulse.lan", ".example.org", "*"]


SERVED = [
    "localhost",
    "localhost:7655",
    "127.0.0.1:7655",
    "192.0.2.7",
    "[2001:db8::1]:7655",
    "PULSE.lan:80",
    "a.example.org",
]
FOREIGN = [
    "evil.test",
    "evil.test:7655",
    "127.0.0.1.evil.test",
    "localhost.evil.test",
    "2130706433",
    "0x7f.1",
    "pulse.lan.evil.test",
]


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("host", SERVED)
def test_an_open_pulse_answers_to_addresses_and_listed_names(host):
    assert Client(REMOTE_ADDR="192.0.2.9", HTTP_HOST=host).get(STATE).json()["kind"] == "open"


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("path", [STATE, "/", "/api/health", "/no/such"])
@pytest.mark.parametrize("host", FOREIGN)
def test_an_open_pulse_answers_to_no_name_that_somebody_points_to_it(host, path):
    answer = Client(REMOTE_ADDR="127.0.0.1", HTTP_HOST=host).get(path)

    assert answer.status_code == 400
    assert answer.json()["error"] == (
        "with PULSE_AUTH=open Pulse answers only to addresses, to localhost and to the names in PULSE_ALLOWED_HOSTS, and "
        "the Host of the request is none of them"
    )
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("host", FOREIGN)
def test_nor_does_its_feed_open_to_one(host):
    with pytest.raises(ApiError) as refused:
        caller_of_scope(
            {"type": "websocket", "client": ("127.0.0.1", 5), "headers": [(b"host", host.encode())]}
        )

    assert (refused.value.status, refused.value.code) == (400, "bad_request")


def test_where_a_credential_is_needed_any_name_is_answered():
    assert Client(HTTP_HOST="evil.test").get(STATE).status_code == 401


# --- Calls to hosts -----------------------------------------------------------------------------------------------

#: The GET routes that call hosts while the client waits. Whoever adds one sets `calls_hosts`.
CALLING = {"api/config/nodes/<str:node_id>/permissions", "api/diagnostics", "api/diagnostics/export"}
ROUTES = {route.pattern: route.path for route in all_routes() if not route.is_admin}


@pytest.fixture
def calls(monkeypatch):
    """The addresses to which anything has connected."""
    called = []

    def refuse(self, address):
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    return called


def ask(pattern, method, **headers):
    """The answer of a route, with an instance where it wants one."""
    make_instance("pve", host="https://192.0.2.1:8006")
    path = ROUTES[pattern].replace("/nodes/x", "/nodes/pve-0")
    return getattr(Client(**LOCAL, **headers), method)(path)


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("pattern", ROUTES)
def test_only_these_routes_call_hosts_while_the_client_waits(pattern, method, calls, fresh_store):
    ask(pattern, method)
    assert bool(calls) is (pattern in CALLING)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize("pattern", sorted(CALLING))
def test_a_page_of_another_site_makes_no_host_be_called(pattern, method, site, calls, fresh_store):
    answer = ask(pattern, method, HTTP_SEC_FETCH_SITE=site)

    assert answer.status_code == 403
    assert calls == []
    if method == "get":
        assert answer.json()["code"] == "cross_site"


def test_nor_with_the_cookie_of_a_person(session_client, calls, fresh_store):
    make_instance("pve", host="https://192.0.2.1:8006")
    client = session_client(is_superuser=True)

    assert client.get("/api/diagnostics", HTTP_SEC_FETCH_SITE="cross-site").status_code == 403
    assert calls == []
    assert client.get("/api/diagnostics", HTTP_SEC_FETCH_SITE="same-origin").status_code == 200
    assert len(calls) > 0


def test_a_program_that_shows_a_token_means_it(token_client, calls, fresh_store):
    make_instance("pve", host="https://192.0.2.1:8006")

    answer = token_client("settings:read").get("/api/diagnostics", HTTP_SEC_FETCH_SITE="cross-site")

    assert answer.status_code == 200
