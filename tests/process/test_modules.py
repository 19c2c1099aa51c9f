"""What one process that does everything does not load, because each megabyte is there as long as it runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.process.running import ROOT

pytestmark = pytest.mark.slow

PROGRAM = """
import sys
from pulse.runtime import run
run.start_django()
import pulse.asgi
from pulse.celery import app
from pulse.runtime.local import LocalExecutor
tasks = [name for name in sorted(app.tasks) if not name.startswith("celery.")]
print(*tasks)
print(*sorted(name for name in sys.argv[1:] if name in sys.modules))
"""
NOT_LOADED = (
    "redis",
    "celery.worker",
    "celery.bin",
    "celery.beat",
    "django.core.management.commands.runserver",
    "daphne",
    "twisted",
    "cramjam",
)


def test_neither_the_client_of_redis_nor_the_worker_of_celery_is_loaded(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *NOT_LOADED],
        cwd=ROOT, env={"PULSE_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "pulse.settings"}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    tasks, loaded = ran.stdout.splitlines()
    assert tasks.split() == [
        "accounts.tasks.prune_sessions",
        "monitoring.tasks.backfill_history",
        "monitoring.tasks.collect_instance",
        "monitoring.tasks.dispatch_polls",
        "monitoring.tasks.dispatch_remote_writes",
        "monitoring.tasks.drop_removed",
        "monitoring.tasks.judge_backups",
        "monitoring.tasks.look_ahead",
        "monitoring.tasks.poll_instance",
        "monitoring.tasks.prune_history",
        "monitoring.tasks.seal_history",
        "monitoring.tasks.send_remote_write",
    ]
    assert loaded == ""
