"""The part of HTTP/1.1 that Proxmox speaks, close enough to the wire to be broken on purpose."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 512 << 10


class BadRequest(Exception):
    """What came in is not HTTP, or too big."""


@dataclass
class Request:
    """One request as it came in."""

    method: str
    path: str  # decoded
    segments: list[str]  # of the path, each decoded
    query: str
    headers: dict[str, str]  # names in lower case
    body: bytes
    size: int  # of all of it, in bytes

    def parameters(self) -> dict[str, str]:
        """Return query and form together; the last one of a name wins."""
        found = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            found.update(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        return found

    def cookie(self, name: str) -> str:
        """Return a cookie's decoded value, empty if it was not sent."""
        for part in self.headers.get("cookie", "").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return unquote(value)
        return ""


@dataclass
class Answer:
    """One answer before it is put on the wire."""

    status: int
    reason: str = ""
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: list[tuple[str, str]] = field(default_factory=list)
    delay_seconds: float = 0.0  # how long the server takes over it

    def head(self, *, date: float, server: str, closes: bool, length: int | None) -> bytes:
        """Return status line and headers; `length` None leaves Content-Length out."""
        lines = [
            # Text of the API may stand in the reason phrase: one line, and bytes that are legal there.
            f"HTTP/1.1 {self.status} {_one_line(self.reason) or _phrase(self.status)}",
            "Cache-Control: max-age=0",
            f"Connection: {'close' if closes else 'Keep-Alive'}",
            f"Date: {formatdate(date, usegmt=True)}",
            "Pragma: no-cache",
            f"Server: {server}",
        ]
        if length is not None:
            lines.append(f"Content-Length: {length}")
        if self.content_type:
            lines.append(f"Content-Type: {self.content_type}")
        lines += [f"{name}: {value}" for name, value in self.headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


async def read_request(reader: asyncio.StreamReader, *, idle_seconds: float) -> Request | None:
    """Return the next request, None when the peer has gone or stayed silent for too long; raises BadRequest."""
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), idle_seconds)
    except (asyncio.IncompleteReadError, ConnectionError, OSError, TimeoutError):
        return None
    except asyncio.LimitOverrunError:
        raise BadRequest("header too large") from None
    line, *fields = head[:-4].decode("latin-1").split("\r\n")
    try:
        method, target, _version = line.split(" ")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)
        }
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise BadRequest("malformed request") from None
    if not 0 <= length <= MAX_BODY_BYTES or "transfer-encoding" in headers:
        raise BadRequest("body not accepted")
    try:
        body = await reader.readexactly(length) if length else b""
    except (asyncio.IncompleteReadError, ConnectionError, OSError):
        return None
    raw_path, _, query = target.partition("?")
    segments = [unquote(segment) for segment in raw_path.strip("/").split("/")]
    return Request(method, unquote(raw_path), segments, query, headers, body, len(head) + length)
