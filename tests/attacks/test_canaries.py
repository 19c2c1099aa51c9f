"""A whole process that is told a secret of each kind, and fails in each way, tells none of them (security.md A7, A72).

What comes out of it: its log at the level debug, every file of its data directory but its keys, every answer with its headers,
every frame of a WebSocket, and the command lines of whatever it starts.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import subprocess
import sys
import threading
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.echo import CSRF, MODES, TICKET, Echo, repeating, spellings
from tests.ports import own_port
from tests.process.running import ROOT, PulseProcess

NODES = "/api/config/nodes"
FORM = "application/x-www-form-urlencoded"
#: What is told to Pulse; what it makes itself is added as it comes.
SECRETS = {
    "API_TOKEN": "Canary00-4fk2Wq9zVt7LmX3s",
    "SECRET_KEY": "Canary01-pR8vNc5yGh1JdKw6Zb3TxQa9Us0Lf7Em",
    "password of the account": "Canary02-zebra-harbour-lantern",
    "wrong password": "Canary03-otter-meadow-compass",
    "wrong code": "Canary04-Yw3nB6kD8sF1",
    "wrong token": "Canary05-Xe7rT2mH9vJ4",
    "token in a query": "Canary06-Ka5pS8qZ1cV3",
    "token of a host": "Canary07-1b2c3d4e-5f60-7182",
    "password of a host": "Canary08-gravel-orchid-mantle",
    "token of a silent host": "Canary09-9a8b7c6d-5e4f-3021",
    "password of a test": "Canary10-pebble-saffron-canyon",
    "token in a broken body": "Canary11-aa11bb22-cc33-dd44",
    "token in the admin": "Canary12-ee55ff66-0077-8899",
    "ticket of a host": TICKET.partition("::")[2],
    "CSRF token of a host": CSRF,
}


class Run:
    """The process, the secrets by name, and all that came out of it so far as (where, text)."""

    def __init__(self, pulse: PulseProcess, data_dir: Path) -> None:
        self.pulse, self.data_dir = pulse, data_dir
        self.secrets = dict(SECRETS)
        self.seen: list[tuple[str, str]] = []
        self.cookies: dict[str, str] = {}

    def ask(
        self, method: str, path: str, body: str = "", *, but: str = "", **headers: str
    ) -> tuple[int, str]:
        """Return status and body of an answer and keep all of it; `but` is shown this once, cookies are where they belong."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.pulse.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body.encode() if body else None, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {key: one.value for key, one in SimpleCookie(value).items() if one.value}
            else:
                self.seen.append((f"{method} {path}", f"{name}: {value}"))
        assert not but or but in text
        self.seen.append((f"{method} {path}", text.replace(but, "(shown once)") if but else text))
        return answer.status, text

    def program(self, method: str, path: str, body: Any = "", **more: str) -> tuple[int, str]:
        """Ask with the API_TOKEN."""
        raw = body if isinstance(body, str) else json.dumps(body)
        return self.ask(method, path, raw, **({"X_API_Token": self.secrets["API_TOKEN"]} | more))

    def browser(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        """Ask as a page of ours does, with the cookies that came."""
        own = {
            "Sec_Fetch_Site": "same-origin",
            "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
        }
        return self.ask(method, path, urlencode(fields), Content_Type=FORM, **own)

    def outside(self) -> list[tuple[str, str]]:
        """Return the log, the files, and what the system shows of the process and of those that it started."""
        files = [
            (f"file {path.name}", path.read_bytes().decode("latin-1"))
            for path in self.data_dir.rglob("*")
            if path.is_file() and path.name not in ("encryption.key", "claim.code")
        ]
        own = Path(f"/proc/{self.pulse.process.pid}")
        shown = [own / "cmdline"]
        for task in own.glob("task/*/children"):
            for child in task.read_text().split():
                shown += [Path(f"/proc/{child}/cmdline"), Path(f"/proc/{child}/environ")]
        system = [(str(path), path.read_bytes().decode("latin-1")) for path in shown]
        return [("log", self.pulse.log), *files, *system]

    def found(self) -> set[str]:
        """Return which secret was seen where."""
        everything = [*self.seen, *self.outside()] if self.pulse.process.poll() is None else self.seen
        return {
            f"{name}: {where}"
            for name, secret in self.secrets.items()
            for form in spellings(secret)
            for where, text in everything
            if form in text
        }


def claimed(run: Run) -> None:
    """Claim it and sign in, each after a wrong try; keep the cookies."""
    command = [sys.executable, "-m", "pulse", "claim-code"]
    told = subprocess.run(
        command, cwd=ROOT, env=run.pulse.environment, check=True, capture_output=True, text=True
    )
    code = told.stdout.strip()
    run.secrets["code"] = code
    password, wrong = run.secrets["password of the account"], run.secrets["wrong password"]
    account = {"username": "root", "password": password, "password_again": password}
    run.browser("GET", "/setup")
    run.browser("POST", "/setup", **account | {"code": run.secrets["wrong code"]})
    run.browser("POST", "/setup", **account | {"code": code, "password_again": wrong})
    assert run.browser("POST", "/setup", **account, code=code)[0] == 302
    run.browser("POST", "/logout")
    run.cookies.clear()
    run.browser("GET", "/login?next=/nodes")
    for name, typed in (("root", wrong), ("nobody", wrong), ("root", password)):
        run.browser("POST", "/login", username=name, password=typed)
    run.secrets["session"] = run.cookies["pulse_session"]
    run.secrets["proof of a form"] = run.cookies["pulse_csrf"]


def with_tokens(run: Run) -> None:
    """Make tokens, use them, revoke one, and show wrong ones everywhere."""
    for name in ("stored token", "revoked token"):
        body = {"name": name, "scopes": ["monitoring:read", "settings:read"]}
        connection = http.client.HTTPConnection("127.0.0.1", run.pulse.port, timeout=30)
        with contextlib.closing(connection):
            headers = {"X-API-Token": run.secrets["API_TOKEN"]}
            connection.request("POST", "/api/security/tokens", json.dumps(body), headers)
            made = json.load(connection.getresponse())  # the one answer that shows it
        run.secrets[name] = made["token"]
    run.program("DELETE", f"/api/security/tokens/{made['id']}")
    for name in ("stored token", "revoked token", "wrong token", "API_TOKEN"):
        for path in (
            "/api/security/me",
            "/api/security/tokens",
            NODES,
            "/ws",
            "/simple-stats",
            "/api/nothing",
        ):
            run.ask("GET", path, X_API_Token=run.secrets[name])
            run.ask("GET", path, Authorization=f"Bearer {run.secrets[name]}")
    for path in ("/api/state", "/api/nothing", "/static/nothing", "/ws"):
        run.ask("GET", f"{path}?token={run.secrets['token in a query']}")
    for name in ("wrong token", "revoked token"):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{run.pulse.port}/ws", subprotocols=[f"bearer.{run.secrets[name]}"])
        run.seen.append(("handshake", repr((refused.value.response.body, refused.value.response.headers))))


def with_hosts(run: Run, echo: str) -> None:
    """Watch, test and change hosts that repeat their callers, speak no TLS, or are not there."""
    run.pulse.allow_loopback()
    by_token = {"type": "pve", "tokenName": "pulse@pve!t", "tokenValue": run.secrets["token of a host"]}
    by_password = {"type": "pve", "user": "pulse@pve", "password": run.secrets["password of a host"]}
    silent = {"type": "pbs", "tokenName": "a@pbs!t", "tokenValue": run.secrets["token of a silent host"]}
    for body in (
        by_token | {"host": echo, "name": "repeats"},
        by_password | {"host": echo.replace("127.0.0.1", "127.0.0.2"), "name": "gives a ticket"},
        by_token
        | {"host": echo.replace("http:", "https:").replace("127.0.0.1", "127.0.0.3"), "name": "no TLS"},
        silent | {"host": f"https://127.0.0.1:{own_port()}", "name": "silent"},
        by_token | {"host": f"https://x:{run.secrets['password of a test']}@192.0.2.1"},
    ):
        run.program("POST", NODES, body)
    broken = run.secrets["token in a broken body"]
    for raw in (
        f'{{"tokenValue": "{broken}"',
        f"tokenValue={broken}",
        f'{{"name": 5, "password": "{broken}"}}',
    ):
        run.program("PUT", f"{NODES}/pve-0", raw)
    test = by_password | {"host": echo, "password": run.secrets["password of a test"]}
    for path in ("test-connection", "test-config"):
        run.program("POST", f"{NODES}/{path}", test)
    form = {
        "kind": "pve",
        "host": "ftp://x",
        "token_id": "a@pam!t",
        "token_value": run.secrets["token in the admin"],
    }
    run.browser("POST", "/admin/nodes/instance/add/", **form)


def with_failures(run: Run) -> None:
    """Let the host that repeats fail in each way, and look at each page and answer that could tell of it."""
    ids = [row["id"] for row in json.loads(run.program("GET", NODES)[1])]
    assert ids == ["pve-0", "pve-1", "pve-2", "pbs-0"]
    for number, mode in enumerate(MODES):
        Echo.mode = mode
        for one in ids[number % 2 :: 2]:
            run.program("POST", f"{NODES}/{one}/test")
        run.program("GET", f"{NODES}/{ids[0]}/permissions")
    for path in (
        NODES,
        "/api/state",
        "/api/config",
        "/api/diagnostics",
        "/api/diagnostics/export",
        *(f"/api/diagnostics/{one}" for one in ids),
        "/api/security/tokens",
        "/api/openapi.json",
        "/api/ready",
    ):
        run.program("GET", path)
    for path in (
        "/",
        "/nodes",
        "/simple-stats",
        "/api/docs",
        "/nothing",
        "/admin/",
        "/admin/nodes/instance/",
    ):
        run.browser("GET", path)
    for one in range(1, len(ids) + 1):
        run.browser("GET", f"/admin/nodes/instance/{one}/change/")
    run.browser("GET", "/admin/accounts/apitoken/")
    run.browser("GET", "/admin/auth/user/1/change/")


def listen(run: Run, is_over: threading.Event) -> None:
    """Keep each frame of a WebSocket until the end."""
    token = {"X-API-Token": run.secrets["API_TOKEN"]}
    with (
        contextlib.suppress(ConnectionClosed),
        connect(f"ws://127.0.0.1:{run.pulse.port}/ws", additional_headers=token, max_size=None) as socket,
    ):
        while not is_over.is_set():
            with contextlib.suppress(TimeoutError):
                raw = socket.recv(timeout=0.2)
                text = gzip.decompress(raw).decode() if isinstance(raw, bytes) else raw
                run.seen.append(("frame", text))


def test_a_process_that_is_told_a_secret_of_each_kind_tells_none(tmp_path):
    data_dir = tmp_path / "data"
    variables = {
        "API_TOKEN": SECRETS["API_TOKEN"],
        "SECRET_KEY": SECRETS["SECRET_KEY"],
        "PULSE_BIND": "127.0.0.1",
        "LOG_LEVEL": "debug",
        "POLLING_INTERVAL": "3",
        "CONNECTION_TIMEOUT": "2",
    }
    is_over = threading.Event()
    with repeating() as echo, PulseProcess(data_dir, **variables) as pulse:
        pulse.healthy()
        run = Run(pulse, data_dir)
        claimed(run)
        listener = threading.Thread(target=listen, args=(run, is_over))
        listener.start()
        try:
            with_tokens(run)
            with_hosts(run, echo)
            with_failures(run)
        finally:
            is_over.set()
            listener.join()
        places = {where for where, _ in [*run.seen, *run.outside()]}
        found = run.found()
        code, _ = pulse.end()
        run.seen += [
            ("log at the end", pulse.log),
            ("database", (data_dir / "pulse.sqlite3").read_bytes().decode("latin-1")),
        ]

    assert {
        "frame",
        "handshake",
        "log",
        "file pulse.sqlite3",
        "file pulse.sqlite3-wal",
        "GET /api/diagnostics",
    } <= places
    assert len(run.secrets) == 20
    assert {name for name, secret in run.secrets.items() if len(secret) < 20} == set()
    assert code == 0
    assert found | run.found() == set()
    assert pulse.log.count("repeats") > 0  # the failures of the hosts are in the log
