"""Where the tables of the documents point to: tests as `path::name`, and documents."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@lru_cache
def named_tests(path: Path) -> frozenset[str]:
    """Return the names of the tests in a file, those in classes as `Class::name`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


def is_there(place: str) -> bool:
    """Return whether a test or a document is there."""
    path, _, name = place.partition("::")
    if not name:
        return place.startswith("docs/") and (ROOT / place).is_file()
    return path.startswith("tests/") and (ROOT / path).is_file() and name in named_tests(ROOT / path)
