"""Which instances have something to be sealed or compacted, one after the other, for a few seconds at a time."""

from __future__ import annotations

import logging
import time

from django.db import DatabaseError

from monitoring.history import compacting, sealing
from monitoring.store.leases import lease
from nodes.models import Instance
from pulse.lib import saving

logger = logging.getLogger(__name__)

#: A round begins nothing more after this long: the next one goes on.
BUDGET_SECONDS = 5.0
#: Sealing an hour of ten thousand guests takes some seconds.
LEASE_SECONDS = 120
#: How often it is looked for days that can be compacted, though no hour was sealed.
COMPACT_SECONDS = 600.0
_looked_at: dict[int, float] = {}


def seal_due(*, at_epoch: float) -> int:
    """Seal closed hours and compact closed days, the oldest first; returns how many hours, days and months were done."""
    until, done = time.monotonic() + BUDGET_SECONDS, 0
    for pk in Instance.objects.order_by("pk").values_list("pk", flat=True):
        if time.monotonic() >= until or saving.is_refused():
            break
        with lease(f"history:{pk}", LEASE_SECONDS) as held:
            if held:
                done += seal_instance(pk, at_epoch=at_epoch, until=until)
    return done


def seal_instance(pk: int, *, at_epoch: float, until: float) -> int:
    """Do what is due of one instance; a database that cannot be written makes it be tried again."""
    done = 0
    try:
        for hour in sealing.closed_hours(pk, at_epoch=at_epoch):
            if time.monotonic() >= until:
                return done
            sealing.seal(pk, hour)
            done += 1
        if done or not 0 <= at_epoch - _looked_at.get(pk, 0.0) < COMPACT_SECONDS:
            _looked_at[pk] = at_epoch
            done += compacting.compact(pk, at_epoch=at_epoch)
        return done
    except DatabaseError as error:
        if not saving.is_told(error):
            logger.exception("the samples of instance %s could not be sealed", pk)
        return done
