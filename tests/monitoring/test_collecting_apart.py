"""Turns of the slow lanes where the store is elsewhere: what is known between two turns is what was saved."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.collecting import lists
from monitoring.known.facts import FACTS, Facts
from monitoring.models import CollectedFacts
from monitoring.store import current
from monitoring.store.current import KINDS
from monitoring.store.memory import MemoryStore
from monitoring.store.redis import RedisStore
from tests.monitoring.collected import facts_of, turn, with_token
from tests.scale.servers import RedisServer

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

#: What the collector may edit in place; see StateStore.
EDITED = {"costs"}
_encode = msgspec.msgpack.encode


def copied(facts):
    return msgspec.msgpack.decode(_encode(facts), type=Facts)


class Elsewhere(MemoryStore):
    """A store whose facts are what was saved, and nothing that was set on them afterwards."""

    def load(self, kind, *, of=None):
        saved = super().load(kind, of=of)
        return copied(saved) if kind is FACTS and saved is not None else saved

    def save(self, kind, kept, *, of=None):
        super().save(kind, copied(kept) if kind is FACTS else kept, of=of)


@pytest.fixture
def cluster(fake_cluster, watch):
    """Three hosts, and an account that may see everything."""
    return with_token(watch(fake_cluster), fake_cluster)


@pytest.fixture
def vault(fake_pbs, watch):
    """A backup server."""
    return watch(fake_pbs, "pbs")


def parts_of(facts):
    """Each attribute of the facts as the object that it is, and as it is encoded now."""
    return {
        name: (getattr(facts, name), _encode(getattr(facts, name)))
        for name in facts.__struct_fields__
        if name not in EDITED
    }


@pytest.mark.parametrize("kind", ["cluster", "vault"])
def test_facts_that_were_not_replaced_were_not_edited_either(kind, request):
    watched = request.getfixturevalue(kind)
    turn(watched)
    seen, edited, replaced = parts_of(facts_of(watched)), set(), set()
    for _ in range(25):
        turn(watched, after=150)
        now = parts_of(facts_of(watched))
        replaced |= {name for name, (value, _) in now.items() if seen[name][0] is not value}
        edited |= {
            name
            for name, (value, raw) in now.items()
            if seen[name][0] is value and seen[name][1] != raw
        }  # fmt: skip
        seen = now

    assert edited == set()
    assert {"progress", "tasks"} <= replaced


def test_the_lists_are_made_and_the_facts_saved_when_something_has_changed_not_at_every_turn(
    cluster, monkeypatch
):
    made, saved = [], []
    items_of, keep = lists.items_of, CollectedFacts.keep
    monkeypatch.setattr(lists, "items_of", lambda told: made.append(1) or items_of(told))
    monkeypatch.setattr(
        CollectedFacts, "keep", lambda *args, **named: saved.append(1) or keep(*args, **named)
    )
    current.install(Elsewhere())
    turn(cluster, times=10)
    made_first, saved_first = len(made), len(saved)

    turn(cluster, times=12)

    assert (made_first > 0, saved_first) == (True, 1)
    assert (len(made) - made_first, len(saved) - saved_first) == (0, 0)


@pytest.mark.scale
@pytest.mark.parametrize("kind", ["cluster", "vault"])
def test_after_each_turn_another_process_knows_the_same(kind, request, tmp_path, monkeypatch):
    watched = request.getfixturevalue(kind)
    server = RedisServer(tmp_path / "redis")
    ours, theirs = RedisStore(server.url, KINDS), RedisStore(server.url, KINDS)
    saved, different = [], []
    save = RedisStore.save

    def noted(self, kind, kept, *, of=None):
        if kind is FACTS:
            saved.append(_encode(kept))
        save(self, kind, kept, of=of)

    monkeypatch.setattr(RedisStore, "save", noted)
    current.install(ours)
    try:
        for _ in range(20):
            turn(watched, after=150)
            if theirs.load(FACTS, of=watched.instance.pk) != msgspec.msgpack.decode(saved[-1], type=Facts):
                different.append(len(saved))
    finally:
        ours.close()
        theirs.close()
        server.stop()

    assert len(saved) == 20
    assert different == []
