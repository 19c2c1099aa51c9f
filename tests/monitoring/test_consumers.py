"""The consumer of `/ws`: refusals of the handshake, what clients may send, and what is ignored (state.md 7.3)."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from monitoring.feed import consumers, hub, members
from monitoring.feed.consumers import FeedConsumer, Visitor
from pulse.lib.auth import Caller
from pulse.lib.errors import ApiError
from tests.monitoring.feeding import READER, Clock, Publisher, always, settled


async def reader(scope):
    """Everybody is the same reader at an address elsewhere."""
    return Visitor(READER, "192.0.2.7")


class Peer:
    """A client of the consumer by ASGI alone."""

    def __init__(
        self, *, resolve=reader, subprotocols=(), extensions=("websocket.http.response",), headers=()
    ):
        self.scope = {
            "type": "websocket",
            "path": "/ws",
            "headers": list(headers),
            "client": ("192.0.2.7", 40000),
            "subprotocols": list(subprotocols),
            "extensions": {name: {} for name in extensions},
        }
        self.told = []
        self.inbox = asyncio.Queue()
        consumer = FeedConsumer.as_asgi(resolve=resolve, still_valid=always)
        self.task = asyncio.ensure_future(consumer(self.scope, self.inbox.get, self.send))
        self.inbox.put_nowait({"type": "websocket.connect"})

    async def send(self, message):
        self.told.append(message)

    def says(self, text):
        """Send a text frame, or a binary one."""
        key = "text" if isinstance(text, str) else "bytes"
        self.inbox.put_nowait({"type": "websocket.receive", key: text})

    def messages(self):
        """The messages of the server, decoded."""
        return [json.loads(told.get("text") or gzip.decompress(told["bytes"]))
                for told in self.told if told["type"] == "websocket.send"]  # fmt: skip

    def kinds(self):
        """The types of the messages of the server."""
        return [message["type"] for message in self.messages()]

    def close_codes(self):
        """The codes with which the server closed."""
        return [told.get("code") for told in self.told if told["type"] == "websocket.close"]

    async def connected(self):
        """Return when the first state has come."""
        await settled(lambda: len(self.messages()) == 2)
        return self

    async def leave(self):
        """Hang up, and see that the consumer ends."""
        self.inbox.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await self.task


def run(test):
    """Run an async test in a loop, and so with a hub, of its own."""
    return asyncio.run(asyncio.wait_for(test(), 20))


# --- Handshake ----------------------------------------------------------------------------------------------------


def test_a_client_without_a_subprotocol_speaks_the_original_one():
    async def test():
        peer = await Peer(subprotocols=["something.else"]).connected()
        await peer.leave()
        return peer

    peer = run(test)

    assert peer.told[0] == {"type": "websocket.accept", "subprotocol": None}
    assert peer.kinds() == ["welcome", "initialState"]


def test_a_client_that_asks_for_changes_gets_them():
    async def test():
        peer = await Peer(subprotocols=["something.else", "pulse.delta.v1"]).connected()
        await peer.leave()
        return peer

    peer = run(test)

    assert peer.told[0] == {"type": "websocket.accept", "subprotocol": "pulse.delta.v1"}
    assert peer.kinds() == ["welcome", "state"]
    assert all(isinstance(told["bytes"], bytes) for told in peer.told[1:])


async def nobody(scope):
    """Nobody may."""
    raise ApiError(401, "a credential is needed", headers={"WWW-Authenticate": "Bearer"})


def test_a_refusal_is_told_with_status_and_json():
    async def test():
        peer = Peer(resolve=nobody)
        await peer.task
        return peer.told

    start, body = run(test)

    content = json.loads(body["body"])
    assert start["type"] == "websocket.http.response.start"
    assert start["status"] == 401
    assert dict(start["headers"])[b"content-type"] == b"application/json"
    assert dict(start["headers"])[b"www-authenticate"] == b"Bearer"
    assert dict(start["headers"])[b"x-content-type-options"] == b"nosniff"
    assert dict(start["headers"])[b"cache-control"] == b"no-store"
    assert dict(start["headers"])[b"access-control-allow-origin"] == b"*"
    assert (content["error"], content["code"], content["status_code"]) == (
        "a credential is needed", "unauthorized", 401,
    )  # fmt: skip


@pytest.mark.parametrize(("trusted", "asked"), [(["192.0.2.0/24"], b"max-age=31536000"), ([], None)])
def test_a_refusal_asks_for_strict_transport_where_a_proxy_says_tls(trusted, asked, settings):
    settings.PULSE_TRUSTED_PROXIES = trusted

    async def test():
        peer = Peer(resolve=nobody, headers=[(b"x-forwarded-proto", b"https")])
        await peer.task
        return dict(peer.told[0]["headers"])

    assert run(test).get(b"strict-transport-security") == asked


def test_a_server_that_cannot_answer_http_closes():
    async def test():
        peer = Peer(resolve=nobody, extensions=())
        await peer.task
        return peer.told

    assert run(test) == [{"type": "websocket.close"}]


@pytest.mark.parametrize(
    ("limit", "status"), [("MOST_PER_ADDRESS", 429), ("MOST_CLIENTS", 503)], ids=["one address", "all"]
)
def test_one_socket_too_many_is_refused_and_has_room_when_another_ends(limit, status, monkeypatch):
    monkeypatch.setattr(members, limit, 1)

    async def test():
        first = await Peer().connected()
        refused = Peer()
        await refused.task
        await first.leave()
        second = await Peer().connected()
        await second.leave()
        return refused.told[0], second.kinds()

    refusal, kinds = run(test)

    assert refusal["status"] == status
    assert dict(refusal["headers"])[b"retry-after"] == b"10"
    assert kinds == ["welcome", "initialState"]


def test_when_there_is_no_room_nobody_is_looked_up(monkeypatch):
    monkeypatch.setattr(members, "MOST_CLIENTS", 0)
    asked = []

    async def resolve(scope):
        asked.append(scope)
        return Visitor(READER, "")

    async def test():
        peer = Peer(resolve=resolve)
        await peer.task
        return peer.told[0]["status"]

    assert run(test) == 503
    assert asked == []


def test_a_client_that_hangs_up_is_forgotten():
    async def test():
        peer = await Peer().connected()
        before = len(hub.hub().clients)
        await peer.leave()
        return before, len(hub.hub().clients)

    assert run(test) == (1, 0)


# --- What clients send --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ping", ['{"type": "ping"}', '{"type":"ping","data":{"timestamp":1}}', b'{"type":"ping"}']
)
def test_a_ping_is_answered_with_the_time_in_whole_seconds(ping, monkeypatch):
    monkeypatch.setattr(consumers, "time", Clock())

    async def test():
        peer = await Peer().connected()
        peer.says(ping)
        await settled(lambda: len(peer.messages()) == 3)
        await peer.leave()
        return peer.messages()[2]

    assert run(test) == {"type": "pong", "data": {"timestamp": 1767269800}}


def test_a_ping_of_a_delta_client_is_answered_in_its_protocol():
    async def test():
        peer = await Peer(subprotocols=["pulse.delta.v1"]).connected()
        peer.says('{"type": "ping"}')
        await settled(lambda: len(peer.messages()) == 3)
        await peer.leave()
        return peer.told[-1]

    assert json.loads(gzip.decompress(run(test)["bytes"]))["type"] == "pong"


def test_request_data_is_answered_with_the_whole_state():
    async def test():
        Publisher().publish(1, [0.5])
        peer = await Peer().connected()
        peer.says('{"type": "requestData"}')
        await settled(lambda: len(peer.messages()) == 3)
        await peer.leave()
        return peer.messages()

    _, initial, answer = run(test)

    assert answer["type"] == "rawData"
    assert answer["data"] == initial["data"]


IGNORED = {
    "the page's own pong": '{"type": "pong", "data": {"timestamp": 1767268800000}}',
    "another type": '{"type": "subscribe"}',
    "a type that is no text": '{"type": 7}',
    "no type": "{}",
    "no object": "[1, 2]",
    "no JSON": "hello",
    "nothing": "",
    "half a message": '{"type": "ping"',
    "two messages": '{"type": "ping"}{"type": "ping"}',
    "nesting without end": "[" * 60_000,
    "bytes that are no text": b"\xff\xfe\x00",
    "half a character": '{"type": "\ud800"}',
}


@pytest.mark.parametrize("content", IGNORED.values(), ids=IGNORED)
def test_everything_else_is_ignored_and_the_connection_stays(content):
    async def test():
        peer = await Peer().connected()
        peer.says(content)
        peer.says('{"type": "ping"}')
        await settled(lambda: len(peer.messages()) >= 3)
        await peer.leave()
        return peer

    peer = run(test)

    assert peer.kinds() == ["welcome", "initialState", "pong"]
    assert peer.close_codes() == []


@pytest.mark.parametrize(
    ("size", "codes"), [(64 * 1024, []), (64 * 1024 + 1, [1009])], ids=["64 KiB", "one byte more"]
)
def test_a_message_of_more_than_64_kib_ends_the_connection(size, codes):
    async def test():
        peer = await Peer().connected()
        peer.says(" " * (size - 16) + '{"type": "ping"}')
        await settled(lambda: peer.close_codes() or "pong" in peer.kinds())
        await peer.leave()
        return peer.close_codes()

    assert run(test) == codes


def test_characters_are_counted_as_the_bytes_that_they_are():
    async def test():
        peer = await Peer().connected()
        peer.says("ä" * 33_000)
        await settled(peer.close_codes)
        await peer.leave()
        return peer.close_codes()

    assert run(test) == [1009]


def test_a_flood_ends_the_connection(monkeypatch):
    monkeypatch.setattr(consumers, "time", Clock())

    async def test():
        peer, other = await Peer().connected(), await Peer().connected()
        for _ in range(30):
            peer.says("{}")
        peer.says('{"type": "ping"}')
        await settled(peer.close_codes)
        other.says('{"type": "ping"}')
        await settled(lambda: "pong" in other.kinds())
        await peer.leave()
        await other.leave()
        return peer.kinds(), peer.close_codes(), other.close_codes()

    assert run(test) == (["welcome", "initialState"], [4429], [])


def test_many_messages_over_a_longer_time_are_no_flood(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(consumers, "time", clock)

    async def test():
        peer = await Peer().connected()
        for number in range(100):
            clock.now += 0.34
            peer.says('{"type": "ping"}')
            await settled(
                lambda number=number: peer.kinds().count("pong") == number + 1 or peer.close_codes()
            )
        await peer.leave()
        return peer.close_codes()

    assert run(test) == []


def test_who_may_open_a_socket_is_asked_with_its_scope():
    asked = []

    async def resolve(scope):
        asked.append(scope["path"])
        return Visitor(Caller("loopback"), "")

    async def test():
        await (await Peer(resolve=resolve).connected()).leave()

    run(test)

    assert asked == ["/ws"]
