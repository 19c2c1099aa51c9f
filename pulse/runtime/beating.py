"""Celery's beat, which lets the web processes know that it is alive."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import beat

from monitoring.store.current import store
from pulse.lib.logs import Told
from pulse.ready import life_seconds

logger = logging.getLogger(__name__)

#: How often it shows itself.
SHOW_SECONDS = 1.0


class Scheduler(beat.Scheduler):
    """Named by `pulse beat`; entries are kept in memory."""

    shown_monotonic = 0.0
    told = Told()

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        """Send one task. Celery tells of each that is sent, and of each that is not with two tracebacks."""
        celerys: Any = self
        try:
            celerys.apply_async(entry, producer=producer, advance=False)
        except Exception as error:
            if self.told.is_news("broker", type(error).__name__):
                logger.warning("nothing can be scheduled: %s", error)
        else:
            if self.told.is_over("broker"):
                logger.info("tasks are scheduled again")

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due; returns the seconds until something is."""
        celerys: Any = super()
        seconds = celerys.tick(*args, **kwargs)
        now = time.monotonic()
        if now - self.shown_monotonic >= SHOW_SECONDS:
            self.shown_monotonic = now
            store().show_life("beat", seconds=life_seconds())
        return seconds
