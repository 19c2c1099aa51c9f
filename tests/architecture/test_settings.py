"""Every setting is documented, and everything documented is a setting."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def variables_read() -> tuple[set[str], set[str]]:
    """Return the names that settings reads with env_*, and those of them that are secrets."""
    names, secrets = set(), set()
    for call in ast.walk(ast.parse((ROOT / "pulse/settings.py").read_text())):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if call.func.id.startswith("env_"):
            name = call.args[0]
            assert isinstance(name, ast.Constant), (
                f"line {call.lineno}: the name of a variable must be a literal"
            )
            names.add(name.value)
            if call.func.id == "env_secret":
                secrets.add(name.value)
    return names, secrets


def variables_documented() -> dict[str, str]:
    """Return the first column of the tables of variables: name, and what stands beside it."""
    text = (ROOT / "docs/configuration.md").read_text()
    return dict(re.findall(r"^\| `([A-Z_]+)`([^|]*)\|", text, flags=re.MULTILINE))


def test_the_documented_variables_are_those_that_settings_reads():
    read, _ = variables_read()

    assert set(variables_documented()) == read
    assert "PULSE_DATA_DIR" in read


def test_the_documentation_says_which_secrets_can_come_from_a_file():
    _, secrets = variables_read()

    marked = {name for name, beside in variables_documented().items() if "_FILE" in beside}

    assert marked == secrets


def test_only_settings_and_its_helpers_read_the_environment():
    # The health check of a container loads nothing of Django; the demo names its own directory.
    allowed = {"pulse/env.py", "pulse/settings.py", "pulse/runtime/healthcheck.py", "pulse/runtime/demo.py"}
    readers = set()
    for path in source_files():
        text = path.read_text()
        if re.search(
            r"\bos\.environ(?!\.setdefault\(\"DJANGO_SETTINGS_MODULE\")|\bos\.getenv\b|\benv_\w+\(", text
        ):
            readers.add(path.relative_to(ROOT).as_posix())

    assert readers - allowed == set()


def source_files() -> list[Path]:
    """Return every module of the product."""
    apps = ("pulse", "nodes", "monitoring", "notifications", "registration", "updates", "accounts")
    return [path for app in apps for path in (ROOT / app).rglob("*.py")]
