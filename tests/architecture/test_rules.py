"""docs/rules.md names for every rule the tests that hold it, and these exist; or it says why there is none."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.architecture.places import ROOT, is_there

RULE = re.compile(r"[AB]\d+")
#: What the table of security is about at least.
SECURITY = (
    *("A3", "A4", "A6", "A7", "A9", "A11", "A22", "A31", "A34", "A35"),
    *("A37", "A45", "A61", "A64", "A72", "A73", "A74", "A76", "A79", "A80"),
)


class Rule(NamedTuple):
    """One row: the tests that hold the rule as `path::name`, and one or two sentences of ours."""

    id: str
    tests: tuple[str, ...]
    remark: str


def rules() -> list[Rule]:
    """Return the rows of both tables."""
    found = []
    for line in (ROOT / "docs/rules.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and RULE.match(cells[0]):
            one, tests, remark = cells
            found.append(Rule(one, tuple(re.findall(r"`([^`]+)`", tests)), remark))
    return found


def test_every_test_that_is_named_is_there():
    assert [f"{rule.id}: {place}" for rule in rules() for place in rule.tests if not is_there(place)] == []


def test_a_rule_without_a_test_has_its_reason():
    assert [rule.id for rule in rules() if not rule.tests and not rule.remark.endswith(".")] == []


def test_no_rule_of_security_is_dropped():
    assert sorted(set(SECURITY) - {rule.id for rule in rules()}) == []


def test_a_rule_stands_there_once():
    ids = [rule.id for rule in rules()]

    assert sorted(ids) == sorted(set(ids))
