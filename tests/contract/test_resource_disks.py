"""GET /api/resources/<id>: the disks and pools of a node and of a backup server, with SMART and without."""

from __future__ import annotations

import pytest
import time_machine

from tests.monitoring.collected import moment, turn, with_token
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.slow, pytest.mark.usefixtures("fresh_store")]


@pytest.fixture
def details(api):
    """Ask for the details of the only resource of a collection, at the instant of its last poll."""

    def get(watched, collection):
        (shown,) = watched.shown(collection)
        with time_machine.travel(moment(watched), tick=False):
            return api.get(f"/api/resources/{shown['id']}").json()["details"]

    return get


def test_without_smart_the_disks_of_a_node_tell_what_they_are_and_not_how_they_are(fake_pve, details):
    watched = with_token(Watched(fake_pve), fake_pve.site)
    turn(watched, times=8)

    told = details(watched, "nodes")

    assert told["smartIsRead"] is False
    disk = told["disks"][2]
    assert {name: disk[name] for name in ("device", "kind", "health", "lifeLeftPercent")} == {
        "device": "/dev/sda",
        "kind": "hdd",
        "health": None,
        "lifeLeftPercent": None,
    }
    assert [disk[name] for name in ("temperatureCelsius", "powerOnHours", "smartRead")] == [None] * 3
    assert told["disksRead"].startswith("2026-01-01T12:0")


def test_with_smart_the_disks_of_a_node_tell_health_wear_temperature_and_age(fake_pve, details):
    fake_pve.site.set_disk("pve", "/dev/nvme0n1", wearout=6, celsius=61, health="FAILED!")
    watched = with_token(Watched(fake_pve, reads_smart=True), fake_pve.site)
    turn(watched, times=8)

    told = details(watched, "nodes")

    disk = told["disks"][0]
    assert told["smartIsRead"] is True
    assert disk["device"] == "/dev/nvme0n1"
    assert {name: disk[name] for name in ("health", "lifeLeftPercent", "temperatureCelsius")} == {
        "health": "FAILED!",
        "lifeLeftPercent": 6,
        "temperatureCelsius": 61,
    }
    assert disk["powerOnHours"] == 9913
    assert "2026-01-01T12:00:00Z" <= disk["smartRead"] <= "2026-01-01T12:01:20Z"


def test_a_backup_server_tells_its_disks_and_pools(fake_pbs, details):
    fake_pbs.site.set_pool_health("vault", "backup", "DEGRADED")
    watched = Watched(fake_pbs, "pbs", reads_smart=True)
    turn(watched, times=4)

    told = details(watched, "pbs")

    assert told["smartIsRead"] is True
    assert {pool["name"]: pool["health"] for pool in told["zfsPools"]} == {
        "rpool": "ONLINE",
        "backup": "DEGRADED",
    }
    assert [disk["health"] for disk in told["disks"]] == ["passed"] * 6
    assert [disk["temperatureCelsius"] for disk in told["disks"]] == [34, 34, 36, 36, 36, 36]
    assert told["disksRead"].startswith("2026-01-01T12:0")


def test_a_backup_server_whose_disks_nobody_may_see_tells_none(fake_pbs, details):
    rights = {"/datastore": ("Datastore.Audit",), "/system/status": ("Sys.Audit",)}
    watched = with_token(Watched(fake_pbs, "pbs"), fake_pbs.site, rights)
    turn(watched, times=4)

    told = details(watched, "pbs")

    assert (told["disks"], told["zfsPools"], told["smartIsRead"]) == ([], [], False)
    assert told["disksRead"] is None
