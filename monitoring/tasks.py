"""Background work of monitoring: find what is due, poll one instance, judge, look after the history."""

from __future__ import annotations

import logging
import time

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from monitoring.collecting import judging, run
from monitoring.exporting.remote import turns as remote_turns
from monitoring.history import outlook, pruning, retention, sealing_round
from monitoring.history.backfill import work
from monitoring.polling import polls, turns
from monitoring.store.current import store
from nodes.models import Instance

logger = logging.getLogger(__name__)

#: A turn that no worker took in this time is taken with the next tick.
REMOTE_WRITE_EXPIRY_SECONDS = 10
#: A visit that no worker made in this time is made after the next poll.
COLLECT_EXPIRY_SECONDS = 20


@shared_task(name="monitoring.tasks.dispatch_polls", time_limit=30)  # type: ignore[untyped-decorator]
def dispatch_polls() -> int:
    """Enqueue a poll for every instance that is due; returns for how many. May run twice, also at the same time."""
    at, interval = timezone.now(), float(settings.POLLING_INTERVAL_SECONDS)
    if settings.PULSE_REDIS_URL:
        due = turns.claimed(at, interval=interval)
    else:
        due = turns.PLAN.take(
            lambda: Instance.objects.polled().values_list("pk", "next_poll_at"),
            at=at,
            monotonic=time.monotonic(),
            interval=interval,
        )
    for pk in due:
        poll_instance.apply_async((pk,), expires=interval * 2)
    store().show_life("tasks", seconds=3.0 * interval)
    return len(due)


@shared_task(name="monitoring.tasks.poll_instance", time_limit=120)  # type: ignore[untyped-decorator]
def poll_instance(instance_id: int) -> None:
    """Poll one instance; a second run at the same time does nothing. Never retried: the next poll comes anyway.

    What the slow lanes have to do follows, in a task of its own: it must not hold up the next poll.
    """
    if polls.poll(instance_id, timezone.now()):
        collect_instance.apply_async((instance_id,), expires=COLLECT_EXPIRY_SECONDS)


@shared_task(name="monitoring.tasks.collect_instance", time_limit=180)  # type: ignore[untyped-decorator]
def collect_instance(instance_id: int) -> None:
    """Let the slow lanes visit one instance; does nothing while the last visit is on, or none is due."""
    run.collect(instance_id, timezone.now())


@shared_task(name="monitoring.tasks.drop_removed", time_limit=30)  # type: ignore[untyped-decorator]
def drop_removed() -> int:
    """Take out of the state what is not polled any more; returns how many.

    Who pauses or deletes an instance in this process has done so already: this is for commands, which run in another.
    """
    return polls.drop_removed()


@shared_task(name="monitoring.tasks.judge_backups", time_limit=120)  # type: ignore[untyped-decorator]
def judge_backups() -> None:
    """Judge whose backups are whose and which guests are safe, if anything has changed since the last time."""
    judging.judge_if_due(timezone.now())


@shared_task(name="monitoring.tasks.seal_history", time_limit=120)  # type: ignore[untyped-decorator]
def seal_history() -> int:
    """Seal the hours of samples that are closed, and compact closed days; returns how many. A second run takes other instances."""
    return sealing_round.seal_due(at_epoch=time.time())


@shared_task(name="monitoring.tasks.prune_history", time_limit=300)  # type: ignore[untyped-decorator]
def prune_history() -> int:
    """Delete samples and events that are older than they are kept, or more than are kept; returns how many spans and rows."""
    at = timezone.now()
    return sum(retention.prune(at=at)) + pruning.prune_daily(at)


@shared_task(name="monitoring.tasks.look_ahead", time_limit=120)  # type: ignore[untyped-decorator]
def look_ahead() -> int:
    """Compute forecasts that are missing or old, some at a time; returns how many. A second run takes other instances."""
    return outlook.look_ahead(at_epoch=time.time())


@shared_task(name="monitoring.tasks.backfill_history", time_limit=120)  # type: ignore[untyped-decorator]
def backfill_history() -> int:
    """Read a slice of what hosts have kept of the past; returns of how many instances. What a second run finds taken it leaves."""
    return work.run(timezone.now())


@shared_task(name="monitoring.tasks.dispatch_remote_writes", time_limit=30)  # type: ignore[untyped-decorator]
def dispatch_remote_writes() -> int:
    """Enqueue a turn for every target that is to be sent samples; returns for how many."""
    due = remote_turns.due()
    for pk in due:
        send_remote_write.apply_async((pk,), expires=REMOTE_WRITE_EXPIRY_SECONDS)
    return len(due)


@shared_task(name="monitoring.tasks.send_remote_write", time_limit=60)  # type: ignore[untyped-decorator]
def send_remote_write(target_id: int) -> None:
    """Send one target what waits for it; does nothing while the last turn is on. Never retried: the next turn comes anyway."""
    remote_turns.take(target_id, timezone.now())
