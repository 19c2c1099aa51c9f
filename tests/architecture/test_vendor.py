"""Files of others lie in the tree as their authors published them, with their licences."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

VENDOR = Path(__file__).parents[2] / "pulse/static/pulse/vendor"
ROW = re.compile(r"\| `(?P<file>[^`]+)` \|.*`(?P<licence>[^`]+\.LICENSE)` \| `(?P<sum>[0-9a-f]{64})` \|")
TOLD = {row["file"]: row for row in ROW.finditer((VENDOR / "README.md").read_text())}


def test_every_file_of_others_is_told():
    found = {path.name for path in VENDOR.iterdir() if path.suffix not in (".md", ".LICENSE")}

    assert found == set(TOLD) == {"htm.mjs", "preact.mjs", "uplot.css", "uplot.mjs"}


@pytest.mark.parametrize("name", TOLD)
def test_a_file_of_others_is_unchanged_and_has_its_licence(name):
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == TOLD[name]["sum"]
    assert (VENDOR / TOLD[name]["licence"]).stat().st_size > 1000
