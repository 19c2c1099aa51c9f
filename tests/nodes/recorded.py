"""Answers of Proxmox servers, recorded elsewhere, and its published schemas: kept beside the repository, not ours to ship."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared" / "proxmox"
FOLDER = SHARED / "recorded"
SCHEMAS = SHARED / "schema"


def recorded(name: str, *, index: int = 0) -> Any:
    """Return the `data` of a recorded answer, of the given exchange where a file holds several.

    Skips the test where the recordings are not at hand; in CI their absence is a failure.
    """
    document = json.loads(_text(FOLDER / name))
    if isinstance(document, list) and document and "path" in document[0]:
        return document[index]["json"]["data"]
    return document["data"] if isinstance(document, dict) and "data" in document else document


def recorded_exchanges(name: str) -> list[Any]:
    """Return the `data` of all successful exchanges of a file, of its only one where it holds one."""
    document = json.loads(_text(FOLDER / name))
    if isinstance(document, list) and document and "path" in document[0]:
        return [exchange["json"]["data"] for exchange in document if _has_data(exchange)]
    return [recorded(name)]


def _has_data(exchange: dict[str, Any]) -> bool:
    return exchange["status"] == 200 and "data" in (exchange.get("json") or {})


def recorded_disks(name: str) -> list[Any]:
    """Return a recorded list of disks as the API sends it: the recordings have the disks under their names."""
    return list(recorded(name).values())


def recorded_files() -> list[str]:
    """Return the names of all recorded answers."""
    _text(FOLDER / "README.md")
    return sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.json"))


@cache
def schema_paths(version: str) -> dict[str, Any]:
    """Return the published paths of a product and version, such as "pve-9.2"."""
    paths: dict[str, Any] = json.loads(_text(SCHEMAS / f"{version}.json"))["paths"]
    return paths


def _text(path: Path) -> str:
    if not path.exists() and os.environ.get("CI") != "true":
        pytest.skip(f"the recorded answers are not in {SHARED}")
    return path.read_text(encoding="utf-8")
