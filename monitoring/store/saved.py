"""Facts over a restart: saved now and then, and there again from what was saved."""

from __future__ import annotations

import logging
from datetime import datetime

from django.db import DatabaseError

from monitoring.known.facts import FACTS, LAYOUT, Facts
from monitoring.models import CollectedFacts
from monitoring.store.current import store
from nodes.models import Instance

logger = logging.getLogger(__name__)

#: Facts survive a restart; they are written this often when they have changed.
SAVE_SECONDS = 300.0
#: When only their instants have, which say how long they may be shown.
SAVE_INSTANTS_SECONDS = 900.0


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
    is_news, is_read_since = facts.touched != facts.saved_touched, facts.visited_epoch > facts.saved_epoch
    wait = SAVE_SECONDS if is_news else SAVE_INSTANTS_SECONDS
    if not (is_news or is_read_since) or 0 <= at.timestamp() - facts.saved_epoch < wait:
        return
    facts.saved_epoch, facts.saved_touched = at.timestamp(), facts.touched
    try:
        CollectedFacts.keep(instance, facts, at=at)
    except DatabaseError as error:
        logger.warning("%s: what was collected could not be saved (%s)", instance.name, type(error).__name__)
