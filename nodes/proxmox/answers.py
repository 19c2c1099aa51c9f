"""From the bytes of an answer to plain data, or to the error that it stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn
from urllib.parse import quote, quote_plus

import msgspec
from requests import Response

from nodes.proxmox import values
from nodes.proxmox.errors import (
    AgentNotConfigured,
    AgentNotRunning,
    AgentRefused,
    AgentTimedOut,
    AgentUnsupported,
    BadAnswer,
    GuestNotFound,
    GuestNotRunning,
    LoginFailed,
    NoCeph,
    NodeBusy,
    NotFound,
    NoZfs,
    PermissionDenied,
    ProxmoxError,
    ServerError,
    TooLarge,
)
from pulse.lib.logs import without_secrets
from pulse.lib.outbound.places import Place

DEPTH_LIMIT = 64
ROW_LIMIT = 200_000
#: Values and containers in one answer: 20,000 guests of 30 fields. Counted before decoding, because a few bytes of
#: JSON can stand for a hundred bytes of memory.
VALUE_LIMIT = 600_000
#: Of a text that is quoted no more than this is looked at.
QUOTED_BYTES = 16 << 10
MESSAGE_LIMIT = 300
RETRY_AFTER_LIMIT_SECONDS = 3600

#: Where every call ends as a proxy ends it whose host is silent.
BEHIND_REMEDY = "If a proxy stands in front of the host, check that it reaches the host; if none does, check the services of the host"

#: "Permission check failed (/nodes/pve1, Sys.Audit)"
MISSING_PRIVILEGE = re.compile(r"\((/[^\s,()]{0,200}), ?([A-Za-z][A-Za-z.|, ]{0,99})\)")

#: What a 500 says, to the error that it stands for: Proxmox has no other way to tell them apart. The first that
#: fits counts; a text that comes from elsewhere and only quotes one of these does not begin with it.
FAILURES: tuple[tuple[re.Pattern[str], type[ServerError]], ...] = (
    (re.compile(r"No QEMU guest agent configured"), AgentNotConfigured),
    (re.compile(r"QEMU guest agent is not running"), AgentNotRunning),
    (re.compile(r"VM \d{1,9} qga command '[^']{1,64}' failed - got timeout"), AgentTimedOut),
    (re.compile(r"VM \d{1,9} qga command '[^']{1,64}' failed - .{0,120}has been disabled"), AgentRefused),
    (
        re.compile(
            r"VM \d{1,9} qga command '[^']{1,64}' failed - .{0,120}(?:not been found|not .{0,20}supported)"
        ),
        AgentUnsupported,
    ),
    (re.compile(r"(?:VM|CT) \d{1,9} (?:is )?not running"), GuestNotRunning),
    (
        re.compile(
            r"Configuration file 'nodes/[^']{1,128}/(?:qemu-server|lxc)/\d{1,9}\.conf' does not exist"
        ),
        GuestNotFound,
    ),
    (re.compile(r"binary not installed: /usr/bin/ceph-|pveceph configuration not initialized"), NoCeph),
    (re.compile(r"zfsutils-linux not installed"), NoZfs),
)


class Envelope(msgspec.Struct, gc=False):
    """What every answer is wrapped in; `total` stands beside long lists."""

    data: Any
    total: int | None = None


#: Decodes a body in which nothing is unusual to its `data`; None where anything is.
Plain = Callable[[bytes], object]


def decode(reply: Response, place: Place, plain: Plain | None = None) -> Envelope:
    """Return the envelope of a success, by `plain` where that can read it. Raises BadAnswer or TooLarge."""
    body = reply.content
    if body[:1] != b"{":
        # Such as an error page of whatever answered; what Proxmox sends begins with the envelope.
        raise BadAnswer(f"{place} answered with {_described(reply)} instead of data")
    if has_too_many_values(body):
        raise TooLarge(f"{place} sent an answer with more than {VALUE_LIMIT} values")
    if plain is not None and (found := plain(body)) is not None:
        return Envelope(data=found)
    decoded = _decoded(body, place)
    if not isinstance(decoded, dict) or "data" not in decoded:
        raise BadAnswer(f"{place} sent JSON that is not an answer of a Proxmox host")
    data = decoded["data"]
    if isinstance(data, (list, dict)):
        if len(data) > ROW_LIMIT:
            raise TooLarge(f"{place} sent a list of more than {ROW_LIMIT} entries")
        if is_deeper_than(data, DEPTH_LIMIT - 1):
            raise BadAnswer(f"{place} sent JSON that is nested more than {DEPTH_LIMIT} levels deep")
    return Envelope(data=data, total=values.size(decoded.get("total")))


def has_too_many_values(body: bytes) -> bool:
    """Return whether there are more values and containers than may be; of three bytes two may begin one, as in `[[],[],`."""
    if len(body) * 2 <= VALUE_LIMIT * 3:
        return False
    return body.count(b",") + body.count(b"{") + body.count(b"[") > VALUE_LIMIT


def _decoded(body: bytes, place: Place) -> object:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        pass
    try:
        # One name with broken characters must not blind a whole cluster: this reader takes half of a surrogate
        # pair, and bytes that are not UTF-8 are replaced.
        return json.loads(body.decode("utf-8", "replace"), parse_constant=_refused)
    except (ValueError, RecursionError):
        raise BadAnswer(f"{place} sent JSON that is broken off or damaged") from None


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def is_deeper_than(value: object, limit: int) -> bool:
    """Return whether containers are nested more than `limit` deep; never recursive itself."""
    level: list[Any] = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            child
            for container in level
            for child in (container.values() if type(container) is dict else container)
            if type(child) is dict or type(child) is list
        ]
    return bool(level)


def _described(reply: Response) -> str:
    content_type = _content_type(reply).partition(";")[0].strip()
    if "html" in content_type or reply.content[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    return "something else" if reply.content else "an empty page"


def error_of(reply: Response, *, kind: str, place: Place, hidden: Sequence[str] = ()) -> ProxmoxError:
    """Return the error that any status other than 200 stands for; texts in `hidden` are blotted out of it."""
    message = message_of(reply, kind=kind, hidden=hidden)
    error = _error_with(message, reply, place)
    error.said = message
    return error


def _error_with(message: str, reply: Response, place: Place) -> ProxmoxError:
    """Return the error of a status, with what the host says at the end of its cause.

    Source: api-facts.md section 2; before PVE 8.4 the text is only in the reason phrase.
    """
    status = reply.status_code
    because = f": {message}" if message else ""
    if 300 <= status < 400:
        return BadAnswer(f"{place} wants to redirect the call, which a Proxmox host never does")
    if status == 401:
        return LoginFailed(f"{place} refused the login{because}")
    if status == 403:
        match = MISSING_PRIVILEGE.search(message)
        path, privilege = match.groups() if match else ("", "")
        return PermissionDenied(f"{place} refused the call{because}", path=path, privilege=privilege.strip())
    if status in (404, 501):
        return NotFound(f"{place} does not know this call{because}")
    if 595 <= status <= 599:
        return NodeBusy(f"{place} could not reach the node in question{because}")
    if status in (429, 503):
        wait_seconds = retry_after_seconds(reply.headers.get("Retry-After", ""))
        return ServerError(f"{place} is not ready{because}", retry_after_seconds=wait_seconds)
    if status in (502, 504) and not _error_envelope(reply.content):
        return ServerError(
            f"{place} could not answer ({status}){because}",
            remedy=BadAnswer.remedy,
            host_remedy=BEHIND_REMEDY,
        )
    if status >= 400:
        failure = failure_of(message) if status == 500 else ServerError
        return failure(f"{place} could not answer ({status}){because}")
    return BadAnswer(f"{place} answered with the unexpected status {status}")


def failure_of(message: str) -> type[ServerError]:
    """Return the class of a failure by what Proxmox says about it; ServerError for what is not told apart."""
    for pattern, failure in FAILURES:
        if pattern.match(message):
            return failure
    return ServerError


def message_of(reply: Response, *, kind: str, hidden: Sequence[str] = ()) -> str:
    """Return what Proxmox says about a failure, cleaned and bounded; "" when it says nothing.

    Only Proxmox's own shapes are quoted, so that a foreign server's page never shows up in a message of ours.
    """
    envelope = _error_envelope(reply.content)
    message = _quoted(envelope.get("message"), hidden) or _quoted(reply.reason, hidden)
    problems = envelope.get("errors")
    if isinstance(problems, dict):
        named = "; ".join(
            f"{_quoted(key, hidden, 100)}: {_quoted(text, hidden, 100)}"
            for key, text in list(problems.items())[:5]
        )
        return values.text(f"{message} ({named})", MESSAGE_LIMIT)
    if kind == "pbs" and reply.status_code == 400 and not envelope and _is_labelled_json(reply):
        # PBS sends the plain text of an error under the label of JSON.
        return _quoted(reply.content[:QUOTED_BYTES].decode("utf-8", "replace"), hidden) or message
    return message


def _quoted(text: object, hidden: Sequence[str], limit: int = MESSAGE_LIMIT) -> str:
    """Return a text of the host, cleaned and cut, without what a server that echoes the request would have us store.

    Blotted before it is cut: half a secret is still one.
    """
    if isinstance(text, str):
        text = text[:QUOTED_BYTES]
        for secret in hidden:
            for spelling in (secret, quote(secret, safe=""), quote_plus(secret)):
                text = text.replace(spelling, "[hidden]") if spelling else text
        text = without_secrets(text)
    return values.text(text, limit)


def _is_labelled_json(reply: Response) -> bool:
    return _content_type(reply).startswith("application/json")


def _content_type(reply: Response) -> str:
    return reply.headers.get("Content-Type", "").lower()


def _error_envelope(body: bytes) -> dict[str, object]:
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) and "data" in decoded else {}


def retry_after_seconds(text: str) -> float | None:
    """Return the seconds of a Retry-After header, at most an hour; None for dates and everything else."""
    seconds = values.size(text.strip())
    return None if seconds is None else float(min(seconds, RETRY_AFTER_LIMIT_SECONDS))
