"""By what is told, without loading anything, that what is known of an instance has changed for the judgement."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from monitoring.backups.judgement import JUDGEMENT
from monitoring.collecting import evidence, judging
from monitoring.known.facts import FACTS, Facts
from monitoring.known.lanes import Lane, Progress
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.models import CollectedFacts
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from nodes.models import Instance
from nodes.proxmox.readings.live import GuestReading, ResourcesReading, StorageReading
from tests.conftest import NOON
from tests.factories import make_guest, make_instance

pytestmark = pytest.mark.django_db

GUEST = GuestReading(100, "qemu", "pve1", "running", name="web", cpu_ratio=0.5, uptime_seconds=60)
OTHERS = {
    "number": {"vmid": 101},
    "kind": {"kind": "lxc"},
    "node": {"node": "pve2"},
    "name": {"name": "mail"},
    "pool": {"pool": "customers"},
    "template": {"is_template": True},
}
SAME = {"status": {"status": "stopped"}, "load": {"cpu_ratio": 0.75, "uptime_seconds": 70}}


def marks():
    """The marks of all instances as they are in the database now."""
    return evidence.marks_of(list(Instance.objects.all()))


def read(instance, **fields):
    """Let the guest be read with these fields."""
    memory = PollMemory(reading=ResourcesReading(guests=(replace(GUEST, **fields),)))
    current.store().save(MEMORY, memory, of=instance.pk)


@pytest.fixture
def instance():
    """A cluster with one guest and facts of version 4."""
    instance = make_instance(name="lab")
    current.store().save(FACTS, Facts(version=4), of=instance.pk)
    read(instance)
    return instance


@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS)
def test_another_mark_for_what_is_judged_of_a_guest(instance, fields):
    before = marks()

    read(instance, **fields)

    assert marks().keys() == before.keys() == {instance.pk}
    assert marks() != before


@pytest.mark.parametrize("fields", SAME.values(), ids=SAME)
def test_the_same_mark_whatever_the_load_of_a_guest(instance, fields):
    before = marks()

    read(instance, **fields)

    assert marks() == before


STORAGES = {
    "name": (True, {"name": "tape"}),
    "node": (True, {"node": "pve2"}),
    "shared": (True, {"is_shared": True}),
    "no more backups": (True, {"content": ("images",)}),
    "load": (False, {"used_bytes": 7, "status": "unknown"}),
}


@pytest.mark.parametrize(("is_other", "fields"), STORAGES.values(), ids=STORAGES)
def test_another_mark_for_what_is_judged_of_a_storage(instance, is_other, fields):
    storage = StorageReading("nas", "pve1", "available", content=("backup",))
    current.store().save(MEMORY, PollMemory(reading=ResourcesReading(storages=(storage,))), of=instance.pk)
    before = marks()

    storages = (replace(storage, **fields),)
    current.store().save(MEMORY, PollMemory(reading=ResourcesReading(storages=storages)), of=instance.pk)

    assert (marks() != before) is is_other


def test_another_mark_for_facts_that_are_judged_alone(instance):
    before = marks()
    current.store().save(
        FACTS, Facts(version=4, progress={Lane.TASKS: {"": Progress(1.0, 1.0)}}), of=instance.pk
    )
    same = marks()
    current.store().save(FACTS, Facts(version=5), of=instance.pk)

    assert same == before
    assert marks() != before


@pytest.mark.parametrize(
    "fields",
    [{"name": "other"}, {"host": "https://other.test:8006"}, {"fingerprint": "AA:BB"}],
    ids=["name", "host", "fingerprint"],
)
def test_another_mark_for_an_instance_that_was_edited(instance, fields):
    before = marks()

    Instance.objects.filter(pk=instance.pk).update(**fields)

    assert marks() != before


def test_an_instance_that_another_one_stands_for_has_no_mark(instance):
    current.store().save(MEMORY, PollMemory(duplicate_of=99), of=instance.pk)

    assert marks() == {}


def test_an_instance_of_which_nothing_is_known_has_a_mark_and_so_has_one_that_was_just_read(instance):
    other = make_instance(name="new")
    before = marks()[other.pk]

    read(other)

    assert marks()[other.pk] != before


def test_a_paused_pve_has_another_mark_only_when_its_facts_were_saved_again(
    instance, django_assert_num_queries
):
    CollectedFacts.keep(instance, Facts(version=4), at=NOON)
    polled = marks()
    Instance.objects.filter(pk=instance.pk).update(is_paused=True)
    paused = marks()
    read(instance, name="unseen")
    same = marks()
    CollectedFacts.keep(instance, Facts(version=4), at=NOON + timedelta(seconds=300))
    rows = list(Instance.objects.all())

    with django_assert_num_queries(1) as asked:
        saved = evidence.marks_of(rows)

    assert polled != paused
    assert same == paused
    assert saved != paused
    assert "body" not in asked[0]["sql"]


def test_a_paused_pbs_has_no_mark():
    make_instance("pbs", is_paused=True)

    assert marks() == {}


def test_a_paused_instance_without_saved_facts_has_a_mark():
    paused = make_instance(is_paused=True)

    assert marks().keys() == {paused.pk}


def test_nothing_is_loaded_while_nothing_has_changed(instance, monkeypatch):
    make_guest(instance, vmid=123)
    assert judging.judge_if_due(NOON) is True
    loaded, load = [], MemoryStore.load
    monkeypatch.setattr(
        MemoryStore, "load", lambda self, kind, **of: loaded.append(kind) or load(self, kind, **of)
    )

    assert judging.judge_if_due(NOON + timedelta(seconds=10)) is False
    assert set(loaded) == {JUDGEMENT}


def test_the_facts_of_a_paused_pve_are_opened_once_and_forgotten_when_it_is_polled_again(
    instance, monkeypatch
):
    opened = []
    facts_of = CollectedFacts.facts
    monkeypatch.setattr(CollectedFacts, "facts", lambda self: opened.append(self.pk) or facts_of(self))
    CollectedFacts.keep(instance, Facts(version=4), at=NOON)
    instance.is_paused = True

    first, second = evidence.collected_of(instance), evidence.collected_of(instance)
    instance.is_paused = False
    evidence.collected_of(instance)

    assert first.facts is second.facts
    assert opened == [instance.pk]
    assert instance.pk not in evidence._saved
