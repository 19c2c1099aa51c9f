"""The hub: what each client is sent and when (state.md 7), and what a slow one costs."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitoring.feed import clients, hub, members
from monitoring.feed.sockets import Utf8
from monitoring.feed.state import STATE
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from monitoring.wire.fragments import FragmentKey
from pulse.lib.auth import Caller
from pulse.lib.errors import ApiError
from tests.clients.apply import COLLECTIONS, apply_collections, by_id, flattened, in_order
from tests.monitoring.feeding import Clock, Publisher, joined, settled, turned


@pytest.fixture
def clock(monkeypatch):
    """The clock of the hub and of its clients."""
    clock = Clock()
    monkeypatch.setattr(hub, "time", clock)
    monkeypatch.setattr(clients, "time", clock)
    return clock


@pytest.fixture
def running(settings, clock):
    """`running(test)` runs an async test beside a hub of its own; the interval is 10 s of the test's clock."""
    settings.POLLING_INTERVAL_SECONDS = 10

    def run(test):
        async def body():
            served = hub.Hub(STATE)
            try:
                await asyncio.wait_for(test(served), 20)
            finally:
                for client in list(served.clients):
                    served.leave(client)

        asyncio.run(body())

    return run


async def started(served, protocol="original", **fields):
    """A client that has got its first state."""
    client = joined(served, protocol, **fields)
    await settled(lambda: len(client.socket.messages()) == 2)
    return client


# --- Order and cadence --------------------------------------------------------------------------------------------


def test_an_original_client_is_welcomed_and_then_gets_the_state(running):
    async def test(served):
        Publisher().publish(1, [0.5])

        client = await started(served)

        welcome, initial = client.socket.messages()
        assert welcome == {"type": "welcome", "data": {"message": "Welcome to Pulse"}}
        assert set(initial) == {"type", "data"}
        assert initial["type"] == "initialState"
        assert initial["data"]["vms"][0]["id"] == "lab-1-pve1-100"

    running(test)


def test_the_first_poll_after_a_long_time_is_sent_at_once(running):
    async def test(served):
        client = await started(served)

        Publisher().publish(1, [0.5])
        await settled(lambda: len(client.socket.messages()) == 3)

        assert client.socket.kinds() == ["welcome", "initialState", "rawData"]
        assert client.socket.cpus() == [None, 0.5]

    running(test)


async def two_polled_together(served, clock):
    """A client of two instances, and their publisher; the client has their states of the first poll."""
    client, publisher = await started(served), Publisher()
    for pk in (1, 2):
        publisher.publish(pk, [0.1])
        await turned(client)
    clock.now += 1
    served.look_after(clock.now)
    await turned(client)
    return client, publisher


def told_since(client, before):
    """Which whole states came after the first so many, by the CPU figure of the first guest of each instance."""
    states = [
        message["data"] for message in client.socket.messages()[before:] if message["type"] == "rawData"
    ]
    return [tuple(guest["cpu"] for guest in state["vms"]) for state in states]


def test_instances_that_are_polled_together_are_told_in_one_state(running, clock):
    async def test(served):
        client, publisher = await two_polled_together(served, clock)
        before = len(client.socket.messages())
        for cpu in (0.2, 0.3):
            clock.now += 9.9
            publisher.publish(1, [cpu])
            await turned(client)
            clock.now += 0.1
            publisher.publish(2, [cpu])
            await turned(client)
            served.look_after(clock.now)
            await turned(client)

        assert told_since(client, before) == [(0.2, 0.2), (0.3, 0.3)]

    running(test)


def test_a_change_waits_for_another_instance_three_tenths_of_a_second(running, clock):
    async def test(served):
        client, publisher = await two_polled_together(served, clock)
        before = len(client.socket.messages())
        publisher.publish(2, [0.5])
        told = []
        for seconds in (0.0, 0.29, 0.01, 5.0):
            clock.now += seconds
            served.look_after(clock.now)
            await turned(client)
            told.append(told_since(client, before))

        assert told == [[], [], [(0.1, 0.5)], [(0.1, 0.5)]]

    running(test)


def test_a_list_that_is_new_is_told_as_soon_as_any_change(running, clock):
    async def test(served):
        client, publisher = await two_polled_together(served, clock)
        before = len(client.socket.messages())
        publisher.publish_lists(1, [7])
        clock.now += 0.3
        served.look_after(clock.now)
        await turned(client)

        states = [message for message in client.socket.messages()[before:] if message["type"] == "rawData"]
        assert [len(state["data"]["pveBackups"]["backupTasks"]) for state in states] == [1]

    running(test)


def test_without_any_poll_the_state_is_sent_once_in_an_interval(running, clock):
    async def test(served):
        client, told = await started(served), []

        for _ in range(3):
            clock.now += 9
            served.look_after(clock.now)
            await turned(client)
            told.append(client.socket.kinds().count("rawData"))
            clock.now += 1
            served.look_after(clock.now)
            await turned(client)
            told.append(client.socket.kinds().count("rawData"))

        assert told == [0, 1, 1, 2, 2, 3]

    running(test)


def test_a_client_that_cannot_read_yet_gets_its_first_state_before_any_other(running, clock):
    async def test(served):
        watcher = await started(served)
        client = joined(served)
        client.socket.reads.clear()
        Publisher().publish(1, [0.5])
        await turned(watcher)

        client.socket.reads.set()
        await settled(lambda: len(client.socket.messages()) == 2)

        assert client.socket.kinds()[:2] == ["welcome", "initialState"]

    running(test)


def test_every_client_is_pinged_twice_a_minute(running, clock):
    async def test(served):
        original, delta = await started(served), await started(served, "delta")

        for _ in range(60):
            clock.now += 1
            served.look_after(clock.now)
            await turned(original)

        pings = [message for message in original.socket.messages() if message["type"] == "ping"]
        assert pings == [
            {"type": "ping", "data": {"timestamp": 1767269830}},
            {"type": "ping", "data": {"timestamp": 1767269860}},
        ]
        assert delta.socket.kinds().count("ping") == 2

    running(test)


def test_a_message_of_the_nodes_reaches_clients_of_both_protocols(running):
    message = {"type": "node_deleted", "data": {"nodeType": "pve"}, "timestamp": "2026-01-01T12:00:00Z"}

    async def test(served):
        original, delta = await started(served), await started(served, "delta")

        current.store().broadcast(json.dumps(message).encode())
        await settled(lambda: len(original.socket.messages()) == 3 and len(delta.socket.messages()) == 3)

        assert original.socket.messages()[2] == message
        assert delta.socket.messages()[2] == message
        assert isinstance(original.socket.frames[2], str)
        assert isinstance(delta.socket.frames[2], bytes)

    running(test)


def test_messages_keep_their_order(running):
    async def test(served):
        client = await started(served)

        for kind in (b"nodes_changed", b"node_deleted", b"discovery_update"):
            current.store().broadcast(b'{"type":"%s"}' % kind)
        await settled(lambda: len(client.socket.messages()) == 5)

        assert client.socket.kinds()[2:] == ["nodes_changed", "node_deleted", "discovery_update"]

    running(test)


# --- What a client asks for ---------------------------------------------------------------------------------------


def test_who_asks_for_the_data_gets_it_alone(running):
    async def test(served):
        asking, other = await started(served), await started(served)

        served.ask_again(asking)
        await settled(lambda: len(asking.socket.messages()) == 3)
        await turned(other)

        assert asking.socket.kinds()[2] == "rawData"
        assert "rawData" not in other.socket.kinds()

    running(test)


def test_asking_often_is_answered_once_a_second(running, clock):
    async def test(served):
        client = await started(served)

        for _ in range(10):
            served.ask_again(client)
            await turned(client)
        in_the_first_second = client.socket.kinds().count("rawData")
        clock.now += 1
        served.look_after(clock.now)
        await turned(client)

        assert in_the_first_second == 1
        assert client.socket.kinds().count("rawData") == 2

    running(test)


def test_asking_does_not_delay_the_state_of_the_interval(running, clock):
    async def test(served):
        client = await started(served)
        for seconds in (9.5, 0.4):
            clock.now += seconds
            served.ask_again(client)
            await turned(client)

        clock.now += 0.2
        served.look_after(clock.now)
        await turned(client)

        assert client.socket.kinds().count("rawData") == 2

    running(test)


# --- Slow clients -------------------------------------------------------------------------------------------------


def test_a_client_that_does_not_read_gets_only_the_newest_state(running, clock):
    async def test(served):
        publisher, watcher = Publisher(), await started(served)
        client = await started(served)
        client.socket.reads.clear()
        for cpu in (0.1, 0.2, 0.3, 0.4):
            publisher.publish(1, [cpu])
            await turned(watcher)
            clock.now += 10
        served.leave(watcher)

        client.socket.reads.set()
        await settled(lambda: client.socket.cpus()[-1] == 0.4)

        assert client.socket.cpus() == [None, 0.4]

    running(test)


def test_states_are_encoded_once_for_all(running, monkeypatch):
    async def test(served):
        built, original = [], STATE.build
        monkeypatch.setattr(
            STATE, "build", lambda *args, **fields: built.append(1) or original(*args, **fields)
        )
        everybody = [joined(served) for _ in range(150)]
        await settled(lambda: all(len(client.socket.messages()) == 2 for client in everybody))
        served.look_after(1000.0)
        await turned(everybody[0])
        built.clear()

        Publisher().publish(1, [0.5])
        await settled(lambda: all("rawData" in client.socket.kinds() for client in everybody))

        sent = [frame for client in everybody for frame in client.socket.frames]
        raw = [frame for frame in sent if isinstance(frame, Utf8) and b'"rawData"' in frame[:20]]
        assert built == [1]
        assert len(raw) == 150
        assert len({id(frame) for frame in raw}) == 1

    running(test)


def test_a_client_that_takes_nothing_is_let_go_after_half_a_minute(running, clock):
    async def test(served):
        client = await started(served)
        client.socket.reads.clear()
        client.socket.left_bytes = 1_000_000
        served.ask_again(client)
        await settled(lambda: len(client.socket.messages()) == 3)

        served.look_after(clock.now)
        clock.now += 30
        served.look_after(clock.now)
        assert client in served.clients
        clock.now += 0.1
        served.look_after(clock.now)
        await settled(lambda: client not in served.clients)

        assert client.socket.closed == 1013

    running(test)


def test_a_client_on_a_slow_line_may_take_its_time(running, clock):
    async def test(served):
        client = await started(served)
        client.socket.reads.clear()
        served.ask_again(client)
        await settled(lambda: len(client.socket.messages()) == 3)

        for left in range(2_000_000, 500_000, -100_000):
            client.socket.left_bytes = left
            served.look_after(clock.now)
            clock.now += 29
        served.look_after(clock.now)

        assert client in served.clients
        assert client.socket.closed is None

    running(test)


def test_a_client_that_takes_byte_by_byte_is_let_go(running, clock):
    async def test(served):
        client = await started(served)
        client.socket.reads.clear()
        served.ask_again(client)
        await settled(lambda: len(client.socket.messages()) == 3)

        for left in range(100_000, 99_968, -1):
            client.socket.left_bytes = left
            served.look_after(clock.now)
            clock.now += 1
        await settled(lambda: client.socket.closed is not None)

        assert client.socket.closed == 1013

    running(test)


def test_states_on_their_way_to_slow_clients_have_a_bound_in_sum(running, clock, monkeypatch):
    async def test(served):
        Publisher().publish(1, [0.5] * 20)
        slow = [await started(served) for _ in range(10)]
        size = len(slow[0].socket.frames[1])
        monkeypatch.setattr(hub, "MOST_UNSENT_BYTES", 3 * size + size // 2)
        for client in slow:
            client.socket.reads.clear()
        clock.now += 10
        served.look_after(clock.now)
        await settled(lambda: served._is_full)
        first = [client for client in slow if client.wants is None]
        unsent, state = hub.OnTheirWay(slow).total_bytes, first[0].whole

        for client in slow:
            client.socket.reads.set()
        await settled(lambda: all(client.socket.kinds()[2:] == ["rawData"] for client in slow))

        assert len(first) == 2
        assert unsent == 3 * len(state)  # the state itself, and what it takes for each of them

    running(test)


def test_who_has_no_state_yet_comes_before_who_wants_another(running, clock, monkeypatch):
    async def test(served):
        Publisher().publish(1, [0.5] * 20)
        watchers = [await started(served) for _ in range(6)]
        size = len(watchers[0].socket.frames[1])
        monkeypatch.setattr(hub, "MOST_UNSENT_BYTES", 2 * size + size // 2)
        slow = watchers[0]
        slow.given_monotonic = 0.0  # it is the first in turn
        slow.socket.reads.clear()
        clock.now += 10
        served.look_after(clock.now)
        await settled(lambda: served._is_full)

        order, give = [], clients.Client.give
        monkeypatch.setattr(
            clients.Client, "give", lambda client, frame: order.append(client) or give(client, frame)
        )
        newcomers = [joined(served) for _ in range(3)]
        slow.socket.reads.set()
        await settled(lambda: len(order) == 8)

        assert set(order[:3]) == set(newcomers)
        assert set(order[3:]) == set(watchers[1:])

    running(test)


def test_no_state_is_made_while_nobody_can_be_sent_it(running, clock, monkeypatch):
    async def test(served):
        Publisher().publish(1, [0.5] * 20)
        slow = [await started(served) for _ in range(4)]
        for client in slow:
            client.socket.reads.clear()
        monkeypatch.setattr(hub, "MOST_UNSENT_BYTES", 1000)
        clock.now += 10
        served.look_after(clock.now)
        await settled(lambda: served._is_full)
        built, build = [], STATE.build
        monkeypatch.setattr(STATE, "build", lambda *args, **fields: built.append(1) or build(*args, **fields))

        Publisher().publish(2, [0.5] * 20)
        watcher = joined(served)
        await turned(watcher)
        without = len(built)
        for client in slow:
            client.socket.reads.set()
        await settled(lambda: "initialState" in watcher.socket.kinds())

        assert without == 0
        assert len(built) >= 1

    running(test)


def test_when_memory_is_short_who_takes_nothing_is_let_go_sooner(running, clock, monkeypatch):
    async def test(served):
        client = await started(served)
        client.socket.reads.clear()
        client.socket.left_bytes = 1_000_000
        served.ask_again(client)
        await settled(lambda: len(client.socket.messages()) == 3)
        monkeypatch.setattr(hub, "MOST_UNSENT_BYTES", 1000)

        served.look_after(clock.now)
        clock.now += 5.1
        served.look_after(clock.now)
        await settled(lambda: client.socket.closed is not None)

        assert client.socket.closed == 1013

    running(test)


def test_a_client_that_lets_messages_pile_up_is_let_go(running):
    async def test(served):
        watcher, client = await started(served), await started(served)
        client.socket.reads.clear()

        for _ in range(66):
            current.store().broadcast(b'{"type":"nodes_changed"}')
        await settled(lambda: client.socket.closed is not None)
        await settled(lambda: watcher.socket.kinds().count("nodes_changed") == 66)

        assert client.socket.closed == 1013
        assert len(client.socket.messages()) == 3

    running(test)


def test_a_socket_that_fails_is_cut_off_and_forgotten(running):
    async def test(served):
        watcher, client = await started(served), await started(served)
        client.socket.fails = True

        current.store().broadcast(b'{"type":"nodes_changed"}')
        await settled(lambda: client not in served.clients)

        assert client.socket.is_cut
        assert watcher in served.clients

    running(test)


# --- Who may stay, and how many -----------------------------------------------------------------------------------


def test_callers_who_lose_their_right_are_closed_with_4401(running):
    async def test(served):
        asked, refused = [], Caller("token", name="gone", token_pk=2)

        async def may_stay(caller):
            asked.append(caller)
            return caller is not refused

        staying = [await started(served, may_stay=may_stay) for _ in range(3)]
        leaving = [await started(served, protocol, caller=refused, may_stay=may_stay)
                   for protocol in ("original", "delta")]  # fmt: skip

        await served.recheck()
        await settled(lambda: len(served.clients) == 3)

        assert [client.socket.closed for client in leaving] == [4401, 4401]
        assert [client.socket.closed for client in staying] == [None, None, None]
        assert len(asked) == 2

    running(test)


def test_a_caller_who_cannot_be_checked_is_closed(running, caplog):
    async def test(served):
        async def fails(caller):
            raise OSError

        client = await started(served, may_stay=fails)

        await served.recheck()
        await settled(lambda: not served.clients)

        assert client.socket.closed == 4401

    running(test)
    assert "could not be checked" in caplog.text


def test_a_restart_closes_every_socket_with_1012_and_takes_no_more(running):
    async def test(served):
        reading, stuck = await started(served), await started(served, "delta")
        stuck.socket.reads.clear()

        await served.close_all()

        assert [client.socket.closed for client in (reading, stuck)] == [1012, 1012]
        assert not served.clients
        with pytest.raises(ApiError) as full:
            served.clients.check_room("192.0.2.7")
        assert full.value.status == 503

    running(test)


def test_an_address_has_a_bounded_number_of_sockets_and_this_machine_has_not(running):
    async def test(served):
        remote = [joined(served, address="192.0.2.7") for _ in range(64)]
        for _ in range(100):
            served.clients.check_room("")
            joined(served)

        served.clients.check_room("192.0.2.8")
        with pytest.raises(ApiError) as full:
            served.clients.check_room("192.0.2.7")
        served.leave(remote[0])
        served.leave(remote[0])
        served.clients.check_room("192.0.2.7")

        assert full.value.status == 429

    running(test)


def test_there_is_an_end_to_all_sockets(running, monkeypatch):
    monkeypatch.setattr(members, "MOST_CLIENTS", 2)

    async def test(served):
        joined(served)
        served.clients.check_room("")
        joined(served)

        with pytest.raises(ApiError) as full:
            served.clients.check_room("")
        assert full.value.status == 503

    running(test)


FILES = [(1024, 672), (256, 56), (20_000, 10_000), (-1, 10_000)]


@pytest.mark.parametrize(("files", "most"), FILES, ids=[f"{files} files" for files, _ in FILES])
def test_sockets_leave_open_files_to_requests_and_polls(files, most, monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda which: (files, files))

    assert members.most_clients() == most


def test_the_state_tells_how_many_clients_there_are(running, clock):
    async def test(served):
        for _ in range(3):
            joined(served)
        served.look_after(clock.now)

        client = await started(served)

        assert client.socket.messages()[1]["data"]["stats"]["webSocketClients"] == 3
        for known in list(served.clients):
            served.leave(known)
        assert STATE.clients == 0

    running(test)


# --- Quiet and trouble --------------------------------------------------------------------------------------------


def test_nothing_is_encoded_when_nobody_listens(running, monkeypatch):
    async def test(served):
        client = await started(served)
        served.leave(client)
        await settled(lambda: not current.store().has_listeners)
        built = []
        monkeypatch.setattr(STATE, "build", lambda *args, **fields: built.append(1))
        heard = []
        monkeypatch.setattr(served, "hear", heard.append)

        Publisher().publish(1, [0.5])

        assert built == []
        assert heard == []
        assert served._fragments == {}

    running(test)


def test_who_comes_after_all_had_left_is_served_again(running):
    async def test(served):
        publisher = Publisher()
        served.leave(await started(served))
        publisher.publish(1, [0.5])

        client = await started(served)
        publisher.publish(1, [0.6])
        await settled(lambda: len(client.socket.messages()) == 3)

        assert client.socket.cpus() == [0.5, 0.6]

    running(test)


def test_an_error_on_the_way_does_not_end_the_feed(running, monkeypatch, caplog):
    monkeypatch.setattr(hub, "AFTER_TROUBLE_SECONDS", 0.0)

    async def test(served):
        client, publisher, original = await started(served), Publisher(), STATE.build
        monkeypatch.setattr(STATE, "build", lambda *args, **fields: 1 / 0)
        publisher.publish(1, [0.5])
        await settled(lambda: "could not pass on" in caplog.text)

        monkeypatch.setattr(STATE, "build", original)
        publisher.publish(1, [0.6])
        await settled(lambda: len(client.socket.messages()) == 3)

        assert client.socket.cpus() == [None, 0.6]

    running(test)


def test_a_store_that_cannot_be_read_at_first_is_read_when_it_can(running, monkeypatch, caplog):
    monkeypatch.setattr(hub, "AFTER_TROUBLE_SECONDS", 0.0)

    async def test(served):
        original = current.store().fragments
        monkeypatch.setattr(current.store(), "fragments", lambda: 1 / 0)
        client = joined(served)
        await settled(lambda: "could not pass on" in caplog.text)

        monkeypatch.setattr(current.store(), "fragments", original)
        Publisher().publish(1, [0.5])
        await settled(lambda: client.socket.cpus()[-1:] == [0.5])

        assert client.socket.kinds()[:2] == ["welcome", "initialState"]

    running(test)


# --- Clients that take changes ------------------------------------------------------------------------------------


class Page:
    """A delta client as it is documented, fed with the frames of a socket."""

    def __init__(self):
        self.seq = None
        self.resources = {}
        self.top = {}
        self.states = 0

    def take(self, messages):
        """Apply messages; a gap is an error here, since nothing is lost on the way."""
        for message in messages:
            if message["type"] == "state":
                self.seq, self.resources = message["seq"], by_id(message["state"])
                self.top = {"connectionHealth": message["state"]["connectionHealth"]}
                self.states += 1
            elif message["type"] == "changes":
                assert message["seq"] == self.seq + 1
                self.seq = message["seq"]
                self.top |= message.get("top", {})
                apply_collections(self.resources, message["collections"])
        return self

    def lists(self):
        """The collections in the documented order; PBS as they came."""
        return {name: in_order(name, self.resources.get(name, {})) for name in COLLECTIONS}


def test_a_delta_client_gets_a_numbered_state_and_then_the_changes_of_each_instance(running):
    async def test(served):
        publisher = Publisher()
        publisher.publish(1, [0.5])
        client = await started(served, "delta")

        publisher.publish(1, [0.25])
        await settled(lambda: len(client.socket.messages()) == 3)

        welcome, whole, changes = client.socket.messages()
        assert welcome["type"] == "welcome"
        assert set(whole) == {"type", "seq", "state"}
        assert (whole["type"], whole["state"]["vms"][0]["cpu"]) == ("state", 0.5)
        assert changes["type"] == "changes"
        assert changes["seq"] == whole["seq"] + 1
        assert changes["instance"] == "lab-1"
        assert changes["collections"] == {"vms": {"cols": ["cpu"], "rows": [["lab-1-pve1-100", 0.25]]}}
        assert set(changes["top"]) == {"performance", "connectionHealth", "stats", "lastUpdate"}

    running(test)


def test_a_delta_client_gets_no_whole_states_by_the_clock(running, clock):
    async def test(served):
        client = await started(served, "delta")

        for _ in range(3):
            clock.now += 11
            served.look_after(clock.now)
            await turned(client)

        assert client.socket.kinds() == ["welcome", "state", "ping"]

    running(test)


def test_a_delta_client_that_asks_gets_the_state_and_goes_on_from_there(running):
    async def test(served):
        publisher = Publisher()
        publisher.publish(1, [0.5])
        client = await started(served, "delta")
        publisher.publish(1, [0.4])
        await settled(lambda: len(client.socket.messages()) == 3)

        served.ask_again(client)
        await settled(lambda: len(client.socket.messages()) == 4)
        publisher.publish(1, [0.3])
        await settled(lambda: len(client.socket.messages()) == 5)

        assert client.socket.kinds() == ["welcome", "state", "changes", "state", "changes"]
        page = Page().take(client.socket.messages()[3:])
        assert page.resources["vms"]["lab-1-pve1-100"]["cpu"] == 0.3

    running(test)


def test_a_delta_client_that_falls_behind_begins_again_with_the_newest_state(running):
    async def test(served):
        publisher = Publisher()
        publisher.publish(1, [1.0])
        client = await started(served, "delta")
        client.socket.reads.clear()
        for number in range(70):
            publisher.publish(1, [number / 100])
            await settled(
                lambda version=number + 2: served._fragments[FragmentKey(1, "resources")].version == version
            )
        waiting = len(client._changes)

        client.socket.reads.set()
        await settled(lambda: client.socket.kinds()[-1] == "state")

        assert waiting <= 64
        assert client.socket.kinds() == ["welcome", "state", "changes", "state"]
        assert client.socket.messages()[-1]["state"]["vms"][0]["cpu"] == 0.69

    running(test)


def test_two_instances_that_change_names_lose_nothing(running):
    async def test(served):
        publisher = Publisher()
        publisher.publish(1, [0.1])
        publisher.publish(2, [0.2])
        client = await started(served, "delta")
        publisher.swap_names(1, 2)

        publisher.publish(2, [0.2])
        await settled(lambda: len(client.socket.messages()) >= 3)
        publisher.publish(1, [0.1])
        await settled(lambda: len(client.socket.messages()) >= 5)

        page = Page().take(client.socket.messages())
        assert {name: one["cpu"] for name, one in page.resources["vms"].items()} == {
            "lab-1-pve1-100": 0.2, "lab-2-pve1-100": 0.1,
        }  # fmt: skip

    running(test)


def test_a_pbs_that_answers_later_has_its_place_before_those_added_after_it(running):
    async def test(served):
        publisher = Publisher()
        publisher.publish(8, [1], kind="pbs")
        client = await started(served, "delta")

        publisher.publish(7, [1], kind="pbs")
        await settled(lambda: len(client.socket.messages()) >= 4)

        page = Page().take(client.socket.messages())
        assert [one["id"] for one in page.lists()["pbs"]] == ["pbs-lab-7", "pbs-lab-8"]

    running(test)


CPU = st.none() | st.sampled_from([0.0, 0.25, 0.5, 0.75])
CPUS = st.lists(CPU, max_size=4)
#: 1 to 3 are PVE, 7 and 8 PBS, which are healthy when the list is not empty.
INSTANCE = st.sampled_from([1, 2, 3, 7, 8])
STEP = st.one_of(
    st.tuples(st.just("publish"), INSTANCE, CPUS),
    st.tuples(st.just("publish"), INSTANCE, CPUS),
    st.tuples(st.just("jump"), INSTANCE, CPUS),
    st.tuples(st.just("lists"), INSTANCE, st.lists(st.integers(0, 5), max_size=4, unique=True)),
    st.tuples(st.just("remove"), INSTANCE),
    st.tuples(st.just("swap"), st.sampled_from([(1, 2), (2, 3), (7, 8)])),
    st.tuples(st.just("join")),
    st.tuples(st.just("ask")),
    st.tuples(st.just("block")),
    st.tuples(st.just("unblock")),
    st.tuples(st.just("turn")),
)


#: A name goes over to another instance; in one turn the former holder leaves it and the new one's figures move.
TAKEN_OVER = [
    ("publish", 1, [0.5]), ("publish", 2, [0.5]), ("turn",), ("swap", (1, 2)), ("publish", 2, [0.5]), ("turn",),
    ("publish", 1, [0.5]), ("publish", 2, [0.25]), ("turn",),
]  # fmt: skip


@pytest.mark.slow
@given(st.lists(STEP, max_size=40))
@example(TAKEN_OVER)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_delta_clients_rebuild_exactly_the_state(running, monkeypatch, steps):
    current.install(MemoryStore())
    monkeypatch.setattr(clients, "MOST_CHANGES", 5)
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 0.0)

    async def test(served):
        publisher, watcher = Publisher(), await started(served)
        pages = [joined(served, "delta")]
        for kind, *arguments in steps:
            if kind in ("publish", "jump"):
                pk, cpus = arguments
                publisher.publish(pk, cpus, forgets=kind == "jump", kind="pve" if pk < 7 else "pbs")
            elif kind == "lists":
                publisher.publish_lists(*arguments)
            elif kind == "remove":
                publisher.remove(*arguments)
            elif kind == "swap":
                publisher.swap_names(*arguments[0])
            elif kind == "join":
                pages.append(joined(served, "delta"))
            elif kind == "ask":
                served.ask_again(pages[-1])
            elif kind == "turn":
                await turned(watcher)
            else:
                pages[0].socket.reads.clear() if kind == "block" else pages[0].socket.reads.set()
            await asyncio.sleep(0)
        # Everybody has the name it is called by, so that no two say they are the same.
        for pk in sorted(publisher.shapes.keys() | publisher.listed):
            publisher.publish(pk, [0.5], kind="pve" if pk < 7 else "pbs")
            publisher.publish_lists(pk, [7])
        pages[0].socket.reads.set()
        await turned(watcher)
        await settled(lambda: all(page.wants is None and page.is_idle for page in pages))

        whole = msgspec.json.decode(STATE.current().body)
        for page in pages:
            rebuilt = Page().take(page.socket.messages())
            assert rebuilt.lists() == flattened(whole)
            assert rebuilt.top["connectionHealth"] == whole["connectionHealth"]

    running(test)
