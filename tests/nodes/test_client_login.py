from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs

import pytest

from nodes.proxmox import login, pve
from nodes.proxmox.client import Client, Credential, Target
from nodes.proxmox.errors import BadAnswer, LoginFailed, ProxmoxError
from tests.fake_proxmox import FakeServer
from tests.nodes.servers import PASSWORD, Link, Script, always, ask, local, scripted

pytestmark = pytest.mark.slow

TICKET = "PVE:pulse@pve:66F1A2B3::a+b/c=="
TOTP = "PVE:!tfa!abc:66F1A2B3::a"


def password_target(server: FakeServer, **changes: Any) -> Target:
    credential = Credential(**{"user": server.user, "password": server.password, **changes})
    return local(server.kind, server.url, credential, fingerprint=server.fingerprint)


def host(tickets: list[str], *, accepted: set[str] | None = None) -> Script:
    """A script that hands out these tickets in turn and answers calls that carry an accepted one."""
    lock = threading.Lock()

    def script(link: Link) -> None:
        while request := link.request():
            if request.startswith(b"POST"):
                with lock:
                    ticket = tickets.pop(0)
                link.answer(json.dumps({"data": {"ticket": ticket, "username": "pulse@pve"}}).encode())
            elif accepted is None or cookie_of(request) in accepted:
                link.answer(b'{"data":"in"}')
            else:
                link.answer(b"", "401 permission denied - invalid PVE ticket")
                return

    return script


def cookie_of(request: bytes) -> str:
    """Return the ticket in the cookie, still encoded."""
    lines = [line for line in request.decode().split("\r\n") if line.startswith("Cookie: PVEAuthCookie=")]
    return lines[0].split("=", 1)[1] if lines else ""


def forms(requests: list[bytes]) -> list[dict[str, list[str]]]:
    """Return the forms that were posted."""
    posted = [request for request in requests if request.startswith(b"POST")]
    return [parse_qs(request.partition(b"\r\n\r\n")[2].decode()) for request in posted]


@pytest.mark.parametrize("name", ["fake_pve", "fake_pbs"])
def test_a_password_logs_in_once_for_many_calls(name: str, request: pytest.FixtureRequest) -> None:
    server: FakeServer = request.getfixturevalue(name)

    with Client(password_target(server)) as client:
        for _ in range(3):
            client.get("/version")

    assert server.traffic.requests == {"/access/ticket": 1, "/version": 3}


@pytest.mark.parametrize("name", ["fake_pve", "fake_pbs"])
def test_a_wrong_password_is_tried_once_and_told_as_a_failed_login(
    name: str, request: pytest.FixtureRequest
) -> None:
    server: FakeServer = request.getfixturevalue(name)

    with pytest.raises(LoginFailed, match="Check user, realm and password"):
        ask(password_target(server, password="wrong"))

    assert server.traffic.requests == {"/access/ticket": 1}


def test_the_ticket_travels_encoded_in_a_cookie_and_the_password_in_a_form() -> None:
    with scripted(host([TICKET])) as server:
        ask(server.target(PASSWORD))

    post, get = server.requests
    assert post.startswith(b"POST /api2/json/access/ticket HTTP/1.1\r\n")
    assert forms([post]) == [{"username": ["pulse@pve"], "password": ["correct horse & battery"]}]
    assert cookie_of(get) == "PVE%3Apulse%40pve%3A66F1A2B3%3A%3Aa%2Bb%2Fc%3D%3D"
    assert b"Authorization" not in post + get


def test_a_token_wins_over_a_password_and_no_cookie_goes_with_it() -> None:
    credential = Credential(user="a@pam", password="p", token_id="a@pam!t", token_value="v")
    with scripted(always(b'{"data":1}')) as server:
        ask(server.target(credential))

    assert len(server.requests) == 1
    assert b"Cookie" not in server.requests[0]


def test_a_ticket_is_renewed_in_time_with_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "RENEW_AFTER_SECONDS", 0)
    with scripted(host([TICKET, "PVE:second"])) as server, Client(server.target(PASSWORD)) as client:
        client.get("/version")
        client.get("/version")

    assert [form["password"] for form in forms(server.requests)] == [["correct horse & battery"], [TICKET]]
    assert cookie_of(server.requests[-1]) == "PVE%3Asecond"


def test_a_ticket_is_renewed_before_its_two_hours_are_over() -> None:
    assert login.RENEW_AFTER_SECONDS < 2 * 3600


def test_when_the_old_ticket_no_longer_renews_the_password_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "RENEW_AFTER_SECONDS", 0)

    def script(link: Link) -> None:
        while request := link.request():
            if request.startswith(b"POST") and forms([request])[0]["password"] == [TICKET]:
                link.answer(b"", "401 authentication failure")
                return
            link.answer(json.dumps({"data": {"ticket": TICKET}}).encode())

    with scripted(script) as server, Client(server.target(PASSWORD)) as client:
        client.get("/version")
        client.get("/version")

    passwords = [form["password"] for form in forms(server.requests)]
    assert passwords == [["correct horse & battery"], [TICKET], ["correct horse & battery"]]


def test_a_ticket_that_is_no_longer_taken_is_replaced_once_with_the_password() -> None:
    script = host(["PVE:old", "PVE:new"], accepted={"PVE%3Anew"})
    with scripted(script) as server:
        answer = ask(server.target(PASSWORD))

    assert answer.data == "in"
    passwords = [form["password"] for form in forms(server.requests)]
    assert passwords == [["correct horse & battery"], ["correct horse & battery"]]


def test_a_host_that_takes_no_ticket_at_all_is_given_up_after_the_second() -> None:
    with scripted(host(["PVE:a", "PVE:b", "PVE:c"], accepted=set())) as server, pytest.raises(LoginFailed):
        ask(server.target(PASSWORD))

    assert len(forms(server.requests)) == 2


def test_a_refused_token_is_not_tried_again(fake_pve: FakeServer) -> None:
    credential = Credential(token_id=fake_pve.token_id, token_value="wrong")
    with pytest.raises(LoginFailed):
        ask(local("pve", fake_pve.url, credential))

    assert fake_pve.traffic.requests == {"/version": 1}


@pytest.mark.parametrize(
    "data",
    [{"NeedTFA": 1, "ticket": TOTP}, {"NeedTFA": True, "ticket": "x"}, {"ticket": "PBS:!tfa!abc:66::x"}],
)
def test_a_second_factor_is_told_with_the_way_out(data: dict[str, object]) -> None:
    body = json.dumps({"data": data}).encode()
    with scripted(always(body)) as server, pytest.raises(LoginFailed, match="Use an API token"):
        ask(server.target(PASSWORD))

    assert len(server.requests) == 1


@pytest.mark.parametrize("data", [b"null", b"{}", b'{"ticket":""}', b'{"ticket":5}', b'["x"]'])
def test_a_login_without_a_ticket_is_a_bad_answer(data: bytes) -> None:
    with scripted(always(b'{"data":' + data + b"}")) as server, pytest.raises(BadAnswer, match="no ticket"):
        ask(server.target(PASSWORD))


@pytest.mark.parametrize("ticket", ["a\r\nX-Injected: 1", "half \ud800 pair", "ü; Path=/"])
def test_a_hostile_ticket_stays_inside_its_cookie(ticket: str) -> None:
    with scripted(host([ticket])) as server:
        ask(server.target(PASSWORD))

    head = server.requests[-1]
    assert b"X-Injected" not in head.replace(cookie_of(head).encode(), b"")
    assert b";" not in cookie_of(head).encode()


def test_two_calls_at_once_share_one_login(fake_pve: FakeServer) -> None:
    fake_pve.latency_ms = 30
    with Client(password_target(fake_pve)) as client, ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: pve.version(client), range(4)))

    assert fake_pve.traffic.requests["/access/ticket"] == 1


def test_two_calls_at_once_try_a_wrong_password_once(fake_pve: FakeServer) -> None:
    fake_pve.latency_ms = 100
    is_ready = threading.Barrier(2)

    def attempt(_: int) -> str:
        is_ready.wait(10)
        try:
            client.get("/version")
        except ProxmoxError as error:
            return type(error).__name__
        return ""

    with Client(password_target(fake_pve, password="wrong")) as client, ThreadPoolExecutor(2) as threads:
        outcomes = list(threads.map(attempt, range(2)))

    assert outcomes == ["LoginFailed", "LoginFailed"]
    assert fake_pve.traffic.requests == {"/access/ticket": 1}


@pytest.mark.parametrize(
    ("credential", "kind"),
    [
        (Credential(), "none"),
        (Credential(user="a@pam"), "none"),
        (Credential(user="a@pam", password="p"), "password"),
        (Credential(token_id="a@pam!b", token_value="v"), "token"),
        (Credential(user="a@pam", password="p", token_id="a@pam!b", token_value="v"), "token"),
        (Credential(user="a@pam", password="p", token_id="a@pam!b"), "password"),
    ],
)
def test_the_kind_of_a_credential_follows_from_what_is_given(credential: Credential, kind: str) -> None:
    assert credential.kind == kind
