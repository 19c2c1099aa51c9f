"""The requirements files are what the lock file says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "requirements.txt": ["--no-dev"],
    "requirements-postgres.txt": ["--no-dev", "--extra", "postgres"],
    "requirements-dev.txt": ["--extra", "postgres"],
}
#: Versions below these have known holes that can be reached from outside.
FLOORS = {"django": (5, 2, 16), "urllib3": (2, 7, 0), "requests": (2, 32, 4), "daphne": (4, 2, 2)}


def pins(text: str) -> set[str]:
    """Return the lines `name==version ; condition` of a requirements file."""
    return {match.strip() for match in re.findall(r"^([a-z0-9][^\s=]*==[^\\\n]+)", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("name", FILES)
def test_a_requirements_file_pins_what_the_lock_exports(name):
    uv = Path(sys.executable).with_name("uv")
    options = ["--offline", "--frozen", "--quiet", "--no-header", "--no-annotate", "--no-emit-project"]

    export = subprocess.run(
        [uv, "export", *options, *FILES[name]], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert pins((ROOT / name).read_text()) == pins(export.stdout)
    assert len(pins(export.stdout)) > 40


@pytest.mark.parametrize("name", FILES)
def test_a_requirements_file_carries_hashes_and_no_address(name):
    text = (ROOT / name).read_text()

    assert text.count("--hash=sha256:") >= len(pins(text))
    assert not re.search(r"https?://|--index-url|--find-links", text)


@pytest.mark.parametrize(("package", "floor"), FLOORS.items(), ids=FLOORS)
def test_no_pinned_version_has_a_known_hole(package, floor):
    text = (ROOT / "requirements.txt").read_text()

    version = re.search(rf"^{package}==([0-9.]+)", text, flags=re.MULTILINE).group(1)

    assert tuple(int(part) for part in version.split(".")) >= floor


@pytest.mark.parametrize(("package", "floor"), FLOORS.items(), ids=FLOORS)
def test_nobody_who_installs_without_the_pins_gets_one_either(package, floor):
    text = (ROOT / "pyproject.toml").read_text()

    version = re.search(rf'^    "{package}>=([0-9.]+)', text, flags=re.MULTILINE).group(1)

    assert (*(int(part) for part in version.split(".")), 0, 0)[:3] >= floor


def test_what_is_known_to_be_unsafe_is_looked_for():
    lint = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    phases = re.findall(r'^phase "[^"]+" (.+)$', (ROOT / ".ci/run").read_text(), flags=re.MULTILINE)

    assert "-m bandit -q -c pyproject.toml -r accounts monitoring nodes pulse" in lint
    assert {"make lint", "known_holes"} <= set(phases)


def test_redis_stays_below_the_version_with_which_the_bus_fell_silent():
    text = (ROOT / "requirements.txt").read_text()

    assert int(re.search(r"^redis==(\d+)\.", text, flags=re.MULTILINE).group(1)) < 8
