"""The history in the admin: read by an operator, changed by nobody, and never counted as a whole."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from monitoring.admin import history as pages
from monitoring.choices import SpanSource, Tier
from monitoring.models import BlindTime, HistoryBlock, HistoryEvent, HistoryPart, HistorySpan
from tests.conftest import NOON
from tests.factories import make_guest, make_instance, make_node

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

T = int(NOON.timestamp())
LISTS = {
    model: f"/admin/monitoring/{model._meta.model_name}/"
    for model in (HistorySpan, HistoryEvent, BlindTime, HistoryPart)
}


@pytest.fixture
def admin() -> Client:
    """A superuser who has just signed in, at a page of ours."""
    user = get_user_model().objects.create(username="root", is_staff=True, is_superuser=True)
    client = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    client.force_login(user)
    return client


def make_rows(instance, count=1):
    """Some rows of each model, and a block with a canary."""
    guest, node = make_guest(instance, 100, name="web"), make_node(instance, "pve1")
    for number in range(count):
        span = HistorySpan.objects.create(
            instance=instance, tier=Tier.HOUR, source=SpanSource.PROXMOX, start_epoch=T + number * 3600,
            end_epoch=T + 3600, value_count=400, stored_bytes=317,
        )  # fmt: skip
        HistoryBlock.objects.create(span=span, kind=2, chunk=0, body=b"Canary")
        HistoryEvent.objects.create(
            instance=instance, object_kind="guest", object_id=guest.pk, kind="migration", code="qmigrate",
            text="from pve1 to pve2", outcome="failed", key=f"UPID:{number}", start_epoch=T + number,
        )  # fmt: skip
        BlindTime.objects.create(
            instance=instance, start_epoch=T + number, end_epoch=T + 5400, cause="unreachable"
        )
        HistoryPart.objects.create(
            instance=instance, kind="pool", owner_id=node.pk, name=f"tank-{number}", last_seen_at=NOON
        )


def text_of(response):
    """The cells of a page as one text."""
    assert response.status_code == 200
    return response.content.decode()


def test_each_list_tells_what_an_operator_looks_for(admin):
    make_rows(make_instance(name="lab"))

    shown = {model: text_of(admin.get(path)) for model, path in LISTS.items()}

    for words, model in (
        (("lab", "1 h", "Proxmox", "2026-01-01 12:00:00", "2026-01-01 13:00:00", "400", "317", "0.79"), HistorySpan),
        (("guest web", "qmigrate", "from pve1 to pve2", "failed", "UPID:0"), HistoryEvent),
        (("the host did not answer", "5400"), BlindTime),
        (("tank-0", "pve1"), HistoryPart),
    ):  # fmt: skip
        assert [word for word in words if word not in shown[model]] == []


def test_what_has_no_row_any_more_is_told_by_its_key(admin):
    instance = make_instance()
    HistoryEvent.objects.create(
        instance=instance, object_kind="node", object_id=4711, kind="power", code="rebooted", key="a", start_epoch=T
    )  # fmt: skip
    HistoryPart.objects.create(
        instance=instance, kind="filesystem", owner_id=4712, name="/var", last_seen_at=NOON
    )

    assert "node #4711" in text_of(admin.get(LISTS[HistoryEvent]))
    assert "#4712" in text_of(admin.get(LISTS[HistoryPart]))


@pytest.mark.parametrize(
    ("query", "is_shown"),
    [
        ("", True),
        ("q=pve2", True),
        ("q=UPID:0", True),
        ("q=qmstart", False),
        ("outcome=failed", True),
        ("outcome=ok", False),
        ("object_kind=guest", True),
        ("object_kind=node", False),
        ("kind__exact=migration", True),
        ("kind__exact=power", False),
    ],
)
def test_events_are_searched_and_filtered(admin, query, is_shown):
    make_rows(make_instance())

    assert ("guest web" in text_of(admin.get(f"{LISTS[HistoryEvent]}?{query}"))) is is_shown


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
def test_rows_are_read_and_never_written(admin, model):
    make_rows(make_instance())
    row = model.objects.get()

    assert admin.get(f"{LISTS[model]}add/").status_code == 403
    assert admin.get(f"{LISTS[model]}{row.pk}/delete/").status_code == 403
    page = text_of(admin.get(f"{LISTS[model]}{row.pk}/change/"))
    assert 'name="_save"' not in page
    assert "Canary" not in page


@pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
def test_a_list_costs_the_same_queries_however_long_it_is(admin, model):
    instance = make_instance()
    make_rows(instance)
    with CaptureQueriesContext(connection) as few:
        admin.get(LISTS[model])
    for kind in (HistorySpan, HistoryEvent, BlindTime, HistoryPart):
        kind.objects.all().delete()
    instance.guest_set.all().delete()
    instance.node_set.all().delete()
    make_rows(instance, 30)

    with CaptureQueriesContext(connection) as many:
        admin.get(LISTS[model])

    assert len(many) == len(few)


def test_a_long_table_is_not_counted_to_its_end(admin, monkeypatch):
    monkeypatch.setattr(pages, "MOST_COUNTED", 5)
    make_rows(make_instance(), 20)

    with CaptureQueriesContext(connection) as asked:
        page = text_of(admin.get(LISTS[HistoryEvent]))

    table = HistoryEvent._meta.db_table
    counts = [one["sql"] for one in asked if "COUNT(" in one["sql"] and table in one["sql"]]
    assert counts == []
    assert "5 history events" in page


def test_an_instance_leads_to_its_history(admin):
    instance, other = make_instance(), make_instance()
    make_rows(instance)

    page = text_of(admin.get(f"/admin/nodes/instance/{instance.pk}/change/"))

    links = [f"{path}?instance__id__exact={instance.pk}" for path in LISTS.values()]
    assert [link for link in links if link not in page] == []
    assert "guest web" in text_of(admin.get(f"{LISTS[HistoryEvent]}?instance__id__exact={instance.pk}"))
    assert "guest web" not in text_of(admin.get(f"{LISTS[HistoryEvent]}?instance__id__exact={other.pk}"))
