"""A resource by its id: in the store, and the figures behind it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from monitoring.concerns.shapes import CRITICAL, WARNING, About, Concern
from monitoring.figures.guests import GuestFigures
from monitoring.figures.instances import Figures
from monitoring.figures.nodes import NodeFigures
from monitoring.figures.servers import GatewayFigures, ServerFigures
from monitoring.figures.storages import StorageFigures
from monitoring.store.memory import MemoryStore
from monitoring.wire.finding import figures_behind
from monitoring.wire.fragments import Fragment, FragmentKey, concerns_in, items_of, located_guest
from monitoring.wire.ids import Label
from monitoring.wire.instances import shapes_of
from nodes.identity import ObjectKey, ObjectKind

LAB = Label("lab")
ONE, TWO = FragmentKey(1, "resources"), FragmentKey(2, "resources")


def guest(vmid, node="pve1", kind="qemu"):
    return GuestFigures(vmid, kind, node, "running")


def storage(name, node):
    return StorageFigures(name, node, "available")


def fragment(figures, *, key=ONE, version=1, label=LAB, concerns=(), keys=None):
    shapes = shapes_of(figures, concerns, label, keys or {})
    return Fragment(key, version, label.name, label.name, True, items_of(shapes, number=key.instance_id))


def found(store, identity):
    """Where the store has a resource: its instance, version and collection."""
    located = store.find(identity)
    return located and (
        located.fragment.key.instance_id,
        located.fragment.version,
        located.collection,
        located.item.id,
    )


def test_a_resource_is_found_in_the_newest_state_of_its_instance():
    store = MemoryStore()
    store.publish(fragment(Figures(guests=(guest(100),))))
    store.publish(fragment(Figures(guests=(guest(7, kind="lxc"),)), key=TWO, label=Label("two")))
    before = [found(store, one) for one in ("lab-pve1-100", "lab-pve2-100", "two-pve1-7")]

    store.publish(fragment(Figures(guests=(guest(100, "pve2"),)), version=2))

    assert before == [(1, 1, "vms", "lab-pve1-100"), None, (2, 1, "containers", "two-pve1-7")]
    assert found(store, "lab-pve1-100") is None
    assert found(store, "lab-pve2-100") == (1, 2, "vms", "lab-pve2-100")


def test_an_older_fragment_that_comes_late_is_not_found():
    store = MemoryStore()
    store.publish(fragment(Figures(guests=(guest(100),)), version=2))
    store.find("lab-pve1-100")

    store.publish(fragment(Figures(guests=(guest(101),)), version=1))

    assert (found(store, "lab-pve1-101"), found(store, "lab-pve1-100")) == (
        None,
        (1, 2, "vms", "lab-pve1-100"),
    )


def test_nothing_of_an_instance_that_was_removed_is_found():
    store = MemoryStore()
    store.publish(fragment(Figures(guests=(guest(100),))))
    store.find("lab-pve1-100")

    store.remove(1)

    assert store.find("lab-pve1-100") is None


PVE = Figures(
    nodes=(NodeFigures("shared", "online"), NodeFigures("a-b", "online"), NodeFigures("a", "online")),
    guests=(guest(300, "a", "lxc"), guest(100, "a-b"), guest(200, "a")),
    storages=(
        storage("local", "shared"),
        storage("local", "a-b"),
        storage("local", ""),
        storage("nas", ""),
        storage("b-local", "a"),
    ),
)
FIGURES = {
    "lab-shared": PVE.nodes[0],
    "lab-a-b": PVE.nodes[1],
    "lab-a": PVE.nodes[2],
    "lab-a-300": PVE.guests[0],
    "lab-a-b-100": PVE.guests[1],
    "lab-a-200": PVE.guests[2],
    "lab-shared-local": PVE.storages[0],
    "lab-a-b-local": PVE.storages[1],
    "shared-local": PVE.storages[2],
    "shared-lab-nas": PVE.storages[3],
    "lab-a-b-local~": PVE.storages[4],
}


@pytest.mark.parametrize("identity", FIGURES)
def test_behind_each_id_are_its_figures_whatever_dashes_are_in_its_names(identity):
    store = MemoryStore()
    label = Label("lab", storage_ids={"nas/": "shared-lab-nas", "b-local/a": "lab-a-b-local~"})
    store.publish(fragment(PVE, label=label))

    located = store.find(identity)

    assert located is not None
    assert figures_behind(located, PVE.in_order(), label) == FIGURES[identity]


@pytest.mark.parametrize(
    ("identity", "figures", "kind"),
    [
        ("pbs-lab", Figures(server=ServerFigures("online", "healthy", 1.0)), "server"),
        ("pmg-lab", Figures(gateway=GatewayFigures("online", "healthy", 1.0)), "gateway"),
    ],
)
def test_behind_a_server_and_a_gateway_are_their_figures(identity, figures, kind):
    store = MemoryStore()
    store.publish(fragment(figures))

    located = store.find(identity)

    assert figures_behind(located, figures, LAB) is getattr(figures, kind)


def test_what_stands_for_a_refused_login_has_the_name_of_its_instance():
    store = MemoryStore()
    figures = Figures(refused=NodeFigures("", "offline", "error"))
    store.publish(fragment(figures))

    located = store.find("lab-failed")

    assert figures_behind(located, figures, LAB) == NodeFigures("lab", "offline", "error")


def test_nothing_is_behind_an_id_whose_figures_have_gone():
    store = MemoryStore()
    store.publish(fragment(PVE))

    identities = ("lab-a", "lab-a-200", "lab-a-b-local", "shared-nas")
    assert [figures_behind(store.find(one), Figures(), LAB) for one in identities] == [None] * 4


def test_a_guest_is_found_by_its_number_alone():
    whole = fragment(PVE)

    places = [located_guest(whole, vmid) for vmid in (100, 200, 250, 300, 999)]

    assert [one and (one.collection, one.item.id) for one in places] == [
        ("vms", "lab-a-b-100"),
        ("vms", "lab-a-200"),
        None,
        ("containers", "lab-a-300"),
        None,
    ]


def test_only_the_concerns_of_what_is_asked_for_are_decoded():
    about = {About("node", "a"): 1, About("node", "a-b"): 2, About("instance"): 3}
    keys = {one: ObjectKey(ObjectKind.NODE, pk) for one, pk in about.items()}
    concerns = [Concern("low", WARNING, "x", f"low {one}", about=one) for one in about]
    concerns.append(Concern("high", CRITICAL, "x", "high", about=About("node", "a")))
    whole = fragment(PVE, concerns=concerns, keys=keys)

    others = tuple(
        replace(item, body=b"?") if item.order[-1] == "lab-a-b" else item for item in whole.items["concerns"]
    )

    told = concerns_in(replace(whole, items={"concerns": others}), {"lab-a", ""})

    assert [(one.code, one.resourceId) for one in told] == [("high", "lab-a"), ("low", "lab-a"), ("low", "")]
