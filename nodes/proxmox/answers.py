"""From the bytes of an answer to plain data, or to the error that it stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from nodes.addresses import Place
from nodes.proxmox import values
from nodes.proxmox.errors import (
    BadAnswer,
    LoginFailed,
    NodeBusy,
    NotFound,
    PermissionDenied,
    ProxmoxError,
    ServerError,
    TooLarge,
)
from nodes.proxmox.wire import Reply

DEPTH_LIMIT = 64
ROW_LIMIT = 200_000
#: Values and containers in one answer: 20,000 guests of 30 fields. Counted before decoding, because a few bytes of
#: JSON can stand for a hundred bytes of memory.
VALUE_LIMIT = 600_000
MESSAGE_LIMIT = 300
RETRY_AFTER_LIMIT_SECONDS = 3600

#: "Permission check failed (/nodes/pve1, Sys.Audit)"
MISSING_PRIVILEGE = re.compile(r"\((/[^\s,()]{0,200}), ?([A-Za-z][A-Za-z.|, ]{0,99})\)")


class Envelope(msgspec.Struct, gc=False):
    """What every answer is wrapped in; `total` stands beside long lists."""

    data: Any
    total: int | None = None


def decode(reply: Reply, place: Place) -> Envelope:
    """Return the envelope of a success. Raises BadAnswer or TooLarge."""
    body = reply.body
    if body[:1] != b"{":
        # A login page or an error page of a proxy; what Proxmox sends begins with the envelope.
        raise BadAnswer(f"{place} answered with {_described(reply)} instead of data")
    if body.count(b",") + body.count(b"{") + body.count(b"[") > VALUE_LIMIT:
        raise TooLarge(f"{place} sent an answer with more than {VALUE_LIMIT} values")
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


def _decoded(body: bytearray, place: Place) -> object:
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


def _described(reply: Reply) -> str:
    content_type = reply.content_type.partition(";")[0].strip().lower()
    if "html" in content_type or reply.body[:64].lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "a web page"
    return "something else" if reply.body else "an empty page"


def error_of(reply: Reply, *, kind: str, place: Place, hidden: Sequence[str] = ()) -> ProxmoxError:
    """Return the error that any status other than 200 stands for; texts in `hidden` are blotted out of it.

    Source: api-facts.md section 2; before PVE 8.4 the text is only in the reason phrase.
    """
    status = reply.status
    told = message_of(reply, kind=kind)
    for secret in hidden:  # a server that echoes the request would have it stored and shown
        told = told.replace(secret, "(hidden)") if secret else told
    because = f": {told}" if told else ""
    if 300 <= status < 400:
        return BadAnswer(f"{place} wants to redirect the call, which a Proxmox host never does")
    if status == 401:
        return LoginFailed(f"{place} refused the login{because}")
    if status == 403:
        found = MISSING_PRIVILEGE.search(told)
        path, privilege = found.groups() if found else ("", "")
        return PermissionDenied(f"{place} refused the call{because}", path=path, privilege=privilege.strip())
    if status in (404, 501):
        return NotFound(f"{place} does not know this call{because}")
    if 595 <= status <= 599:
        return NodeBusy(f"{place} could not reach the node in question{because}")
    if status in (429, 503):
        return ServerError(
            f"{place} is not ready{because}", retry_after_seconds=retry_after_seconds(reply.retry_after)
        )
    if status >= 400:
        return ServerError(f"{place} could not answer ({status}){because}")
    return BadAnswer(f"{place} answered with the unexpected status {status}")


def message_of(reply: Reply, *, kind: str) -> str:
    """Return what Proxmox says about a failure, cleaned and bounded; "" when it says nothing.

    Only Proxmox's own shapes are quoted, so that a foreign server's page never shows up in a message of ours.
    """
    envelope = _error_envelope(reply.body)
    told = values.text(envelope.get("message"), MESSAGE_LIMIT) or values.text(reply.reason, MESSAGE_LIMIT)
    problems = envelope.get("errors")
    if isinstance(problems, dict):
        named = "; ".join(f"{key}: {values.text(text, 100)}" for key, text in list(problems.items())[:5])
        return values.text(f"{told} ({named})", MESSAGE_LIMIT)
    if kind == "pbs" and reply.status == 400 and not envelope and _is_labelled_json(reply):
        # PBS sends the plain text of an error under the label of JSON.
        return values.text(reply.body.decode("utf-8", "replace"), MESSAGE_LIMIT) or told
    return told


def _is_labelled_json(reply: Reply) -> bool:
    return reply.content_type.lower().startswith("application/json")


def _error_envelope(body: bytearray) -> dict[str, object]:
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return decoded if isinstance(decoded, dict) and "data" in decoded else {}


def retry_after_seconds(text: str) -> float | None:
    """Return the seconds of a Retry-After header, at most an hour; None for dates and everything else."""
    seconds = values.size(text.strip())
    return None if seconds is None else float(min(seconds, RETRY_AFTER_LIMIT_SECONDS))
