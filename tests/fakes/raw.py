"""A client with no opinions: says exactly what a server answered, certificate unchecked."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tests.fake_proxmox import FakeServer, FakeSite

TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True)
class Reply:
    """An answer as it came."""

    status: int
    reason: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def text(self) -> str:
        """The body, unpacked and decoded."""
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()

    @property
    def data(self) -> Any:
        """What stands under `data`."""
        return json.loads(self.text)["data"]


def unchecked() -> ssl.SSLContext:
    """Return a TLS context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(server: FakeServer, *, timeout: float = TIMEOUT_SECONDS) -> http.client.HTTPSConnection:
    """Return a connection that will be opened by its first request."""
    return http.client.HTTPSConnection(server.host, server.port, context=unchecked(), timeout=timeout)


def token_header(server: FakeServer, token_id: str = "", token_value: str = "") -> dict[str, str]:
    """Return the header of an API token, of the server's own unless told."""
    scheme, separator = ("PVEAPIToken", "=") if server.kind == "pve" else ("PBSAPIToken", ":")
    return {
        "Authorization": f"{scheme}={token_id or server.token_id}{separator}{token_value or server.token_value}"
    }


def granted(site: FakeSite, *privileges: str, path: str = "/") -> dict[str, str]:
    """Return the header of a new token that has exactly these privileges on a path and below."""
    name = f"t{len(site.access.accounts)}"
    return token_header(site.first, *site.add_token(name, {path: privileges}))


def ticket_header(server: FakeServer, user: str = "", password: str = "") -> dict[str, str]:
    """Return the cookie of a login, as the server's own user unless told."""
    form = {"username": user or server.user, "password": password or server.password}
    ticket = quote(str(post(server, "/access/ticket", form).data["ticket"]), safe="")
    return {"Cookie": f"{server.kind.upper()}AuthCookie={ticket}"}


def exchange(
    connection: http.client.HTTPSConnection,
    path: str,
    headers: dict[str, str],
    *,
    method: str = "GET",
    form: dict[str, str] | None = None,
) -> Reply:
    """Return the answer to one request on a connection."""
    body = urlencode(form) if form is not None else None
    if form is not None:
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    connection.request(method, path, body=body, headers=headers)
    answer = connection.getresponse()
    content = answer.read()
    named = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(answer.status, answer.reason, named, content)


def get(
    server: FakeServer, path: str, headers: dict[str, str] | None = None, *, timeout: float = TIMEOUT_SECONDS
) -> Reply:
    """Return the answer to GET /api2/json + path, with the server's own token unless headers are given."""
    connection = connect(server, timeout=timeout)
    try:
        return exchange(connection, "/api2/json" + path, token_header(server) if headers is None else headers)
    finally:
        connection.close()


def post(server: FakeServer, path: str, form: dict[str, str]) -> Reply:
    """Return the answer to POST /api2/json + path without a credential."""
    connection = connect(server)
    try:
        return exchange(connection, "/api2/json" + path, {}, method="POST", form=form)
    finally:
        connection.close()


def rows(server: FakeServer, kind: str) -> list[dict[str, Any]]:
    """Return the rows of /cluster/resources of one type (guest: qemu and lxc)."""
    wanted = ("qemu", "lxc") if kind == "guest" else (kind,)
    return [row for row in get(server, "/cluster/resources").data if row["type"] in wanted]


def guest(server: FakeServer, vmid: int) -> dict[str, Any]:
    """Return the row of one guest."""
    return next(row for row in rows(server, "guest") if row["vmid"] == vmid)


def tls(server: FakeServer, *, timeout: float = TIMEOUT_SECONDS) -> ssl.SSLSocket:
    """Return an open TLS connection."""
    plain = socket.create_connection((server.host, server.port), timeout=timeout)
    try:
        return unchecked().wrap_socket(plain)
    except BaseException:
        plain.close()
        raise


def request_bytes(server: FakeServer, path: str) -> bytes:
    """Return a GET request as it goes over the wire."""
    header = token_header(server)["Authorization"]
    return f"GET /api2/json{path} HTTP/1.1\r\nHost: x\r\nAuthorization: {header}\r\n\r\n".encode()


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; raises AssertionError if it does not in time."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)
