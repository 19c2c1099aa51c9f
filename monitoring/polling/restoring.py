"""After a restart: what was known before is shown at once, marked as old, until the hosts have answered.

In two steps. The inventory gives the resources, in a fraction of a second. What the slow lanes had collected gives
the lists and the judgement over backups; with ten thousand guests that takes a second, for which no page has to wait.
"""

from __future__ import annotations

import logging
from datetime import datetime

from monitoring.backups.judgement import JUDGEMENT, NOTHING_JUDGED, Judgement
from monitoring.collecting import judging, run
from monitoring.known.facts import FACTS, NOTHING_COLLECTED, Facts
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.known.wanted import wanted_figures
from monitoring.polling.cycle import start_anew
from monitoring.polling.polls import POLLS
from monitoring.polling.publishing import Picture, publish
from monitoring.store import saved
from monitoring.store.current import store
from monitoring.store.leases import lease
from monitoring.wire.fragments import FragmentKey
from nodes import inventory
from nodes.choices import PollState
from nodes.models import Instance

logger = logging.getLogger(__name__)


def restore_inventory(at: datetime) -> int:
    """Publish the last known resources of every instance that has no fragment yet; returns of how many.

    All are polled at once after that: the plan of the polls is not kept over a start (monitoring/polling/turns.py).
    """
    known = store().fragments()
    restored = 0
    for instance in Instance.objects.polled():
        if FragmentKey(instance.pk, "resources") in known:
            continue
        memory = store().load(MEMORY, of=instance.pk) or PollMemory()
        start_anew(memory, instance)
        if instance.last_success_at is not None:
            memory.succeeded_epoch = min(instance.last_success_at, at).timestamp()
        memory.node_ids = inventory.known_node_ids(instance)
        memory.storage_ids = inventory.known_storage_ids(instance)
        memory.absent_since = inventory.known_absence(instance)
        memory.failures = 0 if instance.state == PollState.OK else 1
        restore(instance, memory, NOTHING_COLLECTED, NOTHING_JUDGED, at=at)
        store().save(MEMORY, memory, of=instance.pk)
        restored += 1
    return restored


def restore_collected(at: datetime) -> int:
    """Make known what the slow lanes had collected, judge it and show it; returns of how many instances.

    For before the first polls. What is known already counts more than what was saved, and what cannot be restored of one
    instance keeps nothing from the others.
    """
    known = [instance for instance in Instance.objects.polled() if make_known(instance)]
    try:
        judging.judge_if_due(at)
    except Exception:
        logger.exception("what was collected before the restart could not be judged")
    for instance in known:
        try:
            show(instance, at=at)
        except Exception:
            logger.exception("%s: what was collected before the restart could not be shown", instance.name)
    return len(known)


def make_known(instance: Instance) -> bool:
    """Put what was saved of an instance into the store, unless more is there; returns whether anything is known.

    A visit of the slow lanes that is on does so itself.
    """
    with lease(f"collecting:{instance.pk}", run.LEASE_SECONDS) as held:
        facts = saved.facts_of(instance) if held else None
        if facts is None:
            return False
        store().save(FACTS, facts, of=instance.pk)
        return True


def show(instance: Instance, *, at: datetime) -> None:
    """Show what is known of an instance: in its resources while it was not polled yet, and in its lists."""
    memory, facts = store().load(MEMORY, of=instance.pk), store().load(FACTS, of=instance.pk)
    if memory is None or facts is None:
        return
    if not memory.cycles:
        restore(instance, memory, facts, store().load(JUDGEMENT) or NOTHING_JUDGED, at=at)
        store().save(MEMORY, memory, of=instance.pk)
    with lease(f"collecting:{instance.pk}", run.LEASE_SECONDS) as held:
        if held:
            run.keep(instance, memory, facts, at=at)


def restore(
    instance: Instance, memory: PollMemory, facts: Facts, judgement: Judgement, *, at: datetime
) -> None:
    """Publish what is remembered of an instance, marked as old."""
    epoch = at.timestamp()
    figures = POLLS[instance.kind].restored(instance, facts, judgement, at_epoch=epoch)
    publish(instance, memory, Picture(wanted_figures(instance, figures)), at_epoch=epoch)
