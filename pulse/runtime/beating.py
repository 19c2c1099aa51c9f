"""Celery's beat, which lets the web processes know that it is alive."""

from __future__ import annotations

import time
from typing import Any

from celery import beat

from monitoring.store.current import store
from pulse.ready import life_seconds

#: How often it shows itself.
SHOW_SECONDS = 1.0


class Scheduler(beat.Scheduler):
    """Named by `pulse beat`; entries are kept in memory."""

    shown_monotonic = 0.0

    def tick(self, *args: Any, **kwargs: Any) -> Any:
        """Send what is due; returns the seconds until something is."""
        celerys: Any = super()
        seconds = celerys.tick(*args, **kwargs)
        now = time.monotonic()
        if now - self.shown_monotonic >= SHOW_SECONDS:
            self.shown_monotonic = now
            store().show_life("beat", seconds=life_seconds())
        return seconds
