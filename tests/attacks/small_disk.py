"""A small disk of the test's own, to be filled up."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

BLOCK = b"x" * 4096


@contextlib.contextmanager
def small_disk(place: Path, *, mebibytes: int) -> Iterator[Path]:
    """Mount a file system of this size in memory; skips where that needs rights that the test has not."""
    place.mkdir()
    options = f"size={mebibytes}m,mode=700"
    mounted = os.geteuid() == 0 and (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True
        ).returncode
        == 0
    )
    if not mounted:
        assert not os.environ.get("CI"), "in CI the tests of a full disk have to run: they need root"
        pytest.skip("mounting a small file system needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path, name: str = "filler") -> Path:
    """Leave no room at all; returns the file that takes it."""
    filler = disk / name
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        for block in (BLOCK * 256, BLOCK, b"x"):
            with contextlib.suppress(OSError):
                while file.write(block) == len(block):
                    pass
    return filler
