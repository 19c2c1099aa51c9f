"""POST /api/history/whatif: what a threshold would have done; our own."""

from __future__ import annotations

import json

import pytest
import time_machine

from monitoring.api import whatif, whatif_targets
from monitoring.choices import PartKind
from monitoring.history.metrics import CPU, Kind
from monitoring.history.telling import ToldSeries, keep_told
from monitoring.models import HistoryPart
from nodes.models import Guest
from tests.conftest import NOON
from tests.monitoring.conftest import Watched
from tests.monitoring.kept import EPOCH, every_ten_seconds, keep, keep_guest, keep_storage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

GIB = 1 << 30
EIGHTY = {"metric": "cpu", "trigger": 80, "clear": 75, "range": "1h"}


@pytest.fixture
def lab(fake_pve):
    """A host `lab` with its guests, seen at NOON for the first time."""
    watched = Watched(fake_pve)
    watched.poll()
    return watched


@pytest.fixture
def ask(api):
    """Ask at NOON."""

    def post(**body):
        with time_machine.travel(NOON, tick=False):
            return api.post("/api/history/whatif", json.dumps(body), content_type="application/json")

    return post


def containers(lab):
    return [one for one in lab.shown("containers") if one["status"] == "running"]


def test_each_time_that_the_threshold_would_have_fired(lab, ask):
    guest = containers(lab)[0]
    load = [50, 80, 90, 76, 75, 50, 85, 50]
    keep_guest(lab.instance, guest["vmid"], cpu_percent=every_ten_seconds(30, load))

    told = ask(resource=guest["id"], **EIGHTY).json()

    begun = (EPOCH - 30 * 60 + int(Kind.GUEST)) // 10 * 10
    (one,) = told["resources"]
    assert [
        (each["start"] / 1000 - begun, each["end"] / 1000 - begun, each["peak"]) for each in one["episodes"]
    ] == [
        (10, 40, 90),
        (60, 70, 85),
    ]
    assert all(each["isCertain"] and not each["isStale"] for each in one["episodes"])
    assert (one["id"], one["count"], one["certainCount"], one["seconds"]) == (guest["id"], 2, 2, 40)
    assert told["totals"] == {"resources": 1, "fired": 1, "episodes": 2, "certainEpisodes": 2, "seconds": 40}
    assert (told["metric"], told["unit"], told["trigger"], told["clear"]) == ("cpu", "percent", 80, 75)
    assert (told["step"], told["resolution"], told["told"], told["missing"]) == (10, 10, [], [])
    assert (told["start"], told["end"]) == ((EPOCH - 3600) * 1000, EPOCH * 1000)
    assert [each["code"] for each in told["limitations"]] == ["gaps"]


def test_a_delay_lets_short_ones_pass(lab, ask):
    guest = containers(lab)[0]
    keep_guest(lab.instance, guest["vmid"], cpu_percent=every_ten_seconds(30, [90, 90, 50, *[90] * 7, 50]))

    told = ask(resource=guest["id"], delaySeconds=60, **EIGHTY).json()

    (episode,) = told["resources"][0]["episodes"]
    assert (episode["fired"] - episode["start"]) / 1000 == 60
    assert (episode["end"] - episode["start"]) / 1000 == 70
    assert told["delaySeconds"] == 60


def test_what_is_on_at_the_end_has_no_end(lab, ask):
    guest = containers(lab)[0]
    keep_guest(lab.instance, guest["vmid"], cpu_percent=every_ten_seconds(1, [90] * 6))

    (one,) = ask(resource=guest["id"], **EIGHTY).json()["resources"]

    assert one["episodes"][0]["end"] is None
    assert 50 <= one["seconds"] <= 60


def test_shares_are_computed(lab, ask):
    guest = containers(lab)[0]
    keep_guest(
        lab.instance,
        guest["vmid"],
        memory_used_bytes={20: GIB, 19.5: 3 * GIB, 19: GIB},
        memory_total_bytes={20: 4 * GIB, 19.5: 4 * GIB, 19: 4 * GIB},
    )

    told = ask(resource=guest["id"], metric="memory", trigger=70, range="1h").json()

    assert told["clear"] == 65
    assert [each["peak"] for each in told["resources"][0]["episodes"]] == [pytest.approx(75, abs=0.1)]


def test_of_other_units_clear_is_five_percent_short(lab, ask):
    guest = containers(lab)[0]

    told = ask(resource=guest["id"], metric="netin", trigger=1_000_000, range="1h").json()

    assert (told["unit"], told["clear"]) == ("bytesPerSecond", 950_000)


def test_below_means_downwards(lab, ask):
    guest = containers(lab)[0]
    keep_guest(lab.instance, guest["vmid"], cpu_percent=every_ten_seconds(30, [50, 4, 8, 50]))

    told = ask(resource=guest["id"], metric="cpu", trigger=5, below=True, range="1h").json()

    assert (told["isBelow"], told["clear"]) == (True, 10)
    assert [each["peak"] for each in told["resources"][0]["episodes"]] == [4]


def test_all_of_a_kind_the_loudest_first(lab, ask):
    first, second = containers(lab)[:2]
    high, low = [90] * 6, [50] * 6
    keep_guest(lab.instance, first["vmid"], cpu_percent=every_ten_seconds(30, [*high, *low]))
    keep_guest(lab.instance, second["vmid"], cpu_percent=every_ten_seconds(20, [*high, *low, *high, *low]))

    told = ask(kind="guest", **EIGHTY).json()

    assert [(one["id"], one["count"]) for one in told["resources"][:3]] == [
        (second["id"], 2),
        (first["id"], 1),
        (told["resources"][2]["id"], 0),
    ]
    assert told["totals"]["resources"] == Guest.objects.count()
    assert (told["totals"]["fired"], told["totals"]["episodes"]) == (2, 3)
    assert [each["code"] for each in told["limitations"]] == ["gaps"]


def test_several_resources_and_those_that_are_not_there(lab, ask):
    first, second = containers(lab)[:2]
    keep_guest(lab.instance, second["vmid"], cpu_percent=every_ten_seconds(20, [90, 50]))

    told = ask(resources=[first["id"], second["id"], "nothing", second["id"]], **EIGHTY).json()

    assert [(one["id"], one["count"]) for one in told["resources"]] == [(second["id"], 1), (first["id"], 0)]
    assert told["missing"] == ["nothing"]


def test_storages_and_parts(lab, ask):
    storage = lab.shown("storage")[0]
    use = {"disk_used_bytes": {20: 9 * GIB}, "disk_total_bytes": {20: 10 * GIB}}
    keep_storage(lab.instance, storage["name"], storage["node"], **use)
    machine = Guest.objects.filter(kind="qemu").first()
    part = HistoryPart.objects.create(
        instance=lab.instance, kind=PartKind.FILESYSTEM, owner_id=machine.pk, name="/var", last_seen_at=NOON
    )
    keep(lab.instance, Kind.FILESYSTEM, part.pk, **use)
    disk = {"metric": "disk", "trigger": 85, "range": "1h"}

    of_storage = ask(resource=storage["id"], **disk).json()
    of_part = ask(resource=f"lab-pve-{machine.vmid}", part="filesystem:/var", **disk).json()

    assert of_storage["totals"]["episodes"] == of_part["totals"]["episodes"] == 1
    assert ask(resource=f"lab-pve-{machine.vmid}", part="filesystem:/opt", **disk).status_code == 404


def test_what_proxmox_told_is_named_and_its_limits(lab, ask):
    guest = containers(lab)[0]
    pk = Guest.objects.get(vmid=guest["vmid"]).pk
    starts = [EPOCH - 6 * 3600 + 1800 * place for place in range(12)]
    load = [50.0, 90.0, 90.0, *[50.0] * 9]
    keep_told(lab.instance.pk, [ToldSeries(Kind.GUEST, pk, starts, [1800] * 12, {CPU: load})])

    told = ask(resource=guest["id"], metric="cpu", trigger=80, delaySeconds=600, range="12h").json()

    (one,) = told["resources"]
    assert (one["count"], one["certainCount"]) == (1, 0)
    assert one["episodes"][0]["isCertain"] is False
    assert told["resolution"] == 1800
    assert told["told"] == [[starts[0] * 1000, (starts[-1] + 1800) * 1000]]
    assert [each["code"] for each in told["limitations"]] == ["episodes", "delay", "peaks", "gaps"]


def test_start_and_end_say_when(lab, ask):
    guest = containers(lab)[0]
    keep_guest(lab.instance, guest["vmid"], cpu_percent={50: 90, 40: 50, 20: 90, 10: 50})

    told = ask(
        resource=guest["id"], metric="cpu", trigger=80, start=EPOCH - 3600, end="2026-01-01T11:30:00Z"
    ).json()

    assert (told["start"], told["end"]) == ((EPOCH - 3600) * 1000, (EPOCH - 1800) * 1000)
    assert told["totals"]["episodes"] == 1


def test_a_guest_of_which_nothing_is_kept_never_fires(lab, ask):
    guest = containers(lab)[0]

    (one,) = ask(resource=guest["id"], **EIGHTY).json()["resources"]

    assert (one["count"], one["known"], one["episodes"]) == (0, 0, [])


def test_episodes_are_counted_beyond_those_that_are_told(lab, ask, monkeypatch):
    monkeypatch.setattr(whatif, "MOST_EPISODES", 2)
    guest = containers(lab)[0]
    keep_guest(lab.instance, guest["vmid"], cpu_percent=every_ten_seconds(30, [90, 50] * 5))

    (one,) = ask(resource=guest["id"], **EIGHTY).json()["resources"]

    assert (one["count"], len(one["episodes"])) == (5, 2)
    assert one["episodes"][-1]["start"] > one["episodes"][0]["start"]


def test_many_resources_get_wider_buckets(lab, ask, monkeypatch):
    monkeypatch.setattr(whatif, "MOST_BUCKETS_IN_ALL", 600)

    told = ask(kind="guest", **EIGHTY).json()

    assert told["step"] >= 60
    assert told["limitations"][0]["code"] == "episodes"


def test_too_many_of_a_kind_are_refused(lab, ask, monkeypatch):
    monkeypatch.setattr(whatif_targets, "MOST_RESOURCES", 2)

    response = ask(kind="guest", **EIGHTY)

    assert response.status_code == 400
    assert "name up to 2 under resources" in response.json()["error"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"metric": "cpus"}, "metric"),
        ({"metric": None}, "metric"),
        ({"trigger": "80"}, "trigger"),
        ({"trigger": -1}, "trigger"),
        ({"trigger": 0}, "trigger"),
        ({"trigger": None}, "trigger"),
        ({"clear": 81}, "clear"),
        ({"clear": 70, "below": True}, "clear"),
        ({"delaySeconds": -1}, "delaySeconds"),
        ({"delaySeconds": 1.5}, "delaySeconds"),
        ({"below": "yes"}, "below"),
        ({"range": "3h"}, "range"),
        ({"range": None, "start": "soon"}, "start"),
        ({"range": None, "start": 1.5}, "start"),
        ({"range": None, "start": EPOCH + 60}, "start"),
        ({"resource": None}, "resource"),
        ({"kind": "guest"}, "one of resource"),
        ({"resource": None, "kind": "disk"}, "kind"),
        ({"resource": None, "kind": "guest", "part": "filesystem:/"}, "part"),
        ({"part": "pool:tank"}, "part"),
        ({"metric": "mailHeld"}, "metric"),
        ({"resource": None, "resources": []}, "resources"),
        ({"resource": None, "resources": [5]}, "resources"),
        ({"resource": None, "kind": "storage"}, "metric"),
    ],
    ids=str,
)
def test_what_is_not_valid_is_refused_by_name(lab, ask, change, word):
    guest = containers(lab)[0]
    body = {"resource": guest["id"], **EIGHTY, **change}

    response = ask(**body)

    assert response.status_code == 400
    assert word in json.dumps(response.json())


def test_a_resource_that_is_not_there_is_not_found(lab, ask):
    response = ask(resource="nothing", **EIGHTY)

    assert (response.status_code, response.json()["code"]) == (404, "resource_not_found")
