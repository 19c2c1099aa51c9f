"""Fragments: changes lead exactly from one set of resources to the next."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitoring.figures.guest_memory import GuestMemory
from monitoring.figures.guests import GuestFigures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.rates import Rates
from monitoring.figures.servers import DatastoreFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.wire.fragments import (
    POLLED,
    Fragment,
    FragmentKey,
    changes_between,
    items_of,
    next_version,
    shapes_in,
    whole_change,
)
from monitoring.wire.guests import guest_shape
from monitoring.wire.ids import Label
from monitoring.wire.nodes import node_shape
from monitoring.wire.servers import server_shape
from monitoring.wire.shapes import ConcernShape, Shapes
from monitoring.wire.storages import storage_shape
from nodes.proxmox.readings.live import PbsStatusReading
from tests.clients.apply import apply_collections

LAB = Label("lab")
SEEN = st.sampled_from([1767268800.0, 1767268810.0, 1767268820.0])
NUMBER = st.integers(0, 2**45)
RATE = st.none() | st.integers(0, 10**9)


@st.composite
def guests(draw):
    figures = GuestFigures(
        vmid=draw(st.integers(100, 104)),
        kind="qemu",
        node=draw(st.sampled_from(["pve1", "pve2"])),
        status=draw(st.sampled_from(["running", "stopped"])),
        name=draw(st.text(max_size=5)),
        cpu_ratio=draw(st.floats(0, 1)),
        seen_epoch=draw(SEEN),
        memory=GuestMemory(draw(NUMBER), draw(NUMBER)),
        rates=draw(st.none() | st.builds(Rates, RATE, RATE, RATE, RATE)),
        tags=tuple(draw(st.lists(st.sampled_from(["prod", "web"]), max_size=2))),
        lock=draw(st.sampled_from(["", "backup"])),
    )
    return guest_shape(figures, LAB)


@st.composite
def nodes(draw):
    name, ratio = draw(st.sampled_from(["pve1", "pve2"])), draw(st.floats(0, 1))
    return node_shape(NodeFigures(name, "online", seen_epoch=draw(SEEN), cpu_ratio=ratio), LAB)


@st.composite
def storages(draw):
    nodes = draw(st.sets(st.sampled_from(["", "pve1", "pve2"])))
    return tuple(
        storage_shape(
            StorageFigures("nas", node, "available", used_bytes=draw(NUMBER), total_bytes=2**45), LAB
        )
        for node in sorted(nodes)
    )


@st.composite
def concerns(draw):
    subject = draw(st.sampled_from(["tank", "rpool"]))
    level, text = draw(st.sampled_from([("warning", "degraded"), ("critical", "faulted")]))
    return ConcernShape(f"lab||zfs|{subject}", "lab", "", level, "zfs", subject, text, str(draw(SEEN)))


@st.composite
def all_shapes(draw):
    vms = {one.id: one for one in draw(st.lists(guests(), max_size=4))}
    known = {one.id: one for one in draw(st.lists(nodes(), max_size=2))}
    status = PbsStatusReading(
        cpu_ratio=draw(st.floats(0, 1)), memory_used_bytes=draw(NUMBER), memory_total_bytes=2**45
    )
    datastore = DatastoreFigures(
        "main", "available", used_bytes=draw(st.integers(0, 100)), available_bytes=50
    )
    server = ServerFigures(
        "online", "healthy", draw(SEEN), version="4.2", host=status, datastores=(datastore,)
    )
    pbs = server_shape(server, Label("vault", "h"))
    wrong = {one.id: one for one in draw(st.lists(concerns(), max_size=3))}
    return Shapes(
        tuple(known.values()),
        tuple(vms.values()),
        (),
        draw(storages()),
        (pbs,),
        concerns=tuple(wrong.values()),
    )


def decoded(shapes):
    """The resources by collection and id, as a client sees them."""
    items = items_of(shapes, number=0)
    return {name: {item.id: msgspec.json.decode(item.body) for item in items[name]} for name in POLLED}


def fragment(version, shapes, **fields):
    return Fragment(
        FragmentKey(1, "resources"), version, "lab", "lab", True, items_of(shapes, number=0), **fields
    )


@pytest.mark.slow
@given(st.lists(all_shapes(), min_size=2, max_size=5))
@settings(max_examples=150, deadline=None)
def test_resources_with_the_changes_applied_are_the_new_resources(steps):
    resources = decoded(steps[0])

    for before, after in itertools.pairwise(steps):
        apply_collections(resources, msgspec.json.decode(changes_between(before, after)))

    assert resources == decoded(steps[-1])


@pytest.mark.slow
@given(all_shapes(), all_shapes())
@settings(max_examples=80, deadline=None)
def test_whole_changes_bridge_a_gap(before, after):
    resources = decoded(before)

    apply_collections(resources, msgspec.json.decode(whole_change(fragment(1, before), fragment(7, after))))

    assert resources == decoded(after)


@pytest.mark.slow
@given(all_shapes())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_a_fragment_holds_is_what_it_was_made_of(shapes):
    held = shapes_in(fragment(1, shapes))

    assert decoded(held) == decoded(shapes)
    assert changes_between(held, shapes) == b"{}"


@pytest.mark.slow
@given(all_shapes())
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_equal_resources_have_no_changes(shapes):
    assert changes_between(shapes, shapes) == b"{}"


def test_a_removed_instance_takes_all_its_resources_along():
    guest = guest_shape(GuestFigures(100, "qemu", "pve1", "running"), LAB)

    change = msgspec.json.decode(whole_change(fragment(1, Shapes(vms=(guest,))), None))

    assert change == {"vms": {"gone": ["lab-pve1-100"]}}


def test_what_another_instance_has_by_now_is_not_gone():
    guest = guest_shape(GuestFigures(100, "qemu", "pve1", "running"), LAB)

    change = whole_change(fragment(1, Shapes(vms=(guest,))), None, kept={"vms": {"lab-pve1-100"}})

    assert change == b"{}"


def test_figures_travel_as_rows_of_columns():
    figures = GuestFigures(100, "qemu", "pve1", "running", cpu_ratio=0.1, memory=GuestMemory(25, 100))
    before = guest_shape(figures, LAB)
    after = guest_shape(msgspec.structs.replace(figures, cpu_ratio=0.2, memory=GuestMemory(50, 100)), LAB)

    change = msgspec.json.decode(changes_between(Shapes(vms=(before,)), Shapes(vms=(after,))))

    assert change == {
        "vms": {
            "cols": ["cpu", "memory.used", "memory.free", "memory.usage"],
            "rows": [["lab-pve1-100", 0.2, 50, 50, 50.0]],
        }
    }


def test_a_concern_that_was_only_read_again_travels_as_one_figure():
    before = ConcernShape("lab||zfs|tank", "lab", "", "warning", "zfs", "tank", "degraded", "t1")
    after = msgspec.structs.replace(before, readAt="t2")

    change = msgspec.json.decode(changes_between(Shapes(concerns=(before,)), Shapes(concerns=(after,))))

    assert change == {"concerns": {"cols": ["readAt"], "rows": [["lab||zfs|tank", "t2"]]}}


def test_a_version_lies_above_those_of_an_earlier_process():
    assert next_version(0, 1_700_000_000.5) == 1_700_000_000_500
    assert next_version(1_700_000_000_500, 1_600_000_000.0) == 1_700_000_000_501
