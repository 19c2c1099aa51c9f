"""The rows of guests are looked at when who they are has changed, not when their figures have."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from nodes import inventory
from nodes.models import Guest
from nodes.proxmox.readings.live import GuestReading, NodeReading, ResourcesReading
from tests.conftest import NOON
from tests.factories import make_instance

pytestmark = pytest.mark.django_db

WEB = GuestReading(100, "qemu", "pve1", "running", "web", cpu_ratio=0.1, tags=("prod",))
NODES = (NodeReading("pve1", "online"), NodeReading("pve2", "online"))


@pytest.fixture
def written():
    return {}


@pytest.fixture
def instance():
    return make_instance("pve")


def apply(instance, written, *guests, skipped=0):
    listed = ResourcesReading(NODES, guests, skipped=skipped)
    inventory.apply(instance, listed, {}, absent=(), written=written, at=NOON)


def test_other_figures_make_no_query_and_no_facts(instance, written, monkeypatch, django_assert_num_queries):
    apply(instance, written, WEB)
    monkeypatch.setattr(inventory, "guest_facts", lambda guest: pytest.fail("facts were made"))

    with django_assert_num_queries(0):
        apply(instance, written, replace(WEB, cpu_ratio=0.9, status="stopped"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "shop"}, ("shop", "qemu", "pve1", "prod")),
        ({"node": "pve2"}, ("web", "qemu", "pve2", "prod")),
        ({"kind": "lxc"}, ("web", "lxc", "pve1", "prod")),
        ({"tags": ("a", "b")}, ("web", "qemu", "pve1", "a;b")),
    ],
    ids=["name", "node", "kind", "tags"],
)
def test_another_identity_is_written(instance, written, change, told):
    apply(instance, written, WEB)

    apply(instance, written, replace(WEB, **change))

    assert Guest.objects.values_list("name", "kind", "node_name", "tags").get() == told


def test_what_is_gone_is_marked_and_what_returns_is_not(instance, written):
    apply(instance, written, WEB)
    apply(instance, written)
    gone = Guest.objects.get().gone_at

    apply(instance, written, WEB)

    assert gone == NOON
    assert Guest.objects.get().gone_at is None


def test_a_template_is_gone_as_a_guest(instance, written):
    apply(instance, written, WEB)

    apply(instance, written, replace(WEB, is_template=True))

    assert Guest.objects.get().gone_at == NOON


def test_a_list_that_is_not_whole_marks_nothing_and_the_next_whole_one_does(instance, written):
    apply(instance, written, WEB)
    apply(instance, written, skipped=1)
    assert Guest.objects.get().gone_at is None

    apply(instance, written)

    assert Guest.objects.get().gone_at == NOON


def test_rows_are_written_again_when_the_digest_of_what_was_written_is_gone(instance, written):
    apply(instance, written, WEB)
    Guest.objects.all().delete()

    written.pop("Guest")
    apply(instance, written, WEB)

    assert Guest.objects.count() == 1
