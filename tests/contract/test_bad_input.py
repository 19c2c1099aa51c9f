"""errors.md section 3, row by row, on every route of http-api.md 3, 5, 13 and 15: the status, the one shape, nothing done.

Which values of a node are wrong is told in test_config_nodes.py; here is what no route may take.
"""

from __future__ import annotations

import json
import sqlite3

import pytest
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.test import Client

from nodes.drafts import NAME_LIMIT, SECRET_LIMIT, TOKEN_ID_LIMIT, USER_LIMIT
from nodes.proxmox.errors import LoginFailed
from tests.accounts.fixtures import REMOTE
from tests.factories import make_instance

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NODES = "/api/config/nodes"
TOKENS = "/api/security/tokens"
CANARY = "canary-S3cret"

#: Every route that reads a body, with one that it takes.
PVE = {"type": "pve", "host": "192.0.2.40", "user": "a@pam", "password": CANARY}
READERS = {
    f"POST {NODES}": PVE,
    f"PUT {NODES}/pve-0": {"name": "renamed", "password": CANARY, "user": "a@pam"},
    f"POST {NODES}/test-connection": PVE,
    f"POST {NODES}/test-config": PVE,
    f"POST {NODES}/certificate": {"type": "pve", "host": "192.0.2.40"},
    f"POST {TOKENS}": {"name": "x", "scopes": ["monitoring:read"]},
}
#: Every route that does not.
OTHERS = (
    "GET /api/health",
    "GET /api/version",
    "GET /api/state",
    "GET /api/config",
    f"GET {NODES}",
    f"DELETE {NODES}/pve-0",
    f"POST {NODES}/pve-0/test",
    "GET /api/security/status",
    "GET /api/security/me",
    f"GET {TOKENS}",
    f"DELETE {TOKENS}/AAAAAAAA",
    "GET /ws",
    "GET /socket.io/",
    "GET /socket.io/a/b",
)
ROUTES = (*READERS, *OTHERS)


@pytest.fixture(autouse=True)
def one_node(host_probe, shown_certificate):
    """A node with a secret; no host can be reached, and no test is refused for the requests of another one."""
    caches["limits"].clear()
    host_probe.side_effect = LoginFailed("192.0.2.40:8006 refused the login")
    return make_instance(token_value="canary-stored")


@pytest.fixture
def admin(token_client) -> Client:
    """A caller who may do everything."""
    return token_client("admin")


def stored() -> bytes:
    """Return the whole database as it is, without the times at which tokens were used."""
    connection.cursor().execute("update accounts_apitoken set last_used_at = null")
    copy: sqlite3.Connection = connection.connection
    return "\n".join(copy.iterdump()).encode()


def call(client: Client, route: str, raw: bytes = b"", **options):
    method, _, path = route.partition(" ")
    return client.generic(method, path, raw, **({"content_type": "application/json"} | options))


def assert_refused(response, status: int, code: str) -> str:
    """The answer is the one shape of an error and tells nothing; returns its sentence."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"] == "application/json"
    body = response.json()
    assert (body["code"], body["status_code"]) == (code, status)
    assert set(body) <= {"error", "code", "status_code", "timestamp", "details"}
    assert isinstance(body["timestamp"], int)
    assert isinstance(body["error"], str)
    text = response.content.decode().lower()
    assert body["error"]
    for never in ("canary", "<", "traceback", "success", ".py", "select ", "sqlite"):
        assert never not in text, never
    if status not in (401, 403):
        assert "unauthorized" not in text
        assert "api_token" not in text
    return body["error"]


def assert_refused_unchanged(client, route, raw, status, code, **options) -> str:
    before = stored()

    sentence = assert_refused(call(client, route, raw, **options), status, code)

    assert stored() == before
    return sentence


# --- Body syntax ------------------------------------------------------------------------------------------------------

NOT_JSON = {
    "empty": b"",
    "blanks": b" \r\n\t ",
    "text": b"host=192.0.2.40&type=pve&password=canary-S3cret",
    "cut off": b'{"type": "pve", "password": "canary-S3cret',
    "single quotes": b"{'type': 'pve'}",
    "trailing comma": b'{"type": "pve",}',
    "comment": b'{"type": "pve" /* canary-S3cret */}',
    "text after": b'{"type": "pve"} canary-S3cret',
    "two objects": b'{"type": "pve"}{"type": "pve"}',
    "NaN": b'{"type": NaN}',
    "Infinity": b'{"type": Infinity}',
    "-Infinity": b'{"unknown": -Infinity}',
    "1e999": b'{"unknown": 1e999}',
    "5,000 digits": b'{"unknown": ' + b"9" * 5000 + b"}",
    "leading zero": b'{"unknown": 007}',
    "lone surrogate": b'{"name": "\\ud800canary-S3cret"}',
    "lone low surrogate": b'{"name": "\\udc00\\ud800"}',
    "lone surrogate in a key": b'{"\\ud800": 1}',
    "surrogate as bytes": b'{"name": "\xed\xa0\x80"}',
    "no UTF-8": b'{"name": "\xff\xfe canary-S3cret"}',
    "no UTF-8 in a key": b'{"\xff": 1}',
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-16": '{"type": "pve"}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"type": "pve"}',
    "NUL as a byte": b'{"name": "a\x00b"}',
    "NUL behind": b'{"type": "pve"}\x00',
    "line break in a text": b'{"name": "a\nb"}',
    "unknown escape": b'{"name": "\\x41"}',
    "100,000 arrays": b'{"unknown": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "100,000 arrays, open": b"[" * 100_000,
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "65 levels": b'{"unknown": ' + b"[" * 64 + b"]" * 64 + b"}",
    "array": b'[{"type": "pve"}]',
    "empty array": b"[]",
    "number": b"5",
    "string": b'"canary-S3cret"',
    "true": b"true",
    "null": b"null",
}


@pytest.mark.parametrize("name", NOT_JSON)
def test_what_is_no_json_object_is_refused_by_every_route(name, admin):
    before = stored()

    for route in READERS:
        assert_refused(call(admin, route, NOT_JSON[name]), 400, "invalid_json")

    assert stored() == before


def test_64_levels_are_read(admin):
    body = b'{"name": "x", "scopes": ["admin"], "unknown": ' + b"[" * 63 + b"]" * 63 + b"}"

    assert call(admin, f"POST {TOKENS}", body).status_code == 201


def test_brackets_in_texts_are_no_nesting(admin):
    body = json.dumps({"name": "x", "scopes": ["admin"], "unknown": '"[{\\' * 1000})

    assert call(admin, f"POST {TOKENS}", body.encode()).status_code == 201


def test_of_a_key_that_comes_twice_the_last_one_counts(admin):
    body = b'{"type": "pbs", "host": "192.0.2.41", "user": "a", "password": "x", "name": "first", "name": "last"}'

    call(admin, f"POST {NODES}", body)

    assert [node["name"] for node in admin.get(NODES).json()] == ["lab", "last"]


def test_a_key_that_comes_twice_does_not_get_past_the_checks(admin):
    body = b'{"type": "pve", "host": "192.0.2.41", "user": "a", "password": "x", "host": 5}'

    assert_refused_unchanged(admin, f"POST {NODES}", body, 400, "invalid_json")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=no-such-one",
        "nonsense",
        "a/b; c; d=\x7f",
    ],
)
@pytest.mark.parametrize("route", READERS)
def test_the_content_type_does_not_matter(route, content_type, admin):
    told = call(admin, route, json.dumps(READERS[route]).encode(), content_type=content_type)

    # No host answers here: a test of a connection has been carried out when it says so.
    assert told.status_code in (200, 201) or told.json()["code"] == "connection_failed"


# --- Size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("route", [route for route in ROUTES if not route.startswith("GET")])
def test_a_body_over_1_mib_is_refused(route, content_type, admin):
    raw = b'{"type": "pve", "name": "' + b"x" * (1 << 20) + b'"}'

    assert_refused_unchanged(admin, route, raw, 413, "body_too_large", content_type=content_type)


@pytest.mark.parametrize("length", ["-1", "+2", "2.0", "0x10", "two", "\xb2", "\u0662", "9" * 400])
def test_a_length_that_is_none_is_refused(length, admin):
    response = call(admin, f"POST {NODES}", b"{}", CONTENT_LENGTH=length)

    assert response.status_code in (400, 413)
    assert_refused(
        response, response.status_code, "bad_request" if response.status_code == 400 else "body_too_large"
    )


@pytest.mark.parametrize("route", ROUTES)
def test_a_query_over_8_kib_is_refused(route, admin):
    assert_refused_unchanged(admin, f"{route}?{'a' * 8193}", b"{}", 400, "bad_request")


# --- Fields: section 5.1, one by one ----------------------------------------------------------------------------------

TEXTS = ("type", "name", "host", "user", "password", "tokenName", "tokenValue", "fingerprint")
FLAGS = (
    "verifySSL",
    "monitorVMs",
    "monitorContainers",
    "monitorStorage",
    "monitorBackups",
    "monitorDatastores",
    "monitorSyncJobs",
    "monitorVerifyJobs",
    "monitorPruneJobs",
    "monitorGarbageJobs",
    "monitorSmart",
)
NODE_READERS = [route for route in READERS if NODES in route and "certificate" not in route]
NO_TEXT = (0, 5, -1, 5.0, 10**18, True, False, [], ["x"], {}, {"a": CANARY})
NO_FLAG = (0, 1, 1.0, "", "true", "false", "on", CANARY, [], [True], {}, {"a": True})
WRONG_TYPES = [(field, value) for field in TEXTS for value in NO_TEXT] + [
    (field, value) for field in FLAGS for value in NO_FLAG
]


@pytest.mark.parametrize("route", NODE_READERS)
def test_no_field_takes_another_json_type(route, admin):
    before = stored()
    taken = []
    for field, value in WRONG_TYPES:
        if field == "type" and route.startswith("PUT"):
            continue  # ignored there: the id decides
        caches["limits"].clear()
        response = call(admin, route, json.dumps(READERS[route] | {field: value}).encode())
        if response.status_code != 400 or response.json()["details"].keys() != {field}:
            taken.append((field, value, response.content))
        assert_refused(response, 400, "invalid_json")

    assert taken == []
    assert stored() == before


def test_the_type_is_ignored_by_a_change_whatever_it_is(admin):
    for value in (5, None, [], "pbs", {"a": 1}):
        assert call(admin, f"PUT {NODES}/pve-0", json.dumps({"type": value}).encode()).status_code == 200

    assert [node["type"] for node in admin.get(NODES).json()] == ["pve"]


@pytest.mark.parametrize("field", [*TEXTS, *FLAGS])
def test_null_is_as_good_as_absent(field, admin):
    body = {"name": "same", "monitorVMs": True} | {field: None}

    assert call(admin, f"PUT {NODES}/pve-0", json.dumps(body).encode()).status_code == 200


LONG = {
    "name": NAME_LIMIT + 1,
    "host": 10_000,
    "user": USER_LIMIT + 1,
    "password": SECRET_LIMIT + 1,
    "tokenName": TOKEN_ID_LIMIT + 1,
    "tokenValue": SECRET_LIMIT + 1,
    "fingerprint": 10_000,
}
CONTROLS = ("\x00", "a\x00b", "a\nb", "\r\nX-Evil: 1", "\x1b[2J", "\x7f", "\x85", "a\u2028b")


@pytest.mark.parametrize("route", [f"POST {NODES}", f"PUT {NODES}/pve-0", f"POST {NODES}/test-connection"])
@pytest.mark.parametrize("field", LONG)
def test_a_text_that_is_too_long_is_refused(field, route, admin):
    body = json.dumps(READERS[route] | {field: "x" * LONG[field]}).encode()

    assert field in assert_refused_unchanged(admin, route, body, 400, "validation_error")


@pytest.mark.parametrize("field", [field for field in TEXTS if field != "type"])
@pytest.mark.parametrize("text", CONTROLS, ids=ascii)
def test_a_control_character_is_refused(text, field, admin):
    body = json.dumps(READERS[f"POST {NODES}"] | {field: f"x{text}y"}).encode()

    assert_refused_unchanged(admin, f"POST {NODES}", body, 400, "validation_error")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "host"),
        ({"type": "pve"}, "host"),
        ({"type": "pve", "host": ""}, "host"),
        ({"type": "pve", "host": "   "}, "host"),
        ({"host": "192.0.2.40"}, "type"),
        ({"host": "192.0.2.40", "type": ""}, "type"),
        ({"host": "192.0.2.40", "type": "PVE"}, "type"),
        ({"host": "192.0.2.40", "type": "xen"}, "type"),
        ({"host": "192.0.2.40", "type": "pve"}, "credentials"),
        ({"host": "192.0.2.40", "type": "pve", "user": "a@pam"}, "credentials"),
        ({"host": "192.0.2.40", "type": "pve", "password": CANARY}, "credentials"),
        ({"host": "192.0.2.40", "type": "pve", "tokenName": "a@pam!t"}, "credentials"),
        ({"host": "192.0.2.40", "type": "pve", "tokenValue": CANARY}, "credentials"),
        ({"host": "192.0.2.40", "type": "pve", "tokenName": "t", "tokenValue": CANARY}, "tokenName"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", [NODES, f"{NODES}/test-connection"])
def test_a_required_field_that_is_missing_is_named(path, body, field, admin):
    before = stored()

    response = call(admin, f"POST {path}", json.dumps(body).encode())

    assert_refused(response, 400, "validation_error")
    assert set(response.json()["details"]) == {field}
    assert stored() == before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scopes": ["admin"]}, "validation_error"),
        ({"name": None, "scopes": ["admin"]}, "validation_error"),
        ({"name": 5, "scopes": ["admin"]}, "invalid_json"),
        ({"name": ["x"], "scopes": ["admin"]}, "invalid_json"),
        ({"name": "x" * 101, "scopes": ["admin"]}, "validation_error"),
        ({"name": " " * 101 + "x", "scopes": ["admin"]}, "validation_error"),
        ({"name": "a\x00b", "scopes": ["admin"]}, "validation_error"),
        ({"name": "x"}, "validation_error"),
        ({"name": "x", "scopes": []}, "validation_error"),
        ({"name": "x", "scopes": "admin"}, "invalid_json"),
        ({"name": "x", "scopes": {"admin": True}}, "invalid_json"),
        ({"name": "x", "scopes": [1]}, "invalid_json"),
        ({"name": "x", "scopes": ["admin", None]}, "invalid_json"),
        ({"name": "x", "scopes": ["everything"]}, "validation_error"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": "5"}, "invalid_json"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": 1.5}, "invalid_json"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": True}, "invalid_json"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": 0}, "validation_error"),
        ({"name": "x", "scopes": ["admin"], "expiresInDays": 10**18}, "validation_error"),
    ],
    ids=str,
)
def test_a_wrong_field_of_a_token_is_refused(body, code, admin):
    assert_refused_unchanged(admin, f"POST {TOKENS}", json.dumps(body).encode(), 400, code)


# --- Ids and paths ----------------------------------------------------------------------------------------------------

MALFORMED = (
    "pve", "pve-", "pve-x", "pve-1-2", "pve--1", "pve-+1", "pve-1.0", "pve- 1", "PVE-0", "xen-0", "-0", "0", "x",
    "pve_0", "pve-0%00", "pve-0%0a", "pve-%D9%A0", "pve-0;x", "..", "%2e%2e", "pve-0%20", "{node_id}", ":id",
    "pve-0'--", "pve-" + "9" * 5000 + "x",
)  # fmt: skip


@pytest.mark.parametrize("node_id", MALFORMED)
@pytest.mark.parametrize("call_of", ["PUT {}", "DELETE {}", "POST {}/test"])
def test_a_malformed_node_id_is_refused(call_of, node_id, admin):
    raw = b"" if "test" in call_of else b"{}"

    assert_refused_unchanged(admin, call_of.format(f"{NODES}/{node_id}"), raw, 400, "invalid_id")


@pytest.mark.parametrize("node_id", ["pve-1", "pbs-0", "pve-999999999", "pve-" + "9" * 5000])
def test_an_unknown_node_id_is_not_found(node_id, admin):
    for method, raw in (("PUT", b"{}"), ("DELETE", b"")):
        assert_refused_unchanged(admin, f"{method} {NODES}/{node_id}", raw, 404, "node_not_found")

    tested = admin.post(f"{NODES}/{node_id}/test")
    assert (tested.status_code, tested.json()) == (200, {"status": "error", "message": "node not found"})


UNKNOWN = (
    "/api", "/api/", "/api/nothing", "/api/nothing/more", "/api/health/", "/api/version/", "/api/state/", "/api/config/",
    "/api/config/nodes/pve-0/", "/api/config/nodes//test", "/api/config/nodes/pve-0/test/", "/api/config/nodes/pve-0/other",
    "/api/config/nodes/a/b/c", "/api/security", "/api/security/status/", "/api/security/tokens/", "/api//health",
    "/api/health%2f", "/api/%00", "/api/health\x00", "/api/../etc/passwd", "/api/%ff", "/ws/", "/wsx", "/ws/more",
    "/api/" + "x" * 4000,
)  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN, ids=lambda path: ascii(path[:40]))
def test_an_unknown_path_is_a_json_404_by_every_method_and_never_a_redirect(path, admin):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
        assert_refused_unchanged(
            admin, f"{method} {path}", b'{"password": "canary-S3cret"}', 404, "not_found"
        )

    head = admin.head(path)
    assert (head.status_code, head.content) == (404, b"")


ALLOWED = {
    "/api/health": "GET, HEAD, OPTIONS",
    "/api/version": "GET, HEAD, OPTIONS",
    "/api/state": "GET, HEAD, OPTIONS",
    "/api/config": "GET, HEAD, OPTIONS",
    NODES: "GET, POST, HEAD, OPTIONS",
    f"{NODES}/": "PUT, DELETE, OPTIONS",
    f"{NODES}/pve-0": "PUT, DELETE, OPTIONS",
    f"{NODES}/pve-0/test": "POST, OPTIONS",
    f"{NODES}/test-connection": "POST, OPTIONS",
    f"{NODES}/test-config": "POST, OPTIONS",
    f"{NODES}/certificate": "POST, OPTIONS",
    "/api/security/status": "GET, HEAD, OPTIONS",
    "/api/security/me": "GET, HEAD, OPTIONS",
    TOKENS: "GET, POST, HEAD, OPTIONS",
    f"{TOKENS}/AAAAAAAA": "DELETE, OPTIONS",
    "/ws": "GET, HEAD, OPTIONS",
    "/socket.io/": "GET, HEAD, OPTIONS",
    "/socket.io/a/b": "GET, HEAD, OPTIONS",
}


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "BREW")


@pytest.mark.parametrize("path", ALLOWED)
@pytest.mark.parametrize("who", ["everything", "nothing"])
def test_a_wrong_method_is_405_with_what_is_allowed_for_everybody(who, path, admin):
    client = admin if who == "everything" else Client(**REMOTE)

    for method in METHODS:
        caches["limits"].clear()
        if method not in ALLOWED[path].split(", "):
            assert_refused_unchanged(client, f"{method} {path}", b"x", 405, "method_not_allowed")
            assert call(client, f"{method} {path}", b"x")["Allow"] == ALLOWED[path]


@pytest.mark.parametrize("path", [path for path, methods in ALLOWED.items() if "HEAD" in methods])
def test_head_has_the_status_of_get_and_no_body(path, admin):
    got = admin.get(path)

    head = admin.head(path)

    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.get("Content-Type") == got.get("Content-Type")


@pytest.mark.parametrize("path", [*ALLOWED, "/", "/api/nothing", "/login", "/nothing", f"{NODES}//test"])
def test_options_changes_nothing_and_says_nothing(path):
    before = stored()

    response = Client(**REMOTE).generic("OPTIONS", path, b'{"type": "pve"}', content_type="application/json")

    assert (response.status_code, response.content) == (200, b"")
    assert stored() == before


# --- Credentials, connections, storing --------------------------------------------------------------------------------

GUARDED = [route for route in ROUTES if not any(free in route for free in ("health", "version", "status"))]


@pytest.mark.parametrize(
    "token", [None, "", CANARY, "pulse_AAAAAAAA_" + "a" * 43, "x" * 8000, "\xff\xfe"], ids=ascii
)
@pytest.mark.parametrize("route", GUARDED)
def test_a_credential_that_is_missing_or_wrong_is_401_before_the_body_is_read(route, token, admin):
    headers = {} if token is None else {"HTTP_X_API_TOKEN": token}

    assert_refused_unchanged(
        Client(**REMOTE, **headers), route, b"not JSON canary-S3cret", 401, "unauthorized"
    )


def test_a_connection_that_fails_is_400_with_the_cause(admin):
    sentence = assert_refused_unchanged(
        admin, f"POST {NODES}/test-connection", json.dumps(PVE).encode(), 400, "connection_failed"
    )

    assert sentence.startswith("192.0.2.40:8006 refused the login. Check user, realm and password")


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.startswith("POST") and "/nodes/" in route]
)
def test_the_31st_try_of_a_connection_is_429(route, admin, still_noon):
    for _ in range(30):
        call(admin, f"POST {NODES}/pve-9/test")

    response = call(admin, route, b"not JSON")

    assert_refused(response, 429, "rate_limited")
    assert 1 <= int(response["Retry-After"]) <= 60


@pytest.mark.parametrize("route", [f"POST {NODES}", f"PUT {NODES}/pve-0", f"DELETE {NODES}/pve-0"])
def test_a_save_that_fails_is_500_and_says_which(route, admin, monkeypatch):
    def broken(*args, **options):
        raise DatabaseError("UNIQUE constraint canary-S3cret /var/lib/pulse/pulse.sqlite3")

    monkeypatch.setattr("nodes.editing.feed.broadcast", broken)
    sentence = assert_refused_unchanged(
        admin, route, json.dumps(READERS.get(route, {})).encode(), 500, "internal_error"
    )

    assert sentence == "the configuration could not be saved; the log of Pulse says why"


@pytest.mark.parametrize("route", [f"POST {NODES}", f"PUT {NODES}/pve-0", f"DELETE {NODES}/pve-0"])
def test_an_exception_that_nobody_expected_is_500_and_neutral(route, admin, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("canary-S3cret in /etc/pulse/nodes.py")

    monkeypatch.setattr("nodes.editing.feed.broadcast", broken)
    admin.raise_request_exception = False
    sentence = assert_refused_unchanged(
        admin, route, json.dumps(READERS.get(route, {})).encode(), 500, "internal_error"
    )

    assert sentence == "something went wrong here; the log has the details"
