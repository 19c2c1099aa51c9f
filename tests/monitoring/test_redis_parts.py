"""Structs in parts in a real Redis: what is fetched and sent, what is shared, and that no reader mixes two saves."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import msgspec
import pytest
import redis

from monitoring.known import costs
from monitoring.known.costs import Costs, LaneLedger
from monitoring.known.kinds import Kind, Outline
from monitoring.store import parts
from monitoring.store.parts import INDEX, Attribute, KeptInParts, Recent, Save
from tests.scale.servers import RedisServer

scale = pytest.mark.scale
KEY = "thing"


class Thing(msgspec.Struct):
    """Something with large parts and small ones."""

    number: int = 0
    name: str = ""
    guests: dict[int, tuple[str, ...]] = {}
    tasks: tuple[str, ...] = ()
    costs: Costs = {}


KIND = Kind("thing", Thing, Outline, in_parts=True, edited={"costs": costs.own})


class Client(redis.Redis):
    """A client that remembers which fields were asked for and which were written."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked, self.written, self.before_asking = [], [], lambda: None

    def hmget(self, key, names):
        self.asked.append(sorted(set(names) - {INDEX}))
        self.before_asking()
        return super().hmget(key, names)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis") / "server")
    yield server
    server.stop()


class Process:
    """What one more process does with the struct."""

    def __init__(self, url, **options):
        self.client = Client.from_url(url)
        self.parts = KeptInParts(self.client, KIND, expiry_seconds=3600, **options)
        self.sent = []
        write = self.parts._write

        def noted(keys, args):
            if args[0]:
                self.sent.append([name for name in args[4::2] if isinstance(name, str)])
            return write(keys=keys, args=args)

        self.parts._write = noted

    def load(self, key=KEY):
        return self.parts.load(key)

    def save(self, thing, key=KEY):
        self.parts.save(key, thing)


@pytest.fixture
def process(server):
    """`process()` is one more process; Redis is empty at first."""
    redis.Redis.from_url(server.url).flushall()
    made = []

    def make(**options):
        made.append(Process(server.url, **options))
        return made[-1]

    yield make
    for one in made:
        one.client.close()


def thing(**values):
    return Thing(**({"number": 1, "guests": {100: ("a",), 101: ("b",)}, "tasks": ("one",)} | values))


# --- what is loaded -----------------------------------------------------------------------------------------------


@scale
def test_what_one_saves_the_others_load(process):
    process().save(thing())

    assert process().load() == Thing(1, "", {100: ("a",), 101: ("b",)}, ("one",))
    assert process().load("another") is None


@scale
def test_what_has_not_changed_is_neither_sent_nor_fetched_and_stays_the_same_object(process):
    writer, reader = process(), process()
    writer.save(thing())
    before = reader.load()
    changed = writer.load()
    changed.tasks = ("two",)
    writer.save(changed)

    after = reader.load()

    assert writer.sent == [["tasks"]]
    assert reader.client.asked == [["costs", "guests", "name", "number", "tasks"], ["tasks"]]
    assert after.guests is before.guests
    assert (before.tasks, after.tasks) == (("one",), ("two",))


@scale
def test_loading_again_asks_for_the_index_alone(process):
    process().save(thing())
    reader = process()
    before = reader.load()

    assert reader.load().guests is before.guests
    assert len(reader.client.asked) == 1


@scale
def test_what_was_replaced_by_the_same_counts_as_unchanged(process):
    writer = process()
    writer.save(thing(name="lab"))
    writer.save(thing(name="lab", number=2))

    assert writer.sent == [["number"]]


@scale
def test_who_loads_has_an_object_of_its_own(process):
    only = process()
    only.save(thing())
    first = only.load()

    first.number, first.guests = 7, {}

    assert only.load() == thing()


@scale
def test_what_is_set_after_a_save_belongs_to_the_next_one(process):
    only = process()
    mine = thing()
    only.save(mine)

    mine.tasks = ("later",)

    assert only.load().tasks == ("one",)


@scale
def test_costs_that_are_edited_in_place_are_sent_and_nobody_sees_them_before(process):
    writer, reader = process(), process()
    writer.save(thing(costs={"tasks": [costs.Minute(5, calls=1), costs.Minute(6, calls=1)]}))
    mine = writer.load()

    LaneLedger(mine.costs, "tasks", at_epoch=6 * 60.0).record(
        seconds=0.0, bytes_received=7, status=200, is_failure=False
    )
    before = [one.calls for one in writer.load().costs["tasks"]]
    writer.save(mine)

    assert before == [1, 1]
    assert [(one.calls, one.bytes) for one in reader.load().costs["tasks"]] == [(1, 0), (2, 7)]
    assert writer.sent == [["costs"]]


# --- several who save ---------------------------------------------------------------------------------------------


@scale
def test_who_was_overtaken_saves_everything(process):
    slow, fast = process(), process()
    slow.save(thing())
    mine, theirs = slow.load(), fast.load()
    theirs.tasks, theirs.name = ("theirs",), "theirs"
    fast.save(theirs)

    mine.number = 9
    slow.save(mine)

    assert process().load() == thing(number=9)
    assert fast.load() == thing(number=9)


@scale
def test_a_redis_that_has_lost_everything_gets_everything_again(process, server):
    writer = process()
    writer.save(thing())
    mine = writer.load()
    redis.Redis.from_url(server.url).flushall()

    mine.number = 2
    writer.save(mine)

    assert process().load() == thing(number=2)


@scale
def test_what_was_dropped_elsewhere_is_none_here_and_is_not_taken_for_what_comes_after_it(process, server):
    writer, reader = process(), process()
    writer.save(thing())
    reader.load()
    redis.Redis.from_url(server.url).delete(KEY)

    gone = reader.load()
    process().save(thing(tasks=("new",)))

    assert gone is None
    assert reader.load() == thing(tasks=("new",))


@scale
def test_who_loads_while_somebody_saves_gets_the_parts_of_one_save(process):
    writer, reader = process(), process()
    writer.save(thing())
    reader.load()
    writer.save(thing(number=2, tasks=("two",)))
    numbers = iter((3, 4))

    def save_in_between():
        number = next(numbers, None)
        if number is not None:
            writer.save(thing(number=number, tasks=(f"{number}",), name=f"{number}"))

    reader.client.before_asking = save_in_between

    assert reader.load() == thing(number=4, tasks=("4",), name="4")
    assert reader.client.asked[1:] == [
        ["number", "tasks"],
        ["name", "number", "tasks"],
        ["costs", "guests", "name", "number", "tasks"],
    ]


@scale
def test_what_is_gone_while_it_is_loaded_is_none(process, server):
    process().save(thing())
    reader = process()
    reader.client.before_asking = lambda: redis.Redis.from_url(server.url).delete(KEY)

    assert reader.load() is None


@scale
def test_two_that_save_and_two_that_load_all_the_time_see_whole_states_only(process):
    writers, readers, mixed, seen = (process(), process()), (process(), process()), [], set()
    writers[0].save(thing(number=0, name="0", guests={0: ("0",)}, tasks=("0",)))
    done = threading.Event()

    def write(one, first):
        for number in range(first, first + 600, 2):
            mine = one.load()
            word = f"{number}"
            mine.number, mine.name, mine.tasks = number, word, (word,)
            mine.guests = {number: (word,)}
            one.save(mine)

    def read(one):
        while not done.is_set():
            found = one.load()
            word = f"{found.number}"
            seen.add(found.number)
            if (found.name, found.guests, found.tasks) != (word, {found.number: (word,)}, (word,)):
                mixed.append(found)

    reading = [threading.Thread(target=read, args=(one,)) for one in (*readers, readers[0])]
    writing = [threading.Thread(target=write, args=(one, n + 1)) for n, one in enumerate(writers)]
    for thread in (*reading, *writing):
        thread.start()
    for thread in writing:
        thread.join()
    done.set()
    for thread in reading:
        thread.join()

    assert mixed == []
    assert len(seen) > 20


# --- expiry, other releases, broken parts -------------------------------------------------------------------------


@scale
@pytest.mark.parametrize("changes", [{}, {"number": 2}], ids=["nothing new", "something new"])
def test_every_save_renews_the_expiry(process, server, changes):
    writer, client = process(), redis.Redis.from_url(server.url)
    writer.save(thing())
    first = client.ttl(KEY)
    client.expire(KEY, 10)

    writer.save(thing(**changes))

    assert 3590 < first <= 3600
    assert 3590 < client.ttl(KEY) <= 3600


@scale
def test_an_attribute_that_another_release_did_not_have_is_as_it_is_at_first(process, server):
    process().save(thing(name="lab"))
    client = redis.Redis.from_url(server.url)
    index = msgspec.msgpack.decode(client.hget(KEY, INDEX))
    del index["name"]
    client.hset(KEY, INDEX, msgspec.msgpack.encode(index | {"unheard_of": b"stamp"}))

    assert process().load() == thing(name="")


BROKEN = {
    "part": lambda client: client.hset(KEY, "guests", b"\xc1"),
    "part of another type": lambda client: client.hset(KEY, "guests", msgspec.msgpack.encode("text")),
    "part that is missing": lambda client: client.hdel(KEY, "guests"),
    "index": lambda client: client.hset(KEY, INDEX, b"\xc1"),
    "index of another type": lambda client: client.hset(KEY, INDEX, msgspec.msgpack.encode([1])),
}


@scale
@pytest.mark.parametrize("harm", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_is_an_error_of_its_own_kind_and_the_next_save_mends_it(process, server, harm):
    process().save(thing())
    harm(redis.Redis.from_url(server.url))
    reader = process()

    with pytest.raises(msgspec.MsgspecError):
        reader.load()
    reader.save(thing(number=2))

    assert process().load() == thing(number=2)


# --- what is remembered -------------------------------------------------------------------------------------------


@scale
def test_what_has_become_too_much_is_loaded_anew(process):
    process().save(thing())
    process().save(thing(), "another")
    reader = process(most_bytes=1)

    first = reader.load()
    reader.load("another")
    again = reader.load()

    assert again == first
    assert again.guests is not first.guests


def kept(size):
    """One save of so many bytes."""
    return Save(b"", {"guests": Attribute(b"stamp", {}, size)})


def test_the_longest_unused_is_forgotten_first():
    recent = Recent(most_bytes=10)
    recent.put("a", kept(4))
    recent.put("b", kept(4))
    recent.get("a")

    recent.put("c", kept(4))

    assert [recent.get(key) is not None for key in "abc"] == [True, False, True]
    assert recent.size_bytes == 8


def test_the_newest_stays_however_large_it_is():
    recent = Recent(most_bytes=10)
    recent.put("a", kept(4))

    recent.put("b", kept(400))

    assert [recent.get(key) is not None for key in "ab"] == [False, True]
    assert recent.size_bytes == 400


def test_what_is_put_again_counts_once():
    recent = Recent(most_bytes=10)
    recent.put("a", kept(4))

    recent.put("a", kept(5))

    assert recent.size_bytes == 5
    recent.drop("a")
    recent.drop("a")
    assert recent.size_bytes == 0


def test_what_nobody_asks_for_is_forgotten_after_a_while(monkeypatch):
    recent, now = Recent(most_bytes=100), [1000.0]
    monkeypatch.setattr(parts, "time", SimpleNamespace(monotonic=lambda: now[0]))
    recent.put("a", kept(1))
    recent.put("b", kept(1))
    now[0] += 800
    recent.get("b")
    now[0] += 800

    recent.put("c", kept(1))

    assert [recent.get(key) is not None for key in "abc"] == [False, True, True]
