"""Who may import whom: the arrows of the architecture, read from the source."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("pulse", "nodes", "monitoring", "notifications", "registration", "updates", "accounts")

#: app -> the apps it may import besides itself and pulse.lib
ALLOWED = {
    "nodes": set(),
    "accounts": set(),
    "updates": set(),
    "monitoring": {"nodes"},
    "registration": {"nodes"},
    "notifications": {"monitoring", "nodes"},
}

MODULES = sorted(
    path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
    for app in APPS
    for path in (ROOT / app).rglob("*.py")
)


def imports_of(path: Path) -> Iterator[str]:
    """Yield the dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_of(folder: str) -> list[Path]:
    """Return the Python files under a folder of the repository."""
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("app", sorted(ALLOWED))
def test_an_app_imports_only_the_apps_below_it(app):
    trespasses = []
    for path in files_of(app):
        for name in imports_of(path):
            top = name.split(".")[0]
            if top == "pulse" and not is_shared(name):
                trespasses.append(f"{path.relative_to(ROOT)}: {name}")
            if top in APPS and top not in {app, "pulse"} | ALLOWED[app]:
                trespasses.append(f"{path.relative_to(ROOT)}: {name}")

    assert trespasses == []


def is_shared(name: str) -> bool:
    """Return whether a module under pulse is for every app: the library, the environment, the version."""
    return name.startswith(("pulse.lib", "pulse.env")) or name in ("pulse", "pulse.__version__")


def test_the_library_imports_no_app_and_nothing_above_it():
    trespasses = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files_of("pulse/lib")
        for name in imports_of(path)
        if name.split(".")[0] in APPS and not is_shared(name)
    ]

    assert trespasses == []


def test_the_product_never_imports_its_tests_and_the_fake_never_imports_the_product():
    product = [
        f"{path.relative_to(ROOT)}: {name}"
        for app in APPS
        for path in files_of(app)
        for name in imports_of(path)
        if name.split(".")[0] in ("tests", "benchmarks")
    ]
    fake = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files_of("tests/fake_proxmox")
        for name in imports_of(path)
        if name.split(".")[0] in (*APPS, "django")
    ]

    assert product == []
    assert fake == []


@pytest.mark.parametrize(
    "module",
    [
        "nodes.addresses",
        "nodes.proxmox.values",
        "nodes.proxmox.readings",
        "monitoring.figures",
        "monitoring.collecting.schedule",
        "monitoring.wire",
        "monitoring.concerns",
    ],
)
def test_a_pure_module_needs_no_django(module):
    place = module.replace(".", "/")
    files = [ROOT / f"{place}.py"] if (ROOT / f"{place}.py").exists() else files_of(place)

    assert files
    assert [
        f"{path.relative_to(ROOT)}: {name}"
        for path in files
        for name in imports_of(path)
        if name.split(".")[0] in ("django", "rest_framework", "celery")
    ] == []


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("__main__")])
def test_every_module_can_be_imported(module):
    assert importlib.import_module(module).__name__ == module
