"""GET /api/history/events: our own route about what happened, in pages."""

from __future__ import annotations

from urllib.parse import quote

import pytest
import time_machine

from monitoring.models import BlindTime, HistoryEvent
from nodes.models import Datastore, Guest, Node, Storage
from tests.conftest import NOON
from tests.factories import make_guest, make_instance
from tests.monitoring.conftest import Watched

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_store")]

T = int(NOON.timestamp())


@pytest.fixture
def lab(fake_pve):
    """A host `lab` with its guests, seen at NOON."""
    watched = Watched(fake_pve)
    watched.poll()
    HistoryEvent.objects.all().delete()
    return watched


@pytest.fixture
def ask(api):
    """Ask what happened, at NOON."""

    def get(query=""):
        with time_machine.travel(NOON, tick=False):
            return api.get(f"/api/history/events?{query}")

    return get


def keep(row, seconds_ago, *, code="qmstart", kind="power", end=None, **fields):
    """One event of the object of a row."""
    instance = getattr(row, "instance", row)
    return HistoryEvent.objects.create(
        instance=instance, object_kind=type(row).__name__.lower(), object_id=row.pk, kind=kind, code=code,
        key=f"{HistoryEvent.objects.count()}", start_epoch=T - seconds_ago, end_epoch=end, **fields,
    )  # fmt: skip


def codes(response):
    assert response.status_code == 200
    return [one["code"] for one in response.json()["events"]]


@pytest.mark.slow
def test_what_happened_is_told_with_its_resource_the_newest_first(lab, ask):
    guest = Guest.objects.get(vmid=101)
    shown = lab.guests()[101]
    row = keep(guest, 60, code="qmigrate", kind="migration", text="by root@pam", outcome="ok", end=T - 30)
    blind = BlindTime.objects.create(
        instance=lab.instance, start_epoch=T - 20, end_epoch=T - 10, cause="paused"
    )

    told = ask().json()

    assert told == {
        "events": [
            {
                "id": f"{T - 20}-b-{blind.pk}", "kind": "blind", "code": "paused", "text": "the instance was paused",
                "outcome": "", "start": 1_767_268_780_000, "end": 1_767_268_790_000, "instance": "lab",
                "objectKind": "instance", "objectName": "lab", "resourceId": "",
            },
            {
                "id": f"{T - 60}-e-{row.pk}", "kind": "migration", "code": "qmigrate", "text": "by root@pam",
                "outcome": "ok", "start": 1_767_268_740_000, "end": 1_767_268_770_000, "instance": "lab",
                "objectKind": "guest", "objectName": shown["name"], "resourceId": shown["id"],
            },
        ],
        "next": None,
    }  # fmt: skip


@pytest.mark.slow
def test_each_object_is_named_as_the_state_names_it(lab, fake_pbs, ask):
    vault = Watched(fake_pbs, "pbs")
    vault.poll()
    HistoryEvent.objects.all().delete()
    keep(Node.objects.get(), 1)
    keep(Storage.objects.get(name="nas-backup"), 2)
    keep(Datastore.objects.get(name="main"), 3)
    keep(vault.instance, 4)
    keep(make_guest(lab.instance, 4711, name="former", gone_at=NOON), 5)
    HistoryEvent.objects.create(
        instance=lab.instance, object_kind="guest", object_id=987_654, kind="power", code="x", key="x", start_epoch=T - 6
    )  # fmt: skip

    events = ask().json()["events"]

    assert [(one["objectKind"], one["objectName"], one["resourceId"]) for one in events] == [
        ("node", "pve", "lab-pve"),
        ("storage", "nas-backup", "shared-nas-backup"),
        ("datastore", "main", "pbs-vault"),
        ("instance", "vault", "pbs-vault"),
        ("guest", "former", ""),
        ("guest", "", ""),
    ]


@pytest.mark.slow
def test_a_resource_is_told_alone_also_under_a_former_id(lab, ask):
    keep(Guest.objects.get(vmid=101), 60, code="own")
    keep(Guest.objects.get(vmid=102), 60, code="other")
    BlindTime.objects.create(instance=make_instance(), start_epoch=T - 20, end_epoch=T - 10, cause="paused")

    assert codes(ask(f"resource={quote(lab.guests()[101]['id'])}")) == ["own"]


@pytest.mark.slow
def test_a_backup_server_is_told_with_its_datastores(fake_pbs, ask):
    vault = Watched(fake_pbs, "pbs")
    vault.poll()
    keep(Datastore.objects.get(name="main"), 3, code="garbage_collection", kind="task")
    keep(vault.instance, 4, code="version")
    keep(make_instance(), 5, code="other")

    assert codes(ask("resource=pbs-vault")) == ["garbage_collection", "version"]


def test_a_range_a_kind_and_a_limit_narrow_it(ask):
    instance = make_instance()
    keep(instance, 30, code="now", kind="backup")
    keep(instance, 7200, code="earlier")
    keep(instance, 2 * 86_400, code="days-ago")

    assert codes(ask()) == ["now", "earlier"]
    assert codes(ask("range=1h")) == ["now"]
    assert codes(ask("range=7d")) == ["now", "earlier", "days-ago"]
    assert codes(ask(f"start={T - 8000}&end={T - 60}")) == ["earlier"]
    assert codes(ask("kind=backup&range=7d")) == ["now"]
    assert codes(ask("limit=1")) == ["now"]


def test_pages_follow_each_other_whatever_happens_meanwhile(ask):
    instance = make_instance()
    for number in range(5):
        keep(instance, 10, code=f"c{number}")

    first = ask("limit=2").json()
    keep(instance, 5, code="newer")
    second = ask(f"limit=2&cursor={first['next']}").json()
    third = ask(f"limit=2&cursor={second['next']}").json()

    assert [[one["code"] for one in page["events"]] for page in (first, second, third)] == [
        ["c4", "c3"],
        ["c2", "c1"],
        ["c0"],
    ]
    assert third["next"] is None


def test_a_page_costs_the_same_queries_however_long_it_is(ask, django_assert_num_queries):
    instance = make_instance()
    for number in range(40):
        keep(make_guest(instance, 100 + number), number)

    for limit in (1, 40):
        with django_assert_num_queries(5):
            assert len(codes(ask(f"limit={limit}"))) == limit


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("range=2w", "range must be one of"),
        ("start=tomorrow", "start must be"),
        ("end=tomorrow", "end must be"),
        ("kind=coffee", "kind must be one of"),
        ("limit=0", "limit must be a whole number from 1 to 500"),
        ("limit=501", "limit must be a whole number from 1 to 500"),
        ("limit=1e2", "limit must be a whole number from 1 to 500"),
        ("cursor=1-x-1", "cursor must be the next of an earlier page"),
        ("cursor=99999999999999999999-e-1", "cursor must be the next of an earlier page"),
    ],
)
def test_what_is_asked_wrongly_is_refused_with_what_it_may_be(ask, query, message):
    response = ask(query)

    assert response.status_code == 400
    assert message in response.json()["error"]


def test_a_resource_that_is_not_there_is_404(ask):
    response = ask("resource=nobody")

    assert response.status_code == 404
    assert response.json()["code"] == "resource_not_found"
