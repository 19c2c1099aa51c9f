"""Fragments: changes lead exactly from one set of resources to the next."""

from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring.figures.rates import Rates
from monitoring.wire.fragments import POLLED, Fragment, changes_between, items_of, next_version, whole_change
from monitoring.wire.hosts import guest_view, node_view
from monitoring.wire.servers import pbs_view
from monitoring.wire.shapes import ConcernShape, Shapes
from monitoring.wire.storages import storage_views
from nodes.proxmox.readings import (
    DatastoreReading,
    GuestReading,
    NodeReading,
    PbsStatusReading,
    StorageReading,
)
from tests.clients.apply import apply_collections

SEEN = st.sampled_from(["2026-01-01T12:00:00Z", "2026-01-01T12:00:10Z", "2026-01-01T12:00:20Z"])
NUMBER = st.integers(0, 2**45)
RATE = st.integers(-1, 10**9)


@st.composite
def guests(draw):
    reading = GuestReading(
        vmid=draw(st.integers(100, 104)),
        kind="qemu",
        node=draw(st.sampled_from(["pve1", "pve2"])),
        status=draw(st.sampled_from(["running", "stopped"])),
        name=draw(st.text(max_size=5)),
        cpu_ratio=draw(st.floats(0, 1)),
        memory_used_bytes=draw(NUMBER),
        memory_total_bytes=draw(NUMBER),
        tags=tuple(draw(st.lists(st.sampled_from(["prod", "web"]), max_size=2))),
        lock=draw(st.sampled_from(["", "backup"])),
    )
    rates = Rates(draw(RATE), draw(RATE), draw(RATE), draw(RATE))
    return guest_view(reading, rates, instance="lab", seen=draw(SEEN))


@st.composite
def nodes(draw):
    reading = NodeReading(draw(st.sampled_from(["pve1", "pve2"])), "online", cpu_ratio=draw(st.floats(0, 1)))
    return node_view(reading, None, instance="lab", seen=draw(SEEN), health="healthy")


@st.composite
def storages(draw):
    readings = [StorageReading("nas", node, "available", is_shared=True, used_bytes=draw(NUMBER), total_bytes=2**45)
                for node in draw(st.sets(st.sampled_from(["pve1", "pve2"])))]  # fmt: skip
    return tuple(storage_views(readings, instance="lab", wire_ids={}))


@st.composite
def concerns(draw):
    subject = draw(st.sampled_from(["tank", "rpool"]))
    level, text = draw(st.sampled_from([("warning", "degraded"), ("critical", "faulted")]))
    return ConcernShape(f"lab||zfs|{subject}", "lab", "", level, "zfs", subject, text, draw(SEEN))


@st.composite
def all_views(draw):
    vms = {view.id: view for view in draw(st.lists(guests(), max_size=4))}
    known = {view.id: view for view in draw(st.lists(nodes(), max_size=2))}
    status = PbsStatusReading(
        cpu_ratio=draw(st.floats(0, 1)), memory_used_bytes=draw(NUMBER), memory_total_bytes=2**45
    )
    datastore = DatastoreReading("main", 100, draw(st.integers(0, 100)), 50)
    pbs = pbs_view(
        name="vault", host="h", version="4.2", status=status, datastores=[datastore], seen=draw(SEEN)
    )
    wrong = {view.id: view for view in draw(st.lists(concerns(), max_size=3))}
    return Shapes(
        tuple(known.values()),
        tuple(vms.values()),
        (),
        draw(storages()),
        (pbs,),
        concerns=tuple(wrong.values()),
    )


def decoded(views):
    """The resources of the views by collection and id, as a client sees them."""
    items = items_of(views, number=0)
    return {name: {item.id: msgspec.json.decode(item.body) for item in items[name]} for name in POLLED}


def fragment(version, views, **fields):
    return Fragment(1, version, "pve", "lab", "lab", True, items_of(views, number=0), **fields)


@pytest.mark.slow
@given(st.lists(all_views(), min_size=2, max_size=5))
@settings(max_examples=150, deadline=None)
def test_resources_with_the_changes_applied_are_the_new_resources(steps):
    resources = decoded(steps[0])

    for before, after in itertools.pairwise(steps):
        apply_collections(resources, msgspec.json.decode(changes_between(before, after)))

    assert resources == decoded(steps[-1])


@pytest.mark.slow
@given(all_views(), all_views())
@settings(max_examples=80, deadline=None)
def test_whole_changes_bridge_a_gap(before, after):
    resources = decoded(before)

    apply_collections(resources, msgspec.json.decode(whole_change(fragment(1, before), fragment(7, after))))

    assert resources == decoded(after)


@pytest.mark.slow
@given(all_views())
def test_equal_resources_have_no_changes(views):
    assert changes_between(views, views) == b"{}"


def test_a_removed_instance_takes_all_its_resources_along():
    view = guest_view(GuestReading(100, "qemu", "pve1", "running"), Rates(), instance="lab", seen="t")

    change = msgspec.json.decode(whole_change(fragment(1, Shapes(vms=(view,))), None))

    assert change == {"vms": {"gone": ["lab-pve1-100"]}}


def test_what_another_instance_has_by_now_is_not_gone():
    view = guest_view(GuestReading(100, "qemu", "pve1", "running"), Rates(), instance="lab", seen="t")

    change = whole_change(fragment(1, Shapes(vms=(view,))), None, kept={"vms": {"lab-pve1-100"}})

    assert change == b"{}"


def test_figures_travel_as_rows_of_columns():
    reading = GuestReading(
        100, "qemu", "pve1", "running", cpu_ratio=0.1, memory_used_bytes=25, memory_total_bytes=100
    )
    before = guest_view(reading, Rates(), instance="lab", seen="t")
    after = guest_view(msgspec.structs.replace(reading, cpu_ratio=0.2, memory_used_bytes=50), Rates(),
                       instance="lab", seen="t")  # fmt: skip

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
