"""The routes of the state: `/api/state`, `/api/config`, what is left of Socket.IO, the page of figures."""

from __future__ import annotations

import gzip

import msgspec
import pytest

from monitoring.feed.state import STATE
from tests.monitoring.feeding import Publisher

pytestmark = pytest.mark.django_db


@pytest.fixture
def ask(client):
    """Ask a route, `/api/state` when none is named, from this machine."""
    return lambda path="/api/state", **headers: client.get(path, HTTP_HOST="localhost", **headers)


# --- /api/state ---------------------------------------------------------------------------------------------------


def test_the_state_is_told_as_it_is(ask):
    Publisher().publish(1, [0.5])

    answer = ask()

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert answer["Cache-Control"] == "no-store"
    assert answer.content == STATE.current().body
    assert [guest["id"] for guest in answer.json()["vms"]] == ["lab-1-pve1-100"]


ENCODINGS = [
    ("", ""),
    ("gzip", "gzip"),
    ("br, GZIP", "gzip"),
    ("*", "gzip"),
    ("gzip;q=0.5", "gzip"),
    ("gzip;q=0", ""),
    ("gzip; q=0.0", ""),
    ("br", ""),
    ("x-gzip", ""),
]


@pytest.mark.parametrize(("accepted", "encoding"), ENCODINGS)
def test_the_state_is_compressed_for_who_takes_that(accepted, encoding, ask):
    plain = ask().content

    answer = ask(HTTP_ACCEPT_ENCODING=accepted)

    assert answer.get("Content-Encoding", "") == encoding
    assert (gzip.decompress(answer.content) if encoding else answer.content) == plain
    assert "Accept-Encoding" in answer["Vary"]


def test_the_compressed_state_has_a_name_of_its_own(ask):
    plain, packed = ask(), ask(HTTP_ACCEPT_ENCODING="gzip")

    assert packed["ETag"] == plain["ETag"].removesuffix('"') + '-gzip"'


def test_programs_with_a_token_may_keep_it_to_compare_it_and_browsers_may_not(token_client, session_client):
    program, person = token_client("monitoring:read"), session_client()
    told, shown = program.get("/api/state"), person.get("/api/state")
    again = [client.get("/api/state", HTTP_IF_NONE_MATCH=told["ETag"]) for client in (program, person)]

    assert (told["Cache-Control"], shown["Cache-Control"]) == ("private, no-cache", "no-store")
    assert [answer.status_code for answer in again] == [304, 304]
    assert [answer["Cache-Control"] for answer in again] == ["private, no-cache", "no-store"]


LISTS = [
    "backups",
    "backups/unified",
    "backups/pve",
    "backups/pbs",
    "backups/sources",
    "snapshots",
    "storage",
]


@pytest.mark.parametrize("path", LISTS)
def test_no_browser_keeps_a_list(path, session_client):
    assert session_client().get(f"/api/{path}")["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "named",
    ["{etag}", "W/{etag}", '"other", {etag}', "*", "{packed}"],
    ids=["the name", "weak", "one of several", "any", "the name of the compressed form"],
)
def test_a_client_that_has_the_state_is_not_sent_it(named, ask):
    etag = ask()["ETag"]
    packed = etag.removesuffix('"') + '-gzip"'

    answer = ask(HTTP_IF_NONE_MATCH=named.format(etag=etag, packed=packed))

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer["ETag"] == etag


def test_a_client_that_has_an_older_state_is_sent_the_new_one(ask):
    publisher = Publisher()
    publisher.publish(1, [0.5])
    etag = ask()["ETag"]
    publisher.publish(1, [0.6])

    answer = ask(HTTP_IF_NONE_MATCH=etag)

    assert answer.status_code == 200
    assert answer.json()["vms"][0]["cpu"] == 0.6


@pytest.mark.parametrize("path", ["/api/state", "/api/config", "/ws"])
def test_who_has_no_credential_is_refused_elsewhere(path, remote, with_api_token):
    refused = remote.get(path)
    allowed = remote.get(path, HTTP_X_API_TOKEN=with_api_token)

    assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
    assert allowed.status_code == (400 if path == "/ws" else 200)


@pytest.mark.parametrize("path", ["/api/state", "/api/config"])
def test_the_routes_only_tell(path, client):
    answer = client.post(path, HTTP_HOST="localhost")

    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


# --- /api/config --------------------------------------------------------------------------------------------------


def test_public_settings(ask):
    assert ask("/api/config").json() == {
        "pollingInterval": 10, "csrfProtection": False, "autoUpdateEnabled": False, "updateChannel": "stable",
    }  # fmt: skip


# --- /ws without an upgrade, Socket.IO ----------------------------------------------------------------------------


def test_a_plain_request_to_the_feed_is_told_what_it_is(ask):
    answer = ask("/ws")

    assert (answer.status_code, answer.json()["code"]) == (400, "upgrade_required")
    assert answer["Sec-WebSocket-Version"] == "13"


def test_a_page_from_elsewhere_is_refused_as_by_the_feed(remote, with_api_token, settings):
    settings.ALLOWED_ORIGINS = ["https://panel.test"]

    statuses = [
        remote.get("/ws", HTTP_X_API_TOKEN=with_api_token, HTTP_ORIGIN=origin).status_code
        for origin in ("https://evil.test", "https://panel.test", "http://pulse.test")
    ]

    assert statuses == [403, 400, 400]


SOCKET_IO = {
    "the script": ("/socket.io/socket.io.js", 302, "https://cdn.socket.io/4.8.1/socket.io.min.js"),
    "a session": ("/socket.io/?transport=polling&sid=1", 200, b"6"),
    "the WebSocket transport": ("/socket.io/?transport=websocket", 400, "upgrade_required"),
    "anything else": ("/socket.io/", 302, "/ws"),
}


@pytest.mark.parametrize(("path", "status", "told"), SOCKET_IO.values(), ids=SOCKET_IO)
def test_what_is_left_of_socket_io(path, status, told, ask):
    answer = ask(path)

    assert answer.status_code == status
    if status == 302:
        assert answer["Location"] == told
    elif status == 400:
        assert answer.json()["code"] == told
    else:
        assert answer.content == told


def test_polling_begins_with_an_open_packet(ask):
    answer = ask("/socket.io/?transport=polling")

    opening = msgspec.json.decode(answer.content[1:])
    assert answer["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.content[:1] == b"0"
    assert set(opening) == {"sid", "upgrades", "pingInterval", "pingTimeout"}
    assert (opening["upgrades"], opening["pingInterval"], opening["pingTimeout"]) == (
        ["websocket"],
        25000,
        60000,
    )
    assert opening["sid"].isdigit()


def test_the_page_of_figures_reads_the_feed(ask):
    answer = ask("/simple-stats")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert b"simple-stats" in answer.content
