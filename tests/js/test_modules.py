"""The pure modules of the page, run by node's own test runner."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
MODULES = Path("pulse/static/pulse/js")
NODE = shutil.which("node")


def required_node() -> str:
    """Return node; where it is missing, only a continuous integration insists on it."""
    if NODE is None and os.environ.get("CI") != "true":
        pytest.skip("node is not installed: the modules of the page are not tested here")
    assert NODE is not None, "node is needed to test the modules of the page"
    return NODE


@pytest.mark.parametrize("path", sorted((HERE.parents[1] / MODULES).glob("*.js")), ids=lambda path: path.stem)
def test_a_module_of_the_page_can_be_read(path):
    command = [required_node(), "--input-type=module", "--check"]

    run = subprocess.run(command, input=path.read_text(), capture_output=True, text=True, timeout=60)

    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "module",
    [
        "page",
        "backfills",
        "backup-rows",
        "backup-sources",
        "concerns",
        "explain",
        "forecast",
        "format",
        "history-charts",
        "history-events",
        "history-ranges",
        "history-series",
        "live",
        "order",
        "server-words",
        "state",
        "trend-lines",
        "words",
    ],
)
def test_a_pure_module_of_the_page_keeps_its_promises(module, tmp_path):
    node = required_node()
    # Before version 20 node takes a .js file for a module only where a package says so; the page needs no package.
    shutil.copytree(HERE.parents[1] / MODULES, tmp_path / MODULES)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    test = tmp_path / "tests" / "js" / f"{module}.test.mjs"
    test.parent.mkdir(parents=True)
    shutil.copy(HERE / test.name, test)

    run = subprocess.run([node, "--test", str(test)], capture_output=True, text=True, timeout=60)

    assert run.returncode == 0, run.stdout + run.stderr
    assert "# fail 0" in run.stdout or "ℹ fail 0" in run.stdout
    assert "# pass 0" not in run.stdout
