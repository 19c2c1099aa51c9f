"""Note which tasks of Pulse itself fail, in whichever process they run, so that it can be told."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitoring.known.troubles import Troubles

logger = logging.getLogger(__name__)

#: Tasks that this process has seen fail, and not succeed since; each with its subject.
_failing: set[tuple[str, int]] = set()
_lock = threading.Lock()


def failed(task: str, args: Sequence[Any], error: BaseException) -> None:
    """Note that a task has failed; never raises."""
    from monitoring.known import troubles  # late: tasks are declared before the settings are there

    subject = subject_of(args)
    _failing.add((task, subject))
    now = time.time()
    change(lambda known: troubles.with_failure(known, task, subject, type(error).__name__, at_epoch=now))


def succeeded(task: str, args: Sequence[Any]) -> None:
    """Note that a task has succeeded; costs nothing unless this process has seen it fail. Never raises."""
    subject = subject_of(args)
    if (task, subject) not in _failing:
        return
    from monitoring.known import troubles

    _failing.discard((task, subject))
    change(lambda known: troubles.without_failure(known, task, subject))


def subject_of(args: Sequence[Any]) -> int:
    """Return the key of the instance that a task is about, 0 for one about all of them."""
    return args[0] if args and isinstance(args[0], int) else 0


def change(how: Callable[[Troubles], Troubles]) -> None:
    """Replace what is known of failing tasks. Two processes at once may lose one failure: the next one notes it again."""
    from monitoring.known.troubles import NO_TROUBLES, TROUBLES
    from monitoring.store.current import store

    try:
        with _lock:
            store().save(TROUBLES, how(store().load(TROUBLES) or NO_TROUBLES))
    except Exception:  # the store itself may be what fails
        logger.exception("that a task fails could not be noted")
