"""A beat schedule that no step of the clock stops: Celery's own waits until the clock is back where it was."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from celery.schedules import BaseSchedule, schedule

_BEGAN_AT, _BEGAN_MONOTONIC = datetime.now(UTC), time.monotonic()


def steady_now() -> datetime:
    """Return the instant that it would be had nobody set the clock since the process began."""
    return _BEGAN_AT + timedelta(seconds=time.monotonic() - _BEGAN_MONOTONIC)


def steady(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return a CELERY_BEAT_SCHEDULE with its periods by that; times of day stay those of the clock."""
    return {name: {**entry, "schedule": period_of(entry["schedule"])} for name, entry in entries.items()}


def period_of(told: float | timedelta | BaseSchedule) -> BaseSchedule:
    """Return a period that goes by `steady_now`."""
    return told if isinstance(told, BaseSchedule) else schedule(told, nowfun=steady_now)
