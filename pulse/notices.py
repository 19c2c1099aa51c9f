"""What Pulse has to tell about itself: gathered from the rows of the apps, and kept where every poll looks."""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError

from accounts.models import LoopbackEnd
from monitoring.known.notices import NOTICES, Notice, Notices
from monitoring.store.current import store

logger = logging.getLogger(__name__)


def tell(**rest: Any) -> None:
    """Keep the notices as they are now; also called as the receiver of `accounts.fresh.loopback_ended`. Never raises."""
    try:
        store().save(NOTICES, Notices(tuple(map(notice_of, LoopbackEnd.objects.all()))))
    except DatabaseError:
        logger.exception("what is to be told could not be read")
    except Exception:  # the store may be out of reach
        logger.exception("what is to be told could not be kept")


def notice_of(end: LoopbackEnd) -> Notice:
    """Return what is told of the end of the loopback exception."""
    if end.cause == LoopbackEnd.Cause.FORMER:
        text = (
            "The keys of a former database were found without it: Pulse has begun anew, and serves nobody without a "
            "credential until it is claimed"
        )
        return Notice("former_keys", text, end.ended_at.timestamp())
    text = f"Since {end.sign}, this machine too is served only with a credential: claim Pulse before a proxy leads to it"
    return Notice("loopback_ended", text, end.ended_at.timestamp())
