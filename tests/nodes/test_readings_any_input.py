"""Whatever a host sends: a reading that can be stored, encoded and shown, or BadAnswer; nothing else."""

from __future__ import annotations

import copy
import io
import json
import random
import re
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import Response

from nodes.proxmox import answers
from nodes.proxmox.errors import BadAnswer, TooLarge
from pulse.lib.outbound.places import place_of
from tests.nodes.readers import READERS, VERSIONS, made_of, recorded_answers
from tests.nodes.recorded import recorded, schema_paths

pytestmark = pytest.mark.slow

PLACE = place_of("https://192.0.2.1:8006")

RECORDINGS = (
    ("resources", "proxmox-go-sdk-pve9/cluster-resources.json", 0),
    ("resources", "proxmox-go-sdk-pve9/cluster-resources.json", 9),
    ("resources", "community-proxmox-inventory/cluster-resources-type-vm.json", 0),
    ("cluster", "psproxmoxve-fixtures/pve9_cluster_status.json", 0),
    ("node", "pvectl-fixtures/node_status_extended.json", 0),
    ("nodes", "fog-proxmox-pve6/nodes.json", 0),
    ("version", "fog-proxmox-pve6/version.json", 0),
    ("pbs status", "pbs-exporter-node-inline/nodeStatus.json", 0),
    ("pbs usage", "pbs-exporter-rs/status-datastore-usage.json", 0),
)

TYPES = st.sampled_from(
    ["node", "qemu", "lxc", "storage", "cluster", "pool", "osd", "host", "service", "lrm", "master"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(
        ["100", "UPID:a:00000001:00000001:5FBE5E7F:b:c:d:", "192.0.2.1/24", "local:x,size=32G", "1.5%"]
    )
    | TYPES
)


@cache
def json_for(name: str) -> st.SearchStrategy[Any]:
    """Return any JSON whose objects have the keys that a reader may come across."""
    found = [key for answer in answers_for(name) for key in keys_in(answer)]
    keys = st.sampled_from(sorted({"type", "id", *found}))
    return st.recursive(
        LEAVES,
        lambda children: st.lists(children, max_size=4) | st.dictionaries(keys, children, max_size=8),
        max_leaves=20,
    )


@cache
def answers_for(name: str) -> list[Any]:
    """Return the samples of a reader and the recorded answers that it gets."""
    return [*READERS[name].samples(), *recorded_answers(name)]


def keys_in(value: Any) -> list[str]:
    """Return all keys in plain data."""
    if isinstance(value, dict):
        return [*value, *(key for entry in value.values() for key in keys_in(entry))]
    return [key for entry in value for key in keys_in(entry)] if isinstance(value, list) else []


def shape_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return what a schema allows, without its limits: any of its properties may be missing."""
    if "properties" in schema:
        shapes = {key: shape_of(inner) for key, inner in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=shapes)
    if schema.get("type") == "array":
        return st.lists(shape_of(schema.get("items") or {}), max_size=3)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return {
        "boolean": st.sampled_from([0, 1, True, False]),
        "integer": st.integers(),
        "number": st.floats(allow_nan=False) | st.integers(),
        "string": st.text(max_size=30),
    }.get(schema.get("type", ""), st.just(made_of(schema)))


JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**63, -(2**63) - 1, 10**30, float("nan"), float("inf"), -0.0, "", "0", "-1",
    "nan", "1e999", "9" * 50, "\x00", "\ud800", "\u202eabc", "x" * 5000, "../..", "<script>alert(1)</script>",
    [], {}, [[]], {"a": {"b": []}}, [None], {"vmid": 1},
)  # fmt: skip


def check(name: str, data: object) -> None:
    """Read, and hold the reading to what the rest of the product relies on."""
    try:
        reading = READERS[name].read(data)
    except BadAnswer:
        return
    plain = msgspec.to_builtins(reading)
    encoded = json.dumps(plain, allow_nan=False, ensure_ascii=False).encode("utf-8")
    assert b"\\u0000" not in encoded
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u2028\u202e]", "".join(texts(plain)))
    for number in numbers(plain):
        assert isinstance(number, (bool, float)) or -(2**63) <= number < 2**63


def texts(value: Any) -> list[str]:
    """Return all texts in plain data, the keys of objects among them."""
    if isinstance(value, dict):
        return [*value, *(text for entry in value.values() for text in texts(entry))]
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in texts(entry)]
    return [value] if isinstance(value, str) else []


def numbers(value: Any) -> list[Any]:
    """Return all numbers in plain data."""
    if isinstance(value, dict):
        return [number for entry in value.values() for number in numbers(entry)]
    if isinstance(value, (list, tuple)):
        return [number for entry in value for number in numbers(entry)]
    return [value] if isinstance(value, (int, float)) else []


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_json_is_a_reading_or_a_bad_answer(name: str, data: st.DataObject) -> None:
    check(name, data.draw(json_for(name)))


@pytest.mark.parametrize(
    ("name", "product", "path"),
    [(name, *call) for name, source in READERS.items() for call in source.calls],
)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_a_schema_allows_is_a_reading_or_a_bad_answer(
    name: str, product: str, path: str, data: st.DataObject
) -> None:
    version = data.draw(st.sampled_from([one for one in VERSIONS[product] if path in schema_paths(one)]))

    check(name, data.draw(shape_of(schema_paths(version)[path]["GET"]["returns"])))


def test_five_thousand_mutations_over_all_readers_are_readings_or_bad_answers() -> None:
    chance = random.Random("five thousand")
    names = list(READERS)

    for number in range(5000):
        name = names[number % len(names)]
        check(name, mutated(chance.choice(answers_for(name)), chance))


@pytest.mark.parametrize(("name", "file", "index"), RECORDINGS)
def test_a_thousand_mutations_of_a_recorded_answer_are_readings_or_bad_answers(
    name: str, file: str, index: int
) -> None:
    original = recorded(file, index=index)
    chance = random.Random(f"{file} {index}")

    for _ in range(1000):
        check(name, mutated(original, chance))


def mutated(original: Any, chance: random.Random) -> Any:
    """Return a copy with one to five places replaced, removed, doubled or renamed."""
    box = [copy.deepcopy(original)]
    for _ in range(chance.randint(1, 5)):
        mutate_once(chance.choice(containers(box)), chance)
    return box[0] if box else None


def containers(value: Any) -> list[Any]:
    """Return all lists and objects in plain data that hold something."""
    if isinstance(value, dict):
        found = [value] if value else []
        return found + [inner for entry in value.values() for inner in containers(entry)]
    if isinstance(value, list):
        found = [value] if value else []
        return found + [inner for entry in value for inner in containers(entry)]
    return []


def mutate_once(container: Any, chance: random.Random) -> None:
    """Change one entry of a list or object."""
    key = chance.choice(list(container) if isinstance(container, dict) else range(len(container)))
    match chance.randint(0, 3):
        case 0:
            container[key] = copy.deepcopy(chance.choice(JUNK))
        case 1 if isinstance(container, dict):
            container[str(chance.choice(JUNK))] = container.pop(key)
        case 2:
            container[key] = [container[key], copy.deepcopy(container[key])]
        case _ if isinstance(container, list) and len(container) > 1:
            container.insert(chance.randrange(len(container)), copy.deepcopy(container[key]))
        case _:
            container[key] = str(container[key])


@pytest.mark.parametrize(("name", "file", "index"), RECORDINGS)
def test_five_hundred_bodies_with_damaged_bytes_are_answers_or_refused(
    name: str, file: str, index: int
) -> None:
    body = json.dumps({"data": recorded(file, index=index)}).encode()
    chance = random.Random(f"bytes {file} {index}")

    for _ in range(500):
        damaged = bytearray(body)
        for _ in range(chance.randint(1, 8)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        del damaged[chance.choice([len(damaged), chance.randrange(len(damaged))]) :]
        check_body(name, damaged)


@given(
    body=st.binary(max_size=200) | st.text(max_size=100).map(lambda text: ('{"data":' + text + "}").encode())
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_an_answer_or_refused(body: bytes) -> None:
    check_body("resources", bytearray(body))


def check_body(name: str, body: bytearray) -> None:
    """Decode and read; BadAnswer and TooLarge are the only ways out."""
    reply = Response()
    reply.status_code, reply.raw = 200, io.BytesIO(body)
    try:
        envelope = answers.decode(reply, PLACE)
    except (BadAnswer, TooLarge):
        return
    check(name, envelope.data)
