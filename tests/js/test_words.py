"""Whatever code, reason or state the server can send has words on the page, and reasons also where a number is explained."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from monitoring.backups import attribution, coverage, results
from monitoring.concerns import shapes
from monitoring.figures import filesystems, guest_disk, guest_memory
from monitoring.known import datastores
from monitoring.known.flaws import Broken
from monitoring.wire import reasons
from nodes.proxmox.errors import ProxmoxError

ROOT = Path(__file__).parents[2]
MODULES = Path("pulse/static/pulse/js")
NODE = shutil.which("node")
#: Modules whose reasons are plain texts: everything in them that is spelled like one is taken for one.
REASONING = ("backups/sources", "backups/storages", "backups/coverage", "backups/judgement")
SPELLING = re.compile(r"[a-z]+(?:_[a-z]+)+")
#: What a PBS tells of a verification, by its published schema.
VERIFICATIONS = {"ok", "failed"}
PRODUCT = ("nodes.", "monitoring.", "pulse.")

SCRIPT = """
import * as words from "./pulse/static/pulse/js/words.js";
import * as servers from "./pulse/static/pulse/js/server-words.js";
import * as concerns from "./pulse/static/pulse/js/concerns.js";
const tables = { ...words, ...servers, LEVELS: concerns.LEVELS };
const keys = Object.entries(tables).filter(([, table]) => typeof table === "object").map(([name, table]) => [name, Object.keys(table)]);
console.log(JSON.stringify({ keys: Object.fromEntries(keys), reasons: words.REASONS }));
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The keys of every table of words of the page, by its name, and what it calls the reasons."""
    if NODE is None and os.environ.get("CI") != "true":
        pytest.skip("node is not installed: the words of the page are not tested here")
    assert NODE is not None, "node is needed to test the words of the page"
    directory = tmp_path_factory.mktemp("words")
    shutil.copytree(ROOT / MODULES, directory / MODULES)
    (directory / "package.json").write_text('{"type": "module"}')
    (directory / "keys.js").write_text(SCRIPT)
    run = subprocess.run([NODE, "keys.js"], cwd=directory, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def kinds_of(error: type[ProxmoxError]) -> Iterator[type[ProxmoxError]]:
    """Yield an error and all its kinds."""
    yield error
    for kind in error.__subclasses__():
        yield from kinds_of(kind)


def codes() -> set[str]:
    """The codes of everything that a call can come to."""
    assert issubclass(Broken, ProxmoxError)
    return {kind.code for kind in kinds_of(ProxmoxError) if kind.__module__.startswith(PRODUCT)}


def tree_of(path: Path) -> ast.Module:
    """The source of a module, as a tree."""
    return ast.parse((ROOT / path).read_text())


def texts(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a piece of source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def reasons_of_places() -> set[str]:
    """Why backups are not known: faults of single backups stand in the same modules."""
    found = {
        text
        for name in REASONING
        for text in texts(tree_of(Path("monitoring") / f"{name}.py"))
        if SPELLING.fullmatch(text)
    }
    return found - set(get_args(coverage.Fault))


def rules_of_evidence() -> set[str]:
    """The first text of each pair (rule, sentence), and of what settles it."""
    found: set[str] = set()
    for node in ast.walk(tree_of(Path("monitoring/backups/attribution.py"))):
        first: ast.AST | None = None
        if isinstance(node, ast.Tuple) and len(node.elts) == 2 and is_sentence(node.elts[1]):
            first = node.elts[0]
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_settled":
            first = node.args[2]
        if isinstance(first, ast.Constant) and first.value:
            found.add(str(first.value))
    return found


def is_sentence(node: ast.expr) -> bool:
    """Return whether an expression may be a sentence: a text with blanks, or one that is put together somewhere."""
    return isinstance(node, ast.JoinedStr | ast.Name) or (
        isinstance(node, ast.Constant) and " " in str(node.value)
    )


def returned_by(function: str, path: Path) -> set[str]:
    """The texts that a function returns."""
    tree = next(
        node
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef) and node.name == function
    )
    return {
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.Return)
        for text in texts(node)
        if " " not in text
    }


def told(*literals: object) -> set[str]:
    """The values of Literal types, without the empty one."""
    return {value for literal in literals for value in get_args(literal)} - {""}


REASONS = told(guest_memory.Reason, guest_disk.UnknownReason)
SENT = {
    "reasons of figures": (REASONS, "REASONS"),
    "reasons of places": (reasons_of_places(), "REASONS"),
    "codes of calls": (codes(), "REASONS"),
    "file systems that do not count": (told(filesystems.SkipReason), "SKIPPED"),
    "states of backups": (told(coverage.Freshness) | {"uncovered"}, "BACKUP_STATES"),
    "faults of backups": (told(coverage.Fault), "FAULTS"),
    "whose a backup is": (told(attribution.State), "ATTRIBUTIONS"),
    "evidence": (rules_of_evidence(), "EVIDENCE"),
    "outcomes": (told(results.Outcome), "OUTCOMES"),
    "verifications": (VERIFICATIONS, "VERIFICATIONS"),
    "datastores": (returned_by("status_of", Path("monitoring/figures/servers.py")), "DATASTORE_STATES"),
    "maintenance": (datastores.CLOSED | {"read-only"}, "MAINTENANCES"),
    "levels of problems": (told(shapes.Level), "LEVELS"),
}


@pytest.mark.parametrize(("sent", "table"), SENT.values(), ids=SENT)
def test_what_the_server_can_send_has_words_on_the_page(sent, table, page):
    assert sent - set(page["keys"][table]) == set()


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_has_the_words_of_the_page_where_a_number_is_explained(reason, page):
    assert reasons.REASONS.get(reason) == page["reasons"][reason]


def test_what_is_looked_for_is_found():
    assert {"no_permission", "not_read_yet", "not_read_lately", "server_not_monitored"} <= reasons_of_places()
    assert rules_of_evidence() == {
        "age",
        "contradiction",
        "kind",
        "name",
        "namespace",
        "owner",
        "storage",
        "vmid",
    }
    assert {"timeout", "tls", "internal_error", "no_zfs"} <= codes()
    assert SENT["datastores"][0] == {"available", "unavailable", "unknown"}
