"""The ASGI application in front of Django: whole bodies in, answers out, in one thread."""

from __future__ import annotations

import asyncio
import threading

import pytest
from django.core.signals import request_finished, request_started
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from pulse.runtime.handler import SyncHandler

SEEN = {}


def echo(request):
    """Answer with what came, a cookie, and the thread in a note for the test."""
    SEEN["thread"] = threading.current_thread().name
    response = HttpResponse(b"got " + request.body, headers={"X-Method": request.method})
    response.set_cookie("taste", "sweet", httponly=True)
    return response


class Pieces:
    """Says when a piece is made, and when it is over."""

    def __init__(self):
        SEEN["made"] = []

    def __iter__(self):
        for number in range(3):
            SEEN["made"].append(number)
            SEEN["thread"] = threading.current_thread().name
            yield b"piece %d " % number

    def close(self):
        SEEN["closed"] = threading.current_thread().name


def chunks(request):
    """Answer in pieces."""
    return StreamingHttpResponse(Pieces())


def fail(request):
    """Stumble."""
    raise RuntimeError("a flaw")


urlpatterns = [path("echo", echo), path("chunks", chunks), path("fail", fail)]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def handler(settings):
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = []
    return SyncHandler()


def scope(where="/echo", *, method="GET", headers=()):
    return {
        "type": "http", "method": method, "path": where, "raw_path": where.encode("utf-8", "surrogateescape"),
        "query_string": b"", "headers": [(b"host", b"localhost"), *headers], "http_version": "1.1", "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 7655),
    }  # fmt: skip


def served(handler, described, *messages):
    """The messages that the application sends for a request whose body comes in these messages."""
    sent = []
    waiting = list(messages)

    async def receive():
        return waiting.pop(0) if waiting else await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    asyncio.run(handler(described, receive, send))
    return sent


LENGTH = (b"content-length", b"8")


def test_a_body_in_pieces_reaches_the_view_whole(handler):
    start, body = served(
        handler,
        scope(method="POST", headers=[LENGTH]),
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.request", "body": b"half"},
    )

    assert body == {"type": "http.response.body", "body": b"got halfhalf"}
    assert (b"x-method", b"POST") in start["headers"]


def test_a_request_without_a_body_is_not_waited_for(handler):
    _, body = served(handler, scope())

    assert body["body"] == b"got "


def test_cookies_and_status_are_sent(handler):
    start, _ = served(handler, scope())

    assert start["status"] == 200
    assert (b"set-cookie", b"taste=sweet; HttpOnly; Path=/") in start["headers"]


def test_a_piece_is_made_when_the_last_one_was_sent(handler):
    made = []

    async def receive():
        await asyncio.Event().wait()

    async def send(message):
        made.append((message.get("body"), list(SEEN["made"])))

    asyncio.run(handler(scope("/chunks"), receive, send))

    assert made == [
        (None, []),
        (b"piece 0 ", [0]),
        (b"piece 1 ", [0, 1]),
        (b"piece 2 ", [0, 1, 2]),
        (b"", [0, 1, 2]),
    ]


def test_pieces_are_made_and_ended_in_the_thread_of_the_request(handler):
    served(handler, scope("/chunks"))

    assert SEEN["thread"] == SEEN["closed"] != threading.main_thread().name


def test_of_an_answer_in_pieces_none_is_made_for_who_asks_for_its_head(handler):
    messages = served(handler, scope("/chunks", method="HEAD"))

    assert [message.get("body") for message in messages] == [None, b""]
    assert SEEN["made"] == []


def test_no_piece_is_made_for_a_client_that_has_left(handler):
    messages = served(handler, scope("/chunks"), {"type": "http.disconnect"})

    assert len(messages) < 5
    assert len(SEEN["made"]) < 3
    assert "closed" in SEEN


def test_the_view_runs_outside_of_the_loop(handler):
    served(handler, scope())

    assert SEEN["thread"] != threading.main_thread().name


def test_a_client_that_leaves_in_the_middle_is_not_answered(handler):
    sent = served(
        handler,
        scope(method="POST", headers=[LENGTH]),
        {"type": "http.request", "body": b"half", "more_body": True},
        {"type": "http.disconnect"},
    )

    assert sent == []


def test_a_view_that_stumbles_is_a_500(handler, caplog):
    start, _ = served(handler, scope("/fail"))

    assert start["status"] == 500


def test_begin_and_end_of_a_request_are_told_in_its_thread(handler):
    told = []

    def note_start(**_):
        told.append(("start", threading.current_thread().name))

    def note_end(**_):
        told.append(("end", threading.current_thread().name))

    request_started.connect(note_start)
    request_finished.connect(note_end)
    try:
        served(handler, scope())
    finally:
        request_started.disconnect(note_start)
        request_finished.disconnect(note_end)

    assert [what for what, _ in told] == ["start", "end"]
    assert {name for _, name in told} == {SEEN["thread"]}
