"""What the log tells of who comes, goes, changes something or is refused: one line, with who, from where, and the request."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterator

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from accounts.sockets import caller_of_scope
from pulse.lib.errors import ApiError
from pulse.lib.logs import JsonFormatter, TextFormatter
from tests.accounts.fixtures import PASSWORD, REMOTE
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}
TOKENS = "/api/security/tokens"
NODES = "/api/config/nodes"
NEW_TOKEN = {"name": "grafana", "scopes": ["monitoring:read"]}


@pytest.fixture
def told() -> Iterator[Callable[[], list[str]]]:
    """Return the lines that the log has got, without their instants, with X for the ids of requests."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)

    def lines() -> list[str]:
        text = re.sub(r"request [0-9a-f]{16}", "request X", stream.getvalue())
        return [line.partition(" ")[2] for line in text.splitlines()]

    yield lines
    root.removeHandler(handler)
    root.setLevel(before)


def post(client: Client, path: str, data: object, **extra):
    """Send JSON from a page of Pulse."""
    return client.post(path, data, content_type="application/json", **(OWN_PAGE | extra))


def test_the_id_of_an_answer_leads_to_its_lines(session_client, caplog):
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(TextFormatter())
    logging.getLogger().addHandler(handler)
    try:
        with caplog.at_level(logging.INFO):
            answer = session_client("ada").post("/logout", **OWN_PAGE)
    finally:
        logging.getLogger().removeHandler(handler)

    assert f"[from 192.0.2.7, request {answer.headers['X-Request-ID']}]" in stream.getvalue()


def test_an_exception_has_the_id_of_its_request(api, monkeypatch, told):
    def broken(request):
        raise RuntimeError

    monkeypatch.setattr("accounts.api.caller_of", broken)
    api.raise_request_exception = False

    api.get("/api/security/me")

    assert told()[0] == (
        "error django.request: Internal Server Error: /api/security/me "
        "[by this machine, without a credential, from 127.0.0.1, request X]"
    )


def test_a_line_outside_of_a_request_has_no_cause(told, session_client):
    session_client("ada").get("/api/security/me")

    logging.getLogger("nodes.polling").info("lab answers again")

    assert told()[-1] == "info nodes.polling: lab answers again"


def test_a_line_as_json_has_the_cause_in_fields_of_its_own():
    from pulse.lib.causes import caused

    record = logging.LogRecord("accounts", logging.INFO, "file.py", 1, "done", (), None)
    with caused(by="ada\nadmin", address="192.0.2.7", request_id="0123456789abcdef"):
        line = JsonFormatter().format(record)

    assert '"message":"done","by":"ada\\\\x0aadmin","from":"192.0.2.7","request":"0123456789abcdef"' in line


def test_a_sign_out_is_logged(session_client, told):
    session_client("ada").post("/logout", **OWN_PAGE)

    assert told() == ["info accounts.sessions: ada signed out [from 192.0.2.7, request X]"]


def test_leaving_twice_is_one_line(session_client, told):
    client = session_client("ada")
    client.post("/logout", **OWN_PAGE)
    client.post("/logout", **OWN_PAGE)

    assert len(told()) == 1


@pytest.mark.slow
def test_passwords_that_are_set_are_logged_and_never_told(session_client, told, monkeypatch):
    client = session_client("ada", is_superuser=True, is_staff=True)
    User.objects.create(username="grace")
    new = {"password": "another long password", "password_again": "another long password"}
    client.post("/password", new | {"old_password": "not my password"}, **OWN_PAGE)
    client.post("/password", new | {"old_password": PASSWORD}, **OWN_PAGE)
    grace = f"/admin/auth/user/{User.objects.get(username='grace').pk}/password/"
    given = {
        "password1": "yet another long one",
        "password2": "yet another long one",
        "usable_password": "true",
    }
    client.post("/login", {"username": "ada", "password": "another long password"}, **OWN_PAGE)
    client.post(grace, given, **OWN_PAGE)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "a third long password")
    call_command("changepassword", "grace")

    lines = [line for line in told() if "password" in line]
    assert lines == [
        "info accounts.views: a change of the password of ada from 192.0.2.7 failed [request X]",
        "info accounts.passwords: the password of ada was set [from 192.0.2.7, request X]",
        "info accounts.passwords: the password of grace was set [by ada, from 192.0.2.7, request X]",
        "info accounts.passwords: the password of grace was set",
    ]
    assert not re.search("long|battery|my password", "\n".join(told()))


def test_who_makes_and_revokes_a_token_is_logged_without_its_text(session_client, told):
    client = session_client("ada", is_superuser=True)
    made = post(client, TOKENS, NEW_TOKEN).json()
    client.delete(f"{TOKENS}/{made['id']}", **OWN_PAGE)

    name = f"API token grafana ({made['id']})"
    assert told() == [
        f"info accounts.tokens: {name} made with monitoring:read [by ada, from 192.0.2.7, request X]",
        f"info accounts.tokens: {name} revoked [by ada, from 192.0.2.7, request X]",
    ]
    assert made["token"] not in "\n".join(told())


def test_a_token_of_the_command_line_is_logged_so(db, told, capsys):
    call_command("create_token", "grafana")

    assert re.fullmatch(
        r"info accounts.tokens: API token grafana \(\w{8}\) made with monitoring:read \[by the command line\]",
        told()[0],
    )


def test_who_changes_pauses_and_removes_an_instance_is_logged(token_client, told):
    lab = make_instance(name="lab")
    client = token_client("settings:write", "settings:read")
    told_before = len(told())
    client.put(f"{NODES}/pve-0", {"monitorVMs": False}, content_type="application/json")
    client.delete(f"{NODES}/pve-0")

    by = "[by API token test, from 192.0.2.7, request X]"
    assert told()[told_before:] == [
        f"info nodes.editing: pve-0 changed: lab at {lab.host} {by}",
        f"info nodes.editing: pve-0 removed: lab at {lab.host} {by}",
    ]


def test_an_instance_that_is_added_on_the_machine_is_logged_so(db, told, tmp_path, capsys, quiet_host):
    secret = tmp_path / "secret"
    secret.write_text("s3cret-of-the-token")
    call_command(
        "instance", "add", "--type", "pve", "--host", quiet_host, "--token-id", "root@pam!pulse",
        "--token-value-file", str(secret), "--no-test",
    )  # fmt: skip

    line = next(line for line in told() if "nodes.editing" in line)
    assert line.startswith("info nodes.editing: pve-0 added as ")
    assert line.endswith("[by the command line]")
    assert "s3cret" not in "\n".join(told())


@pytest.fixture
def quiet_host(monkeypatch) -> str:
    """The name of a host that nobody asks."""
    monkeypatch.setattr("nodes.editing.is_worth_a_look", lambda instance, draft: False)
    return "pve.example"


REFUSED = {
    "a wrong token": (
        {"HTTP_X_API_TOKEN": "pulse_abcdefgh_" + "x" * 43},
        "warning accounts.refusals: an API token from 192.0.2.7 is wrong, revoked or expired [request X]",
    ),
    "another site": (
        {"HTTP_ORIGIN": "http://evil.test"},
        (
            "warning accounts.refusals: POST /api/security/tokens was refused: this request was not sent by a page of this "
            "Pulse: its page is at http://evil.test, but it reached Pulse for the Host pulse.test. Behind a reverse proxy, "
            "let it pass the Host header on as it came (docs/reverse-proxies.md) [by ada, from 192.0.2.7, request X]"
        ),
    ),
    "too little scope": (
        {},
        (
            "warning accounts.refusals: POST /api/security/tokens was refused: this needs the scope admin "
            "[by ada, from 192.0.2.7, request X]"
        ),
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_is_one_line_for_a_client_however_often_it_comes(why, session_client, told):
    client = session_client("ada")
    headers, line = REFUSED[why]
    for _ in range(20):
        post(client, TOKENS, NEW_TOKEN, **headers)

    assert told() == [line]


SOCKETS = {
    "a wrong token": (
        (b"x-api-token", b"pulse_wrong"),
        "warning accounts.refusals: an API token from 192.0.2.7 is wrong, revoked or expired",
    ),
    "another site": (
        (b"origin", b"http://evil.test"),
        "warning accounts.refusals: a socket /ws was refused: pages of this origin may not open the feed [from 192.0.2.7]",
    ),
}


@pytest.mark.parametrize("why", SOCKETS)
def test_a_socket_that_is_refused_is_one_line_too(why, make_user, told, settings):
    settings.ALLOWED_ORIGINS = []
    make_user("ada")
    header, line = SOCKETS[why]
    scope = {
        "type": "websocket",
        "client": ("192.0.2.7", 40000),
        "headers": [(b"host", b"pulse.test"), header],
    }
    for _ in range(3):
        with pytest.raises(ApiError):
            caller_of_scope(scope)

    assert told() == [line]


def test_a_limit_that_is_reached_is_one_line(session_client, told, still_noon):
    client = session_client("ada", is_superuser=True)
    for _ in range(70):
        client.get("/api/diagnostics")

    assert len(told()) == 1
    assert told()[0].startswith(
        "warning accounts.refusals: GET /api/diagnostics was refused: too many requests; try again in "
    )


def test_tries_that_had_to_wait_are_one_line(db, told, still_noon):
    client = Client(**REMOTE)
    for _ in range(15):
        client.post("/setup", {"code": "x"}, **OWN_PAGE)

    assert [line for line in told() if "/setup was" in line] == [
        "warning accounts.refusals: /setup was refused to 192.0.2.7: too many tries [request X]"
    ]
    assert told().count("info accounts.views: a claim from 192.0.2.7 failed [request X]") == 10


def test_many_clients_fill_no_disk(make_user, told, still_noon):
    make_user("ada")
    for number in range(1, 101):
        client = Client(REMOTE_ADDR=f"198.51.100.{number}", HTTP_HOST="pulse.test")
        client.get("/api/state", HTTP_X_API_TOKEN="pulse_wrong")

    assert len(told()) == 60  # in a minute, of all clients together


def test_a_path_cannot_forge_a_line_or_fill_one(session_client, told):
    path = "/api/security/tokens/" + "a\n2026-01-01T00:00:00Z info root: all is well " * 50
    session_client("ada").delete(path, **OWN_PAGE)

    assert len(told()) == 1
    assert len(told()[0]) < 500


def test_somebody_without_a_credential_is_no_line(make_user, told):
    make_user("ada")
    Client(**REMOTE).get("/api/state")

    assert told() == []
