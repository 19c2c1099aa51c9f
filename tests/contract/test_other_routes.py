"""http-api.md 3.4, 15.3 to 15.5: the public settings, addresses that speak WebSocket, and every other address."""

from __future__ import annotations

import re

import pytest

from tests.accounts.fixtures import REMOTE

pytestmark = pytest.mark.django_db


def test_the_public_settings_are_those_of_the_contract(api):
    response = api.get("/api/config")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json() == {
        "pollingInterval": 10,
        "csrfProtection": False,
        "autoUpdateEnabled": False,
        "updateChannel": "stable",
    }


def test_the_public_settings_are_those_in_force(api, settings):
    settings.POLLING_INTERVAL_SECONDS = 60
    settings.AUTO_UPDATE_ENABLED = True
    settings.UPDATE_CHANNEL = "rc"

    assert api.get("/api/config").json() == {
        "pollingInterval": 60,
        "csrfProtection": False,
        "autoUpdateEnabled": True,
        "updateChannel": "rc",
    }


# --- 15.3 and 15.4 ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/ws", "/socket.io/?transport=websocket", "/socket.io/x?transport=websocket"]
)
def test_a_socket_without_an_upgrade_is_400_and_says_which_version_it_speaks(path, api):
    response = api.get(path)

    assert response.status_code == 400
    assert response.json()["code"] == "upgrade_required"
    assert response.headers["Sec-WebSocket-Version"] == "13"


@pytest.mark.parametrize(
    ("origin", "allowed", "status"),
    [
        ("http://pulse.test", ["https://panel.test"], 400),
        ("https://panel.test", ["https://panel.test"], 400),
        ("https://elsewhere.test", ["https://panel.test"], 403),
        ("https://panel.test:8443", ["https://panel.test"], 403),
        ("null", ["https://panel.test"], 403),
        ("https://elsewhere.test", ["*"], 400),
    ],
)
def test_a_page_of_another_origin_is_told_so_before_the_upgrade(
    origin, allowed, status, token_client, settings
):
    settings.ALLOWED_ORIGINS = allowed

    response = token_client("monitoring:read").get("/ws", HTTP_ORIGIN=origin)

    assert response.status_code == status
    assert response.json()["code"] == {400: "upgrade_required", 403: "origin_not_allowed"}[status]


def test_a_polling_client_gets_a_session_of_digits(api):
    response = api.get("/socket.io/?EIO=4&transport=polling")

    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/plain; charset=UTF-8")
    assert re.fullmatch(
        r'0\{"sid":"[0-9]{1,18}","upgrades":\["websocket"\],"pingInterval":25000,"pingTimeout":60000\}',
        response.content.decode(),
    )


# --- 15.5 -------------------------------------------------------------------------------------------------------------

ANYWHERE = [
    "/nodes",
    "/a/b/c",
    "/index.html",
    "/storage/",
    "/simple",
    "/apis",
    "/administrator",
    "/%00",
    "/ä",
]


@pytest.mark.parametrize("path", ["/", *ANYWHERE])
def test_any_other_address_is_the_page(path, api):
    response = api.get(path)
    head = api.head(path)

    assert (response.status_code, head.status_code, head.content) == (200, 200, b"")
    assert response.headers["Content-Type"] == head.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.templates[0].name == "home.html"


@pytest.mark.parametrize("path", ["/", *ANYWHERE])
def test_any_other_address_demands_a_credential_as_the_page_does(path, remote, make_user):
    make_user()

    response = remote.get(path)

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/login?next=/")


@pytest.mark.parametrize(
    "path",
    [
        "/static/nothing.js",
        "/static/",
        "/static/pulse/js/nothing.js",
        "/admin",
        "/api",
        "/api/nothing",
        "/wsx",
    ],
)
def test_addresses_of_programs_files_and_the_admin_are_no_pages(path, api):
    assert api.get(path).status_code == 404


def test_what_is_sent_to_any_other_address_is_refused_and_not_redirected(api):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        response = api.generic(method, "/nodes/", b"{}", content_type="application/json")

        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_file_is_the_file(api):
    response = api.get("/static/pulse/js/state.js")

    assert response.status_code == 200
    assert "javascript" in response.headers["Content-Type"]
    response.close()


def test_a_page_that_needs_a_claim_leads_there(remote):
    assert remote.get("/nodes", **REMOTE).headers["Location"] == "/setup"
