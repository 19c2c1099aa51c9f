"""The rooms of monitoring and the arrows between them, read from the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.test_imports import ROOT, files_of, imports_of

#: The floors from the ground up; a room imports its own and those below. Rooms on one floor do not know each other.
FLOORS = (
    {"figures"},
    {"known"},
    {"backups"},
    {"concerns"},
    {"alerts"},
    {"wire"},
    {"store"},
    {"history"},
    {"feed", "collecting", "exporting"},
    {"polling"},
    {"api"},
)
LEVELS = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
#: Rows are for those who keep things: the store, and what is above it.
ROWS = {"models", "choices", "querysets"}
#: What starts all the others; none of them knows it.
OUTERMOST = {"tasks", "admin", "apps", "receivers", "management"}

#: Rooms in which nothing is spelled as the wire spells it.
UNSPELLED = ("figures", "known", "backups", "concerns", "store", "history", "collecting", "polling")
#: What Python itself calls so.
PYTHON = {"getLogger"}
CAMEL = re.compile(r"[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+")


def places_of(path: Path) -> Iterator[str]:
    """Yield what a file imports of monitoring, as `room.module`."""
    for name in imports_of(path):
        if name.startswith("monitoring."):
            yield ".".join(name.split(".")[1:3])


def is_below(place: str, level: int) -> bool:
    """Return whether a room of this floor may import the place."""
    room = place.split(".")[0]
    if room in ROWS:
        return level >= LEVELS["store"]
    return room in LEVELS and LEVELS[room] < level


@pytest.mark.parametrize("room", sorted(LEVELS))
def test_a_room_imports_itself_and_the_floors_below(room):
    found = {}
    for path in files_of(f"monitoring/{room}"):
        above = {
            place
            for place in places_of(path)
            if not place.startswith(f"{room}.") and not is_below(place, LEVELS[room])
        }
        if above:
            found[path.relative_to(ROOT).as_posix()] = above

    assert found == {}


def test_rows_are_made_of_what_is_below_the_store():
    found = [
        f"{name}: {place}"
        for name in sorted(ROWS)
        for path in (ROOT / "monitoring").glob(f"{name}.py")
        for place in places_of(path)
        if place.split(".")[0] not in ROWS and not is_below(place, LEVELS["store"])
    ]

    assert found == []


def test_every_part_of_monitoring_has_its_floor():
    parts = {path.stem for path in (ROOT / "monitoring").iterdir() if path.suffix in ("", ".py")}

    assert parts - {"__init__", "__pycache__", "migrations"} <= LEVELS.keys() | ROWS | OUTERMOST


@pytest.mark.parametrize("room", UNSPELLED)
def test_what_is_true_is_not_spelled_as_on_the_wire(room):
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in files_of(f"monitoring/{room}")
        for word, line in words_of(path)
        if CAMEL.fullmatch(word) and word not in PYTHON
    ]

    assert found == []


def words_of(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the names and the short texts of a file with their lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Constant(value=str() as text):
                yield text, node.lineno
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.keyword(arg=str() as name):
                yield name, node.lineno
