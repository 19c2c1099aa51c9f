"""Facts over a restart: saved now and then, and there again from what was saved."""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.db import DatabaseError

from monitoring.known.facts import FACTS, LAYOUT, Facts
from monitoring.models import CollectedFacts
from monitoring.store.current import store
from nodes.models import Instance
from pulse.lib import saving

logger = logging.getLogger(__name__)

#: Facts survive a restart; they are written this often when they have changed.
SAVE_SECONDS = 300.0
#: When only their instants have, which say how long they may be shown.
SAVE_INSTANTS_SECONDS = 900.0
#: However large they are, they write a quarter of a megabyte an hour. What is lost when the process is killed is read again when it
#: is due by what was saved, and tells its age until then; a process that is told to end saves all of it.
BYTES_PER_SECOND = 250_000 / 3600
LONGEST_SECONDS = 3600.0


def facts_of(instance: Instance) -> Facts | None:
    """Return what is known of an instance: in the store, else as it was saved, None when nothing is."""
    facts = store().load(FACTS, of=instance.pk)
    if facts is None:
        return saved_facts(instance)
    return facts if is_of(instance, facts) else None


def saved_facts(instance: Instance) -> Facts | None:
    """Return the facts that were saved before a restart, None when there are none of this layout and this host."""
    row = CollectedFacts.objects.filter(instance=instance, layout=LAYOUT).first()
    facts = row.facts() if row is not None else None
    if facts is None or not is_of(instance, facts):
        return None
    facts.calls = facts.failed_calls = 0  # counted since the start, as those of the live polls
    return facts


def is_of(instance: Instance, facts: Facts) -> bool:
    """Return whether facts are of the host that the instance has now."""
    return facts.asked_host in ("", instance.host)


def save(instance: Instance, facts: Facts, *, at: datetime) -> None:
    """Write the facts to the database now and then when something was read: a restart asks no host for all of it again."""
    if is_new(facts) and not 0 <= at.timestamp() - facts.saved_epoch < wait_seconds(facts):
        write(instance, facts, at=at)


def save_all(*, at: datetime, seconds: float) -> int:
    """Write what is not saved yet of any instance, because the process ends; returns of how many.

    Begins nothing more after so many seconds: what is not saved is read again when it is due.
    """
    until, saved = time.monotonic() + seconds, 0
    for instance in Instance.objects.polled():
        facts = store().load(FACTS, of=instance.pk) if time.monotonic() < until else None
        if facts is not None and is_of(instance, facts) and is_new(facts):
            write(instance, facts, at=at)
            saved += 1
    return saved


def is_new(facts: Facts) -> bool:
    """Return whether something was read since the facts were saved, be it only the same again."""
    return facts.touched != facts.saved_touched or facts.visited_epoch > facts.saved_epoch


def wait_seconds(facts: Facts) -> float:
    """Return how long facts are kept in memory alone: the longer the more they would write."""
    least = SAVE_SECONDS if facts.touched != facts.saved_touched else SAVE_INSTANTS_SECONDS
    return max(least, min(facts.saved_bytes / BYTES_PER_SECOND, LONGEST_SECONDS))


def write(instance: Instance, facts: Facts, *, at: datetime) -> None:
    """Write the facts; a database that cannot be written keeps nothing from being shown."""
    facts.saved_epoch, facts.saved_touched = at.timestamp(), facts.touched
    try:
        facts.saved_bytes = CollectedFacts.keep(instance, facts, at=at)
    except DatabaseError as error:
        if saving.is_told(error):
            return
        logger.warning("%s: what was collected could not be saved (%s)", instance.name, type(error).__name__)
