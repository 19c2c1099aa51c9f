"""What the documents call a file is one: recipes that name what has moved lead a newcomer astray."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "deploy" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")
#: A name without a folder is one of ours when it ends like this.
ENDINGS = (".py", ".md", ".csv", ".toml", ".yml", ".service")


def paths_named(document: Path) -> set[Path]:
    """Return what stands in backquotes and looks like a path of the repository, and where the links lead."""
    text = document.read_text()
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    folders = {path.name for path in ROOT.iterdir()} - {".venv"}
    named = {
        ROOT / name
        for name in quoted
        if PATH.fullmatch(name)
        and (name.endswith(ENDINGS) or ("/" in name and name.partition("/")[0] in folders))
    }
    return named | {document.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}


def targets_named(document: Path) -> set[str]:
    """Return the targets of make that stand in backquotes or at the beginning of a line."""
    return set(re.findall(r"(?:`|^)make ([a-z]+)", document.read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_and_every_target_that_a_document_names_exists(document):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)

    assert sorted(str(path.relative_to(ROOT)) for path in paths_named(document) if not path.exists()) == []
    assert sorted(targets_named(document) - set(targets)) == []


def test_the_recipes_name_files_and_the_introduction_targets():
    recipes = ROOT / "CONTRIBUTING.md"

    assert len(paths_named(recipes)) > 15
    assert targets_named(recipes) >= {"check", "test", "browser", "scale", "bench", "format"}
    assert targets_named(ROOT / "README.md") == {"demo", "test", "run"}


def section_of(document: Path, title: str) -> str:
    """Return a section of a document without its title."""
    return re.split(r"^## ", document.read_text().partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


def names_beside_files(text: str) -> Iterator[tuple[Path, str]]:
    """Yield (file, name) of the tables in a text: each name in backquotes is one of the file before it, "" the file itself."""
    for row in re.findall(r"^\|.*", text, flags=re.MULTILINE):
        path = ROOT
        for quoted in re.findall(r"`([^`]+)`", row):
            path = ROOT / quoted if "/" in quoted else path
            yield path, "" if "/" in quoted else quoted


def names_in(path: Path) -> set[str]:
    """Return what a file defines: functions, classes, fields and constants; all words of one that is no Python."""
    source = path.read_text()
    if path.suffix != ".py":
        return set(re.findall(r"\w+", source))
    names = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
    return names


def test_where_to_change_what_names_what_is_there():
    section = section_of(ROOT / "docs" / "architecture.md", "Where to change what")
    named = list(names_beside_files(section))
    absent = [(path, name) for path, name in named if not path.is_file() or name not in names_in(path) | {""}]

    assert [f"{path.relative_to(ROOT)}: {name}" for path, name in absent] == []
    assert len(named) > 60
    assert len(section.splitlines()) <= 40
