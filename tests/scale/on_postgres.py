"""Loaded by `-p` behind tests.environment: the tests of this run are on the PostgreSQL of TEST_POSTGRES_URL."""

from __future__ import annotations

import os

os.environ["PULSE_DATABASE_URL"] = os.environ["TEST_POSTGRES_URL"]
