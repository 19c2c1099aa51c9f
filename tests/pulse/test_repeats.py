"""Requests that come again within a second: what is repeated, for how long, and for whom."""

from __future__ import annotations

import asyncio

import pytest

from monitoring.api.state import unchanged
from monitoring.feed.state import STATE
from pulse.asgi import application
from pulse.runtime.repeats import Repeats
from tests.monitoring.feeding import Publisher

TOKEN = (b"x-api-token", b"a token")


class App:
    """Stands for the rest of Pulse: counts what it is asked, and answers with what the test says."""

    def __init__(self):
        self.asked = 0
        self.status = 200
        self.headers = [(b"etag", b'"one"'), (b"content-length", b"3"), (b"x-request-id", b"first")]

    async def __call__(self, scope, receive, send):
        self.asked += 1
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"old"})


class Asker:
    """Asks an application that repeats itself, by a clock of its own."""

    def __init__(self, again=lambda head: b"again"):
        self.app, self.now = App(), 100.0
        self.repeats = Repeats(self.app, {"/api/health": again}, clock=lambda: self.now)

    def ask(self, **changes):
        return asyncio.run(answer_of(self.repeats, **changes))


async def answer_of(app, **changes):
    """Return status, headers and body that an ASGI application answers."""
    scope = {
        "type": "http", "method": "GET", "path": "/api/health", "raw_path": b"/api/health", "query_string": b"",
        "headers": [(b"host", b"localhost"), TOKEN], "http_version": "1.1", "scheme": "http",
        "client": ("192.0.2.7", 4000), "server": ("127.0.0.1", 7655),
    } | changes  # fmt: skip
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], sent[0]["headers"], body


def test_the_same_request_within_a_second_is_not_asked_again():
    asker = Asker()
    first = asker.ask()
    asker.now += 0.99
    second = asker.ask()
    asker.now += 0.01
    third = asker.ask()

    assert (first[2], second[2], third[2]) == (b"old", b"again", b"old")
    assert asker.app.asked == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"client": ("192.0.2.8", 4000)},
        {"headers": [(b"host", b"localhost"), (b"x-api-token", b"another")]},
        {"headers": [(b"host", b"localhost")]},
        {"headers": [(b"host", b"elsewhere"), TOKEN]},
        {"method": "HEAD"},
        {"query_string": b"a=1"},
        {"raw_path": b"/pulse/api/health"},
        {"http_version": "1.0"},
        {"scheme": "https"},
    ],
    ids=lambda changes: str(next(iter(changes.items())))[:40],
)
def test_a_request_that_differs_in_anything_is_asked(changes):
    asker = Asker()
    asker.ask()

    asker.ask(**changes)

    assert asker.app.asked == 2


@pytest.mark.parametrize(("address", "asked"), [("127.0.0.1", 2), ("::1", 2), ("192.0.2.7", 1)])
def test_on_this_machine_each_connection_is_somebody_of_its_own(address, asked):
    asker = Asker()
    asker.ask(client=(address, 4000))

    asker.ask(client=(address, 4001))

    assert asker.app.asked == asked


@pytest.mark.parametrize("status", [400, 401, 403, 429, 503])
def test_no_refusal_is_repeated(status):
    asker = Asker()
    asker.app.status = status
    asker.ask()

    asker.ask()

    assert asker.app.asked == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "POST"},
        {"path": "/api/version"},
        {"headers": [(b"content-length", b"3")]},
        {"headers": [(b"transfer-encoding", b"chunked")]},
        {"headers": [(b"x-long", b"x" * 4096)]},
    ],
    ids=lambda changes: str(next(iter(changes.items())))[:40],
)
def test_nothing_else_is_repeated(changes):
    asker = Asker()
    asker.ask(**changes)

    asker.ask(**changes)

    assert asker.app.asked == 2


def test_an_answer_that_may_be_another_by_now_is_asked_for():
    asker = Asker(again=lambda head: None)
    asker.ask()

    assert asker.ask()[2] == b"old"


def test_a_repeated_answer_has_an_id_and_a_length_of_its_own():
    asker = Asker()
    asker.ask()

    status, headers, body = asker.ask()

    told = dict(headers)
    assert (status, body) == (200, b"again")
    assert told[b"etag"] == b'"one"'
    assert told[b"content-length"] == b"5"
    assert told[b"x-request-id"] != b"first"
    assert len(told[b"x-request-id"]) == 16


def test_so_many_requests_are_remembered_and_no_more():
    asker = Asker()
    for number in range(1025):
        asker.ask(query_string=b"%d" % number)

    asker.ask(query_string=b"1024")
    asker.ask(query_string=b"3")

    assert asker.app.asked == 1026


def test_a_state_counts_as_unchanged_until_one_is_published():
    publisher = Publisher()
    publisher.publish(1, [0.5])
    etag = STATE.current().etag
    before = unchanged(304, f'"{etag}-gzip"'), unchanged(304, f'"{etag}"'), unchanged(200, f'"{etag}"')

    publisher.publish(1, [0.6])

    assert before == (True, True, False)
    assert unchanged(304, f'"{etag}"') is False


@pytest.mark.django_db(transaction=True)
def test_a_repeated_answer_is_the_one_that_pulse_gives(settings):
    settings.PULSE_AUTH = "open"
    loop = asyncio.new_event_loop()
    health = [loop.run_until_complete(answer_of(application)) for _ in range(2)]
    state = loop.run_until_complete(answer_of(application, path="/api/state", raw_path=b"/api/state"))
    headers = [(b"host", b"localhost"), TOKEN, (b"if-none-match", dict(state[1])[b"etag"])]
    fresh = [
        loop.run_until_complete(
            answer_of(application, path="/api/state", raw_path=b"/api/state", headers=headers)
        )
        for _ in range(2)
    ]
    loop.close()

    for first, second in (health, fresh):
        assert first[0] == second[0]
        assert [name for name, _ in first[1]] == [name for name, _ in second[1]]
        assert dict(first[1])[b"x-request-id"] != dict(second[1])[b"x-request-id"]
    assert fresh[0][0] == 304
    assert fresh[1][2] == b""
    assert b"healthy" in health[1][2]
