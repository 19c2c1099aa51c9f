"""Which Python `make` takes, and what it says to those who have another."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.running import ROOT

pytestmark = pytest.mark.slow

#: Pretends to be of another version; `-m venv` makes what make waits for.
STUB = """#!{python}
import pathlib, sys
sys.version_info = {version}
if sys.argv[1] == "-c":
    exec(sys.argv[2])
else:
    program = pathlib.Path(sys.argv[3], "bin", "python")
    program.parent.mkdir(parents=True)
    program.touch()
"""


@pytest.fixture
def make(tmp_path: Path):
    """`make(python3=(3, 9))` asks for the environment where these are all Pythons on the path."""

    def make(**pythons: tuple[int, int]) -> subprocess.CompletedProcess[str]:
        shutil.copy(ROOT / "Makefile", tmp_path)
        for name, version in pythons.items():
            stub = tmp_path / "bin" / name.replace("_", ".")
            stub.parent.mkdir(exist_ok=True)
            stub.write_text(STUB.format(python=sys.executable, version=version))
            stub.chmod(0o755)
        return subprocess.run(
            [shutil.which("make"), "--no-print-directory", ".venv/bin/python"],
            cwd=tmp_path,
            env={"PATH": str(tmp_path / "bin")},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return make


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)], ids=lambda version: f"3.{version[1]}")
def test_every_version_that_pulse_is_tried_with_is_taken_without_a_word(make, version):
    done = make(python3=version)

    assert (done.returncode, done.stdout, done.stderr) == (0, "python3 -m venv .venv\n", "")


def test_the_next_version_is_taken_with_a_word(make):
    done = make(python3=(3, 14))

    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == ("Pulse is tried with Python 3.11 to 3.13, not with 3.14; going on")


@pytest.mark.parametrize(
    "version", [(2, 7), (3, 10), (3, 15)], ids=lambda version: ".".join(map(str, version))
)
def test_another_version_is_refused_in_one_sentence(make, version):
    done = make(python3=version)

    name = ".".join(map(str, version))
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        f"Pulse needs Python 3.11, 3.12 or 3.13, and this is {name}; name one as in: make PYTHON=python3.12"
    )


def test_a_version_that_fits_is_found_beside_one_that_does_not(make):
    done = make(python3=(3, 9), python3_12=(3, 12))

    assert (done.returncode, done.stdout) == (0, "python3.12 -m venv .venv\n")


def test_no_python_at_all_is_told(make):
    done = make(bash=(3, 11))

    assert done.returncode == 2
    assert "Pulse needs Python 3.11, 3.12 or 3.13, and there is none on the path" in done.stdout
