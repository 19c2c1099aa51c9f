"""Whoever asks the clock, or compares an instant with another, stands in docs/clock.md, with a test of what a step does to it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "clock.md").read_text()
APPS = ("accounts", "monitoring", "nodes", "pulse")
#: What an instant is called, or the span since one.
INSTANT = re.compile(
    r"(_epoch|_at|_since|_until|_date|^epoch|^at|^until|^since|^due|^age|age_seconds|^elapsed|^now|^then|^latest|^begun|^expires)$"
)
LOOKUP = re.compile(r"(_at|_date|_since)__(lt|gt)e?$")
CLOCKS = {("timezone", "now"), ("time", "time"), ("datetime", "now")}
ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)

#: A file with a function in it.
Place = tuple[str, str]


def names_in(node: ast.AST) -> set[str]:
    """Return all names and attributes of an expression."""
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} | {
        one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)
    }


def compares(node: ast.AST) -> bool:
    """Return whether an expression compares instants, other than by the monotonic clock."""
    if isinstance(node, ast.keyword):
        return bool(node.arg and LOOKUP.search(node.arg))
    if not isinstance(node, ast.Compare) or not any(isinstance(one, ORDER) for one in node.ops):
        return False
    names = names_in(node)
    return any(map(INSTANT.search, names)) and not any("monotonic" in name for name in names)


def asks(node: ast.AST) -> bool:
    """Return whether an expression asks the clock of the wall."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) in CLOCKS
    )


def places(source: str, is_one) -> Iterator[str]:
    """Yield the functions in which there is such an expression, "" for none around it."""

    def visit(node: ast.AST, function: str) -> Iterator[str]:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function
            if is_one(child):
                yield inner
            yield from visit(child, inner)

    yield from visit(ast.parse(source), "")


def found(is_one) -> set[Place]:
    """Return every place in the code with such an expression."""
    files = (path for app in APPS for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts)
    return {
        (str(path.relative_to(ROOT)), name) for path in files for name in places(path.read_text(), is_one)
    }


def rows(heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading."""
    _, _, section = PAGE.partition(f"\n## {heading}\n")
    lines = section.partition("\n## ")[0].splitlines()
    table = [line.strip("|").split(" | ") for line in lines if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in table[2:]]


def named(cell: str) -> set[Place]:
    """Return the places that a cell names: a file, and after it names that are in it."""
    file, named = "", set()
    for word in re.findall(r"`([^`]+)`", cell):
        file = word if "/" in word else file
        if "/" not in word:
            named.add((file, word))
    return named


COMPARISONS = rows("Every comparison")
ASKING = [(row[0].strip("`"), row) for row in rows("Who asks the clock")]


def test_every_comparison_of_instants_is_listed():
    listed = set().union(*(named(row[1]) for row in COMPARISONS))

    # What is too much is gone, or compares something else by now.
    assert found(compares) ^ listed == set()


def test_whoever_asks_the_clock_is_listed():
    listed = {place for path, row in ASKING if path.endswith(".py") for place in named(" ".join(row))}
    listed |= {(path, "") for path, row in ASKING if row[1] == "when it is loaded"}

    assert found(asks) ^ listed == set()


def test_scripts_of_the_page_that_ask_the_clock_are_listed():
    scripts = sorted((ROOT / "pulse/static/pulse/js").glob("*.js"))
    counts = {
        str(path.relative_to(ROOT)): len(re.findall(r"\bDate\.now\(|\bnew Date\(\)", path.read_text()))
        for path in scripts
    }

    listed = {
        path: int(row[1].split()[0].replace("once", "1")) for path, row in ASKING if path.endswith(".js")
    }
    assert {path: count for path, count in counts.items() if count} == listed


@pytest.mark.parametrize("row", COMPARISONS, ids=lambda row: row[0])
def test_each_row_has_a_test(row):
    tests = named(row[3])

    assert tests
    for path, name in tests:
        assert name in {
            node.name
            for node in ast.walk(ast.parse((ROOT / path).read_text()))
            if isinstance(node, ast.FunctionDef)
        }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f():\n    return at - known.read_epoch > 60", ["f"]),
        ("def f():\n    rows.filter(failed_at__lte=at)", ["f"]),
        ("class A:\n    def f(self):\n        return self.used_at >= now", ["f"]),
        ("def f():\n    return time.monotonic() - self.used_at > 60", []),
        ("def f():\n    return at == other.at or count > 3", []),
    ],
    ids=["a span", "a lookup", "a method", "monotonic", "equal, and numbers"],
)
def test_comparisons_are_seen(source, expected):
    assert list(places(source, compares)) == expected
