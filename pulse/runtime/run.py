"""`pulse run`: one process that serves, schedules and polls. `pulse web`, `worker` and `beat`: the same, apart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import django
from django.conf import settings
from django.core import checks

from pulse.runtime.memory import keep_settled, settle_memory
from pulse.runtime.refusals import WrongConfiguration

if TYPE_CHECKING:
    from pulse.runtime.local import LocalExecutor

logger = logging.getLogger(__name__)

#: So long the first answers wait for what was collected before; of ten thousand guests it takes a second.
RESTORE_PATIENCE_SECONDS = 0.3
#: What the tasks under way get to write their last row; one that waits for a dead host is left behind.
TASK_GRACE_SECONDS = 1.0
#: What the facts get that were not saved yet.
SAVE_GRACE_SECONDS = 1.0
#: More than the most clients that are served, with room for hosts and databases.
MOST_FILES = 16_384
#: What browsers get to take their close frame.
CLOSE_SECONDS = 0.5


def run_embedded(prepare: Callable[[], None] | None = None) -> None:
    """Serve until a signal, with the tasks and the schedule in threads of this process.

    `prepare` is called with the database ready, before the first poll. Raises StartRefused and EnvError.
    """
    from pulse.runtime.lock import sole_process

    if settings.PULSE_REDIS_URL or settings.PULSE_DATABASE_URL:
        raise WrongConfiguration(
            "PULSE_REDIS_URL and PULSE_DATABASE_URL belong to `pulse web`, `pulse worker` and `pulse beat`; "
            "unset them for `pulse run`"
        )
    with sole_process(settings.PULSE_DATA_DIR):
        from pulse.runtime.server import check_port

        check_port(settings.PULSE_BIND or "127.0.0.1", settings.PULSE_PORT)
        start_django()
        if prepare is not None:
            prepare()
        serve_embedded()


def serve_embedded() -> None:
    """Restore what is known, start the schedule, serve until a signal, and stop both."""
    from django.db import connections
    from django.utils import timezone

    from monitoring.history import keeping
    from monitoring.polling import restoring
    from monitoring.store import saved
    from pulse.runtime.local import LocalExecutor
    from pulse.runtime.watching import Watcher

    watcher = Watcher()
    watcher.start()
    serving = prepare_serving()
    restoring.restore_inventory(timezone.now())
    executor = LocalExecutor()
    executor.install()
    begin(executor)
    keep_settled(executor)
    settle_memory()
    serving(lambda: executor.stop(0.0))
    watcher.stop()
    if not executor.stop(TASK_GRACE_SECONDS):
        logger.info("%d tasks that still wait for a host were left behind", executor.pool.busy)
    keeping.write_all(seconds=SAVE_GRACE_SECONDS)
    saved.save_all(at=timezone.now(), seconds=SAVE_GRACE_SECONDS)
    connections.close_all()


def begin(executor: LocalExecutor) -> None:
    """Restore what was collected before, then start the schedule; what takes long goes on beside the first answers."""
    from django.utils import timezone

    from monitoring.polling import restoring
    from pulse.celery import app

    has_begun = threading.Event()

    def restore_and_start() -> None:
        try:
            restoring.restore_collected(timezone.now())
        finally:
            # Not earlier: the first polls show what is known then.
            executor.beat(settings.CELERY_BEAT_SCHEDULE, app.tasks)
            has_begun.set()

    executor.pool.submit(restore_and_start)
    has_begun.wait(RESTORE_PATIENCE_SECONDS)


def run_web() -> None:
    """Serve until a signal; tasks and schedule run elsewhere."""
    from django.db import connections

    require_servers("web")
    start_django()
    serving = prepare_serving()
    settle_memory()
    serving(lambda: None)
    connections.close_all()


def run_worker() -> None:
    """Run tasks from the broker until a signal; Celery ends the process."""
    require_servers("worker")
    wait_as_tasks()
    start_django()
    from pulse.celery import app

    settle_memory()
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    app.worker_main(["worker", "--pool", "threads", "--concurrency", "16", "--loglevel", level(), *quiet])


def run_beat() -> None:
    """Send due tasks to the broker until a signal. Two of these do no harm: instances are claimed one by one."""
    require_servers("beat")
    wait_as_tasks()
    start_django()
    from nodes.models import Instance
    from pulse.celery import app
    from pulse.runtime.steady import steady

    Instance.objects.poll_all_soon()  # the clock may be another than before
    app.conf.beat_schedule = steady(settings.CELERY_BEAT_SCHEDULE)
    settle_memory()
    # Kept in memory: a schedule file could not be shared by two, and every entry may run again after a restart.
    app.Beat(
        scheduler_cls="pulse.runtime.beating:Scheduler",
        schedule=None,
        loglevel=level(),
        redirect_stdouts=False,
    ).run()


def prepare_serving() -> Callable[[Callable[[], Any]], None]:
    """Listen, say so, and return what serves until a signal, given what to do when the signal comes.

    Clients that connect from now on wait for the first answer instead of being refused.
    """
    from accounts import fresh
    from monitoring.feed import hub
    from pulse import notices
    from pulse.runtime.greeting import bind_address, greeting
    from pulse.runtime.server import Server, listen

    is_configured = fresh.is_configured()
    is_ended = not is_configured and fresh.has_ended()
    notices.tell()
    host = bind_address(is_configured=is_configured)
    listener = listen(host, settings.PULSE_PORT)
    from pulse.asgi import application

    def serve(on_stop: Callable[[], Any]) -> None:
        async def stop() -> None:
            on_stop()
            closing = hub.close_all()
            if closing is not None:
                await asyncio.wait({closing}, timeout=CLOSE_SECONDS)

        told = greeting(host, settings.PULSE_PORT, is_configured=is_configured, is_ended=is_ended)
        sys.stdout.write(told)
        sys.stdout.flush()
        Server(application, on_stop=stop).serve_until_stopped(listener)

    return serve


def start_django() -> None:
    """Load the apps and the tasks, bring the database up to date, and see that keys and settings are in order."""
    raise_file_limit()
    django.setup()
    from pulse.celery import app
    from pulse.lib import sealed
    from pulse.runtime import former, schema

    app.loader.import_default_modules()
    is_new = schema.bring_up_to_date()
    former.look(is_new_database=is_new)
    sealed.keys_in_order()
    messages = checks.run_checks(tags=["pulse"])
    problems = [message for message in messages if message.level >= checks.ERROR]
    for warning in messages:
        if warning not in problems:
            logger.warning("%s (%s)", warning.msg, warning.id)
    if problems:
        raise WrongConfiguration("; ".join(f"{problem.msg} ({problem.id})" for problem in problems))


def raise_file_limit() -> None:
    """Allow as many open files as the system lets this process have: every browser and every host takes one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def require_servers(verb: str) -> None:
    """Raise WrongConfiguration unless both servers of the scale-out mode are named."""
    if not (settings.PULSE_REDIS_URL and settings.PULSE_DATABASE_URL):
        raise WrongConfiguration(
            f"`pulse {verb}` needs PULSE_REDIS_URL and PULSE_DATABASE_URL; `pulse run` needs neither"
        )


def wait_as_tasks() -> None:
    """Give PostgreSQL the time that tasks have, in a process in which nobody waits for an answer."""
    from pulse.lib import postgres

    postgres.wait_as_tasks(settings.DATABASES["default"])


def level() -> str:
    """Return the log level in Celery's spelling."""
    return str(settings.LOG_LEVEL_NAME)
