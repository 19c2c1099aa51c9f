"""What answers at an address that somebody chose may be no Proxmox host: nothing that it says is handed on (A37)."""

from __future__ import annotations

import json

import pytest
from django.core.cache import caches
from django.test import Client

from monitoring.known.memory import PollMemory
from monitoring.polling.outcomes import record_failure
from nodes import connecting, editing
from nodes.drafts import Draft
from nodes.models import Instance
from nodes.proxmox.errors import PermissionDenied, ProxmoxError
from tests.conftest import NOON
from tests.factories import make_instance
from tests.nodes.servers import PASSWORD, TOKEN, always, scripted

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

NODES = "/api/config/nodes"
CANARY = "canary-of-another-server"

#: Body and status of whatever may answer; each holds something that is not for the one who asks.
FOREIGN = {
    "a web page": (f"<html>{CANARY}</html>".encode(), "200 OK"),
    "JSON of something else": (json.dumps({"secret": CANARY}).encode(), "200 OK"),
    "data of something else": (json.dumps({"data": CANARY}).encode(), "200 OK"),
    "rows of something else": (json.dumps({"data": [{"secret": CANARY}]}).encode(), "200 OK"),
    "a bare text": (CANARY.encode(), "200 OK"),
    "a page that is not there": (CANARY.encode(), "404 Not Found"),
    "words behind the status": (b"", f"500 {CANARY}"),
    "words behind a refused login": (b"", f"401 {CANARY}"),
    "words behind a bad gateway": (b"", f"502 {CANARY}"),
    "words behind a node that is busy": (b"", f"595 {CANARY}"),
    "the reason of a bad request": (CANARY.encode(), "400 Bad Request"),
    "a bad request in JSON": (json.dumps({"error": CANARY}).encode(), "400 Bad Request"),
    "an envelope": (json.dumps({"data": None, "message": CANARY}).encode(), "500 Internal"),
    "an envelope of a refusal": (json.dumps({"data": None, "message": CANARY}).encode(), "403 Forbidden"),
    "a privilege": (b"", f"403 Permission check failed (/{CANARY}, Sys.Audit)"),
    "named problems": (
        json.dumps({"data": None, "message": "no", "errors": {CANARY: CANARY}}).encode(),
        "400 Parameter verification failed",
    ),
}
CREDENTIALS = {
    "token": {"tokenName": TOKEN.token_id, "tokenValue": TOKEN.token_value},
    "password": {"user": PASSWORD.user, "password": PASSWORD.password},
}


@pytest.fixture
def api() -> Client:
    """A caller on this machine."""
    return Client(HTTP_HOST="localhost")


def asked(api, method, path, body=None):
    caches["limits"].clear()
    raw = json.dumps(body).encode() if body is not None else b""
    return api.generic(method, path, raw, content_type="application/json")


@pytest.mark.parametrize("kind", ["pve", "pbs", "pmg"])
@pytest.mark.parametrize(("body", "status"), FOREIGN.values(), ids=FOREIGN)
def test_no_answer_repeats_what_another_server_says(api, kind, body, status):
    with scripted(always(body, status, f"Server: {CANARY}")) as server:
        answers = []
        for way in ["password"] if kind == "pmg" else CREDENTIALS:
            wanted = {"type": kind, "host": server.url, "name": "x", **CREDENTIALS[way]}
            answers += [
                asked(api, "POST", f"{NODES}/{path}", wanted) for path in ("test-connection", "test-config")
            ]
            answers.append(asked(api, "POST", NODES, wanted))
            answers.append(asked(api, "POST", f"{NODES}/{kind}-0/test"))
            answers.append(asked(api, "GET", f"{NODES}/{kind}-0/permissions"))
            answers.append(asked(api, "PUT", f"{NODES}/{kind}-0", CREDENTIALS[way] | {"name": "y"}))
        answers.append(asked(api, "POST", f"{NODES}/certificate", {"type": kind, "host": server.url}))
        answers.append(asked(api, "GET", "/api/diagnostics"))
        instance = Instance.objects.get()
        record_failure(instance, PollMemory(), failure_of(instance), at=NOON)
        answers.append(asked(api, "GET", NODES))

        assert server.requests
        assert answers[0].status_code == 400
        assert answers[-1].json()[0]["statusMessage"]
        assert [answer for answer in answers if CANARY in answer.content.decode()] == []


def failure_of(instance):
    connecting.forget(instance.pk)
    try:
        connecting.connection_for(instance).ask(lambda client: client.get("/nodes"))
    except ProxmoxError as error:
        return error
    finally:
        connecting.forget(instance.pk)
    return ProxmoxError("the answer was one")


def test_a_host_that_has_answered_as_one_is_quoted(api):
    refusal = json.dumps({"data": None, "message": "token 'pulse' expired"}).encode()
    with scripted(always(refusal, "401 no")) as server:
        make_instance(host=server.url, last_success_at=NOON)

        answer = asked(api, "POST", f"{NODES}/pve-0/test").json()

    assert "refused the login: token 'pulse' expired" in answer["message"]


def test_another_host_has_to_prove_itself_anew(api, host_probe):
    instance = make_instance(last_success_at=NOON)

    editing.change(instance.pk, Draft(kind="pve", host="192.0.2.77", token_value="again"), at=NOON)

    assert Instance.objects.get().last_success_at is None


def test_what_to_do_is_told_without_the_words_of_the_other_side():
    error = PermissionDenied("pve1 refused the call: (/x, Sys.Audit)", path="/x", privilege="Sys.Audit")
    error.said = "(/x, Sys.Audit)"

    assert str(error).endswith("the privilege Sys.Audit on /x")
    assert error.own_words == (
        "pve1 refused the call. Give the account, and its token, the role PVEAuditor (PVE) or Audit (PBS) on /, or audit (PMG)"
    )
