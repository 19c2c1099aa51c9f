"""accounts.fresh: how the loopback exception of a fresh installation ends for good (README.md decision 1, security.md A4)."""

from __future__ import annotations

import logging

import pytest
from django.db import DatabaseError
from django.test import Client

from accounts import fresh
from accounts.models import LoopbackEnd
from accounts.sockets import caller_of_scope, is_still_valid
from monitoring.concerns.own import noticed
from monitoring.known.notices import NOTICES, Notice, Notices
from monitoring.store.current import store
from pulse.diagnostics import report
from pulse.lib import peers
from pulse.lib.errors import ApiError
from tests.accounts.fixtures import LOCAL

pytestmark = pytest.mark.django_db

ME = "/api/security/me"


@pytest.fixture(autouse=True)
def own_store(fresh_store):
    """Notices are kept in a store of the test's own."""


def sign() -> str | None:
    """What has ended the exception, None while it has not ended."""
    fresh.forget()  # as another process would see it
    end = LoopbackEnd.objects.first()
    return end.sign if end is not None else None


def served() -> bool:
    """Whether this machine is served without a credential."""
    return Client(**LOCAL).get(ME).status_code == 200


def scope(**headers: str) -> dict[str, object]:
    """A handshake on this machine."""
    named = {"host": "localhost:7655"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return {
        "type": "websocket",
        "scheme": "ws",
        "http_version": "1.1",
        "client": ("127.0.0.1", 50000),
        "headers": [(name.encode(), value.encode()) for name, value in named.items()],
    }


SIGNS = {
    "HTTP_X_FORWARDED_FOR": ("127.0.0.1", "a request carried the header x-forwarded-for"),
    "HTTP_X_FORWARDED_PREFIX": ("/", "a request carried the header x-forwarded-prefix"),
    "HTTP_FORWARDED": ("for=127.0.0.1", "a request carried the header forwarded"),
    "HTTP_X_REAL_IP": ("127.0.0.1", "a request carried the header x-real-ip"),
    "HTTP_VIA": ("1.1 proxy", "a request carried the header via"),
    "HTTP_CF_RAY": ("1", "a request carried the header cf-ray"),
    "HTTP_HOST": ("pulse.example.org", "a request was for the Host pulse.example.org"),
    "HTTP_ORIGIN": ("https://evil.test", "a request was sent by a page of https://evil.test"),
}


@pytest.mark.parametrize(
    ("header", "value", "seen"), [(name, *rest) for name, rest in SIGNS.items()], ids=SIGNS
)
@pytest.mark.parametrize("peer", ["127.0.0.1", "192.0.2.7"])
@pytest.mark.parametrize("path", ["/", ME, "/api/version", "/no/such", "/static/pulse/css/base.css"])
def test_the_first_sign_of_a_proxy_or_a_foreign_name_ends_it(path, peer, header, value, seen):
    assert served()

    Client(**LOCAL | {"REMOTE_ADDR": peer, header: value}).get(path)

    assert sign() == seen
    assert not served()


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": "http://localhost:3000"},
        {"HTTP_ORIGIN": "https://localhost"},
        {"HTTP_HOST": "192.0.2.1:7655"},
        {"HTTP_HOST": "localhost.evil.test"},
        {"HTTP_HOST": "localhost."},
    ],
    ids=str,
)
def test_a_name_that_is_only_almost_this_machines_ends_it(headers):
    Client(**LOCAL | headers).get(ME)

    assert not served()


@pytest.mark.parametrize(
    "headers",
    [
        {"HTTP_HOST": "127.0.0.1:7655"},
        {"HTTP_HOST": "[::1]:7655", "REMOTE_ADDR": "::1"},
        {"HTTP_HOST": "localhost:7655", "HTTP_ORIGIN": "http://localhost:7655"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_X_API_TOKEN": "your-token"},
        {"HTTP_AUTHORIZATION": "Basic b3A6cGFzcw=="},
        {"REMOTE_ADDR": "192.0.2.7"},
    ],
    ids=str,
)
def test_ordinary_use_does_not_end_it(headers):
    Client(**LOCAL | headers).get(ME)

    assert sign() is None
    assert served()


def test_a_health_check_may_name_this_machine_as_it_likes():
    Client(REMOTE_ADDR="10.1.2.3", HTTP_HOST="10.1.2.4:7655").get("/api/health")

    assert sign() is None


def test_a_health_check_that_a_proxy_passed_on_ends_it():
    Client(**LOCAL, HTTP_X_FORWARDED_FOR="10.1.2.3").get("/api/health")

    assert sign() == "a request carried the header x-forwarded-for"


def test_a_host_that_is_refused_anyway_ends_it_too(settings):
    settings.ALLOWED_HOSTS = ["localhost"]

    assert Client(**LOCAL | {"HTTP_HOST": "evil.test"}).get(ME).status_code == 400
    assert sign() == "a request was for the Host evil.test"


@pytest.mark.parametrize(
    ("headers", "seen"),
    [
        ({"x_forwarded_for": "127.0.0.1"}, "a request carried the header x-forwarded-for"),
        ({"host": "pulse.test"}, "a request was for the Host pulse.test"),
        ({"origin": "https://evil.test"}, "a request was sent by a page of https://evil.test"),
    ],
)
def test_a_handshake_ends_it_as_a_request_does(headers, seen):
    with pytest.raises(ApiError):
        caller_of_scope(scope(**headers))

    assert sign() == seen
    assert not served()


def test_a_socket_that_was_opened_before_ends_with_it():
    caller = caller_of_scope(scope(origin="http://localhost:7655"))
    assert is_still_valid(caller)

    Client(**LOCAL, HTTP_FORWARDED="for=_").get(ME)

    assert not is_still_valid(caller)


def test_a_service_of_this_machine_is_not_served_and_ends_it(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(peers, "peer_of", lambda ends: peers.Peer.SERVICE)
        with pytest.raises(ApiError) as refused:
            caller_of_scope(scope() | {"server": ("127.0.0.1", 7655)})

    assert refused.value.status == 401
    assert sign() == "a service of this machine, and no person, sent a request"
    assert not served()


def test_who_has_gone_before_it_is_looked_for_is_not_served_and_ends_nothing(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(peers, "peer_of", lambda ends: peers.Peer.GONE)
        with pytest.raises(ApiError) as refused:
            caller_of_scope(scope() | {"server": ("127.0.0.1", 7655)})

    assert refused.value.status == 401
    assert not LoopbackEnd.objects.exists()
    assert served()


def test_afterwards_the_refusal_says_how_to_go_on():
    Client(**LOCAL, HTTP_FORWARDED="for=_").get(ME)

    assert Client(**LOCAL).get(ME).json()["error"] == (
        "Unauthorized: this Pulse is not set up yet, and serves nobody without a credential any more, this machine "
        "neither; claim it at /setup with the code that `pulse claim-code` prints, or set PULSE_AUTH=open"
    )


def test_the_page_of_the_set_up_says_why():
    assert b"Open it there." in Client(**LOCAL).get("/setup").content

    Client(**LOCAL | {"HTTP_HOST": "<b>.test"}).get(ME)
    page = Client(**LOCAL).get("/setup").content.decode()

    assert "a request was for the Host &lt;b&gt;.test" in page
    assert "Open it there." not in page


def test_the_dashboard_says_to_claim_it_before_a_proxy_leads_to_it(make_user):
    assert b"before you put a reverse proxy in front of it" in Client(**LOCAL).get("/").content

    client = Client(**LOCAL)
    client.force_login(make_user())

    assert b"before you put a reverse proxy in front of it" not in client.get("/").content


def test_it_is_logged_once_whatever_comes_after(caplog):
    for _ in range(3):
        fresh.forget()
        Client(**LOCAL | {"HTTP_HOST": "a\x1b[2J.test"}).get(ME)

    told = [one.getMessage() for one in caplog.records if one.name == "accounts.fresh"]
    sentence = (
        "from now on this machine, too, is served only with a credential: a request was for the Host a\ufffd[2J.test; "
        "claim Pulse at /setup with the code that `pulse claim-code` prints"
    )
    assert told == [sentence]


def test_a_long_name_is_shortened():
    Client(**LOCAL | {"HTTP_HOST": "a" * 5000}).get(ME)

    assert sign() == f"a request was for the Host {'a' * 79}…"


def test_a_concern_and_the_diagnostics_tell_it_for_a_day():
    Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get(ME)

    at = LoopbackEnd.objects.get().ended_at.timestamp()
    text = (
        "Since a request was for the Host pulse.test, this machine too is served only with a credential: "
        "claim Pulse before a proxy leads to it"
    )
    (concern,) = noticed(store().load(NOTICES).lasting(at_epoch=at + 86_000))
    assert (concern.code, concern.level, concern.text) == ("loopback_ended", "warning", text)
    assert report(at).errors == [text]
    assert report(at + 86_401).errors == []


@pytest.mark.parametrize(
    ("step", "is_told"),
    [(-90_000, False), (-86_400, True), (-3_600, True), (3_600, True), (86_400, True), (90_000, False)],
)
def test_a_notice_is_told_for_a_day_of_whatever_clock_there_is(step, is_told):
    notice = Notice("loopback_ended", "It has ended", 1_000_000.0)

    assert Notices((notice,)).lasting(at_epoch=1_000_000.0 + step) == ([notice] if is_told else [])


@pytest.mark.parametrize("auth", ["open", "required"])
def test_where_there_is_no_exception_none_ends(settings, auth):
    settings.PULSE_AUTH = auth

    Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get(ME)

    assert sign() is None


def test_a_configured_installation_has_nothing_to_end(make_user, django_assert_num_queries):
    make_user()

    Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get("/api/version")

    with django_assert_num_queries(0):
        Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get("/api/version")
    assert sign() is None


def test_a_sign_that_cannot_be_written_down_ends_it_in_this_process(monkeypatch, caplog):
    caplog.set_level(logging.CRITICAL)

    def fail(*_, **__):
        raise DatabaseError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(LoopbackEnd.objects, "get_or_create", fail)
        assert Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get(ME).status_code == 401

    assert not served()

    Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get(ME)
    assert sign() == "a request was for the Host pulse.test"


def test_it_has_ended_for_a_later_process_too():
    Client(**LOCAL | {"HTTP_HOST": "pulse.test"}).get(ME)
    fresh.forget()

    assert not served()
    assert not fresh.is_open()
