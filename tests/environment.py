"""The environment of a test run, chosen before Django reads its settings (loaded by `-p` in pyproject.toml)."""

from __future__ import annotations

import os
import tempfile

os.environ["PULSE_DATA_DIR"] = tempfile.mkdtemp(prefix="pulse-tests-")
for name in (
    "API_TOKEN",
    "PULSE_AUTH",
    "PULSE_REDIS_URL",
    "PULSE_DATABASE_URL",
    "PORT",
    "PULSE_BIND",
    "SECRET_KEY",
):
    os.environ.pop(name, None)
