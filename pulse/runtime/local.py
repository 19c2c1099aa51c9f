"""Celery tasks without a broker: the same tasks and the same beat schedule, in threads of this process.

While a LocalExecutor is installed, `.delay()` and `.apply_async()` hand to it; otherwise to Celery's broker.
Supported: countdown, eta, expires, `self.retry()`. Not supported, and refused: results and callbacks (canvas).
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Task
from celery.exceptions import Ignore, Reject, Retry
from celery.schedules import BaseSchedule
from celery.utils import uuid
from django.db import close_old_connections

from pulse.lib import saving
from pulse.runtime import troubles
from pulse.runtime.threads import ThreadPool

logger = logging.getLogger(__name__)

#: Enough that a dozen hosts that hang until their deadline leave threads for all the others.
THREADS = 24
#: An entry with a long period runs first this long after the start, so that a machine that is restarted
#: every evening still prunes.
FIRST_RUN_SECONDS = 60.0

_installed: LocalExecutor | None = None


def working_pool() -> ThreadPool | None:
    """Return the threads in which the tasks of this process run, None where a broker hands them to others."""
    return _installed.pool if _installed is not None else None


class LocalTask(Task):
    """A Celery task that runs in this process while a LocalExecutor is installed."""

    abstract = True

    def apply_async(
        self,
        args: Sequence[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        task_id: str | None = None,
        producer: Any = None,
        link: Any = None,
        link_error: Any = None,
        shadow: str | None = None,
        **options: Any,
    ) -> Any:
        """Run the task soon; see Celery's own documentation for the arguments.

        Raises TypeError for arguments that the task does not take, ValueError for callbacks.
        """
        executor = _installed
        if executor is None:
            publish: Any = super().apply_async
            return publish(args, kwargs, task_id, producer, link, link_error, shadow, **options)
        if link or link_error:
            raise ValueError(f"{self.name}: callbacks do not run without a broker")
        return executor.submit_task(self, tuple(args or ()), dict(kwargs or {}), task_id or uuid(), options)


class LocalExecutor:
    """Runs tasks now, later or on a schedule: one thread that watches the clock, and a pool that works."""

    def __init__(self, threads: int = THREADS) -> None:
        self.pool = ThreadPool(threads, name="task")
        self._due: list[tuple[float, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._clock: threading.Thread | None = None

    def install(self) -> None:
        """Make this the executor of every LocalTask and start the clock."""
        global _installed
        _installed = self
        self._clock = threading.Thread(target=self._watch, name="schedule", daemon=True)
        self._clock.start()

    def stop(self, timeout_seconds: float = 1.0) -> bool:
        """Start nothing further; return whether the running tasks ended within the time."""
        global _installed
        with self._changed:
            self._is_stopping = True
            self._due.clear()
            self._changed.notify()
        ended = self.pool.stop(timeout_seconds)
        if _installed is self:
            _installed = None
        return ended

    def call_later(self, delay_seconds: float, call: Callable[[], object]) -> None:
        """Run a plain call in a pool thread after the delay."""
        self.at(time.monotonic() + delay_seconds, lambda: self.pool.submit(call))

    def submit_task(
        self,
        task: Task,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        task_id: str,
        options: Mapping[str, Any],
    ) -> Any:
        """Run one task with Celery's options `countdown`, `eta`, `expires` and `retries`."""
        if task.typing:
            check_arguments = task.__header__  # type: ignore[attr-defined]  # Celery sets it on the class
            check_arguments(*args, **kwargs)  # raises here, as Celery does, instead of in the thread
        now = time.monotonic()
        delay = seconds_until(options.get("countdown") or options.get("eta"))
        expires = options.get("expires", task.expires)
        deadline = now + seconds_until(expires) if expires is not None else None
        retries = int(options.get("retries") or 0)

        def call() -> None:
            if deadline is None or time.monotonic() <= deadline:
                run_task(task, args, kwargs, task_id, retries)
            else:
                logger.debug("task %s expired before a thread was free", task.name)

        if delay > 0:
            self.at(now + delay, lambda: self.pool.submit(call))
        else:
            self.pool.submit(call)
        return task.AsyncResult(task_id)

    def beat(self, schedule: Mapping[str, Mapping[str, Any]], tasks: Mapping[str, Task]) -> None:
        """Run every entry of a CELERY_BEAT_SCHEDULE on time; an entry is skipped while its last run is on."""
        for name, entry in schedule.items():
            BeatEntry(self, name, tasks[entry["task"]], entry).arm_first()

    def at(self, due: float, call: Callable[[], object]) -> None:
        """Make the call in the clock's own thread when the monotonic clock shows `due`; it must be quick."""
        with self._changed:
            if not self._is_stopping:
                heapq.heappush(self._due, (due, next(self._order), call))
                self._changed.notify()

    def _watch(self) -> None:
        while True:
            with self._changed:
                if self._is_stopping:
                    return
                if not self._due:
                    self._changed.wait()
                    continue
                wait = self._due[0][0] - time.monotonic()
                if wait > 0:
                    self._changed.wait(wait)
                    continue
                call = heapq.heappop(self._due)[2]
            try:
                call()
            except Exception:
                # One entry that cannot be handed over must not stop the clock of all the others.
                logger.exception("a scheduled call could not be started")


class BeatEntry:
    """One line of the beat schedule: armed again before each run, skipped while its last run is on."""

    def __init__(self, executor: LocalExecutor, name: str, task: Task, entry: Mapping[str, Any]) -> None:
        self.executor = executor
        self.name = name
        self.task = task
        self.schedule = entry["schedule"]
        self.args = tuple(entry.get("args", ()))
        self.kwargs = dict(entry.get("kwargs", {}))
        self.expires_seconds = seconds_until((entry.get("options") or {}).get("expires")) or None
        self.is_running = threading.Lock()
        self.due = 0.0

    def arm_first(self) -> None:
        """Schedule the first run: at once for a period under a minute, else after the first minute."""
        period = seconds_to_next(self.schedule)
        is_calendar = isinstance(self.schedule, BaseSchedule)
        delay = period if is_calendar else 0.0 if period < FIRST_RUN_SECONDS else FIRST_RUN_SECONDS
        self.due = time.monotonic() + delay
        self.executor.at(self.due, self.start)

    def start(self) -> None:
        """Hand one run to the pool and arm the next; runs that were missed are not made up for."""
        now = time.monotonic()
        period = seconds_to_next(self.schedule)
        self.due = self.due + period if self.due + period > now else now + period
        self.executor.at(self.due, self.start)
        if not self.is_running.acquire(blocking=False):
            logger.debug("%s is still running: this turn is skipped", self.name)
            return
        if not self.executor.pool.submit(lambda: self.run(now)):
            self.is_running.release()

    def run(self, submitted: float) -> None:
        """Run the task, unless it waited for a thread for longer than it may."""
        try:
            if self.expires_seconds is None or time.monotonic() - submitted <= self.expires_seconds:
                run_task(self.task, self.args, self.kwargs, uuid(), 0)
        finally:
            self.is_running.release()


def run_task(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], task_id: str, retries: int) -> None:
    """Run the task in this thread, as a worker would; what it raises is logged."""
    task.push_request(
        args=args, kwargs=kwargs, id=task_id, retries=retries, called_directly=False, is_eager=False
    )
    close_old_connections()
    try:
        task.run(*args, **kwargs)
    except Retry:
        pass  # retry() has handed the next try to apply_async before it raised
    except (Ignore, Reject):
        logger.debug("task %s gave its turn back", task.name)
    except Exception as error:
        if not saving.is_told(error):
            logger.exception("task %s failed", task.name)
        troubles.failed(str(task.name), args, error)
    else:
        troubles.succeeded(str(task.name), args)
    finally:
        # Pool threads live for ever: without this a broken connection would serve every later task.
        close_old_connections()
        task.pop_request()


def seconds_until(moment: float | timedelta | datetime | None) -> float:
    """Return the seconds from now to a moment given as seconds, a span or an instant; 0 for None."""
    if moment is None:
        return 0.0
    if isinstance(moment, datetime):
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (aware - datetime.now(UTC)).total_seconds()
    if isinstance(moment, timedelta):
        return moment.total_seconds()
    return float(moment)


def seconds_to_next(schedule: float | timedelta | BaseSchedule) -> float:
    """Return the seconds until an entry that ran just now is due again."""
    if isinstance(schedule, BaseSchedule):
        return max(0.0, float(schedule.remaining_estimate(schedule.now()).total_seconds()))
    return seconds_until(schedule)
