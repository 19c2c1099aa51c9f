"""GET /api/forecasts, and the forecasts in the details of a resource: our own."""

from __future__ import annotations

import pytest
import time_machine

from monitoring.choices import PartKind
from monitoring.history import outlook
from monitoring.history.metrics import Kind
from monitoring.models import HistoryPart
from nodes.models import Datastore, Guest, Node, Storage
from tests.conftest import NOON
from tests.monitoring.conftest import Watched
from tests.monitoring.filling_up import EPOCH, TIB, fill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def lab(fake_pve):
    """A host `lab` with its guests, seen at NOON for the first time."""
    watched = Watched(fake_pve)
    watched.poll()
    return watched


@pytest.fixture
def ask(api):
    """Ask a minute after NOON."""

    def get(path="/api/forecasts"):
        with time_machine.travel(NOON.timestamp() + 60, tick=False):
            return api.get(path)

    return get


def told(response):
    """Return the forecasts of an answer by resource and part."""
    return {(one["resourceId"], one["part"]): one for one in response.json()["forecasts"]}


def make_part(instance, kind, owner, name):
    return HistoryPart.objects.create(
        instance=instance, kind=kind, owner_id=owner.pk, name=name, last_seen_at=NOON
    )


def test_nothing_is_told_before_anything_is_computed(lab, ask):
    response = ask()

    assert response.json() == {"forecasts": [], "count": 0, "timestamp": EPOCH + 60}


def test_a_storage_that_fills_up(lab, ask):
    storage = Storage.objects.get(name="local")
    fill(lab.instance.pk, Kind.STORAGE, storage.pk, share=0.9, per_day=0.005)
    outlook.look_ahead(at_epoch=EPOCH)

    one = told(ask())[storage.wire_id, ""]

    assert one["state"] == "growing"
    assert one["fullAt"][:10] == "2026-01-21"
    assert one["earliest"] < one["fullAt"] < one["latest"]
    assert one["coverage"] == 0.8
    assert one["bytesPerDay"] == pytest.approx(0.005 * TIB, rel=0.02)
    assert one["used"] == pytest.approx(0.9 * TIB, rel=0.002)
    assert one["total"] == pytest.approx(TIB, rel=0.001)
    assert one["seenFrom"] == "2025-10-03T18:00:00Z"
    assert one["seenDays"] == 89.75
    assert one["ageSeconds"] == 60
    assert (one["kind"], one["name"], one["instance"]) == ("storage", "local", "lab")


def test_what_is_full_first_comes_first_and_what_has_no_day_last(lab, ask):
    pk = lab.instance.pk
    guests = list(Guest.objects.filter(kind="lxc").order_by("vmid")[:2])
    node, storage = Node.objects.get(), Storage.objects.get(name="local")
    fill(pk, Kind.NODE, node.pk, share=0.5)
    fill(pk, Kind.STORAGE, storage.pk, share=0.9, per_day=0.005)
    fill(pk, Kind.GUEST, guests[0].pk, share=0.9, per_day=0.01)
    fill(pk, Kind.GUEST, guests[1].pk, share=1.0)
    outlook.look_ahead(at_epoch=EPOCH)

    found = ask("/api/forecasts?state=full,growing,not_growing").json()["forecasts"]

    assert [(one["kind"], one["state"]) for one in found] == [
        ("guest", "full"),
        ("guest", "growing"),
        ("storage", "growing"),
        ("node", "not_growing"),
    ]
    assert found[3]["fullAt"] is None


def test_pools_and_file_systems_are_parts(lab, ask):
    pk, node, machine = lab.instance.pk, Node.objects.get(), Guest.objects.filter(kind="qemu").first()
    pool = make_part(lab.instance, PartKind.POOL, node, "tank")
    system = make_part(lab.instance, PartKind.FILESYSTEM, machine, "/var")
    fill(pk, Kind.POOL, pool.pk, share=0.9, per_day=0.005)
    fill(pk, Kind.FILESYSTEM, system.pk, share=0.5, per_day=0.004)
    outlook.look_ahead(at_epoch=EPOCH)

    found = told(ask())

    assert found[node.wire_id, "pool:tank"]["fullAt"][:10] == "2026-01-21"
    assert found[f"{node.wire_id}-{machine.vmid}", "filesystem:/var"]["fullAt"][:7] == "2026-05"


def test_the_datastores_of_a_backup_server_are_parts(fake_pbs, ask):
    watched = Watched(fake_pbs, "pbs")
    watched.poll()
    store = Datastore.objects.first()
    fill(watched.instance.pk, Kind.DATASTORE, store.pk, share=0.9, per_day=0.005)
    outlook.look_ahead(at_epoch=EPOCH)

    identity = watched.shown("pbs")[0]["id"]
    found = told(ask())[identity, f"datastore:{store.name}"]
    details = ask(f"/api/resources/{identity}").json()["details"]

    assert (found["state"], found["kind"], found["name"]) == ("growing", "datastore", watched.instance.name)
    assert details["partForecasts"][f"datastore:{store.name}"]["fullAt"] == found["fullAt"]
    assert details["forecast"]["state"] == "unknown"  # its own disk, of which nothing is kept


def test_the_details_of_a_resource_have_its_forecast(lab, ask):
    storage = Storage.objects.get(name="local")
    fill(lab.instance.pk, Kind.STORAGE, storage.pk, share=0.9, per_day=0.005)
    before = ask(f"/api/resources/{storage.wire_id}").json()["details"]
    outlook.look_ahead(at_epoch=EPOCH)

    details = ask(f"/api/resources/{storage.wire_id}").json()["details"]

    assert (before["forecast"], before["partForecasts"]) == (None, {})
    assert details["forecast"]["state"] == "growing"
    assert details["forecast"]["fullAt"][:10] == "2026-01-21"
    assert set(details["forecast"]) == {
        "state", "fullAt", "earliest", "latest", "coverage", "bytesPerDay", "used", "total", "seenFrom", "seenDays",
        "ageSeconds",
    }  # fmt: skip


def test_the_details_of_an_owner_have_the_forecasts_of_its_parts_and_of_no_other(lab, ask):
    pk, node = lab.instance.pk, Node.objects.get()
    machine, other = Guest.objects.filter(kind="qemu")[:2]
    pool = make_part(lab.instance, PartKind.POOL, node, "tank")
    system = make_part(lab.instance, PartKind.FILESYSTEM, machine, "/var")
    for kind, part in ((Kind.POOL, pool), (Kind.FILESYSTEM, system)):
        fill(pk, kind, part.pk, share=0.9, per_day=0.005)
    outlook.look_ahead(at_epoch=EPOCH)

    parts = {
        identity: set(ask(f"/api/resources/{identity}").json()["details"]["partForecasts"])
        for identity in (node.wire_id, f"lab-pve-{machine.vmid}", f"lab-pve-{other.vmid}")
    }

    assert list(parts.values()) == [{"pool:tank"}, {"filesystem:/var"}, set()]


def test_only_some_states_and_only_so_many(lab, ask):
    outlook.look_ahead(at_epoch=EPOCH)
    every = ask().json()

    some = ask("/api/forecasts?state=unknown&limit=1").json()

    assert every["count"] == len(every["forecasts"]) > 2
    assert (some["count"], len(some["forecasts"])) == (every["count"], 1)
    assert ask("/api/forecasts?state=full").json()["count"] == 0


@pytest.mark.parametrize(
    "query", ["state=soon", "state=full,soon", "limit=0", "limit=20001", "limit=x", "limit=-1"]
)
def test_what_is_not_valid_is_refused(lab, ask, query):
    response = ask(f"/api/forecasts?{query}")

    assert response.status_code == 400
    assert query.partition("=")[0] in response.json()["error"]


def test_queries_do_not_grow_with_the_forecasts(lab, ask, django_assert_max_num_queries):
    for number in range(30):
        make_part(lab.instance, PartKind.FILESYSTEM, Guest.objects.first(), f"/{number}")
    outlook.look_ahead(at_epoch=EPOCH)

    with django_assert_max_num_queries(8):
        ask()
