from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import requests

from pulse.lib.outbound import names
from pulse.lib.outbound.errors import (
    AddressRefused,
    Dropped,
    NotSendable,
    OutboundError,
    TooLarge,
    Unreachable,
)
from pulse.lib.outbound.session import Adapter
from tests.nodes.servers import Link, always, answer, scripted
from tests.pulse.outbound import ANY, PUBLIC, fetch, session

pytestmark = pytest.mark.slow

DATA = b'{"data":{"version":"9.1"}}'

Answers = dict[str, Any]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """The system's resolver, replaced: name to what it answers first, second and so on; the last answer stays."""
    answers: Answers = {"asked": []}
    system = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> list[tuple[Any, ...]]:
        if host not in answers:
            return system(host, *arguments, **options)
        answers["asked"].append(host)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]

    monkeypatch.setattr("socket.getaddrinfo", getaddrinfo)
    names.forget()
    return answers


def test_a_cookie_that_the_host_sets_is_never_sent_back() -> None:
    with scripted(always(DATA, "200 OK", "Set-Cookie: session=stale")) as server, session() as own:
        own.get(server.url)
        own.get(server.url)

    assert len(server.requests) == 2
    assert b"Cookie" not in server.requests[1]


def test_proxies_and_netrc_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with scripted(always(DATA)) as server:
        fetch(server)

    assert b"Basic" not in server.requests[0]


def test_a_kept_connection_that_the_host_has_closed_is_replaced_without_a_failure() -> None:
    has_closed = threading.Event()

    def script(link: Link) -> None:
        link.request()
        link.answer(DATA)
        link.sock.close()
        has_closed.set()

    with scripted(script, tls=False) as server, session() as own:
        own.get(server.url)
        has_closed.wait(10)
        answered = own.get(server.url)

    assert answered.content == DATA
    assert server.connections == 2


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_a_kept_connection_that_dies_under_the_request_is_tried_once_more(ending: str, tls: bool) -> None:
    def script(link: Link) -> None:
        is_first = link.server.connections == 1
        link.request()
        link.answer(DATA)
        if is_first:
            link.request()
            link.reset() if ending == "reset" else link.sock.close()
        else:
            link.request()

    with scripted(script, tls=tls) as server, session() as own:
        own.get(server.url)
        answered = own.get(f"{server.url}/nodes")

    assert answered.content == DATA
    assert [request.split()[1] for request in server.requests] == [
        b"/",
        b"/nodes",
        b"/nodes",
    ]


def test_a_new_connection_that_dies_is_not_tried_again() -> None:
    def script(link: Link) -> None:
        link.request()
        link.reset()

    with scripted(script) as server, pytest.raises(Unreachable, match="without an answer"):
        fetch(server)

    assert server.connections == 1


def test_an_answer_that_broke_in_the_middle_is_not_asked_for_again() -> None:
    def script(link: Link) -> None:
        while link.request():
            if len(link.server.requests) == 1:
                link.answer(DATA)
            else:
                link.send(answer(DATA)[:-5])
                link.reset()

    with scripted(script) as server, session() as own:
        own.get(server.url)
        with pytest.raises(Unreachable, match="in the middle"):
            own.get(server.url)

    assert len(server.requests) == 2


def test_bytes_after_the_end_of_an_answer_are_not_taken_for_the_next_one() -> None:
    def script(link: Link) -> None:
        while link.request():
            link.send(answer(DATA) + answer(b'{"data":"smuggled"}'))

    with scripted(script) as server, session() as own:
        own.get(server.url)
        answered = own.get(server.url)

    assert answered.content == DATA


@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(tls: bool) -> None:
    is_read, is_sent = threading.Event(), threading.Event()

    def script(link: Link) -> None:
        while link.request():
            link.answer(DATA)
            if is_read.wait(10) and not is_sent.is_set():
                link.answer(b'{"data":"smuggled"}')
                is_sent.set()

    with scripted(script, tls=tls) as server, session() as own:
        own.get(server.url)
        is_read.set()
        is_sent.wait(10)
        answered = own.get(server.url)

    assert answered.content == DATA


def test_the_connection_of_a_failed_call_is_not_used_again() -> None:
    with scripted(always(b"", "500 Oops")) as server, session() as own:
        statuses = [own.get(server.url).status_code for _ in range(2)]

    assert statuses == [500, 500]
    assert server.connections == 2


def test_a_closed_session_leaves_no_connection_open() -> None:
    with scripted(always(DATA)) as server:
        own = session()
        own.get(server.url)
        own.close()
        own.get(server.url)
        own.get(server.url)

    assert server.connections == 3


def test_connections_are_kept_for_each_place_by_itself() -> None:
    with scripted(always(b"one")) as one, scripted(always(b"two")) as two, session() as own:
        answers = [own.get(server.url).content for server in (one, two, one, two)]

    assert answers == [b"one", b"two", b"one", b"two"]
    assert (one.connections, two.connections) == (1, 1)


def test_a_connection_that_was_idle_for_too_long_is_not_used() -> None:
    with scripted(always(DATA)) as server, session(idle_seconds=-1.0) as own:
        own.get(server.url)
        own.get(server.url)

    assert server.connections == 2


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_what_must_not_arrive_twice_is_sent_once_and_on_a_connection_of_its_own(ending: str) -> None:
    def script(link: Link) -> None:
        while request := link.request():
            if request.startswith(b"POST"):
                link.reset() if ending == "reset" else link.sock.close()
                return
            link.answer(DATA)

    with scripted(script) as server, session() as own:
        own.get(server.url)
        with pytest.raises(Dropped):
            own.post(server.url, json={"text": "alert"})

    assert [request.split()[0] for request in server.requests] == [b"GET", b"POST"]
    assert server.connections == 2


def test_what_may_arrive_twice_goes_over_a_kept_connection() -> None:
    with scripted(always(DATA)) as server, session(repeatable=("POST",)) as own:
        statuses = [own.post(server.url, data=b"x").status_code for _ in range(3)]

    assert statuses == [200, 200, 200]
    assert server.connections == 1


def test_a_body_travels_with_its_length_and_type() -> None:
    with scripted(always(b"", "204 No Content")) as server, session() as own:
        answered = own.post(
            f"{server.url}/hook?id=1", json={"a": 1}, headers={"User-Agent": "Other"}, params={"b": "c d"}
        )

    head, _, body = server.requests[0].decode().partition("\r\n\r\n")
    lines = head.split("\r\n")
    assert answered.status_code == 204
    assert lines[0] == "POST /hook?id=1&b=c+d HTTP/1.1"
    assert {f"Host: 127.0.0.1:{server.port}", "User-Agent: Other", "Content-Type: application/json"} < set(
        lines
    )
    assert body == '{"a": 1}'


def test_the_answer_is_one_of_requests() -> None:
    with scripted(always(b'{"caf\xc3\xa9":1}', "201 Created", "X-Id: 7")) as server:
        answered = fetch(server)

    assert (answered.status_code, answered.reason, answered.ok) == (201, "Created", True)
    assert (answered.headers["x-id"], answered.json(), answered.url) == (
        "7",
        {"caf\xe9": 1},
        f"{server.url}/",
    )


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("elsewhere", ["http://169.254.169.254/", "/other", "http://127.0.0.1:1/"])
def test_no_redirect_is_followed_even_when_the_call_wants_it(status: int, elsewhere: str) -> None:
    with scripted(always(b"", f"{status} Moved", f"Location: {elsewhere}")) as server:
        answered = session().get(server.url, allow_redirects=True)

    assert (answered.status_code, answered.headers["Location"]) == (status, elsewhere)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/canary",
        "canary",
        "http://",
        "http://*.lab/canary",
        "http://127.0.0.1:99999/canary",
        "http://[::1/canary",
    ],
)
def test_what_is_no_address_of_a_web_server_is_refused_without_being_told(url: str) -> None:
    with pytest.raises(NotSendable) as caught:
        session().get(url)

    assert "canary" not in everything_told_by(caught.value)


@pytest.mark.parametrize("value", ["canary\r\nX-Injected: 1", "canary\u65e5", " canary"])
def test_a_header_that_cannot_be_sent_is_refused_without_being_told(value: str) -> None:
    with scripted(always(DATA)) as server, pytest.raises(NotSendable) as caught:
        session().get(server.url, headers={"Authorization": value})

    assert "canary" not in everything_told_by(caught.value)
    assert server.requests == []


@pytest.mark.parametrize("status", ["banana", "200 OK"])
def test_an_error_tells_neither_path_nor_header_nor_answer(status: str) -> None:
    def script(link: Link) -> None:
        link.request()
        link.send(f"HTTP/1.1 {status}\r\nContent-Length: 99\r\n\r\ncanary".encode())

    with scripted(script) as server, pytest.raises(OutboundError) as caught:
        session().get(f"{server.url}/canary?key=canary", headers={"Authorization": "canary"}, timeout=5)

    assert "canary" not in str(caught.value)
    assert str(server.port) in str(caught.value)


def everything_told_by(error: BaseException | None) -> str:
    """Return the texts of an error and of all that led to it."""
    told = ""
    while error is not None:
        told += f"{error!r} {error.args!r}"
        error = error.__context__
    return told


def test_a_name_is_looked_up_once_for_each_connection_and_that_address_is_called(resolver: Answers) -> None:
    resolver["rebinding.lab"] = [["127.0.0.1"], ["169.254.169.254"]]
    with scripted(always(DATA)) as server, session(idle_seconds=-1.0) as own:
        url = f"https://rebinding.lab:{server.port}/"
        first = own.get(url)
        with pytest.raises(AddressRefused, match=r"rebinding\.lab leads to 169\.254\.169\.254, which is"):
            own.get(url)

    assert first.content == DATA
    assert resolver["asked"] == ["rebinding.lab", "rebinding.lab"]
    assert f"Host: rebinding.lab:{server.port}\r\n".encode() in server.requests[0]
    assert server.connections == 1


def test_a_name_that_moves_to_this_machine_is_refused_where_only_the_internet_is_allowed(
    resolver: Answers,
) -> None:
    resolver["hook.example"] = [["127.0.0.1"]]
    with (
        scripted(always(DATA), tls=False) as server,
        pytest.raises(AddressRefused, match="is this machine itself"),
    ):
        session(PUBLIC).post(f"http://hook.example:{server.port}/", data=b"secret")

    assert server.connections == 0


def test_the_next_address_is_tried_when_the_first_refuses(resolver: Answers) -> None:
    resolver["pve1.lab"] = [["127.0.0.9", "127.0.0.1"]]
    with scripted(always(DATA)) as server, session() as own:
        answered = own.get(f"https://pve1.lab:{server.port}")

    assert answered.content == DATA


def test_a_session_of_somebody_else_is_held_to_the_same_bounds() -> None:
    other = requests.Session()
    other.mount("http://", Adapter(ANY, max_body_bytes=10))
    with (
        scripted(always(b"x" * 11), tls=False) as server,
        pytest.raises(TooLarge, match="more than 10 bytes"),
    ):
        other.get(server.url, stream=True, timeout=5)
