"""The store of a scale-out: what one process publishes the others see; trouble with Redis is not theirs."""

from __future__ import annotations

import socket
import threading

import msgspec
import pytest
import redis

from monitoring.backups.attribution import Attribution
from monitoring.backups.judgement import JUDGEMENT, Judgement
from monitoring.known.facts import FACTS, Facts, FactsOutline, GuestFacts
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import MEMORY, MemoryOutline, PollMemory
from monitoring.store.current import KINDS
from monitoring.store.memory import MemoryStore
from monitoring.store.parts import Save
from monitoring.store.protocol import Tick
from monitoring.store.redis import RedisStore
from monitoring.wire.fragments import Fragment, FragmentKey, Item
from nodes.proxmox.readings.live import GuestReading, ResourcesReading
from tests.ports import own_port
from tests.process.running import until
from tests.scale.servers import RedisServer

#: The stores of the test that runs.
MADE: list[RedisStore] = []
#: The key of the fragment that tests publish.
FIRST = FragmentKey(1, "resources")
NOBODY = "redis://127.0.0.1:{port}/0"


def fragment(pk=1, version=1):
    """A fragment with one guest."""
    items = {"vms": (Item("lab-pve1-100", (100, "lab", "lab-pve1-100"), b'{"id":"lab-pve1-100"}'),)}
    key = FragmentKey(pk, "resources")
    return Fragment(key, version, "lab", "lab", True, items, b'{"vms":{}}', version - 1, 1767268800.0)


class Heard:
    """A listener that remembers; the same news twice, as after a reconnect, is the same news."""

    def __init__(self, store):
        self.ticks = []
        self.stop = store.subscribe(self.hear)
        following = [one for one in MADE if one._follower is not None and one.channel == store.channel]
        listening = store._redis.pubsub_numsub
        until(lambda: listening(store.channel)[0][1] >= len(following), seconds=10, what="all hear the ticks")

    def hear(self, tick):
        if tick not in self.ticks:
            self.ticks.append(tick)

    def kinds(self):
        return [tick.kind for tick in self.ticks]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis") / "server")
    yield server
    server.stop()


@pytest.fixture
def stores(server):
    """`stores()` makes the store of one more process on an empty Redis."""
    redis.Redis.from_url(server.url).flushall()

    def make(url=server.url):
        MADE.append(RedisStore(url, KINDS))
        return MADE[-1]

    yield make
    for one in MADE:
        one.close()
    MADE.clear()


scale = pytest.mark.scale


@scale
def test_what_is_published_before_is_there_at_once(stores):
    stores().publish(fragment())

    assert stores().fragments() == {FIRST: fragment()}


@scale
def test_what_is_published_later_comes_with_its_tick(stores):
    writer, reader = stores(), stores()
    heard = Heard(reader)

    writer.publish(fragment(version=7))
    until(lambda: heard.ticks, seconds=10, what="the tick")

    assert heard.ticks == [Tick("state", FIRST, 7)]
    assert reader.fragments() == {FIRST: fragment(version=7)}


@scale
def test_a_resource_is_found_by_its_id_where_its_fragment_came_from_another_process(stores):
    writer, reader = stores(), stores()
    heard = Heard(reader)
    before = reader.find("lab-pve1-100")

    writer.publish(fragment(version=7))
    until(lambda: heard.ticks, seconds=10, what="the tick")

    located = reader.find("lab-pve1-100")
    assert before is None
    assert (located.fragment.version, located.collection, located.item.order[0]) == (7, "vms", 100)


@scale
def test_an_older_fragment_does_not_replace_a_newer_one(stores):
    writer, reader = stores(), stores()
    heard = Heard(reader)
    writer.publish(fragment(version=7))

    writer.publish(fragment(version=6))
    writer.broadcast(b"{}")
    until(lambda: "message" in heard.kinds(), seconds=10, what="what was sent last")

    assert heard.ticks == [Tick("state", FIRST, 7), Tick("message", message=b"{}")]
    assert reader.fragments()[FIRST].version == 7
    assert stores().fragments()[FIRST].version == 7


@scale
def test_a_removed_instance_is_gone_everywhere(stores):
    writer, reader = stores(), stores()
    writer.publish(fragment())
    writer.save(MEMORY, PollMemory(cycles=3), of=1)
    writer.save(FACTS, Facts(version=3), of=1)
    reader.load(FACTS, of=1)
    heard = Heard(reader)

    writer.remove(1)
    until(lambda: "gone" in heard.kinds(), seconds=10, what="the tick")

    assert reader.fragments() == {}
    assert stores().fragments() == {}
    assert reader.load(MEMORY, of=1) is None
    assert reader.load(FACTS, of=1) is None
    assert reader.outlines((MEMORY, FACTS), [1]) == {}


@scale
def test_a_message_reaches_every_process(stores):
    writer, reader = stores(), stores()
    at_home, elsewhere = Heard(writer), Heard(reader)

    writer.broadcast(b'{"type":"nodes_changed"}')
    until(lambda: at_home.ticks and elsewhere.ticks, seconds=10, what="the message")

    assert elsewhere.ticks == at_home.ticks == [Tick("message", message=b'{"type":"nodes_changed"}')]


@scale
def test_another_database_of_the_same_server_is_another_pulse(stores, server):
    ours, theirs = stores(), stores(server.url.removesuffix("/0") + "/1")
    heard = Heard(ours)
    ours.publish(fragment())

    theirs.publish(fragment(version=9))
    theirs.remove(1)
    theirs.broadcast(b"{}")
    ours.broadcast(b'{"type":"last"}')
    until(lambda: "message" in heard.kinds(), seconds=10, what="the last message")

    assert heard.ticks == [Tick("state", FIRST, 1), Tick("message", message=b'{"type":"last"}')]
    assert ours.fragments() == {FIRST: fragment()}


@scale
def test_a_memory_is_kept_for_whoever_polls_next(stores):
    memory = PollMemory(cycles=3, trouble="of before", details_epoch={"pve1": 2.5})

    stores().save(MEMORY, memory, of=1)

    assert stores().load(MEMORY, of=1) == memory
    assert stores().load(MEMORY, of=2) is None


COLLECTED = Facts(
    version=4,
    progress={Lane.TASKS: {"": Progress(1.5, 1.5, 21.5)}},
    guests={100: GuestFacts(agent_code="no_agent"), 101: GuestFacts(config_epoch=2.5)},
)


@scale
def test_facts_are_kept_for_whoever_asks_next(stores):
    stores().save(FACTS, COLLECTED, of=1)

    assert stores().load(FACTS, of=1) == COLLECTED
    assert stores().load(FACTS, of=2) is None


@scale
def test_of_facts_only_what_has_changed_is_loaded_again(stores):
    collector, poller = stores(), stores()
    collector.save(FACTS, COLLECTED, of=1)
    before = poller.load(FACTS, of=1)
    facts = collector.load(FACTS, of=1)
    facts.note(Lane.TASKS, "", Progress(11.5, 11.5, 31.5))
    collector.save(FACTS, facts, of=1)

    after = poller.load(FACTS, of=1)

    assert after.guests is before.guests
    assert after.progress == {Lane.TASKS: {"": Progress(11.5, 11.5, 31.5)}}
    assert before.progress == {Lane.TASKS: {"": Progress(1.5, 1.5, 21.5)}}


@scale
def test_a_judgement_is_loaded_again_when_there_is_another_whatever_its_number(stores, server):
    judge, poller = stores(), stores()
    first = Judgement(version=1, attributions={1: {"main/|vm/100": Attribution("attributed", "lab", 100)}})
    judge.save(JUDGEMENT, first)
    before = poller.load(JUDGEMENT)
    judge.save(JUDGEMENT, msgspec.structs.replace(first, version=2))
    later = poller.load(JUDGEMENT)
    redis.Redis.from_url(server.url).flushall()
    stores().save(JUDGEMENT, Judgement(version=2, judged_epoch=5.0))

    assert before == first
    assert later == msgspec.structs.replace(first, version=2)
    assert later.attributions is before.attributions
    assert poller.load(JUDGEMENT) == Judgement(version=2, judged_epoch=5.0)


@scale
def test_a_store_in_redis_and_one_in_memory_give_the_same_outlines(stores):
    guests = (GuestReading(100, "qemu", "pve1", "running"),)
    found = []
    for writer, reader in ((stores(), stores()), (MemoryStore(),) * 2):
        writer.save(MEMORY, PollMemory(duplicate_of=7, reading=ResourcesReading(guests=guests)), of=1)
        writer.save(FACTS, COLLECTED, of=1)
        writer.save(MEMORY, PollMemory(), of=2)
        writer.save(FACTS, COLLECTED, of=3)
        found.append(reader.outlines((MEMORY, FACTS), [1, 2, 3, 4]))

    assert found[0] == found[1]
    memories, facts = ([found[0].of(kind, pk) for pk in (1, 2, 3, 4)] for kind in (MEMORY, FACTS))
    assert memories[0].duplicate_of == 7
    assert memories[0].listed_mark is not None
    assert memories[1:] == [MemoryOutline()] * 3
    assert facts == [FactsOutline(version=number) for number in (4, 0, 4, 0)]


@scale
def test_an_outline_is_always_that_of_the_last_save(stores):
    writer, reader, found = stores(), stores(), []
    facts = Facts(version=4)
    for version, calls in ((4, 1), (5, 1), (5, 2)):
        facts.version, facts.calls = version, calls
        writer.save(FACTS, facts, of=1)
        found.append(reader.outlines((FACTS,), [1]).of(FACTS, 1).version)

    assert found == [4, 5, 5]


@scale
def test_what_cannot_be_read_is_nothing(stores, server):
    stores().save(FACTS, COLLECTED, of=1)
    stores().save(JUDGEMENT, Judgement(version=1))
    stores().save(MEMORY, PollMemory(duplicate_of=7), of=1)
    client = redis.Redis.from_url(server.url)
    client.hset("pulse:3:facts:1", mapping={"guests": b"\xc1", "~": b"\xc1"})
    client.hset("pulse:3:judgement", "version", b"\xc1")
    client.hset("pulse:3:memory:1", mapping={"*": b"\xc1 of another release", "~": b"\xc1"})
    reader = stores()

    assert reader.load(FACTS, of=1) is None
    assert reader.load(JUDGEMENT) is None
    assert reader.load(MEMORY, of=1) is None
    assert reader.outlines((MEMORY, FACTS), [1]) == {}


@scale
def test_everything_expires(stores, server):
    store = stores()
    store.publish(fragment())
    store.save(MEMORY, PollMemory(), of=1)
    store.save(FACTS, Facts(), of=1)
    store.save(JUDGEMENT, Judgement(version=1))

    client = redis.Redis.from_url(server.url)
    keys = sorted(client.keys())

    assert keys == [
        b"pulse:3:facts:1",
        b"pulse:3:fragment:1:resources",
        b"pulse:3:judgement",
        b"pulse:3:memory:1",
        b"pulse:3:versions",
    ]
    assert all(23 * 3600 < client.ttl(key) <= 24 * 3600 for key in keys)


@scale
def test_first_readers_that_come_together_all_get_the_whole(stores):
    stores().publish(fragment())
    reader, found = stores(), []

    threads = [threading.Thread(target=lambda: found.append(reader.fragments())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [{FIRST: fragment()}] * 8


@scale
def test_a_listener_that_has_left_hears_nothing_more(stores):
    writer, reader = stores(), stores()
    leaving, staying = Heard(reader), Heard(reader)
    leaving.stop()

    writer.broadcast(b"{}")
    until(lambda: staying.ticks, seconds=10, what="the message")

    assert leaving.ticks == []


@scale
def test_a_tick_that_was_missed_is_made_up_for(stores, server):
    reader = stores()
    reader.fragments()
    client = redis.Redis.from_url(server.url)
    client.set("pulse:3:fragment:1:resources", msgspec.msgpack.encode(fragment(version=5)))
    client.hset("pulse:3:versions", "1:resources", "5")
    heard = Heard(reader)

    reader._read_all()

    assert heard.ticks == [Tick("state", FIRST, 5)]
    assert reader.fragments() == {FIRST: fragment(version=5)}


@scale
def test_a_redis_that_has_lost_everything_takes_nothing_away(stores, server):
    reader = stores()
    stores().publish(fragment())
    reader.fragments()
    redis.Redis.from_url(server.url).flushall()
    heard = Heard(reader)

    reader._read_all()

    assert heard.ticks == []
    assert reader.fragments() == {FIRST: fragment()}


# --- Without a server ----------------------------------------------------------------------------------------------


@pytest.fixture
def lonely(monkeypatch):
    """A store whose Redis is not there, and whose follower is not started."""
    monkeypatch.setattr(RedisStore, "_keep_following", lambda self: None)
    return RedisStore(NOBODY.format(port=own_port()), KINDS)


def test_without_redis_nothing_fails(lonely, caplog):
    lonely.publish(fragment())
    lonely.remove(1)
    lonely.broadcast(b"{}")
    lonely.save(MEMORY, PollMemory(), of=1)
    lonely.save(FACTS, Facts(), of=1)
    lonely.save(JUDGEMENT, Judgement(version=1))

    assert lonely.load(MEMORY, of=1) is None
    assert lonely.load(FACTS, of=1) is None
    assert lonely.load(JUDGEMENT) is None
    assert lonely.outlines((MEMORY, FACTS), [1]) == {}
    assert lonely.fragments() == {}
    assert caplog.text.count("Redis ConnectionError") == 6


def test_a_removed_instance_is_forgotten_here_also_while_redis_is_away(lonely):
    lonely._kept["facts"].recent.put("pulse:3:facts:1", Save(b"index", {}))

    lonely.remove(1)

    assert lonely._kept["facts"].recent.get("pulse:3:facts:1") is None


def test_a_redis_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("monitoring.store.redis.TIMEOUT_SECONDS", 0.1)
    monkeypatch.setattr(RedisStore, "_keep_following", lambda self: None)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = RedisStore(NOBODY.format(port=silent.getsockname()[1]), KINDS)

        assert store.load(MEMORY, of=1) is None
        assert store.fragments() == {}
