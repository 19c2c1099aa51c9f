"""Finding the answer to a request: faults first, then credential, call, rights, parameters; and the words of failure."""

from __future__ import annotations

import gzip
import json
import logging
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.fake_proxmox import pve
from tests.fake_proxmox.access import Account, Refused
from tests.fake_proxmox.calls import ApiFailure, Call, Counted, Encoded, Entry, Version
from tests.fake_proxmox.faults import ANSWER_KINDS, CONTENT_KINDS, Fault, replaced_answer, spoiled
from tests.fake_proxmox.figures import encode
from tests.fake_proxmox.http import Answer, Request
from tests.fake_proxmox.model import Cluster
from tests.fake_proxmox.tables import TABLES

if TYPE_CHECKING:
    from tests.fake_proxmox.server import FakeServer

logger = logging.getLogger(__name__)

#: Bodies up to this size are never compressed.
GZIP_FROM_BYTES = 1_024


def answer_to(server: FakeServer, request: Request, path: str) -> Answer:
    """Return what the server says to a request, right or wrong."""
    fault = server.faults.take(ANSWER_KINDS, path)
    if fault is not None:
        answer = _fault_answer(server, fault, path)
    else:
        with server.site.lock:
            answer = _answer_or_confess(server, request)
        if (content := server.faults.take(CONTENT_KINDS, path)) is not None:
            answer.body = spoiled(content, _plain(answer))
            answer.headers = []
    return answer


def _answer_or_confess(server: FakeServer, request: Request) -> Answer:
    """Return the right answer; a mistake of the fake itself is told loudly, not taken for a broken connection."""
    try:
        return _right_answer(server, request)
    except Exception as error:
        logger.exception("the fake Proxmox failed on %s %s", request.method, request.path)
        return Answer(500, f"the fake failed: {error!r}", content_type="")


def _fault_answer(server: FakeServer, fault: Fault, path: str) -> Answer:
    reason = fault.options.get("reason", "")
    match fault.kind:
        case "401":
            return _refusal(server, reason or "permission denied - invalid PVE ticket")
        case "403":
            return _failure(server, ApiFailure(403, reason or f"Permission check failed ({path}, Sys.Audit)"))
        case "500":
            return _failure(server, ApiFailure(500, reason or "got timeout"))
        case "595":
            return _failure(server, ApiFailure(595, reason or "No route to host"))
        case "status":
            body = fault.options.get("body", "").encode()
            headers = [*fault.options.get("headers", {}).items()]
            return Answer(int(fault.options["status"]), reason, body, headers=headers)
    return replaced_answer(fault)


def _right_answer(server: FakeServer, request: Request) -> Answer:
    if request.segments[:2] != ["api2", "json"]:
        return _not_api(request)
    try:
        if request.method == "GET" and request.body and server.kind != "pbs":
            raise ApiFailure(501, "Unexpected content for method 'GET'")
        data = _carry_out(server, request)
    except Refused as refused:
        return _refusal(server, str(refused))
    except ApiFailure as failure:
        return _failure(server, failure, _node_named(server, request))
    if isinstance(data, Counted):
        shared = Encoded(encode(data.rows, total=data.total))
    else:
        shared = data if isinstance(data, Encoded) else Encoded(encode(data))
    wants_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if server.uses_gzip and wants_gzip and len(shared.body) > GZIP_FROM_BYTES:
        return Answer(200, body=shared.gzipped, headers=[("Content-Encoding", "gzip")])
    return Answer(200, body=shared.body)


def _carry_out(server: FakeServer, request: Request) -> object:
    table = TABLES[server.kind]
    segments = request.segments[2:]
    now = server.clock.now()
    found = table.find(request.method, segments)
    version = server.site.version_of(_node_named(server, request))
    if found is not None and version < found[0].since:
        found = None
    told_now = now + server.faults.clock_offset_seconds()
    # The credential comes before the path: a stranger does not learn which calls there are.
    is_public = found is not None and found[0].is_public
    account = None if is_public else _caller(server, request, told_now)
    if found is None:
        raise _no_such_call(server, request)
    entry, names = found
    call = Call(server.site, server, account, now, told_now, names, request.parameters())
    _check(entry, call, version)
    return entry.handler(call)


def _node_named(server: FakeServer, request: Request) -> str:
    """Return the node that carries a call out, as far as the path tells."""
    segments = request.segments[2:]
    named = segments[1] if len(segments) > 2 and segments[0] == "nodes" else ""
    return server.name if named in ("", "localhost") else named


def _check(entry: Entry, call: Call, version: Version) -> None:
    account = call.account
    if entry.is_root_only and not (account is not None and account.is_superuser):
        raise ApiFailure(403, "Permission check failed (user != root@pam)")
    if entry.roles and not (account is not None and (account.is_superuser or account.role in entry.roles)):
        raise ApiFailure(403, f"Permission check failed ({', '.join(entry.roles)})")
    privilege = entry.privilege_in(version)
    if privilege is not None:
        call.demand(privilege[0].format(**call.names), *privilege[1:])
    known = entry.parameters_in(version)
    errors = {
        name: "property is not defined in schema and the schema does not allow additional properties"
        for name in call.parameters
        if name not in known
    }
    errors |= {
        name: "property is missing and it is not optional"
        for name in entry.required
        if name not in call.parameters
    }
    if errors:
        raise ApiFailure(400, "Parameter verification failed.", errors)
    if entry.is_proxied:
        pve.check_node(call, call.names["node"])


def _caller(server: FakeServer, request: Request, now: float) -> Account:
    """Return the account behind a request: a cookie wins over a token. Raises Refused."""
    access, product = server.site.access, server.kind.upper()
    names = [f"{product}AuthCookie"] + ([f"__Host-{product}AuthCookie"] if server.kind == "pbs" else [])
    ticket = next((value for name in names if (value := request.cookie(name))), "")
    if ticket:
        account = access.by_ticket(ticket, now)
        if request.method != "GET" and not request.headers.get("csrfpreventiontoken"):
            raise Refused("Permission denied - invalid csrf token")
        return account
    if server.kind == "pmg":
        return _pmg_caller(request)
    scheme, separator = f"{product}APIToken", "=" if server.kind == "pve" else ":"
    header = request.headers.get("authorization", "")
    if header[: len(scheme) + 1] in (f"{scheme}=", f"{scheme} "):
        token_id, found, secret = header[len(scheme) + 1 :].partition(separator)
        if not found:
            raise Refused("no token value")
        return access.by_token(unquote(token_id), secret, now)
    raise Refused("No ticket")


def _pmg_caller(request: Request) -> Account:
    if request.headers.get("authorization", "").startswith("PMGAPIToken"):
        raise Refused("API tokens not implemented")
    raise Refused("No ticket")


def _no_such_call(server: FakeServer, request: Request) -> ApiFailure:
    path = "/" + "/".join(request.segments[2:])
    if server.kind == "pbs":
        return ApiFailure(404, f"Path '{path}' not found.")
    return ApiFailure(501, f"Method '{request.method} {path}' not implemented")


def _not_api(request: Request) -> Answer:
    if request.path == "/" and request.method == "GET":
        page = b"<!DOCTYPE html><html><head><title>Proxmox</title></head><body></body></html>"
        return Answer(200, body=page, content_type="text/html;charset=UTF-8")
    return Answer(404, f"no such file '{request.path}'", content_type="")


def _refusal(server: FakeServer, reason: str) -> Answer:
    if server.kind == "pbs":
        return Answer(401, body=b"authentication failed", content_type="application/json")
    return Answer(401, reason, content_type="")


def _failure(server: FakeServer, failure: ApiFailure, node: str = "") -> Answer:
    if server.kind == "pbs":
        return _pbs_failure(failure)
    body: dict[str, object] = {"data": None}
    if failure.errors is not None:
        body["errors"] = failure.errors
    model = server.site.model
    if not isinstance(model, Cluster) or model.version_of(node or server.name).tells_errors_in_body:
        body["message"] = failure.reason + "\n"
    return Answer(failure.status, failure.reason, _compact(body), delay_seconds=failure.delay_seconds)


def _pbs_failure(failure: ApiFailure) -> Answer:
    """Plain text that calls itself JSON, as PBS does."""
    text = failure.reason
    if failure.status == 403:
        text = "permission check failed"
    elif failure.errors is not None:
        text = "parameter verification failed - " + "\n".join(
            f"'{k}': {v}" for k, v in failure.errors.items()
        )
    status = 400 if failure.status == 500 else failure.status
    return Answer(status, body=text.encode(), content_type="application/json")


def _compact(body: dict[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(answer: Answer) -> bytes:
    return gzip.decompress(answer.body) if answer.headers else answer.body
