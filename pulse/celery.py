"""The Celery application: the one way to write background work, with or without a broker."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from celery import Celery, Task, signals
from django.conf import settings
from kombu.serialization import disable_insecure_serializers
from kombu.transport import TRANSPORT_ALIASES

from pulse.runtime import troubles

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pulse.settings")


@signals.task_failure.connect  # type: ignore[untyped-decorator]
def note_failure(sender: Task, exception: BaseException, args: Sequence[Any] = (), **rest: object) -> None:
    """Note that a task has failed in a worker."""
    troubles.failed(str(sender.name), args, exception)


@signals.task_success.connect  # type: ignore[untyped-decorator]
def note_success(sender: Task, **rest: object) -> None:
    """Note that a task has succeeded in a worker."""
    troubles.succeeded(str(sender.name), sender.request.args or ())


# Of what lies in the broker only JSON is read, whatever a message says it is and a library has registered.
disable_insecure_serializers(["json"])  # type: ignore[no-untyped-call]
TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = "pulse.runtime.broker:Transport"

#: Celery's own for Django come with its whole worker, around whose tasks they close connections, as run_task does of LocalExecutor.
FIXUPS = None if settings.PULSE_REDIS_URL else ()

app = Celery("pulse", task_cls="pulse.runtime.local:LocalTask", fixups=FIXUPS)
app.set_default()  # in every thread, as those fixups would
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["monitoring", "accounts"])
