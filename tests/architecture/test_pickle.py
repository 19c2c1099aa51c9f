"""Nothing between processes is unpickled; what is imported is looked at in test_dangerous_calls.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRINT_SETTINGS = """
import json
from pulse import settings
print(json.dumps({"caches": settings.CACHES, "celery": {
    name: value for name, value in vars(settings).items() if name.startswith("CELERY") and "CONTENT" in name
    or name.startswith("CELERY") and "SERIALIZER" in name}}))
"""


def test_no_cache_that_processes_share_is_one_that_unpickles(tmp_path):
    environment = os.environ | {
        "PULSE_DATA_DIR": str(tmp_path),
        "PULSE_REDIS_URL": "redis://192.0.2.1/0",
        "PULSE_DATABASE_URL": "postgresql://pulse@192.0.2.1/pulse",
    }
    shown = subprocess.run(
        [sys.executable, "-c", PRINT_SETTINGS], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    told = json.loads(shown.stdout)

    assert {name: cache["BACKEND"] for name, cache in told["caches"].items()} == {
        "default": "django.core.cache.backends.dummy.DummyCache",  # keeps nothing
        "limits": "pulse.lib.counts.SharedCounts",  # numbers only: tests/pulse/test_limits.py
    }
    assert told["celery"] == {
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_RESULT_SERIALIZER": "json",
        "CELERY_EVENT_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_RESULT_ACCEPT_CONTENT": ["json"],
    }
