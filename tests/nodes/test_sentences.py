"""The whole sentence that people read when a call fails: it blames no more than what the calls have shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from nodes.proxmox import errors
from nodes.proxmox.client import Client, Credential
from tests.nodes.servers import PASSWORD, TOKEN, Link, scripted

VERSION = json.dumps({"data": {"version": "9.1"}}).encode()
WEB_PAGE = b"<!doctype html><title>Welcome</title>"
TICKET = json.dumps({"data": {"ticket": "PVE:pulse@pve:66F1A2B3::a", "username": "pulse@pve"}}).encode()
NOT_THE_HOST = (
    "Check that the address and port belong to a Proxmox host and not to a proxy or another web server"
)
LOG = "If it stays so, look into the system log of the host"


def host(
    other: Callable[[Link], None],
    version: Callable[[Link], None] = lambda link: link.answer(VERSION),
    login: Callable[[Link], None] = lambda link: link.answer(TICKET),
) -> Callable[[Link], None]:
    """A script that answers the call in question, GET /version, and logins, each in its way."""

    def script(link: Link) -> None:
        while request := link.request():
            answer = login if request.startswith(b"POST") else other
            if request.startswith(b"GET /api2/json/version "):
                answer = version
            answer(link)

    return script


def says(body: bytes, status: str = "200 OK", *headers: str) -> Callable[[Link], None]:
    """An answer."""
    return lambda link: link.answer(body, status, *headers)


def cut(link: Link) -> None:
    """An answer that ends in its middle."""
    link.send(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"data":[')
    link.sock.close()


@dataclass
class Case:
    """A host, and the sentence to which it leads; `{host}` is its address."""

    script: Callable[[Link], None]
    expected: str
    credential: Credential = TOKEN
    is_proven: bool = False  # another call was answered before


PLAIN = says(WEB_PAGE, "200 OK", "Content-Type: text/html")
NO_CALL = says(b'{"data":null}', "501 Method 'GET /ceph' not implemented")
REFUSED = says(b"", "401 permission denied - invalid PVE ticket")

CASES = {
    "a call that a healthy host lacks": Case(
        host(NO_CALL),
        "{host} does not know this call: Method 'GET /ceph' not implemented. The version of the host may not have it",
    ),
    "a call that a healthy host lacks, after others": Case(
        host(NO_CALL, version=NO_CALL),
        "{host} does not know this call: Method 'GET /ceph' not implemented. The version of the host may not have it",
        is_proven=True,
    ),
    "a call that is 404 on a healthy host": Case(
        host(says(b"", "404 Not Found")),
        "{host} does not know this call: Not Found. The version of the host may not have it",
    ),
    "a web page for one call": Case(host(PLAIN), "{host} answered with a web page instead of data. " + LOG),
    "no JSON for one call": Case(
        host(says(b"{oops")), "{host} sent JSON that is broken off or damaged. " + LOG
    ),
    "nothing for one call": Case(
        host(says(b"")), "{host} answered with an empty page instead of data. " + LOG
    ),
    "JSON of something else for one call": Case(
        host(says(b'{"status":"ok"}')), "{host} sent JSON that is not an answer of a Proxmox host. " + LOG
    ),
    "502 for one call": Case(
        host(says(WEB_PAGE, "502 Bad Gateway")), "{host} could not answer (502): Bad Gateway. " + LOG
    ),
    "504 for one call": Case(
        host(says(b"", "504 Gateway Time-out")), "{host} could not answer (504): Gateway Time-out. " + LOG
    ),
    "one call cut off": Case(
        host(cut),
        "The connection to {host} broke in the middle of an answer. "
        "Check the network, the firewall and that the host is up",
    ),
    "502 for every call": Case(
        host(says(WEB_PAGE, "502 Bad Gateway"), version=says(WEB_PAGE, "502 Bad Gateway")),
        "{host} could not answer (502): Bad Gateway. If a proxy stands in front of the host, "
        "check that it reaches the host; if none does, check the services of the host",
    ),
    "a redirect for one call": Case(
        host(says(b"", "302 Found", "Location: /")),
        "{host} wants to redirect the call, which a Proxmox host never does. " + LOG,
    ),
    "the session of an accepted login is refused": Case(
        host(REFUSED, version=REFUSED),
        "{host} accepted the login and refused the session: permission denied - invalid PVE ticket. "
        "The clock of the host may be wrong, or calls reach another host than the login did: "
        "check the clock, and a proxy or load balancer if there is one",
        PASSWORD,
    ),
    "a web page for one call after a login": Case(
        host(PLAIN), "{host} answered with a web page instead of data. " + LOG, PASSWORD
    ),
    "a web page for the login alone": Case(
        host(says(VERSION), login=PLAIN), "{host} answered with a web page instead of data. " + LOG, PASSWORD
    ),
    # As they always were: the calls show it.
    "a web server": Case(
        host(PLAIN, version=PLAIN), "{host} answered with a web page instead of data. " + NOT_THE_HOST
    ),
    "a web server that knows no such page": Case(
        host(says(WEB_PAGE, "404 Not Found"), version=says(WEB_PAGE, "404 Not Found")),
        "{host} does not know this call: Not Found. Check that the address is the one of a Proxmox host",
    ),
    "a web server asked for a login": Case(
        host(PLAIN, version=PLAIN, login=PLAIN),
        "{host} answered with a web page instead of data. " + NOT_THE_HOST,
        PASSWORD,
    ),
    "a wrong password": Case(
        host(says(VERSION), login=says(b"", "401 authentication failure")),
        "{host} refused the login: authentication failure. "
        "Check user, realm and password, or that the token exists, has not expired and its secret is right",
        PASSWORD,
    ),
    "a wrong token": Case(
        host(says(b"", "401 no such token"), version=says(b"", "401 no such token")),
        "{host} refused the login: no such token. "
        "Check user, realm and password, or that the token exists, has not expired and its secret is right",
    ),
    "an error of Proxmox itself": Case(
        host(says(b'{"data":null}', "500 got timeout")),
        "{host} could not answer (500): got timeout. Look into the task log and the system log of the host",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_failure_blames_what_is_proven(case: Case) -> None:
    with scripted(case.script) as server, Client(server.target(case.credential)) as client:
        if case.is_proven:
            server.script = host(says(b'{"data":[]}'))
            client.get("/nodes")
            client.close()
            server.script = case.script

        with pytest.raises(errors.ProxmoxError) as caught:
            client.get("/nodes/pve1/ceph/status")

        assert str(caught.value) == case.expected.replace("{host}", str(client.place))


def test_a_host_that_was_a_good_one_is_asked_again_when_that_is_long_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nodes.proxmox.client.PROOF_SECONDS", 0.0)
    with scripted(host(says(b'{"data":[]}'))) as server, Client(server.target(TOKEN)) as client:
        client.get("/nodes")
        client.close()
        server.script = host(PLAIN, version=PLAIN)

        with pytest.raises(errors.BadAnswer) as caught:
            client.get("/nodes")

    assert str(caught.value).endswith(NOT_THE_HOST)


def test_a_host_that_is_known_to_be_one_is_not_asked_a_second_time() -> None:
    with scripted(host(NO_CALL)) as server, Client(server.target(TOKEN)) as client:
        client.get("/version")
        for _ in range(3):
            with pytest.raises(errors.NotFound):
                client.get("/ceph")

    assert len(server.requests) == 4
