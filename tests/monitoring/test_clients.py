"""One client: the order of what waits for it, and that no more than a little ever waits."""

from __future__ import annotations

import asyncio

import pytest

from monitoring.feed import clients
from monitoring.feed.clients import Client
from tests.monitoring.feeding import READER, Clock, Socket, always, settled


@pytest.fixture
def clock(monkeypatch):
    """The clock of the clients."""
    clock = Clock()
    monkeypatch.setattr(clients, "time", clock)
    return clock


def client_of(protocol="original", *, reads=True):
    """A client without a hub."""
    client = Client(protocol, Socket(), READER, always)
    if not reads:
        client.socket.reads.clear()
    return client


def test_small_messages_come_first_then_the_state_then_the_changes_after_it():
    async def test():
        client = client_of("delta", reads=False)
        client.tell("first")
        await asyncio.sleep(0)
        client.give(b"state")
        client.change(b"change 1")
        client.change(b"change 2")
        client.tell("second")
        client.socket.reads.set()
        await settled(lambda: client.is_idle)
        return client.socket.frames

    assert asyncio.run(test()) == ["first", "second", b"state", b"change 1", b"change 2"]


def test_a_client_that_falls_behind_keeps_no_changes_and_wants_the_state():
    async def test():
        client = client_of("delta", reads=False)
        client.give(b"state")
        await asyncio.sleep(0)
        for number in range(64):
            client.change(b"%d" % number)
        in_step_with_64 = client.in_step
        client.change(b"64")
        client.socket.reads.set()
        await settled(lambda: client.is_idle)
        return in_step_with_64, client

    in_step_with_64, client = asyncio.run(test())

    assert in_step_with_64
    assert not client.in_step
    assert client.wants == "state"
    assert client.socket.frames == [b"state"]


def test_a_state_makes_a_delta_client_in_step_and_no_other():
    async def test():
        delta, original = client_of("delta"), client_of()
        for client in (delta, original):
            client.give(b"state")
            await settled(lambda client=client: client.is_idle)
        return delta.in_step, original.in_step

    assert asyncio.run(test()) == (True, False)


def test_the_state_of_a_client_is_known_until_it_is_taken():
    async def test():
        client, states = client_of(reads=False), []
        client.tell("1234")
        await asyncio.sleep(0)
        states.append((client.whole, client.copied_bytes))
        client.give(b"1234567890")
        states.append((client.whole, client.copied_bytes))
        client.socket.reads.set()
        await settled(lambda: client.is_idle)
        states.append((client.whole, client.copied_bytes))
        return states

    assert asyncio.run(test()) == [(None, 0), (b"1234567890", 10), (None, 0)]


def test_a_closed_client_is_sent_nothing_more():
    async def test():
        client, gone = client_of(), []
        client.on_gone = gone.append
        client.tell("never sent")
        client.close(1012)
        client.close(4401)
        client.tell("nor this")
        client.give("nor the state")
        await client.ended()
        await asyncio.sleep(0)
        return client.socket, gone == [client]

    socket, is_gone = asyncio.run(test())

    assert socket.frames == []
    assert socket.closed == 1012
    assert is_gone


def test_a_peer_that_takes_no_close_frame_is_cut_off(monkeypatch):
    monkeypatch.setattr(clients, "CLOSE_SECONDS", 0.0)

    async def test():
        client = client_of()

        async def never(code):
            await asyncio.Event().wait()

        client.socket.close = never
        client.close(1013)
        await client.ended()
        return client.socket.is_cut

    assert asyncio.run(test())


def test_a_client_with_nothing_on_its_way_is_not_stuck(clock):
    async def test():
        client = client_of()
        client.tell("taken at once")
        await settled(lambda: client.is_idle)
        return client.is_stuck(clock.now + 1e6, 30.0)

    assert asyncio.run(test()) is False


@pytest.mark.parametrize(
    ("left_bytes", "expected"),
    [
        pytest.param([200_000, 200_000], True, id="nothing is taken"),
        pytest.param([200_000, 134_465], True, id="less than 64 KiB are taken"),
        pytest.param([200_000, 134_464], False, id="64 KiB are taken"),
    ],
)
def test_a_client_is_stuck_when_hardly_anything_moves(left_bytes, expected, clock):
    async def test():
        client = client_of(reads=False)
        client.give("state")
        await asyncio.sleep(0)
        stuck = []
        for left in left_bytes:
            client.socket.left_bytes = left
            stuck.append(client.is_stuck(clock.now, 30.0))
            clock.now += 31
        client.forget()
        return stuck

    first, second = asyncio.run(test())

    assert not first
    assert second is expected
