"""GET /api/charts and GET /api/storage-charts over a history that is there. Contract: http-api.md 4.1 and 4.3."""

from __future__ import annotations

import gzip
import json
from datetime import timedelta
from urllib.parse import quote

import pytest
import time_machine

from monitoring.api.charting import points_of_a_tier
from monitoring.api.charts import usual_points
from monitoring.api.spans import RANGES, Span
from monitoring.history.reading import grid_of
from nodes.models import Instance
from tests.conftest import NOON
from tests.monitoring.conftest import Watched
from tests.monitoring.kept import EPOCH, keep_guest, keep_node, keep_storage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

#: In milliseconds.
NOON_MS = 1_767_268_800_000
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
GIB = 1 << 30


@pytest.fixture
def lab(fake_pve):
    """A host `lab` with its guests, seen at NOON for the first time."""
    watched = Watched(fake_pve)
    watched.poll()
    return watched


@pytest.fixture
def ask(api):
    """Ask at NOON."""

    def get(query="", path="/api/charts", **headers):
        with time_machine.travel(NOON, tick=False):
            return api.get(f"{path}?{query}", **headers)

    return get


def container(lab):
    """Some running container: all of its figures are known."""
    return next(one for one in lab.shown("containers") if one["status"] == "running")


def test_the_points_of_a_guest_are_those_of_the_contract(lab, ask):
    guest = container(lab)
    keep_guest(
        lab.instance,
        guest["vmid"],
        cpu_percent={20: 4.7},
        memory_used_bytes={20: GIB},
        memory_total_bytes={20: 2 * GIB},
        disk_used_bytes={20: GIB // 4},
        disk_total_bytes={20: 2 * GIB},
        disk_read_bytes_per_second={20: 40},
        disk_write_bytes_per_second={20: 30},
        network_in_bytes_per_second={20: 20},
        network_out_bytes_per_second={20: 0},
    )

    told = ask("range=1h&points=60").json()

    at = NOON_MS - 20 * MINUTE
    assert told["data"][guest["id"]] == {
        "cpu": [{"timestamp": at, "value": 4.7}],
        "memory": [{"timestamp": at, "value": 50}],
        "disk": [{"timestamp": at, "value": 12.5}],
        "diskread": [{"timestamp": at, "value": 40}],
        "diskwrite": [{"timestamp": at, "value": 30}],
        "netin": [{"timestamp": at, "value": 20}],
        "netout": [{"timestamp": at, "value": 0}],
    }
    assert set(told) == {"data", "nodeData", "storageData", "timestamp", "stats"}
    assert (told["timestamp"], told["stats"]) == (NOON_MS, {"oldestDataTimestamp": at})


def test_the_points_of_a_node_and_a_storage_are_those_of_the_contract(lab, ask):
    node, storage = lab.shown("nodes")[0], lab.shown("storage")[0]
    use = {"disk_used_bytes": {20: GIB // 2}, "disk_total_bytes": {20: 2 * GIB}}
    memory = {"memory_used_bytes": {20: 3 * GIB}, "memory_total_bytes": {20: 3 * GIB}}
    keep_node(lab.instance, node["name"], cpu_percent={20: 25.0}, **memory, **use)
    keep_storage(lab.instance, storage["name"], storage["node"], **use)

    told = ask("range=1h&points=60").json()

    at = NOON_MS - 20 * MINUTE
    assert told["nodeData"][node["id"]] == {
        "cpu": [{"timestamp": at, "value": 25}],
        "memory": [{"timestamp": at, "value": 100}],
        "disk": [{"timestamp": at, "value": 25}],
    }
    assert told["storageData"][storage["id"]] == {"disk": [{"timestamp": at, "value": 25}]}


@pytest.mark.parametrize(
    ("name", "points", "minutes", "older"),
    [
        ("5m", 5, 4, 7), ("15m", 15, 14, 17), ("30m", 30, 28, 33), ("1h", 60, 58, 65), ("4h", 60, 230, 260),
        ("12h", 60, 700, 760), ("24h", 60, 1400, 1500), ("7d", 60, 10_000, 10_300), ("30d", 60, 43_000, 45_000),
        ("90d", 60, 129_000, 133_000), ("1y", 60, 525_000, 540_000), ("2y", 60, 1_050_000, 1_090_000),
    ],
)  # fmt: skip
def test_every_range_reaches_as_far_as_it_says(lab, ask, name, points, minutes, older):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={older: 1.0, minutes: 2.0, 1: 3.0})

    told = ask(f"range={name}&points={points}").json()

    first, last = told["data"][guest["id"]]["cpu"]
    assert first["value"] == 2
    assert told["stats"]["oldestDataTimestamp"] == first["timestamp"] <= NOON_MS - minutes * MINUTE
    assert first["timestamp"] < last["timestamp"] < NOON_MS
    assert first["timestamp"] % 1000 == 0


@pytest.mark.parametrize("query", ["", "range=", "range=3h", "range=7D", "range=60", "range=%00"])
def test_a_range_that_nobody_knows_is_one_hour(lab, ask, query):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={90: 1.0, 30: 2.0})

    response = ask(f"{query}&points=60")

    assert response.status_code == 200
    assert [point["value"] for point in response.json()["data"][guest["id"]]["cpu"]] == [2]


def test_a_gap_is_a_time_without_points(lab, ask):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={50: 1.0, 49: 2.0, 11: 3.0, 10: 4.0})

    points = ask("range=1h&points=60").json()["data"][guest["id"]]["cpu"]

    assert [point["timestamp"] for point in points] == [NOON_MS - ago * MINUTE for ago in (50, 49, 11, 10)]


def test_a_share_is_that_of_each_time(lab, ask):
    guest = container(lab)
    keep_guest(
        lab.instance,
        guest["vmid"],
        memory_used_bytes={30: GIB, 20: GIB, 10: GIB},
        memory_total_bytes={30: 2 * GIB, 20: GIB},
    )

    points = ask("range=1h&points=60").json()["data"][guest["id"]]["memory"]

    assert [point["value"] for point in points] == [50, 100]


def test_what_has_no_point_in_the_range_has_one_with_its_value_now(lab, ask):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], memory_used_bytes={90: 1 * GIB}, memory_total_bytes={90: 4 * GIB})

    series = ask("range=1h").json()["data"][guest["id"]]

    assert [point["timestamp"] for point in series["memory"]] == [NOON_MS]
    assert series["memory"][0]["value"] == pytest.approx(guest["memory"]["usage"], abs=0.05)
    assert series["netin"] == []


def test_a_guest_that_moved_keeps_its_series_under_its_new_id(fake_cluster, ask):
    lab = Watched(fake_cluster)
    lab.poll()
    guest = lab.guests()[101]
    keep_guest(lab.instance, 101, cpu_percent={20: 4.7})
    lab.server.migrate_guest(101, "pve-03" if guest["node"] != "pve-03" else "pve-01")
    lab.poll(after=10)
    moved = lab.guests()[101]["id"]

    told = ask("points=60").json()["data"]

    assert moved != guest["id"]
    assert guest["id"] not in told
    assert [point["value"] for point in told[moved]["cpu"]] == [4.7]
    assert list(ask(f"resource={quote(guest['id'])}").json()["data"]) == [moved]


def test_the_series_of_a_renamed_instance_go_on(lab, ask):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={20: 4.7})
    Instance.objects.filter(pk=lab.instance.pk).update(name="renamed", version=2)
    lab.poll(after=10)

    told = ask("points=60").json()["data"]

    renamed = guest["id"].replace("lab-", "renamed-", 1)
    assert [point["value"] for point in told[renamed]["cpu"]] == [4.7]


def test_nothing_at_all_is_told_of_an_installation_without_instances(ask):
    assert ask().json() == {
        "data": {},
        "nodeData": {},
        "storageData": {},
        "timestamp": NOON_MS,
        "stats": {"oldestDataTimestamp": NOON_MS},
    }
    assert ask(path="/api/storage-charts").json() == {}
    columns = ask("format=columns").json()
    assert (columns["start"], columns["step"], columns["count"]) == (NOON_MS - HOUR, 60, 60)
    assert (columns["resolution"], columns["data"]) == (0, {})


def test_of_backup_servers_and_mail_gateways_the_charts_tell_nothing(fake_pbs, ask):
    Watched(fake_pbs, "pbs").poll()

    told = ask().json()

    assert (told["data"], told["nodeData"], told["storageData"]) == ({}, {}, {})


# --- our own parameters -----------------------------------------------------------------------------------------------


def test_columns_tell_the_times_once_and_null_for_a_gap(lab, ask):
    guest = container(lab)
    keep_guest(
        lab.instance,
        guest["vmid"],
        cpu_percent={3: 4.7, 1: 5.1},
        network_in_bytes_per_second={3: 15},
    )

    told = ask("format=columns&range=5m&points=5&metric=cpu,netin,memory").json()

    assert (told["start"], told["step"], told["count"]) == (NOON_MS - 5 * MINUTE, 60, 5)
    assert told["data"][guest["id"]] == {
        "cpu": [None, None, 4.7, None, 5.1],
        "netin": [None, None, 15, None, None],
    }
    assert told["nodeData"]["lab-pve"] == {}
    assert (told["timestamp"], told["stats"]) == (NOON_MS, {"oldestDataTimestamp": NOON_MS - 3 * MINUTE})


def test_some_resources_are_told_alone(lab, ask):
    first, second, third = (one["id"] for one in lab.shown("vms")[:3])
    storage = lab.shown("storage")[0]["id"]

    told = ask(f"resource={first},{second}&resource={storage}&resource={third}&resource=gone").json()

    assert set(told["data"]) == {first, second, third}
    assert set(told["storageData"]) == {storage}
    assert told["nodeData"] == {}


def test_an_empty_choice_of_resources_is_a_choice_of_none(lab, ask):
    assert ask("resource=").json()["data"] == {}


def test_other_metrics_are_told_of_what_has_them(lab, ask):
    guest, node = container(lab), lab.shown("nodes")[0]
    keep_guest(lab.instance, guest["vmid"], swap_used_bytes={20: GIB}, swap_total_bytes={20: 2 * GIB})
    keep_node(lab.instance, node["name"], load_1={20: 0.42})

    told = ask("metric=swap,swapUsed,load1").json()

    assert [(name, points[0]["value"]) for name, points in told["data"][guest["id"]].items()] == [
        ("swap", 50),
        ("swapUsed", GIB),
    ]
    assert told["nodeData"][node["id"]]["load1"][0]["value"] == 0.42
    assert set(map(len, told["storageData"].values())) == {0}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("metric=temperature", "there is no metric 'temperature' here; there are cpu, ioWait"),
        ("format=xml", "format must be one of points, columns"),
        ("points=0", "points must be a whole number from 1 to 2000"),
        ("start=yesterday", "start must be epoch seconds"),
        ("start=1767268800&end=1767265200", "start must be before end"),
    ],
)
def test_what_the_contract_does_not_know_is_checked(ask, query, words):
    response = ask(query)

    assert (response.status_code, response.json()["code"]) == (400, "validation_error")
    assert words in response.json()["error"]


def test_more_points_than_there_may_be_are_refused(ask):
    assert ask("points=2001").status_code == 400
    assert ask("points=2000").status_code == 200


@pytest.mark.parametrize(
    ("guests", "points"),
    [(0, 180), (50, 180), (200, 180), (1000, 80), (2500, 50), (5000, 36), (11_250, 24), (100_000, 24)],
)
def test_a_series_has_fewer_points_the_more_guests_there_are(guests, points):
    assert usual_points(guests) == points


@pytest.mark.parametrize(
    ("name", "most", "points"),
    [
        ("5m", 180, 30), ("15m", 180, 90), ("30m", 180, 180), ("1h", 180, 60), ("4h", 180, 120), ("12h", 180, 144),
        ("24h", 180, 144), ("7d", 180, 168), ("30d", 180, 120), ("90d", 180, 180), ("1h", 80, 60), ("1h", 25, 20),
        ("24h", 25, 24), ("5m", 20, 15),
    ],
)  # fmt: skip
def test_points_are_buckets_that_are_kept_where_there_are_enough_of_them(name, most, points):
    span = Span(EPOCH - RANGES[name], EPOCH)

    assert grid_of(*span, points_of_a_tier(span, most)).size == points


@pytest.mark.parametrize(
    "name", ['a"b', "a\\b", "</script>", "a,b", "\u2603", "%s%d%.4g", "{0}", "a/b", "\u202e"]
)
def test_a_name_that_means_something_in_json_or_to_us_stays_a_name(fake_pve, ask, name):
    lab = Watched(fake_pve, name=name)
    lab.poll()
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={20: 4.7})

    whole = ask().json()
    one = ask(f"resource={quote(guest['id'])}").json()

    assert whole["data"][guest["id"]]["cpu"][0]["value"] == 4.7
    assert list(one["data"]) == [guest["id"]]


def test_it_is_compressed_for_who_accepts_that(lab, ask):
    plain = ask()
    packed = ask(HTTP_ACCEPT_ENCODING="gzip")

    assert (plain["Content-Type"], packed["Content-Type"]) == ("application/json", "application/json")
    assert packed["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.content) == plain.content


def test_it_is_not_told_again_until_there_is_a_new_sample(lab, ask):
    etag = ask()["ETag"]

    same = ask(HTTP_IF_NONE_MATCH=etag)
    other = ask("range=4h", HTTP_IF_NONE_MATCH=etag)
    lab.poll(after=10)
    later = ask(HTTP_IF_NONE_MATCH=etag)

    assert (same.status_code, same.content, same["ETag"]) == (304, b"", etag)
    assert (other.status_code, later.status_code) == (200, 200)


def test_its_head_alone_can_be_asked_for(lab, api):
    response = api.head("/api/charts")

    assert (response.status_code, response.content) == (200, b"")


# --- storages ---------------------------------------------------------------------------------------------------------


def test_the_use_of_a_storage_is_told_in_percent_and_in_bytes(lab, ask):
    storage = lab.shown("storage")[0]
    keep_storage(
        lab.instance,
        storage["name"],
        storage["node"],
        disk_used_bytes={20: GIB // 2},
        disk_total_bytes={20: 2 * GIB},
    )

    told = ask(path="/api/storage-charts").json()

    at = "2026-01-01T11:40:00Z"
    assert told[storage["id"]] == {
        "usage": [{"value": 25, "timestamp": at}],
        "used": [{"value": GIB // 2, "timestamp": at}],
        "total": [{"value": 2 * GIB, "timestamp": at}],
        "avail": [{"value": GIB + GIB // 2, "timestamp": at}],
    }
    assert set(told) == {one["id"] for one in lab.shown("storage")}
    others = [one for identity, one in told.items() if identity != storage["id"]]
    assert others[0] == {"usage": [], "used": [], "total": [], "avail": []}


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("range=25", [100]),
        ("range=60", [50, 100]),
        ("", [50, 100]),
        ("range=1h", [50, 100]),
        ("range=4h", [25, 50, 100]),
        ("range=120", [25, 50, 100]),
        ("range=1x", [50, 100]),
        ("range=0", [50, 100]),
        ("range=-5", [50, 100]),
        ("range=99999999999", [50, 100]),
    ],
)
def test_the_range_of_storages_is_minutes_or_a_name(lab, ask, query, values):
    storage = lab.shown("storage")[0]
    keep_storage(
        lab.instance,
        storage["name"],
        storage["node"],
        disk_used_bytes={90: GIB // 4, 40: GIB // 2, 20: GIB},
        disk_total_bytes={90: GIB, 40: GIB, 20: GIB},
    )

    told = ask(query, path="/api/storage-charts").json()

    # Samples far apart stand for the time until the next one.
    assert list(dict.fromkeys(point["value"] for point in told[storage["id"]]["usage"])) == values


def test_a_program_with_a_token_may_keep_a_chart_to_compare_it(lab, token_client):
    client = token_client("monitoring:read")
    with time_machine.travel(NOON + timedelta(seconds=1), tick=False):
        response = client.get("/api/charts")

    assert response["Cache-Control"] == "private, no-cache"
    assert response["ETag"].startswith('W/"')


def test_many_guests_are_told_while_their_charts_are_made(lab, ask, monkeypatch):
    monkeypatch.setattr("pulse.lib.streams.WHOLE_BYTES", 1000)
    monkeypatch.setattr("pulse.lib.streams.PIECE_BYTES", 100)
    monkeypatch.setattr("monitoring.api.charting.GROUP", 2)

    response = ask()

    assert response.streaming
    told = json.loads(b"".join(response))
    assert set(told["data"]) == {one["id"] for one in lab.shown("vms") + lab.shown("containers")}
    assert set(told["storageData"]) == {one["id"] for one in lab.shown("storage")}
