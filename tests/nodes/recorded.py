"""Answers of Proxmox servers, recorded elsewhere and kept beside the repository: not ours to ship."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "proxmox" / "recorded"


def recorded(name: str, *, index: int = 0) -> Any:
    """Return the `data` of a recorded answer, of the given exchange where a file holds several.

    Skips the test where the recordings are not at hand; in CI their absence is a failure.
    """
    document = json.loads(_text(name))
    if isinstance(document, list) and document and "path" in document[0]:
        return document[index]["json"]["data"]
    return document["data"] if isinstance(document, dict) and "data" in document else document


def recorded_exchanges(name: str) -> list[Any]:
    """Return the `data` of all successful exchanges of a file."""
    document = json.loads(_text(name))
    return [exchange["json"]["data"] for exchange in document if exchange["status"] == 200]


def _text(name: str) -> str:
    path = FOLDER / name
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"the recorded answers are not in {FOLDER}")
    return path.read_text(encoding="utf-8")
