"""Whatever is too much is refused at once (security.md A80): each bound of a request, its status, and within 100 ms."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator

import pytest

from tests.attacks.peers import TOKEN, answer_to, request, statuses
from tests.process.running import PulseProcess

TOKENS = "/api/security/tokens"  # not limited in how often it may be asked
AS_TOKEN = f"X-API-Token: {TOKEN}"
MIB = 1 << 20

pytestmark = [pytest.mark.xdist_group("attacks")]


@pytest.fixture(scope="module")
def pulse(tmp_path_factory) -> Iterator[PulseProcess]:
    """Pulse with a token, which each of these requests shows."""
    data_dir = tmp_path_factory.mktemp("bounds") / "data"
    with PulseProcess(data_dir, API_TOKEN=TOKEN, PULSE_BIND="127.0.0.1") as pulse:
        pulse.healthy()
        yield pulse
        assert "Traceback" not in pulse.log


def get(path: str, *headers: str) -> bytes:
    """A request after which the connection ends."""
    return request(path, AS_TOKEN, "Connection: close", *headers)


def post(body: bytes, *headers: str, path: str = TOKENS) -> bytes:
    """The same with a body, its length told unless another head of it is given."""
    told = headers or (f"Content-Length: {len(body)}",)
    return request(path, AS_TOKEN, "Connection: close", *told, method="POST", body=body)


def form(body: bytes) -> bytes:
    """A form that one of our pages could have sent."""
    kind = "Content-Type: application/x-www-form-urlencoded"
    return post(
        body,
        kind,
        f"Content-Length: {len(body)}",
        "Sec-Fetch-Site: same-origin",
        path="/login",
    )


def chunked(*chunks: bytes) -> bytes:
    """The chunks of a body without its end."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)


#: One level more than there may be.
DEEP = ("[" * 64 + "]" * 64,)


def filled(text: str, *last: str) -> bytes:
    """A JSON object of almost 1 MiB whose unknown key has an array of these, and of the last ones."""
    head = '{"name":"x","scopes":["monitoring:read"],"unknown":['
    texts = [text] * ((MIB - 300) // (len(text) + 1))
    return f"{head}{','.join([*texts, *last])}]}}".encode()


TOO_MUCH = {
    "a body over 1 MiB": (post(b"x" * (MIB + 1)), 413),
    "a body that says it is endless": (post(b"", f"Content-Length: {'9' * 18}"), 413),
    "a body over 1 MiB in chunks": (post(chunked(*[b"x" * 65536] * 17), "Transfer-Encoding: chunked"), 413),
    "a length that is signed": (post(b"{}", "Content-Length: +2"), 400),
    "a length in hexadecimal": (post(b"{}", "Content-Length: 0x2"), 400),
    "a length as a power": (post(b"{}", "Content-Length: 2e0"), 400),
    "a length of 400 digits": (post(b"{}", f"Content-Length: {'9' * 400}"), 400),
    "65 levels": (post(b'{"a":' + b"[" * 64 + b"]" * 64 + b"}"), 400),
    "a MiB of levels": (post(b"[" * MIB), 400),
    "a MiB of objects in objects": (post(b'{"a":' * (MIB // 5)), 400),
    "a number of a MiB": (post(b'{"unknown":' + b"9" * (MIB - 20) + b"}"), 400),
    "a number without a bound": (post(b'{"unknown":1e999}'), 400),
    "no number": (post(b'{"unknown":NaN}'), 400),
    "a query over 8 kB": (get(f"/api/state?{'a' * 8193}"), 400),
    "a query over 8 kB in parameters": (get(f"/api/state?{'a&' * 4097}"), 400),
    "more parameters than a form may have": (form(b"a=1&" * 1001), 400),
    "a form of a MiB in parameters": (form(b"a&" * (MIB // 2)), 400),
    "a path of 32 KiB": (get("/api/" + "a" * (32 << 10)), 431),
    "a header of 32 KiB": (get("/api/state", "X-A: " + "a" * (32 << 10)), 431),
    "101 headers": (get("/api/state", *["X-A: b"] * 101), 431),
    "10,000 headers of one name": (get("/api/state", *["A:"] * 10_000), 431),
    "32 KiB of cookies": (get("/api/state", f"Cookie: {'a=b; ' * 6600}"), 431),
}


def quickest(pulse: PulseProcess, content: bytes) -> tuple[set[int], float]:
    """Return the statuses of five answers, and how long the quickest took: others use the machine, too."""
    told, seconds = set(), []
    for _ in range(5):
        begun = time.monotonic()
        told |= set(statuses(answer_to(pulse.port, content)))
        seconds.append(time.monotonic() - begun)
    return told, min(seconds)


@pytest.mark.parametrize("name", TOO_MUCH)
def test_what_is_too_much_is_refused_at_once(pulse, name):
    content, status = TOO_MUCH[name]

    told, seconds = quickest(pulse, content)

    assert told == {status}
    assert seconds < 0.1


JUST_ENOUGH = {
    "arrays": filled("[]"),
    "objects": filled("{}"),
    "brackets in texts": filled('"[{"'),
    "numbers": filled("1"),
    "keys": json.dumps(
        {"name": "x", "scopes": ["monitoring:read"]} | {f"k{n}": 1 for n in range(60_000)}
    ).encode(),
}


@pytest.mark.parametrize("name", JUST_ENOUGH)
def test_what_is_just_not_too_much_takes_no_time_either(pulse, name):
    body = JUST_ENOUGH[name]

    told, seconds = quickest(pulse, post(body))

    assert told == {201}
    assert seconds < 0.25


def test_levels_behind_all_that_a_body_may_hold_are_found_at_once(pulse):
    body = filled('"[{"', *DEEP)

    told, seconds = quickest(pulse, post(body))

    assert told == {400}
    assert seconds < 0.1


@pytest.mark.parametrize(
    "query", ["limit=1000000000", "page=-1", "page_size=9e99", "offset=NaN", "pageSize=1&" * 500]
)
@pytest.mark.parametrize(
    "path", ["/api/config/nodes", "/api/backups", "/api/storage", "/api/snapshots", TOKENS]
)
def test_no_list_takes_a_size_from_its_caller(pulse, path, query):
    plain, asked = (told(pulse, f"{path}{more}") for more in ("", f"?{query}"))

    assert asked == plain
    assert asked[0] == 200


def told(pulse: PulseProcess, path: str) -> tuple[int, bytes]:
    """Return status and body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", pulse.port, timeout=10)
    connection.request("GET", path, headers={"X-API-Token": TOKEN})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content
