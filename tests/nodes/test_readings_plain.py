"""The fast way from the bytes of GET /cluster/resources to its reading: the same as the lenient one, or left to that."""

from __future__ import annotations

import copy
import io
import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests import Response

from nodes.proxmox import answers, pve
from nodes.proxmox.errors import BadAnswer, TooLarge
from nodes.proxmox.plain import plain_rows
from nodes.proxmox.readings.live import ResourcesReading
from pulse.lib.outbound.places import place_of
from tests.nodes.readers import recorded_answers
from tests.nodes.test_readings_any_input import JUNK, json_for, mutated

PLACE = place_of("https://192.0.2.1:8006")

GUEST = {
    "id": "qemu/100", "type": "qemu", "vmid": 100, "name": "web", "node": "pve1", "status": "running", "cpu": 0.25, "maxcpu": 4,
    "mem": 2**31, "maxmem": 2**32, "memhost": 2**31, "disk": 0, "maxdisk": 2**35, "netin": 10, "netout": 20, "diskread": 30,
    "diskwrite": 40, "uptime": 1000, "template": 0, "tags": "prod;web", "lock": "backup", "pool": "a", "hastate": "started",
}  # fmt: skip
NODE = {
    "id": "node/pve1", "type": "node", "node": "pve1", "status": "online", "cpu": 0.5, "maxcpu": 64, "mem": 2**37,
    "maxmem": 2**39, "disk": 2**33, "maxdisk": 2**36, "uptime": 10**6, "level": "c", "hastate": "online",
}  # fmt: skip
STORAGE = {
    "id": "storage/pve1/nas", "type": "storage", "storage": "nas", "node": "pve1", "status": "available", "plugintype": "nfs",
    "content": "iso,backup", "shared": 1, "disk": 5, "maxdisk": 10,
}  # fmt: skip
POOL = {
    "id": "/pool/lab",
    "type": "pool",
    "pool": "lab",
    "cpu": 0.5,
    "maxcpu": 4,
    "mem": 2,
    "maxmem": 3,
    "uptime": 6,
}
NETWORK = {
    "id": "network/pve1/zone/a",
    "type": "network",
    "network": "a",
    "network-type": "zone",
    "node": "pve1",
}
ROWS = [NODE, GUEST, {**GUEST, "vmid": 101, "type": "lxc", "maxcpu": 1.5}, STORAGE, POOL, NETWORK]


def body_of(rows: object) -> bytes:
    """Return an answer as Proxmox writes it."""
    return json.dumps({"data": rows}, separators=(",", ":")).encode()


def read(body: bytes, *, plainly: bool) -> ResourcesReading | str:
    """Return the reading of a body, or the name of the error that it is."""
    reply = Response()
    reply.status_code, reply.raw = 200, io.BytesIO(body)
    try:
        return pve.read_cluster_resources(answers.decode(reply, PLACE, plain_rows if plainly else None).data)
    except (BadAnswer, TooLarge) as error:
        return type(error).__name__


def is_the_same(body: bytes) -> bool:
    """Return whether both ways lead to the same; True where the fast one leaves it to the other."""
    return plain_rows(body) is None or read(body, plainly=True) == read(body, plainly=False)


def test_what_proxmox_writes_is_read_without_the_lenient_readers():
    body = body_of(ROWS)

    rows = plain_rows(body)

    assert rows is not None
    assert len(rows) == 6
    reading = read(body, plainly=True)
    assert reading == read(body, plainly=False)
    assert [(one.vmid, one.kind, one.cpu_count, one.tags) for one in reading.guests] == [
        (100, "qemu", 4, ("prod", "web")),
        (101, "lxc", 1, ("prod", "web")),
    ]
    assert reading.skipped == 0


@pytest.mark.parametrize(
    "change",
    [
        {"vmid": "100"}, {"vmid": 0}, {"vmid": 10**9}, {"mem": 1.5}, {"mem": -1}, {"mem": 2**63}, {"mem": "5"}, {"cpu": "0.5"},
        {"cpu": -0.1}, {"name": None}, {"name": "x" * 257}, {"node": "x" * 129}, {"template": True}, {"tags": ["a"]},
        {"status": {"a": 1}}, {"name": "\ud800"}, {"maxcpu": 10**7},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_unusual_is_left_to_the_lenient_readers(change):
    body = body_of([NODE, {**GUEST, **change}])

    assert plain_rows(body) is None
    assert read(body, plainly=True) == read(body, plainly=False)


@pytest.mark.parametrize(
    ("told", "shown"),
    [("a\u202eb", "ab"), (" web ", "web"), ("a\x7f\x00b", "ab"), ("\u00e4\n\u00f6", "\u00e4 \u00f6")],
)
def test_texts_are_cleaned_as_ever(told, shown):
    rows = [{**GUEST, "name": told, "pool": told, "lock": told, "hastate": told}]

    (guest,) = read(body_of(rows), plainly=True).guests

    assert (guest.name, guest.pool, guest.lock, guest.ha_state) == (shown, shown, shown, shown)


def test_guests_of_one_node_share_the_text_of_its_name():
    first, second = read(body_of([GUEST, {**GUEST, "vmid": 101}]), plainly=True).guests

    assert first.node is second.node
    assert first.status is second.status


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"data":null}', b'{"data":{}}', b'{"data":[1]}', b"{" * 9000, b'{"data":[NaN]}']
)
def test_what_is_no_list_of_rows_is_left_to_the_lenient_readers(body):
    assert plain_rows(body) is None


def test_more_values_than_may_be_are_refused_before_they_are_decoded():
    assert read(body_of([{}] * 400_000), plainly=True) == "TooLarge"


def test_all_recorded_answers_are_read_without_the_lenient_readers_but_one_with_numbers_in_quotes():
    told = [body_of(answer) for answer in recorded_answers("resources")]

    assert len(told) == 17
    assert [b'"vmid":"' in body for body in told if plain_rows(body) is None] == [True]
    assert all(is_the_same(body) for body in told)


@pytest.mark.slow
def test_three_thousand_mutations_are_read_alike_or_left_to_the_lenient_readers():
    chance = random.Random("plain")
    originals = [ROWS, *recorded_answers("resources")]
    plain = 0

    for _ in range(3000):
        body = body_of(mutated(chance.choice(originals), chance))
        plain += plain_rows(body) is not None
        assert is_the_same(body), body

    assert plain > 200  # else nothing was compared


@pytest.mark.slow
def test_junk_in_each_field_is_read_alike_or_left_to_the_lenient_readers():
    for row in ROWS:
        for key in row:
            for junk in JUNK:
                changed = copy.deepcopy(row)
                changed[key] = junk
                body = body_of([NODE, changed])
                assert is_the_same(body), body


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_json_is_read_alike_or_left_to_the_lenient_readers(data: st.DataObject) -> None:
    told: Any = data.draw(json_for("resources"))
    assert is_the_same(json.dumps({"data": told}).encode())


@pytest.mark.slow
@given(body=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_alike_or_left_to_the_lenient_readers(body: bytes) -> None:
    assert is_the_same(body)
    assert is_the_same(b'{"data":[' + body + b"]}")
