"""Nothing is read to be dropped: every field of every reading is used by somebody outside the readers.

By its name alone, so one that shares its name with a field in use is not noticed; a new field with a name of its own is.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re

import msgspec
import pytest

from monitoring.wire.spelling import wire_name
from nodes.proxmox import readings
from tests.architecture.test_imports import ROOT

#: Fields that only the readings themselves look at, and what for.
WITHIN: dict[str, str] = {
    "BackupFileReading.crypt_mode": "whether its snapshot is encrypted (is_encrypted)",
    "DatastoreReading.is_growing": "whether there is a day on which it is full (estimated_full_epoch)",
    "DatastoreReading.history_start_epoch": "since when the history counts that the day follows from",
    "DatastoreReading.history_step_seconds": "the steps of that history",
}


def fields_of_readings() -> list[str]:
    """`Struct.field` of every reading."""
    found: list[str] = []
    for module in pkgutil.iter_modules(readings.__path__):
        loaded = importlib.import_module(f"{readings.__name__}.{module.name}")
        for name, one in vars(loaded).items():
            is_own = isinstance(one, type) and one.__module__ == loaded.__name__
            if is_own and issubclass(one, msgspec.Struct):
                found += [f"{name}.{field}" for field in one.__struct_fields__]
    return found


def used_names() -> set[str]:
    """Every attribute that the source outside the readers looks at, and every word of the pages' scripts."""
    names: set[str] = set()
    for package in ("monitoring", "nodes", "pulse", "accounts"):
        for path in (ROOT / package).rglob("*.py"):
            if "proxmox" not in path.relative_to(ROOT).parts:
                tree = ast.parse(path.read_text())
                names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for path in (ROOT / "pulse" / "static" / "pulse" / "js").glob("*.js"):
        code = re.sub(r"(?s)/\*.*?\*/", "", path.read_text())
        names |= set(re.findall(r"[A-Za-z]\w*", re.sub(r"(?m)^\s*//.*$", "", code)))
    return names


USED = used_names()


def is_used(name: str) -> bool:
    """Whether anybody looks at a field, under its own name or as the wire spells it."""
    field = name.partition(".")[2]
    return field in USED or wire_name(field) in USED


def test_every_field_of_every_reading_is_looked_at() -> None:
    dropped = [name for name in fields_of_readings() if not is_used(name) and name not in WITHIN]

    assert dropped == []


def test_no_exception_stays_that_is_none() -> None:
    fields = set(fields_of_readings())

    assert [name for name in WITHIN if name not in fields or is_used(name)] == []


@pytest.mark.parametrize("name", ["VersionReading.repository_id", "X.never_told_epoch", "X.zzz"])
def test_a_field_that_nobody_looks_at_is_noticed(name: str) -> None:
    assert not is_used(name)
