"""No secret in clear, anywhere: security.md A7, A32 and A72.

Each secret that Pulse can come to know is a text of its own here. They are sent through every route, page, command and
failure there is; then every answer, log record, message and representation, and the database itself, is searched for them.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.apps import apps
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.test import Client
from django.utils import timezone

from accounts import claim, tokens
from accounts.models import ApiToken
from monitoring.feed.state import STATE
from monitoring.polling import polls
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from nodes import connecting
from nodes.models import Instance
from nodes.proxmox.errors import ProxmoxError
from pulse.lib import crypto, feed, keys
from pulse.lib.auth import Access
from pulse.lib.logs import JsonFormatter, TextFormatter
from tests.accounts.fixtures import REMOTE
from tests.architecture.routes import all_routes
from tests.echo import CSRF, MODES, TICKET, Echo, repeating, spellings
from tests.factories import make_instance
from tests.process.running import until

NODES = "/api/config/nodes"
OWN_PAGE = {"HTTP_ORIGIN": "http://pulse.test"}
ADMIN_LIST = "/admin/nodes/instance/"

#: What the environment, people, programs and hosts tell Pulse. Each text is nowhere else.
TYPED = (
    "API_TOKEN",
    "wrong API token",
    "token in a query",
    "password of the first account",
    "wrong password",
    "password typed as a name",
    "weak password",
    "wrong claim code",
    "password by POST",
    "token by POST",
    "password by PUT",
    "token by PUT",
    "password by test-connection",
    "token by test-connection",
    "password by test-config",
    "token by test-config",
    "password in the admin",
    "token in the admin",
    "password in a refused form",
    "token by standard input",
    "password by file",
    "token in a body that is no JSON",
    "password under an unknown key",
    "proxy password by POST",
    "proxy password by PUT",
    "proxy password by test-connection",
    "proxy password by test-config",
    "proxy password by certificate",
    "proxy password in the admin",
    "proxy password by command",
    "token of a hostile host",
    "password of a hostile host",
    "token of a host that cannot be reached",
)


def typed(name: str) -> str:
    """Return the secret with this name."""
    return f"Canary{TYPED.index(name):02d}-{keys.token_digest(name)[:20]}"


@pytest.fixture
def echo() -> Iterator[str]:
    """The address of the host that repeats what it is sent."""
    with repeating() as url:
        yield url


class Everything(logging.Handler):
    """Whatever came out of Pulse: (where, text); and the secrets by name."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self.seen: list[tuple[str, str]] = []
        self.secrets = {name: typed(name) for name in TYPED} | {
            "ticket of a host": TICKET.partition("::")[2],
            "CSRF token of a host": CSRF,
        }

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a log record as the product writes it; called for every level."""
        formatter = JsonFormatter() if record.exc_info is None else TextFormatter()
        self.note(f"log of {record.name}", formatter.format(record))

    def note(self, where: str, text: object) -> None:
        self.seen.append((where, text if isinstance(text, str) else repr(text)))

    def answered(self, where: str, response, *, but: str = ""):
        """Keep an answer with its headers, `but` what it shows this once; returns it."""
        head = " ".join(f"{name}: {value}" for name, value in response.items())
        text = f"{head} {response.getvalue().decode('utf-8', 'replace') if response.streaming else response.content.decode()}"
        if but:
            assert but in text, f"{where} shows what it made"
            text = text.replace(but, "(shown once)")
        self.note(where, text)
        return response

    def found(self) -> list[str]:
        """Return which secret was seen where."""
        forms = {name: spellings(secret) for name, secret in self.secrets.items()}
        return sorted(
            {
                f"{name}: {where}: {text[max(0, text.find(form) - 60) :][:160]}"
                for where, text in self.seen
                for name, found_as in forms.items()
                for form in found_as
                if form in text
            }
        )


@contextmanager
def listening(everything: Everything) -> Iterator[None]:
    """Hear every log record of every level, and every message to the browsers."""
    root = logging.getLogger()
    level = root.level
    loggers = [
        logger for logger in logging.Logger.manager.loggerDict.values() if isinstance(logger, logging.Logger)
    ]
    levels = {logger: logger.level for logger in loggers}
    root.addHandler(everything)
    root.setLevel(1)
    for logger in loggers:
        logger.setLevel(1)
    feed.install(lambda message: everything.note("message to the browsers", message.decode()))
    try:
        yield
    finally:
        feed.install(None)
        root.removeHandler(everything)
        root.setLevel(level)
        for logger, before in levels.items():
            logger.setLevel(before)


@pytest.fixture
def everything(settings, tmp_path) -> Iterator[Everything]:
    """A data directory and a store of the test's own, and an ear for all that comes out."""
    settings.PULSE_DATA_DIR = tmp_path
    settings.CONNECTION_TIMEOUT_SECONDS = 1
    current.install(MemoryStore())
    heard = Everything()
    with listening(heard):
        yield heard
    for pk in list(connecting._kept):
        connecting.forget(pk)
    current.install(None)


def claimed(everything: Everything) -> Client:
    """Claim a fresh installation, with all the mistakes there are, and return the browser that did it."""
    claim.ensure_code()
    code = claim.read_code()
    everything.secrets["claim code"] = code
    client = Client(**REMOTE, **OWN_PAGE)
    form = {"username": "root", "password": typed("password of the first account")}
    for changed in (
        {"code": typed("wrong claim code"), "password_again": form["password"]},
        {"code": code, "password_again": typed("weak password")},
        {"code": code, "password": "weak", "password_again": typed("weak password"), "username": "a b"},
        {"code": code, "password_again": form["password"]},
    ):
        everything.answered("/setup", client.post("/setup", form | changed))
    return client


def signed_in(everything: Everything) -> Client:
    """Sign in, with all the mistakes there are, and return the browser."""
    client = Client(**REMOTE, **OWN_PAGE)
    for username, password in (
        ("root", typed("wrong password")),
        (typed("password typed as a name"), "x"),
        ("nobody", typed("wrong password")),
        ("root", typed("password of the first account")),
    ):
        response = client.post("/login?next=/nodes", {"username": username, "password": password})
        key = response.cookies["pulse_session"].value if "pulse_session" in response.cookies else ""
        # The cookie is where the key belongs.
        response.cookies.clear()
        # A name is shown again, whatever was typed for one, to whoever typed it.
        shown = typed("password typed as a name")
        everything.answered("/login", response, but=shown if username == shown else "")
    everything.secrets["session key"] = key
    assert len(key) == 32
    return client


def with_tokens(everything: Everything, settings, browser: Client) -> Client:
    """Make tokens in each way and show each of them; returns a program with the API_TOKEN."""
    settings.API_TOKEN_DIGEST = keys.token_digest(typed("API_TOKEN"))
    program = Client(**REMOTE, HTTP_X_API_TOKEN=typed("API_TOKEN"))
    body = {"name": "by route", "scopes": ["monitoring:read", "settings:read"]}
    made = program.post("/api/security/tokens", json.dumps(body), content_type="application/json")
    everything.secrets["token by route"] = text = made.json()["token"]
    everything.answered("POST tokens", made, but=text)

    page = browser.post("/admin/accounts/apitoken/add/", {"name": "by admin", "scopes": ["admin"]})
    text = page.content.decode().partition('<code id="token">')[2].partition("<")[0]
    everything.secrets["token by admin"] = text
    everything.answered("admin: token", page, but=text)

    output = io.StringIO()
    call_command("create_token", "by command", stdout=output)
    everything.secrets["token by command"] = output.getvalue().strip()

    at = timezone.now()
    _, text = tokens.issue(name="over", scopes=[Access.ADMIN], at=at, expires_at=at)
    everything.secrets["expired token"] = text
    revoked, text = tokens.issue(name="revoked", scopes=[Access.ADMIN], at=at)
    tokens.revoke(revoked, at=at)
    everything.secrets["revoked token"] = text
    everything.secrets["Django's secret key"] = settings.SECRET_KEY

    shown = [secret for name, secret in everything.secrets.items() if "token" in name.lower()]
    for text, header in itertools.product(shown, ("HTTP_X_API_TOKEN", "HTTP_AUTHORIZATION")):
        caches["limits"].clear()
        caller = Client(**REMOTE, **{header: text if header == "HTTP_X_API_TOKEN" else f"Bearer {text}"})
        for path in ("/api/security/me", "/api/security/tokens", "/simple-stats", "/ws", NODES):
            everything.answered(f"{header} {path}", caller.get(path))
    nobody = Client(**REMOTE)
    for path in ("/api/state", "/", "/nodes", "/login", "/api/nothing", "/admin/"):
        query = {"token": typed("token in a query"), "api_token": typed("API_TOKEN")}
        everything.answered(f"query {path}", redirect_without_its_query(nobody.get(path, query)))
    return program


def redirect_without_its_query(response):
    """The way to the sign-in leads back to the address that the browser asked for: that is the browser's own text."""
    if response.status_code == 302 and response["Location"].startswith("/login?next="):
        response["Location"] = "/login?next="
    elif response.status_code == 200 and b'name="next"' in response.content:
        response.content = response.content.replace(typed("token in a query").encode(), b"")
    return response


def use_nodes(everything: Everything, program: Client, echo: str) -> None:
    """Add, change, test and fail by the API; with hosts that are down, and with one that repeats its callers."""

    def send(method: str, path: str, body: object) -> None:
        caches["limits"].clear()
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        everything.answered(
            f"{method} {path}", program.generic(method, path, raw, content_type="application/json")
        )

    down = "https://127.0.0.1:1024"
    by_password = {"type": "pve", "host": down, "user": "a@pam"}
    by_token = {"type": "pbs", "host": down, "tokenName": "a@pbs!t"}
    send("POST", NODES, by_password | {"password": typed("password by POST")})
    send("POST", NODES, by_token | {"tokenValue": typed("token of a host that cannot be reached")})
    send("POST", NODES, by_token | {"host": f"{echo}/pbs", "tokenValue": typed("token by POST")})
    send("PUT", f"{NODES}/pve-0", {"user": "b@pam", "password": typed("password by PUT")})
    send("PUT", f"{NODES}/pbs-1", {"tokenName": "b@pbs!t", "tokenValue": typed("token by PUT")})
    for path, name in (
        (f"{NODES}/test-connection", "test-connection"),
        (f"{NODES}/test-config", "test-config"),
    ):
        for host in (down, echo):
            send("POST", path, by_password | {"host": host, "password": typed(f"password by {name}")})
            send("POST", path, by_token | {"host": host, "tokenValue": typed(f"token by {name}")})
    for method, path, name in (
        ("POST", NODES, "proxy password by POST"),
        ("PUT", f"{NODES}/pve-0", "proxy password by PUT"),
        ("POST", f"{NODES}/test-connection", "proxy password by test-connection"),
        ("POST", f"{NODES}/test-config", "proxy password by test-config"),
        ("POST", f"{NODES}/certificate", "proxy password by certificate"),
    ):
        for host in (
            f"https://proxy:{typed(name)}@192.0.2.1:8006",
            f"proxy:{typed(name)}@192.0.2.1",
            f"http://{typed(name)}@h/",
        ):
            send(method, path, by_password | {"host": host, "password": typed("password by POST")})
    secret = typed("token in a body that is no JSON")
    for raw in (
        f'{{"tokenValue": "{secret}"',
        f"tokenValue={secret}",
        f'"{secret}"',
        f'{{"name": 5, "password": "{secret}"}}',
    ):
        for method, path in (("POST", NODES), ("PUT", f"{NODES}/pve-0"), ("POST", f"{NODES}/test-config")):
            send(method, path, raw.encode())
    send(
        "PUT",
        f"{NODES}/pve-0",
        {"Password": typed("password under an unknown key"), "sealed_password": typed("password by PUT")},
    )


def use_a_hostile_host(everything: Everything, program: Client, browser: Client, echo: str) -> None:
    """Poll, test and change instances on a host that tells everything it was told."""
    by_token = make_instance(host=f"{echo}/", token_value=typed("token of a hostile host"))
    by_password = make_instance(host=echo, user="pulse@pve", password=typed("password of a hostile host"))
    for mode in MODES:
        Echo.mode = mode
        caches["limits"].clear()
        for instance in (by_token, by_password):
            connecting.forget(instance.pk)
            polls.poll(instance.pk, timezone.now())
            everything.answered(f"{mode}: test", program.post(f"{NODES}/{instance.wire_id}/test"))
            tell_of(everything, f"{mode}: instance test", "test", instance.wire_id)
            try:
                connecting.connection_for(instance).ask(lambda client: client.get("/nodes"))
            except ProxmoxError as error:
                everything.note(f"{mode}: exception", f"{error} {error!r}")
        tell_of(everything, f"{mode}: instance list", "list")
        everything.answered(f"{mode}: list", program.get(NODES))
        everything.answered(f"{mode}: state", program.get("/api/state"))
        everything.answered(f"{mode}: admin", browser.get(ADMIN_LIST))
        everything.answered(f"{mode}: admin", browser.get(f"{ADMIN_LIST}{by_token.pk}/change/"))
        everything.answered(f"{mode}: admin", browser.get(f"{ADMIN_LIST}{by_password.pk}/change/"))
        action = {"action": "test_connections", "_selected_action": [by_token.pk, by_password.pk]}
        everything.answered(f"{mode}: admin test", browser.post(ADMIN_LIST, action, follow=True))
    Echo.mode = "reason"


def tell_of(everything: Everything, where: str, *arguments: str) -> None:
    """Run `pulse instance` and keep what it prints."""
    output = io.StringIO()
    try:
        call_command("instance", *arguments, stdout=output)
    except CommandError as error:
        everything.note(where, f"{error} {error!r}")
    everything.note(where, output.getvalue())


def use_the_admin(everything: Everything, browser: Client) -> None:
    """Add, change, search and refuse in the admin, and look at every page of every row."""
    new = {"kind": "pve", "name": "lab", "host": "https://127.0.0.1:1024", "monitor_vms": "on"}
    by_token = {"token_id": "a@pam!t", "token_value": typed("token in the admin")}
    by_password = {"user": "a@pam", "password": typed("password in the admin")}
    refused = {
        "token_value": typed("password in a refused form"),
        "password": typed("password in a refused form"),
    }
    proxied = {"host": f"https://proxy:{typed('proxy password in the admin')}@192.0.2.1"}
    for fields in (new | by_token, new | {"host": "https://127.0.0.1:1025"} | by_password, new | refused):
        everything.answered("admin: add", browser.post(f"{ADMIN_LIST}add/", fields, follow=True))
    # A form that is refused shows again what was typed, but no secret; an address is no place for one, and is not stored.
    page = browser.post(f"{ADMIN_LIST}add/", new | by_token | proxied)
    everything.note("admin: host", page.content.decode().replace(f'value="{proxied["host"]}"', ""))
    for instance in Instance.objects.all():
        for page in ("change", "history", "delete"):
            everything.answered(f"admin: {page}", browser.get(f"{ADMIN_LIST}{instance.pk}/{page}/"))
        everything.answered(
            "admin: test",
            browser.post(f"{ADMIN_LIST}{instance.pk}/change/", {**new, **refused, "_test": "1"}),
        )
    for model in apps.get_models():
        path = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        everything.answered(f"admin: {path}", browser.get(path))
        for row in model._default_manager.all()[:20]:
            everything.answered(f"admin: {path}", browser.get(f"{path}{row.pk}/change/", follow=True))


def use_commands(everything: Everything, monkeypatch, echo: str, tmp_path: Path) -> None:
    """Add and test by commands, with good, wrong and no input."""
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{typed('password by file')}\n")
    add = ("add", "--type", "pve", "--accept-certificate")
    for host in (
        echo,
        "https://127.0.0.1:1024",
        "ftp://x",
        f"https://p:{typed('proxy password by command')}@192.0.2.1",
    ):
        for extra in ((), ("--no-test",)):
            monkeypatch.setattr(sys, "stdin", io.StringIO(f"{typed('token by standard input')}\n"))
            tell_of(everything, "instance add", *add, "--host", host, "--token-id", "a@pam!t", *extra)
            by_file = ("--user", "b@pam", "--password-file", str(secret_file))
            tell_of(everything, "instance add", *add, "--host", host, *by_file, *extra)
    for arguments in (
        ("list",),
        ("list", "--json"),
        ("test", "pve-0"),
        ("pause", "pve-0"),
        ("resume", "pve-0"),
    ):
        tell_of(everything, f"instance {arguments[0]}", *arguments)
    for command in (("unlock", typed("password typed as a name")), ("rotate_key",), ("check",)):
        output, errors = io.StringIO(), io.StringIO()
        call_command(*command, stdout=output, stderr=errors)
        everything.note(command[0], output.getvalue() + errors.getvalue())


def break_things(everything: Everything, program: Client, monkeypatch) -> None:
    """Let storing, sealing and everything fail, with the secrets at hand."""
    body = json.dumps(
        {"type": "pve", "host": "127.0.0.1:1024", "user": "a@pam", "password": typed("password by POST")}
    )
    program.raise_request_exception = False
    for error in (DatabaseError("down"), RuntimeError("unexpected"), crypto.SealBroken("the key is lost")):
        for place in (
            "nodes.editing.feed.broadcast",
            "nodes.configuring.seal",
            "nodes.connecting._credential_of",
        ):
            with monkeypatch.context() as broken:
                broken.setattr(place, raising(error))
                for method, path in (
                    ("POST", NODES),
                    ("PUT", f"{NODES}/pve-0"),
                    ("POST", f"{NODES}/test-config"),
                ):
                    caches["limits"].clear()
                    response = program.generic(method, path, body.encode(), content_type="application/json")
                    everything.answered(f"{error!r} in {place}: {method} {path}", response)
    Instance.objects.filter(number=0).update(
        sealed_password="v1.00000000.AAAA", sealed_token="v1.00000000.AAAA"
    )
    everything.answered("a seal that is broken", program.post(f"{NODES}/pve-0/test"))


def raising(error: Exception):
    def broken(*args: object, **options: object) -> None:
        raise error

    return broken


def look_at_everything(everything: Everything, program: Client, browser: Client) -> None:
    """Ask every route by GET, as every caller; and show every object that holds a secret."""
    callers = (program, browser, Client(**REMOTE))
    for route, client in itertools.product(all_routes(), callers):
        caches["limits"].clear()
        everything.answered(f"GET {route.path}", client.get(route.path))
    for model in apps.get_models():
        for row in model._default_manager.all():
            everything.note(f"a row of {model.__name__}", f"{row!r} {row} {vars(row)!r}")
    for instance in Instance.objects.exclude(number=0):
        target = connecting.target_of(instance)
        held = connecting.connection_for(instance)
        everything.note(
            "what holds a credential", f"{target!r} {target} {held!r} {held.client()!r} {target.credential!r}"
        )
    everything.note("keys", repr(crypto.load_keys()))
    everything.note("state", STATE.current().body.decode())


def database_text() -> str:
    """Return the bytes of the database, each as one character."""
    raw: bytes = connection.connection.serialize()
    return raw.decode("latin-1")


@pytest.mark.slow
@pytest.mark.django_db
def test_no_secret_appears_anywhere(
    everything, settings, monkeypatch, tmp_path, echo, django_capture_on_commit_callbacks
):
    crypto.load_keys()
    everything.secrets["encryption key"] = (tmp_path / "encryption.key").read_text().split()[1]
    with django_capture_on_commit_callbacks(execute=True):  # messages leave on commit
        claimed(everything)
        browser = signed_in(everything)
        program = with_tokens(everything, settings, browser)
        use_nodes(everything, program, echo)
        use_a_hostile_host(everything, program, browser, echo)
        use_the_admin(everything, browser)
        use_commands(everything, monkeypatch, echo, tmp_path)
        break_things(everything, program, monkeypatch)
        look_at_everything(everything, program, browser)
        everything.note("the database", database_text())

    # It has been a walk through everything, or finding nothing would say nothing.
    told = {where for where, _ in everything.seen}
    assert len(everything.secrets) >= 40
    assert len(set(everything.secrets.values())) == len(everything.secrets)
    assert len(told) > 150
    assert {
        "log of accounts.tokens",
        "log of django.template",
        "message to the browsers",
        "the database",
    } <= told
    assert Instance.objects.count() >= 6
    assert ApiToken.objects.count() == 5
    assert everything.found() == []


def test_the_search_finds_each_secret_in_each_spelling():
    everything = Everything()
    for name, secret in everything.secrets.items():
        for spelling in spellings(secret):
            everything.seen = [("here", f"before {spelling} after")]
            assert [line.partition(": ")[0] for line in everything.found()][:1] == [name]


# --- Process arguments ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_secret_is_an_argument_of_a_process(tmp_path):
    root = Path(__file__).resolve().parents[2]
    environment = {
        "PATH": os.environ["PATH"],
        "PULSE_DATA_DIR": str(tmp_path),
        "API_TOKEN": typed("API_TOKEN"),
    }
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=root, env=environment, check=True
    )
    options = ("--type", "pve", "--host", "https://down.invalid:8006", "--token-id", "a@pam!t", "--no-test")
    process = subprocess.Popen(
        [sys.executable, "-m", "pulse", "instance", "add", *options, "--token-value-file", "-"],
        cwd=root,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    process.stdin.write(typed("token by standard input").encode())  # no line end yet: it waits
    process.stdin.flush()
    command_line = Path(f"/proc/{process.pid}/cmdline")
    until(lambda: b"--token-value-file" in command_line.read_bytes(), seconds=20, what="it runs")
    arguments = b" ".join(contents(path) for path in Path("/proc").glob("[0-9]*/cmdline"))

    output, _ = process.communicate(b"\n", timeout=60)

    assert b"--token-value-file" in arguments
    assert b"Canary" not in arguments
    assert process.returncode == 0, output
    assert b"Added pve-0" in output
    assert b"Canary" not in output
    held = [path.name for path in tmp_path.rglob("*") if path.is_file() and b"Canary" in path.read_bytes()]
    assert held == []


def contents(path: Path) -> bytes:
    """Return what a file holds, nothing when its process is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("option", ["--password", "--token-value", "--secret", "--token"])
def test_no_option_takes_a_secret(option, db):
    with pytest.raises(CommandError, match=f"unrecognized arguments: {option} x"):
        call_command("instance", "add", "--type", "pve", "--host", "h", "--token-id", "a@pam!t", option, "x")
