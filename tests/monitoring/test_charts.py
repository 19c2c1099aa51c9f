"""`/api/charts` while there is no history: the current value, and nothing that is not known."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.django_db


def test_each_resource_has_its_current_value(fake_pve, watch, client):
    watched = watch(fake_pve)
    watched.poll()
    watched.poll(after=10)

    answer = client.get("/api/charts?range=1h", HTTP_HOST="localhost").json()

    guest = next(one for one in watched.shown("containers") if one["status"] == "running")
    series = answer["data"][guest["id"]]
    assert set(series) == {"cpu", "memory", "disk", "diskread", "diskwrite", "netin", "netout"}
    assert [point["value"] for point in series["netin"]] == [guest["networkIn"]]
    assert series["netin"][0]["timestamp"] == answer["timestamp"]
    assert answer["timestamp"] % 1000 == 0
    assert set(answer["nodeData"]["lab-" + guest["node"]]) == {"cpu", "memory", "disk"}
    assert answer["stats"] == {"oldestDataTimestamp": answer["timestamp"]}


def test_what_is_not_known_has_no_point(fake_pve, watch, client):
    watched = watch(fake_pve)
    watched.poll()

    answer = client.get("/api/charts", HTTP_HOST="localhost").json()

    vm = next(one for one in watched.shown("vms") if one["status"] == "running")
    assert answer["data"][vm["id"]]["disk"] == []
    assert answer["data"][vm["id"]]["netin"] == []


def test_a_silent_host_has_no_points(fake_pve, watch, client):
    watched = watch(fake_pve)
    watched.poll()
    fake_pve.faults.add("down")
    watched.poll(after=10, reconnects=True)

    answer = client.get("/api/charts", HTTP_HOST="localhost").json()

    assert {len(points) for series in answer["data"].values() for points in series.values()} == {0}
