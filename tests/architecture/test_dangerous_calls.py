"""Calls by which text of others becomes code, a query, a command or a guess: the product makes none of them."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "monitoring", "nodes", "notifications", "pulse", "registration", "updates")
#: What reads back objects, or documents that can name files and addresses.
READERS = {"dill", "jsonpickle", "lxml", "marshal", "pickle", "plistlib", "shelve", "xml", "yaml"}
#: Of the cryptography that its library offers, what the product uses.
CRYPTOGRAPHY = {
    "cryptography.exceptions",
    "cryptography.hazmat.primitives.ciphers.aead:AESGCM",
    "cryptography.hazmat.primitives.serialization:Encoding",
    "cryptography:x509",
}
#: What a name speaks of that others must not find out by how long a comparison takes (security.md A6).
SECRET_WORDS = {
    "code",
    "digest",
    "passphrase",
    "password",
    "secret",
    "signature",
    "ticket",
    "token",
    "tokens",
}
CHANGES_OF_TEXT = {"decode", "encode", "lower", "strip"}


@lru_cache
def trees() -> list[tuple[str, ast.Module]]:
    """Return each module of the product, migrations apart."""
    paths = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text()))
        for path in paths
        if "migrations" not in path.parts
    ]


def calls_in(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with what is called, as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imports_in(tree: ast.Module) -> Iterator[str]:
    """Yield what is imported, as `module` or `module:name`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}:{alias.name}" for alias in node.names)


def runs_text(tree: ast.Module) -> list[str]:
    """Return the calls that run text as code."""
    return [name for name, _ in calls_in(tree) if name in ("eval", "exec", "compile", "__import__")]


def puts_together_sql(tree: ast.Module) -> list[str]:
    """Return queries that are neither a literal nor the name of a constant."""
    return [
        ast.unparse(call.args[0])
        for name, call in calls_in(tree)
        if name.split(".")[-1] in ("execute", "executemany", "executescript", "raw", "extra", "RawSQL")
        and call.args
        and not isinstance(call.args[0], ast.Constant)
        and not (isinstance(call.args[0], ast.Name) and call.args[0].id.isupper())
    ]


def starts_programs(tree: ast.Module) -> list[str]:
    """Return the calls that start a program."""
    pattern = re.compile(r"(?:subprocess\.\w+|os\.(?:system|popen|exec\w+|spawn\w+|posix_spawnp?))")
    return [ast.unparse(call) for name, call in calls_in(tree) if pattern.fullmatch(name)]


def makes_patterns(tree: ast.Module) -> list[str]:
    """Return the patterns that are no literals and do not escape what they are made of."""
    return [
        ast.unparse(call.args[0])
        for name, call in calls_in(tree)
        if re.fullmatch(r"re\.(?:compile|search|match|fullmatch|sub|subn|split|find\w+)", name)
        and not isinstance(call.args[0], ast.Constant)
        and "re.escape(" not in ast.unparse(call.args[0])
    ]


def makes_templates(tree: ast.Module) -> list[str]:
    """Return the calls that make a template, or HTML, of text, or use a format that is no literal."""
    of_text = ("Template", "from_string", "mark_safe", "format_html", "SafeString")
    found = [name for name, _ in calls_in(tree) if name.split(".")[-1] in of_text]
    for name, call in calls_in(tree):
        if name.endswith(".format") and isinstance(call.func, ast.Attribute):
            owner = call.func.value
            is_constant = isinstance(owner, ast.Constant) or (
                isinstance(owner, ast.Name) and owner.id.isupper()
            )
            found += [] if is_constant else [name]
    return found


def compares_secrets(tree: ast.Module) -> list[str]:
    """Return the comparisons with `==` or `!=` that a clock could watch: of what is called a secret or its digest.

    A word or a constant of the product's own beside it, as in `kind == "token"`, is no secret.
    """
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        and any(isinstance(how, ast.Eq | ast.NotEq) for how in node.ops)
        and any(SECRET_WORDS & set(words_of(side)) for side in (node.left, *node.comparators))
        and not any(is_constant(side) for side in (node.left, *node.comparators))
    ]


def is_constant(side: ast.expr) -> bool:
    """Return whether an operand is a literal, or a constant by its name."""
    return isinstance(side, ast.Constant) or (isinstance(side, ast.Name) and side.id.isupper())


def words_of(side: ast.expr) -> list[str]:
    """Return the words of the last name in an operand; of a call that of what is called, or of the text that it changes."""
    while isinstance(side, ast.Call | ast.Subscript | ast.Await):
        side = side.func if isinstance(side, ast.Call) else side.value
        if isinstance(side, ast.Attribute) and side.attr in CHANGES_OF_TEXT:
            side = side.value
    if not isinstance(side, ast.Name | ast.Attribute):
        return []
    name = side.attr if isinstance(side, ast.Attribute) else side.id
    words = name.lower().split("_")
    # The `code` of an error or an answer is a word for programs.
    return [word for word in words if word != "code" or isinstance(side, ast.Name)]


@pytest.mark.parametrize(
    ("looks_for", "allowed"),
    [
        (runs_text, []),
        # Names of SQLite's settings, out of a table in the same module.
        (puts_together_sql, ["pulse/checks.py: f'PRAGMA {name}'"]),
        # The words of an answer are a table in the same module.
        (makes_templates, ["nodes/management/commands/instance.py: words[added.outcome].format"]),
        # Names of the product's own classes, in the description of the API.
        (makes_patterns, ["pulse/openapi/document.py: names"]),
        (
            compares_secrets,
            [
                # What one person has typed twice into one form.
                "accounts/forms.py: password != given.get('password_again', password)",
                "monitoring/backups/storages.py: code == PermissionDenied.code",  # of errors
                "monitoring/backups/storages.py: one.code == code",
                "nodes/proxmox/readings/access.py: one.name == token",  # its name
            ],
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_no_module_does_it_but_where_its_own_words_are_used(looks_for, allowed):
    found = [f"{path}: {one}" for path, tree in trees() for one in looks_for(tree)]

    assert found == allowed


def test_only_the_demo_starts_a_program_and_without_a_shell():
    found = {path: calls for path, tree in trees() if (calls := starts_programs(tree))}

    assert list(found) == ["pulse/runtime/demo.py"]
    assert found["pulse/runtime/demo.py"][0].startswith("subprocess.Popen([sys.executable, ")
    assert "shell" not in "".join(found["pulse/runtime/demo.py"])


def test_nothing_is_read_by_a_reader_of_objects_or_of_xml():
    found = [
        f"{path}: {name}"
        for path, tree in trees()
        for name in imports_in(tree)
        if name.partition(":")[0].partition(".")[0] in READERS
    ]

    assert found == []


def test_chance_comes_from_the_system():
    found = [
        f"{path}: {name}" for path, tree in trees() for name in imports_in(tree) if name.startswith("random")
    ]

    assert found == []


def test_no_broken_hash_is_used():
    calls = [call for _, tree in trees() for call in calls_in(tree)]
    names = {name.removeprefix("hashlib.") for name, _ in calls}
    keyed = [ast.unparse(call) for name, call in calls if name == "salted_hmac"]

    assert names & set(hashlib.algorithms_available | {"new"}) == {"blake2b", "sha256"}
    assert [call for call in keyed if "algorithm='sha256'" not in call] == []  # Django's own default is SHA-1
    assert len(keyed) >= 2


def test_cryptography_is_that_of_its_library_and_no_more_of_it_than_is_needed():
    found = {
        name
        for _, tree in trees()
        for name in imports_in(tree)
        if name.startswith(("cryptography", "Crypto", "nacl"))
    }

    assert {name for name in found if not name.startswith("cryptography.exceptions")} == CRYPTOGRAPHY - {
        "cryptography.exceptions"
    }


def test_no_template_takes_text_for_html():
    templates = [
        path for folder in (ROOT, ROOT / "monitoring") for path in folder.glob("templates/**/*.html")
    ]

    found = [
        path.name for path in templates if re.search(r"\|\s*safe|autoescape|\|\s*escapejs", path.read_text())
    ]

    assert found == []
    assert len(templates) > 20


@pytest.mark.parametrize(
    ("looks_for", "source"),
    [
        (runs_text, "eval(told)"),
        (puts_together_sql, "cursor.execute('SELECT 1 FROM t WHERE name = ' + name)"),
        (puts_together_sql, "Guest.objects.raw(f'SELECT {name}')"),
        (starts_programs, "os.system(told)"),
        (makes_patterns, "re.search(told, text)"),
        (makes_templates, "Template(told)"),
        (makes_templates, "told.format(guest=guest)"),
        (compares_secrets, "settings.API_TOKEN == shown"),
        (compares_secrets, "read_code() != text"),
        (compares_secrets, "token_digest(text) == row.digest"),
        (compares_secrets, "given['a'].password.strip() == text"),
    ],
)
def test_what_is_looked_for_is_seen(looks_for, source):
    assert len(looks_for(ast.parse(source))) == 1
