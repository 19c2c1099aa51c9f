"""Judge each instance apart from the others: what breaks over the facts of one is noted at that one, and goes no further."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from monitoring.backups.collected import Collected

logger = logging.getLogger(__name__)

Judged = TypeVar("Judged")


class Apart:
    """One judgement under way. `failed` holds, by instance, the kind of the first error of our own over its facts.

    What has failed in the same way at the judgement before is not logged again: it is judged every few seconds.
    """

    def __init__(self, *, before: Mapping[int, str] | None = None) -> None:
        self._before = before or {}
        self.failed: dict[int, str] = {}

    def of(self, known: Collected, judge: Callable[[], Judged], otherwise: Judged) -> Judged:
        """Return what is judged of an instance, `otherwise` when that fails."""
        try:
            return judge()
        except Exception as error:  # whatever its facts may break
            self.note(known.instance_id, known.name, error)
            return otherwise

    def note(self, instance_id: int, name: str, error: Exception) -> None:
        """Note an error of our own at an instance."""
        kind = type(error).__name__
        if self._before.get(instance_id) != kind and instance_id not in self.failed:
            logger.error("%s: its backups could not be judged", name, exc_info=error)
        self.failed.setdefault(instance_id, kind)
