"""What leads from one fragment to the next: by what this process has published, else by what it reads back."""

from __future__ import annotations

import msgspec
import pytest

from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.polling import publishing
from monitoring.polling.publishing import Picture, publish
from monitoring.store.current import store
from monitoring.wire.fragments import FragmentKey
from tests.factories import make_instance

pytestmark = pytest.mark.django_db
AT = 1767268800.0


@pytest.fixture
def leave():
    """Somebody listens until this is called."""
    return store().subscribe(lambda tick: None)


@pytest.fixture
def lab(leave, monkeypatch):
    """An instance without anything published, and somebody who listens."""
    monkeypatch.setattr(publishing, "_published", {})
    return make_instance()


def shown(instance, memory, cpu, *, after=0.0):
    """Publish one guest with this CPU; returns the fragment."""
    figures = Figures(guests=(GuestFigures(100, "qemu", "pve1", "running", cpu_ratio=cpu),))
    publish(instance, memory, Picture(figures), at_epoch=AT + after)
    return store().fragments()[FragmentKey(instance.pk, "resources")]


MOVED = {"vms": {"cols": ["cpu"], "rows": [["lab-pve1-100", 0.5]]}}


def test_a_fragment_says_what_has_changed_since_the_last_one(lab):
    memory = PollMemory()
    first = shown(lab, memory, 0.25)

    second = shown(lab, memory, 0.5, after=10)

    assert (first.based_on, first.changes) == (0, b"{}")
    assert (second.based_on, msgspec.json.decode(second.changes)) == (first.version, MOVED)
    assert memory.figures.guests[0].cpu_ratio == 0.5


def test_another_process_that_goes_on_says_the_same(lab):
    memory = PollMemory()
    first = shown(lab, memory, 0.25)
    publishing._published.clear()
    travelled = msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=PollMemory)

    second = shown(lab, travelled, 0.5, after=10)

    assert (second.based_on, msgspec.json.decode(second.changes)) == (first.version, MOVED)


def test_what_was_published_is_not_known_when_the_store_has_another_version(lab):
    memory = PollMemory()
    shown(lab, memory, 0.25)
    memory.fragment_version += 1

    assert shown(lab, memory, 0.5, after=10).based_on == 0


def test_a_fragment_of_another_release_is_none_to_build_on(lab):
    memory = PollMemory()
    fragment = shown(lab, memory, 0.25)
    publishing._published.clear()
    (item,) = fragment.items["vms"]
    foreign = {"vms": (msgspec.structs.replace(item, body=b'{"id": 1}'),)}
    store().remove(lab.pk)
    store().publish(msgspec.structs.replace(fragment, items=foreign))

    assert shown(lab, memory, 0.5, after=10).based_on == 0


def test_nothing_is_compared_or_kept_while_nobody_listens(lab, leave):
    memory = PollMemory()
    shown(lab, memory, 0.25)
    leave()

    second = shown(lab, memory, 0.5, after=10)

    assert (second.based_on, second.changes) == (0, b"{}")
    assert publishing._published == {}


def test_an_instance_that_was_edited_meanwhile_is_not_published(lab):
    memory = PollMemory()
    first = shown(lab, memory, 0.25)
    lab.version -= 1

    assert shown(lab, memory, 0.5, after=10) == first
    assert memory.figures.guests[0].cpu_ratio == 0.25


def test_whoever_finds_a_resource_in_a_new_fragment_finds_its_figures_as_well(lab):
    met = []

    def look(tick):
        known = store().load(MEMORY, of=lab.pk)
        met.append(known.figures.guests[0].cpu_ratio if known is not None else None)

    store().subscribe(look)

    shown(lab, PollMemory(), 0.25)

    assert met == [0.25]
