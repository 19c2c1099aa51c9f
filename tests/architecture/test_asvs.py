"""docs/asvs.csv has every requirement of levels 1 and 2 of OWASP ASVS 5.0.0, and what it calls met is held by something."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from tests.architecture.places import ROOT, is_there

STATES = {"met", "not-met", "planned", "not-applicable"}
#: Requirements of level 1 that do not hold although what they are about exists; none may come to them.
OPEN_OF_LEVEL_1 = set()
#: How many of the requirements of level 2 that are about something that exists are met, and of how many.
MET_OF_LEVEL_2 = (109, 115)
#: Begins the reason of a requirement whose subject does not exist so far.
ABSENT = "Not built yet (issue "


class Row(NamedTuple):
    """One requirement: `where` are tests as `path::name` and documents, `why` is one or two sentences of ours."""

    id: str
    level: str
    state: str
    where: str
    why: str

    @property
    def is_absent(self) -> bool:
        """Whether there is nothing so far that it could be about."""
        return self.state == "not-applicable" or (self.state == "planned" and self.why.startswith(ABSENT))


def levels() -> dict[str, str]:
    """Return the level of each requirement of the standard."""
    with (Path(__file__).parent / "asvs_levels.csv").open(newline="") as file:
        return {row["id"]: row["level"] for row in csv.DictReader(file)}


def rows() -> list[Row]:
    """Return the table."""
    with (ROOT / "docs/asvs.csv").open(newline="") as file:
        return [Row(**row) for row in csv.DictReader(file)]


def test_every_requirement_of_levels_1_and_2_is_there_once_with_its_level():
    known = levels()
    ids = [row.id for row in rows()]

    assert len(ids) == len(set(ids))
    assert {one for one, level in known.items() if level in ("1", "2")} <= set(ids)
    assert [row.id for row in rows() if known.get(row.id) != row.level] == []
    assert [sum(level == one for level in known.values()) for one in "123"] == [70, 184, 91]


def test_the_rows_stand_in_the_order_of_the_standard():
    order = list(levels())

    assert [row.id for row in rows()] == sorted((row.id for row in rows()), key=order.index)


def test_every_state_is_one_of_four_and_has_its_reason():
    assert [row.id for row in rows() if row.state not in STATES] == []
    assert [row.id for row in rows() if not row.why.endswith(".")] == []


def test_what_is_met_names_what_holds_it_and_everything_that_is_named_is_there():
    places = [(row.id, place) for row in rows() if row.where for place in row.where.split("; ")]

    assert [f"{one}: {place}" for one, place in places if not is_there(place)] == []
    assert [row.id for row in rows() if row.state == "met" and not row.where] == []


def test_of_level_1_nothing_is_open_but_what_is_known_to_be():
    open_rows = {row.id for row in rows() if row.level == "1" and row.state != "met" and not row.is_absent}

    assert open_rows == OPEN_OF_LEVEL_1


def test_of_level_2_no_less_is_met_than_was():
    concerned = [row for row in rows() if row.level == "2" and not row.is_absent]
    met, most = MET_OF_LEVEL_2

    assert sum(row.state == "met" for row in concerned) >= met
    assert len(concerned) >= most  # what becomes not applicable is no progress


def test_of_level_3_no_less_is_met_than_was():
    assert sum(row.level == "3" and row.state == "met" for row in rows()) >= 30


def test_the_document_tells_the_share_that_is_met():
    text = " ".join((ROOT / "docs/asvs.md").read_text().split())
    of_level_3 = sum(row.level == "3" for row in rows())
    concerned = [row for row in rows() if row.level == "2" and not row.is_absent]
    share = 100 * sum(row.state == "met" for row in concerned) // len(concerned)

    assert f"that are about something that exists, {share} % are met" in text
    assert f"the 254 requirements of levels 1 and 2, and for {of_level_3} of level 3" in text


def test_a_place_that_is_not_there_is_seen():
    assert is_there("docs/asvs.md")
    assert is_there("tests/architecture/test_asvs.py::test_a_place_that_is_not_there_is_seen")
    assert not is_there("tests/architecture/test_asvs.py::test_of_nothing")
    assert not is_there("tests/architecture/test_nothing.py::test_of_nothing")
    assert not is_there("docs/nothing.md")
    assert not is_there("README.md")
