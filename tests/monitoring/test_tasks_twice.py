"""Each task may be run twice, at any moment and in any order, as a broker does that delivers again: the state is the same."""

from __future__ import annotations

from itertools import zip_longest

import pytest
from django.contrib.sessions.models import Session
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from accounts import lockout, sessions
from accounts.models import SignInFailure
from accounts.tasks import prune_sessions
from monitoring import tasks
from monitoring.choices import BackfillReason, BackfillState
from monitoring.models import Backfill, CollectedFacts
from monitoring.store import current
from monitoring.store.memory import MemoryStore
from nodes import connecting
from nodes.models import Guest, Instance, Node
from pulse.celery import app
from pulse.runtime import local
from tests.conftest import NOON
from tests.monitoring.collected import with_token

#: Every task there is, in the order in which they follow each other.
ORDER = (
    tasks.dispatch_polls,
    tasks.poll_instance,
    tasks.collect_instance,
    tasks.judge_backups,
    tasks.drop_removed,
    tasks.seal_history,
    tasks.prune_history,
    tasks.dispatch_remote_writes,
    tasks.send_remote_write,
    tasks.look_ahead,
    tasks.backfill_history,
    prune_sessions,
)
#: Those that are about one row. (There is no engine here: tests/monitoring/remote/test_sending.py takes its turns.)
OF_INSTANCE = {tasks.poll_instance.name, tasks.collect_instance.name, tasks.send_remote_write.name}
#: Of an instance's row: what only says when something was last seen to be so.
TABLES = (Instance, Node, Guest)


def test_there_is_no_task_beside_these():
    ours = {name for name in app.tasks if not name.startswith(("celery.", "tests."))}

    assert ours == {task.name for task in ORDER}


def begin(instance):
    """Make the process and the rows those of a fresh start."""
    current.install(MemoryStore())
    connecting.forget(instance.pk)
    Instance.objects.update(next_poll_at=None, state="pending", last_success_at=None)
    for table in (*TABLES[1:], CollectedFacts):
        table.objects.all().delete()
    # What the host has kept was read: to do that again and again would take longer than the interval between two polls.
    Backfill.objects.update_or_create(
        instance=instance,
        reason=BackfillReason.ADDED,
        defaults={"state": BackfillState.DONE, "end_epoch": int(NOON.timestamp())},
    )
    Session.objects.all().delete()
    SignInFailure.objects.all().delete()
    for key, end in (("over", NOON - sessions.KEPT), ("on", NOON + lockout.SPAN)):
        Session.objects.create(session_key=key, session_data="", expire_date=end)
    for at in (NOON - lockout.SPAN, NOON):
        SignInFailure.objects.create(account="somebody", network="192.0.2.0/24", failed_at=at)


def run(task, instance):
    """Run one task as a thread of this process or a worker does."""
    args = (instance.pk,) if task.name in OF_INSTANCE else ()
    local.run_task(task, args, {}, "1", 0)


def outcome():
    """Everything that anybody is shown or that is kept in rows, but for counters and keys of rows."""
    shown = {
        key: {collection: [item.body for item in items] for collection, items in fragment.items.items()}
        for key, fragment in current.store().fragments().items()
    }
    rows = [
        sorted(
            str(sorted((name, value) for name, value in row.items() if name != "id"))
            for row in table.objects.values()
        )
        for table in TABLES
    ]
    kept = (
        sorted(Session.objects.values_list("session_key", flat=True)),
        list(SignInFailure.objects.values_list("failed_at", flat=True)),
    )
    return shown, rows, kept


def differing(before, after):
    """What is not the same in two outcomes, in a few words."""
    found = []
    for key in before[0].keys() | after[0].keys():
        for collection in before[0].get(key, {}).keys() | after[0].get(key, {}).keys():
            was, now = (one[0].get(key, {}).get(collection, []) for one in (before, after))
            found += [(collection, *pair) for pair in zip_longest(was, now) if pair[0] != pair[1]]
    return found + [pair for pair in zip_longest(before[1:], after[1:]) if pair[0] != pair[1]]


@pytest.mark.slow
@pytest.mark.django_db
def test_what_is_run_twice_and_shuffled_is_as_what_is_run_once(fake_pve, watch, monkeypatch, time_machine):
    time_machine.move_to(NOON, tick=False)
    watched = with_token(watch(fake_pve), fake_pve.site)
    instance = watched.instance
    enqueued = []
    monkeypatch.setattr(tasks.poll_instance, "apply_async", lambda args, **options: enqueued.append(args))
    monkeypatch.setattr(tasks.collect_instance, "apply_async", lambda args, **options: None)
    last = tasks.poll_instance  # what was collected is shown by the next poll

    begin(instance)
    for task in (*ORDER, last):
        run(task, instance)
    once, polls = outcome(), len(enqueued)

    @given(st.permutations([*ORDER, *ORDER]), st.lists(st.sampled_from(ORDER), max_size=4))
    @settings(
        max_examples=12, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    def same(shuffled, more):
        begin(instance)
        enqueued.clear()
        for task in (tasks.poll_instance, *shuffled, tasks.poll_instance, *more, *ORDER, last):
            run(task, instance)
        assert differing(once, outcome()) == []
        assert len(enqueued) == 1

    try:
        same()
    finally:
        current.install(None)
    assert polls == 1
    assert len(once[0]) == 2
    assert [len(rows) for rows in once[1]] == [1, 1, 14]
    assert once[2] == (["on"], [NOON])
