"""GET /api/resources/<id>/history: our own route about one resource over time."""

from __future__ import annotations

import csv
import gzip
import io
from urllib.parse import quote

import pytest
import time_machine

from monitoring.choices import PartKind
from monitoring.history.metrics import CPU, MEMORY_TOTAL, MEMORY_USED, Kind
from monitoring.history.telling import ToldSeries, keep_told
from monitoring.models import BlindTime, HistoryEvent, HistoryPart
from nodes.models import Datastore, Guest, Node
from tests.conftest import NOON
from tests.factories import make_instance
from tests.monitoring.conftest import Watched
from tests.monitoring.kept import EPOCH, every_ten_seconds, keep, keep_guest, keep_node, keep_storage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

NOON_MS = 1_767_268_800_000
MINUTE = 60_000
GIB = 1 << 30
#: The starts of the last five minutes.
MINUTES = [EPOCH - 60 * ago for ago in (5, 4, 3, 2, 1)]


@pytest.fixture
def lab(fake_pve):
    """A host `lab` with its guests, seen at NOON for the first time."""
    watched = Watched(fake_pve)
    watched.poll()
    return watched


@pytest.fixture
def ask(api):
    """Ask for the history of a resource at NOON."""

    def get(identity, query="", **headers):
        with time_machine.travel(NOON, tick=False):
            return api.get(f"/api/resources/{quote(identity)}/history?{query}", **headers)

    return get


def container(lab):
    """Some running container."""
    return next(one for one in lab.shown("containers") if one["status"] == "running")


def test_a_guest_over_time_with_means_and_extremes(lab, ask):
    guest = container(lab)
    keep_guest(
        lab.instance,
        guest["vmid"],
        cpu_percent=every_ten_seconds(5, [1, 3] * 3) | every_ten_seconds(2, [4.7] * 6),
        memory_used_bytes=every_ten_seconds(2, [GIB] * 6),
        memory_total_bytes=every_ten_seconds(2, [2 * GIB] * 6),
    )

    response = ask(guest["id"], "range=5m&points=5&metric=cpu,memory,memoryUsed")

    told = response.json()
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert (told["id"], told["part"]) == (guest["id"], "")
    assert (told["start"], told["step"], told["count"]) == (NOON_MS - 5 * MINUTE, 60, 5)
    assert told["series"] == {
        "cpu": {
            "unit": "percent",
            "mean": [2, None, None, 4.7, None],
            "low": [1, None, None, 4.7, None],
            "high": [3, None, None, 4.7, None],
        },
        "memory": {
            "unit": "percent",
            "mean": [None, None, None, 50, None],
            "low": [None, None, None, 50, None],
            "high": [None, None, None, 50, None],
        },
        "memoryUsed": {
            "unit": "bytes",
            "mean": [None, None, None, GIB, None],
            "low": [None, None, None, GIB, None],
            "high": [None, None, None, GIB, None],
        },
    }
    assert (told["told"], told["events"]) == ([], [])


def test_without_a_choice_all_metrics_are_told_of_which_anything_is_known(lab, ask):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={20: 1.0}, pressure_io_full_percent={20: 0.5})

    told = ask(guest["id"]).json()

    assert set(told["series"]) == {"cpu", "pressureIoFull"}


def test_a_metric_that_is_asked_for_is_told_although_nothing_is_known(lab, ask):
    told = ask(container(lab)["id"], "metric=hostMemory&range=5m&points=5").json()

    assert told["series"]["hostMemory"]["mean"] == [None] * 5
    assert told["resolution"] == 0


def test_what_proxmox_told_has_no_extremes_and_is_named(lab, ask):
    guest = container(lab)
    pk = Guest.objects.get(vmid=guest["vmid"]).pk
    values = {CPU: [4.7, 5.1, 4.7, 5.1, 5.0]}
    keep_told(lab.instance.pk, [ToldSeries(Kind.GUEST, pk, MINUTES, [60] * 5, values)])

    told = ask(guest["id"], "range=5m&points=5&metric=cpu").json()

    assert told["series"]["cpu"]["mean"] == [4.7, 5.1, 4.7, 5.1, 5]
    assert told["series"]["cpu"]["low"] == told["series"]["cpu"]["high"] == [None] * 5
    assert told["told"] == [[NOON_MS - 5 * MINUTE, NOON_MS]]
    assert told["resolution"] == 60


def test_what_proxmox_told_of_a_share_has_no_extremes_either(lab, ask):
    guest = container(lab)
    pk = Guest.objects.get(vmid=guest["vmid"]).pk
    values = {MEMORY_USED: [GIB] * 5, MEMORY_TOTAL: [2 * GIB] * 5}
    keep_told(lab.instance.pk, [ToldSeries(Kind.GUEST, pk, MINUTES, [60] * 5, values)])

    told = ask(guest["id"], "range=5m&points=5&metric=memory").json()["series"]["memory"]

    assert told["mean"] == [50] * 5
    assert told["low"] == told["high"] == [None] * 5


@pytest.mark.parametrize("collection", ["nodes", "storage"])
def test_nodes_and_storages_have_a_history_too(lab, ask, collection):
    shown = lab.shown(collection)[0]
    use = {"disk_used_bytes": {20: GIB // 2}, "disk_total_bytes": {20: 2 * GIB}}
    if collection == "nodes":
        keep_node(lab.instance, shown["name"], load_1={20: 0.42}, **use)
    else:
        keep_storage(lab.instance, shown["name"], shown["node"], **use)

    series = ask(shown["id"]).json()["series"]

    assert next(one for one in series["disk"]["mean"] if one is not None) == 25
    assert series["diskTotal"]["unit"] == "bytes"
    assert ("load1" in series) is (collection == "nodes")


def test_a_backup_server_and_its_datastores_have_a_history(fake_pbs, ask):
    vault = Watched(fake_pbs, "pbs")
    vault.poll()
    keep(vault.instance, Kind.INSTANCE, vault.instance.pk, cpu_percent={20: 4.7})
    datastore = Datastore.objects.get(name="main").pk
    keep(vault.instance, Kind.DATASTORE, datastore, disk_used_bytes={20: GIB}, disk_total_bytes={20: 2 * GIB})

    own = ask("pbs-vault").json()
    part = ask("pbs-vault", "part=datastore:main").json()

    assert set(own["series"]) == {"cpu"}
    assert (part["id"], part["part"]) == ("pbs-vault", "datastore:main")
    assert set(part["series"]) == {"disk", "diskUsed", "diskTotal"}


@pytest.mark.parametrize(
    ("kind", "part", "name"),
    [
        (PartKind.POOL, "pool:tank", "tank"),
        (PartKind.FILESYSTEM, "filesystem:/var/lib: x", "/var/lib: x"),
    ],
)
def test_a_part_without_an_id_is_asked_for_by_its_owner(lab, ask, kind, part, name):
    owner = lab.shown("nodes")[0] if kind == PartKind.POOL else container(lab)
    row = (
        Node.objects.get(name=owner["name"])
        if kind == PartKind.POOL
        else Guest.objects.get(vmid=owner["vmid"])
    )
    made = HistoryPart.objects.create(
        instance=lab.instance, kind=kind, owner_id=row.pk, name=name, last_seen_at=NOON
    )
    series = {"disk_used_bytes": {20: GIB}, "disk_total_bytes": {20: 2 * GIB}}
    keep(lab.instance, Kind[kind.name], made.pk, **series)

    told = ask(owner["id"], f"part={quote(part)}").json()

    assert told["part"] == part
    assert next(one for one in told["series"]["disk"]["mean"] if one is not None) == 50


def test_a_node_of_a_mail_gateway_is_a_part_of_it(fake_pmg, ask):
    fields = {"host": fake_pmg.url, "user": fake_pmg.user, "password": fake_pmg.password}
    watched = Watched.__new__(Watched)
    watched.server, watched.seconds = fake_pmg, 0
    watched.instance = make_instance("pmg", name="mail", **fields)
    watched.poll()
    row = HistoryPart.objects.get(kind=PartKind.MAIL_NODE, name="mail")
    keep(watched.instance, Kind.MAIL_NODE, row.pk, mail_deferred_count={20: 7})

    told = ask("pmg-mail", "part=node:mail&metric=mailDeferred").json()

    assert {one for one in told["series"]["mailDeferred"]["mean"] if one is not None} == {7}
    assert told["series"]["mailDeferred"]["unit"] == "count"


def test_the_id_of_before_a_migration_leads_to_the_guest_and_its_series(fake_cluster, ask):
    lab = Watched(fake_cluster)
    lab.poll()
    before = lab.guests()[101]
    keep_guest(lab.instance, 101, cpu_percent={20: 4.7})
    lab.server.migrate_guest(101, "pve-03" if before["node"] != "pve-03" else "pve-01")
    lab.poll(after=10)
    after = lab.guests()[101]["id"]

    told = [ask(identity, "metric=cpu").json() for identity in (before["id"], after)]

    assert after != before["id"]
    assert [one["id"] for one in told] == [after, after]
    assert told[0]["series"] == told[1]["series"]
    assert 4.7 in told[0]["series"]["cpu"]["mean"]


def happen(lab, vmid, **fields):
    """Let something happen to a guest."""
    defaults = {"kind": "backup", "code": "vzdump", "outcome": "ok", "key": str(fields)}
    HistoryEvent.objects.create(
        instance=lab.instance,
        object_kind="guest",
        object_id=Guest.objects.get(vmid=vmid).pk,
        **(defaults | fields),
    )


def test_what_happened_is_told_with_the_times_in_which_nothing_was_seen(lab, ask):
    guest, other = lab.shown("containers")[:2]
    happen(lab, guest["vmid"], text="by root@pam", start_epoch=EPOCH - 600, end_epoch=EPOCH - 500)
    happen(lab, guest["vmid"], start_epoch=EPOCH - 7200, end_epoch=EPOCH - 3500, code="long")
    happen(lab, guest["vmid"], start_epoch=EPOCH - 90_000, outcome="running", code="on")
    happen(lab, guest["vmid"], start_epoch=EPOCH - 7200, end_epoch=EPOCH - 7000, code="before")
    happen(lab, guest["vmid"], start_epoch=EPOCH - 9000, kind="configuration", code="memory", outcome="")
    happen(lab, other["vmid"], start_epoch=EPOCH - 600)
    BlindTime.objects.create(
        instance=lab.instance, start_epoch=EPOCH - 1000, end_epoch=EPOCH - 900, cause="unreachable"
    )
    BlindTime.objects.create(
        instance=lab.instance, start_epoch=EPOCH - 9000, end_epoch=EPOCH - 8000, cause="stopped"
    )

    events = ask(guest["id"], "range=1h").json()["events"]

    assert [(one["kind"], one["code"], one["end"]) for one in events] == [
        ("backup", "on", None),
        ("backup", "long", NOON_MS - 3_500_000),
        ("blind", "unreachable", NOON_MS - 900_000),
        ("backup", "vzdump", NOON_MS - 500_000),
    ]
    assert events[2] == {
        "kind": "blind",
        "code": "unreachable",
        "text": "the host did not answer",
        "outcome": "",
        "start": NOON_MS - 1_000_000,
        "end": NOON_MS - 900_000,
    }
    assert events[3]["text"] == "by root@pam"


# --- as a table -------------------------------------------------------------------------------------------------------


def test_a_table_has_a_line_for_each_point(lab, ask):
    guest = container(lab)
    keep_guest(lab.instance, guest["vmid"], cpu_percent={2: 4.7})

    response = ask(guest["id"], "range=5m&points=5&metric=cpu&format=csv")

    assert response["Content-Type"] == "text/csv; charset=utf-8; header=present"
    assert response["Content-Disposition"] == f'attachment; filename="{guest["id"]}.csv"'
    assert response["X-Content-Type-Options"] == "nosniff"
    lines = list(csv.reader(io.StringIO(response.content.decode())))
    assert lines[0] == ["time", "resource", "part", "cpu", "cpu_low", "cpu_high"]
    assert lines[1] == ["2026-01-01T11:55:00Z", guest["id"], "", "", "", ""]
    assert lines[4] == ["2026-01-01T11:58:00Z", guest["id"], "", "4.7", "4.7", "4.7"]
    assert len(lines) == 6


def test_a_name_that_is_a_formula_is_none_in_the_table(fake_pve, ask):
    lab = Watched(fake_pve, name='=cmd|"/c calc"!A1')
    lab.poll()
    guest = container(lab)

    response = ask(guest["id"], "range=5m&points=5&format=csv")

    lines = list(csv.reader(io.StringIO(response.content.decode())))
    assert lines[1][1] == "'" + guest["id"]
    assert response["Content-Disposition"] == f'attachment; filename="cmd-c-calc-A1-pve-{guest["vmid"]}.csv"'


def test_both_forms_are_compressed_for_who_accepts_that(lab, ask):
    guest = container(lab)

    for query in ("metric=cpu", "metric=cpu&format=csv"):
        plain, packed = ask(guest["id"], query), ask(guest["id"], query, HTTP_ACCEPT_ENCODING="gzip")
        assert packed["Content-Encoding"] == "gzip"
        assert gzip.decompress(packed.content) == plain.content


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identity", ["nobody", "lab-pve-999999", "a/b", "\u2603", "\0-100"])
def test_a_resource_that_there_is_not_is_refused(lab, ask, identity):
    response = ask(identity)

    assert (response.status_code, response.json()["code"]) == (404, "resource_not_found")


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("range=3h", 400, "range must be one of 5m"),
        ("range=", 200, ""),
        ("start=x", 400, "start must be epoch seconds"),
        ("points=10001", 400, "points must be a whole number from 1 to 10000"),
        ("format=xml", 400, "format must be one of json, csv"),
        ("metric=load1", 400, "there is no metric 'load1' here; there are cpu"),
        ("metric=%3Cscript%3E", 400, "there is no metric '<script>' here"),
        ("part=pool:tank", 400, "part must be one that the resource can have"),
        ("part=filesystem", 400, "part must be one that the resource can have"),
        ("part=filesystem:", 400, "part must be one that the resource can have"),
        ("part=filesystem:/nowhere", 404, "nothing is kept of 'filesystem:/nowhere'"),
        ("part=filesystem:%00", 404, "nothing is kept of"),
    ],
)
def test_what_is_not_valid_is_refused_with_what_would_be(lab, ask, query, status, words):
    response = ask(container(lab)["id"], query)

    assert response.status_code == status
    assert words in response.json().get("error", "")


def test_the_part_of_another_instance_is_not_told(lab, ask):
    other = make_instance()
    guest = container(lab)
    pk = Guest.objects.get(vmid=guest["vmid"]).pk
    HistoryPart.objects.create(
        instance=other, kind=PartKind.FILESYSTEM, owner_id=pk, name="/var", last_seen_at=NOON
    )

    assert ask(guest["id"], "part=filesystem:/var").status_code == 404


def test_the_history_needs_the_scope_of_the_state(lab, token_client):
    path = f"/api/resources/{container(lab)['id']}/history"

    assert token_client("settings:read").get(path).status_code == 403
    assert token_client("monitoring:read").get(path).status_code == 200
