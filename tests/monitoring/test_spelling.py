"""Structs of ours as the wire spells them, and how that is described."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from monitoring.wire.shapes import ConcernShape
from monitoring.wire.spelling import spell, spelled


class Leaf(msgspec.Struct, frozen=True):
    """A part."""

    mount_point: Annotated[str, "mountpoint"]
    taken_epoch: int | None = None


class Tree(msgspec.Struct, frozen=True):
    """A whole."""

    read_epoch: float
    one_leaf: Leaf | None
    all_leaves: tuple[Leaf, ...]
    by_name: dict[str, tuple[Leaf, ...]]
    kind: Literal["a_b", ""] = ""


class Meeting(msgspec.Struct, frozen=True):
    """Two fields that would have one name."""

    read: str
    read_epoch: float


def sent(struct):
    return msgspec.json.decode(msgspec.json.encode(spell(struct)))


def test_names_are_camel_case_all_the_way_down_and_keys_of_mappings_stay():
    leaf = Leaf("/srv", 1767268800)

    told = sent(Tree(1767268800.9, leaf, (leaf,), {"node_1": (leaf,)}, "a_b"))

    part = {"mountPoint": "/srv", "taken": "2026-01-01T12:00:00Z"}
    assert told == {
        "read": "2026-01-01T12:00:00Z",
        "oneLeaf": part,
        "allLeaves": [part],
        "byName": {"node_1": [part]},
        "kind": "a_b",
    }


@pytest.mark.parametrize("epoch", [None, 0, -5, 10**15])
def test_an_instant_that_is_not_known_or_in_no_calendar_is_null(epoch):
    assert sent(Leaf("", epoch)) == {"mountPoint": "", "taken": None}


def test_the_description_follows_the_same_rule_and_has_every_field_always_there():
    _, components = msgspec.json.schema_components([spelled(Tree)])

    assert components["Tree"]["required"] == ["read", "oneLeaf", "allLeaves", "byName", "kind"]
    assert components["Leaf"] == {
        "title": "Leaf",
        "description": "A part.",
        "type": "object",
        "properties": {
            "mountPoint": {"type": "string"},
            "taken": {"type": ["string", "null"], "format": "date-time"},
        },
        "required": ["mountPoint", "taken"],
    }


def test_a_shape_of_the_wire_stays_as_it_is():
    assert spelled(ConcernShape) is ConcernShape


def test_two_fields_of_one_name_are_refused():
    with pytest.raises(ValueError, match="rename to the same name"):
        spelled(Meeting)
