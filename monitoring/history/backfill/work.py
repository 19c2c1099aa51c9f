"""The reading itself: a slice of each instance now and then, under a lease, so that it can end at any moment and goes on after it.

It is of the lowest rank: one call at a time, made only while nothing else is asked of the host, in one thread, for a part of the time.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime

from django.db import DatabaseError

from monitoring.choices import BackfillReason, BackfillState
from monitoring.history.backfill import orders
from monitoring.history.backfill.slices import Outcome, Slice
from monitoring.history.telling import keep_told
from monitoring.known.memory import MEMORY, PollMemory
from monitoring.models import Backfill
from monitoring.store.current import store
from monitoring.store.leases import lease
from nodes.connecting import connection_for, words_of
from nodes.models import Instance
from nodes.proxmox.errors import CredentialUnreadable, ProxmoxError, TimedOut
from nodes.proxmox.slots import Rank, in_background

logger = logging.getLogger(__name__)

#: One run for all instances, and one slice for each: no new object is begun after that.
RUN_SECONDS = 3.0
SLICE_SECONDS = 2.0
#: Of a process that was killed within a slice.
LEASE_SECONDS = 120
#: A new instance is read once its inventory is there.
FIRST_POLLS = 2
#: After a failure it is tried again later, each time twice as late.
RETRY_SECONDS = 30.0
LONGEST_RETRY_SECONDS = 1_800.0
#: An object that has let the host run out of time so often is passed over.
PATIENCE = 3
#: A flaw of ours that stays ends it.
FLAWS = 5


def run(at: datetime) -> int:
    """Order what is new, and read a slice of each instance whose turn it is; returns how many slices. Never raises for what a host does."""
    began = time.monotonic()
    orders.order_for_new(at)
    orders.cancel_paused(at)
    slices = 0
    for backfill in due(at):
        if time.monotonic() - began > RUN_SECONDS:
            break
        with lease(f"backfill:{backfill.instance_id}", LEASE_SECONDS) as held:
            slices += held and take(backfill.pk, at)
    return slices


def due(at: datetime) -> list[Backfill]:
    """Return the next of each instance that is not put off, the instances that have waited longest first.

    The oldest of an instance is next, but a gap comes before all else: its samples are gone after half an hour.
    """
    following: dict[int, Backfill] = {}
    for backfill in sorted(orders.open_ones(), key=lambda one: one.reason != BackfillReason.GAP):
        following.setdefault(backfill.instance_id, backfill)
    found = [one for one in following.values() if is_time(one, at)]
    return sorted(found, key=lambda one: one.tried_at.timestamp() if one.tried_at else 0.0)


def is_time(backfill: Backfill, at: datetime) -> bool:
    """Return whether the host may be tried; one that was tried in the future says that the clock was set back."""
    if backfill.tried_at is None or not backfill.trial_count:
        return True
    wait = min(RETRY_SECONDS * 2.0 ** min(backfill.trial_count - 1, 10), LONGEST_RETRY_SECONDS)
    return not 0 <= (at - backfill.tried_at).total_seconds() < wait


def take(pk: int, at: datetime) -> bool:
    """Read one slice and note how far it came; False when there was nothing to be done now."""
    backfill = orders.open_ones().filter(pk=pk).first()
    if backfill is None:
        return False
    instance = Instance.objects.polled().prefetch_related("endpoints").filter(pk=backfill.instance_id).first()
    memory = store().load(MEMORY, of=backfill.instance_id)
    if instance is None or memory is None or not is_ready(backfill, instance, memory):
        return False
    try:
        outcome = read(backfill, instance, memory, at)
    except CredentialUnreadable as error:
        return _put_off(backfill, Outcome(words_of(error, instance)), at)
    except DatabaseError as error:
        logger.warning("%s: what Proxmox told cannot be kept (%s)", instance.name, type(error).__name__)
        return _put_off(backfill, Outcome("What was read could not be kept"), at)
    except Exception as error:  # a flaw of ours must not hold up the other instances
        logger.exception("%s: Proxmox's own records could not be read", instance.name)
        outcome = Outcome(f"A flaw in Pulse: {type(error).__name__}")
        if backfill.trial_count + 1 >= FLAWS:
            return orders.end(backfill, BackfillState.FAILED, message=outcome.message, at=at)
        return _put_off(backfill, outcome, at)
    return _note(backfill, outcome, at)


def is_ready(backfill: Backfill, instance: Instance, memory: PollMemory) -> bool:
    """Return whether the host answers its live polls, and its inventory is there."""
    if memory.instance_version != instance.version or memory.failures or memory.succeeded_epoch is None:
        return False
    return backfill.reason != BackfillReason.ADDED or memory.cycles >= FIRST_POLLS


def read(backfill: Backfill, instance: Instance, memory: PollMemory, at: datetime) -> Outcome:
    """Read a slice and keep what it told. Raises DatabaseError when that cannot be kept."""
    until = time.monotonic() + SLICE_SECONDS
    connection = connection_for(instance)
    with in_background(Rank.LAST):
        piece = Slice(backfill, instance, memory, connection, at)
        try:
            piece.read(until=until, is_wanted=lambda: is_wanted(backfill.pk))
        except TimedOut as error:
            piece.stopped(words_of(error, instance))
            if backfill.trial_count + 1 >= PATIENCE and not piece.outcome.marks:
                piece.pass_over(words_of(error, instance))
        except ProxmoxError as error:  # the host or the account is the matter, not one object
            piece.stopped(words_of(error, instance))
    if piece.points and is_wanted(backfill.pk):
        keep_told(instance.pk, piece.points)
    return piece.outcome


def is_wanted(pk: int) -> bool:
    """Return whether nobody has cancelled it, and its instance is there and not paused."""
    return orders.open_ones().filter(pk=pk, instance__is_paused=False).exists()


def _note(backfill: Backfill, outcome: Outcome, at: datetime) -> bool:
    """Save how far it came, unless somebody has ended it meanwhile."""
    message = outcome.message or backfill.message
    progress = {
        "state": BackfillState.RUNNING if outcome.marks or outcome.is_complete else backfill.state,
        "cursor": outcome.cursor if outcome.marks else backfill.cursor,
        "done_count": backfill.done_count + outcome.read,
        "failed_count": backfill.failed_count + outcome.failed,
        "total_count": outcome.total,
        "message": message[: orders.MESSAGE_LIMIT],
        "trial_count": backfill.trial_count + 1 if outcome.is_stopped else 0,
        "tried_at": at,
    }
    if outcome.begins_anew:
        progress |= {"done_count": outcome.read, "failed_count": outcome.failed}
    if not orders.open_ones().filter(pk=backfill.pk, cursor=backfill.cursor).update(**progress):
        return False
    if outcome.is_complete:
        nothing = not progress["done_count"] and bool(progress["failed_count"])
        state = BackfillState.FAILED if nothing else BackfillState.DONE
        orders.end(backfill, state, message=message, at=at)
    return True


def _put_off(backfill: Backfill, outcome: Outcome, at: datetime) -> bool:
    orders.open_ones().filter(pk=backfill.pk).update(
        message=outcome.message[: orders.MESSAGE_LIMIT],
        trial_count=backfill.trial_count + 1,
        tried_at=at,
    )
    return False
