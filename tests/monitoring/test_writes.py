"""What hours of polls write to the database: what has changed, and of all that goes on changing little."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection

from monitoring.collecting import judging, run
from monitoring.known.facts import Facts
from monitoring.models import CollectedFacts
from monitoring.polling import turns
from monitoring.store import saved
from nodes.models import Instance
from tests.conftest import NOON
from tests.factories import make_instance
from tests.fake_proxmox import PbsSpec, PveSpec
from tests.fake_proxmox.fixtures import virtual_estate
from tests.monitoring.collected import moment, with_token

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

WRITES = ("UPDATE", "INSERT", "DELETE", "REPLACE")


class Written:
    """What was written: statements by their table, and the bytes of their values."""

    def __init__(self):
        self.statements = Counter()
        self.bytes = 0

    @property
    def most(self):
        """How many statements the tables have had, the most written first."""
        return dict(self.statements.most_common())

    def note(self, execute, sql, params, many, context):
        """Count one statement; see Django's `execute_wrapper`."""
        verb, *words = sql.split()
        if verb in WRITES:
            table = next(word for word in words if word.startswith('"')).strip('"')
            for values in params if many else (params,):
                self.statements[table] += 1
                self.bytes += sum(size_of(value) for value in values or ())
        return execute(sql, params, many, context)


def size_of(value):
    """How many bytes a value takes, about."""
    return len(value) if isinstance(value, str | bytes | memoryview) else 8


@contextmanager
def written():
    """Count what is written inside the block."""
    counted = Written()
    with connection.execute_wrapper(counted.note):
        yield counted


@pytest.mark.timeout(300)
def test_an_hour_of_polls_of_fifty_guests_writes_little(watch, own_store):
    with virtual_estate(PveSpec(name="lab", nodes=3, guests=50), PbsSpec(name="vault"), seed=7) as estate:
        site, vault = estate.site("lab"), estate.site("vault").servers[0]
        both = [with_token(watch(site), site), watch(vault, "pbs", name="vault")]
        both[0].server = estate
        go_on(both, minutes=20)

        with written() as counted:
            go_on(both, minutes=60)

    # Each five minutes that both answer, that three members are online, and what is known of the cluster; of the server when. Each
    # minute the samples of both; and the one task of that hour.
    assert counted.most == {
        "monitoring_historybatch": 120,
        "nodes_instance": 24,
        "nodes_clusterendpoint": 12,
        "monitoring_collectedfacts": 12,
        "monitoring_historyevent": 1,
    }
    assert counted.bytes < 700_000  # of which samples are 430,000


def go_on(watched, *, minutes):
    """Let so many minutes of polls, visits and judgements go by, planned as the process plans them."""
    for _ in range(minutes * 6):
        for one in watched:
            one.server.clock.advance(10 if one is watched[0] else 0)
            one.seconds += 10
        at = moment(watched[0])
        turns.PLAN.take(
            lambda: Instance.objects.polled().values_list("pk", "next_poll_at"),
            at=at,
            monotonic=at.timestamp(),
            interval=10.0,
        )
        for one in watched:
            one.poll()
            run.collect(one.instance.pk, at)
        judging.judge_if_due(at)


def facts_that_take(size):
    """Facts that were saved at noon and took so many bytes, with news since."""
    return Facts(
        saved_epoch=NOON.timestamp(), saved_bytes=size, touched=1, visited_epoch=NOON.timestamp() + 1
    )


@pytest.mark.parametrize(
    ("size", "minutes"), [(0, 5), (20_000, 5), (50_000, 12), (150_000, 36), (50_000_000, 60)]
)
def test_the_larger_the_facts_the_less_often_they_are_saved(size, minutes):
    instance, facts = make_instance(), facts_that_take(size)

    saved.save(instance, facts, at=NOON + timedelta(minutes=minutes, seconds=-1))
    assert CollectedFacts.objects.count() == 0

    saved.save(instance, facts, at=NOON + timedelta(minutes=minutes))
    assert CollectedFacts.objects.count() == 1
    assert facts.saved_bytes == len(bytes(CollectedFacts.objects.get().body))


@pytest.mark.parametrize(
    "step", [timedelta(hours=-1), timedelta(hours=1), timedelta(days=-1), timedelta(days=1)]
)
def test_facts_are_saved_by_whatever_clock_there_is(step):
    instance, facts = make_instance(), facts_that_take(0)

    saved.save(instance, facts, at=NOON + step)

    assert CollectedFacts.objects.get().saved_at == NOON + step


def test_when_the_process_ends_everything_is_saved_that_is_new(own_store):
    new, old, paused = make_instance(), make_instance(), make_instance(is_paused=True)
    own_store.save(saved.FACTS, facts_that_take(300_000), of=new.pk)
    own_store.save(saved.FACTS, Facts(), of=old.pk)
    own_store.save(saved.FACTS, facts_that_take(0), of=paused.pk)

    assert saved.save_all(at=NOON + timedelta(seconds=2), seconds=5.0) == 1
    assert list(CollectedFacts.objects.values_list("instance", flat=True)) == [new.pk]


def test_what_cannot_be_saved_in_time_is_left(own_store):
    instance = make_instance()
    own_store.save(saved.FACTS, facts_that_take(0), of=instance.pk)

    assert saved.save_all(at=NOON, seconds=0.0) == 0
    assert CollectedFacts.objects.count() == 0


def test_the_last_answer_before_a_host_falls_silent_is_exact(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    for _ in range(20):
        watched.poll(after=10)
    assert watched.row().last_success_at == NOON
    fake_pve.faults.add("down")

    watched.poll(after=10)

    assert watched.row().last_success_at == NOON + timedelta(seconds=200)
