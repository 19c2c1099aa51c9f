"""`/api/history/backfills`: what is read of the records of hosts, asked for and cancelled; routes of our own."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from monitoring.choices import BackfillReason, BackfillState
from monitoring.models import Backfill
from tests.conftest import NOON
from tests.contract.test_door import assert_error
from tests.factories import make_instance

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("still_noon")]

ROUTE = "/api/history/backfills"
NOON_EPOCH = int(NOON.timestamp())


@pytest.fixture
def reader(token_client):
    """Somebody who may look."""
    return token_client("monitoring:read")


@pytest.fixture
def keeper(token_client):
    """Somebody who may change settings."""
    return token_client("settings:write")


def order(instance, **fields):
    """An order, added at noon unless told."""
    fields = {"reason": BackfillReason.ADDED, "end_epoch": NOON_EPOCH, "created_at": NOON} | fields
    return Backfill.objects.create(instance=instance, **fields)


def asked(client, **body):
    return client.post(ROUTE, json.dumps(body), content_type="application/json")


def test_readings_are_listed_with_their_progress_the_newest_first(reader):
    lab = make_instance(name="lab")
    order(lab, state=BackfillState.DONE, done_count=9, total_count=9, ended_at=NOON)
    newest = order(
        lab,
        reason=BackfillReason.GAP,
        state=BackfillState.RUNNING,
        start_epoch=NOON_EPOCH - 600,
        done_count=3,
        total_count=9,
        failed_count=1,
        message="db (101): refused",
    )

    listed = reader.get(ROUTE).json()["backfills"]

    assert [one["reason"] for one in listed] == ["gap", "added"]
    assert listed[0] == {
        "id": newest.pk,
        "instanceId": "pve-0",
        "instanceName": "lab",
        "reason": "gap",
        "state": "running",
        "start": "2026-01-01T11:50:00Z",
        "end": "2026-01-01T12:00:00Z",
        "done": 3,
        "total": 9,
        "failed": 1,
        "message": "db (101): refused",
        "created": "2026-01-01T12:00:00Z",
        "ended": None,
    }


def test_a_hundred_are_listed_at_most(reader):
    lab = make_instance()
    Backfill.objects.bulk_create(
        Backfill(instance=lab, reason=BackfillReason.GAP, end_epoch=NOON_EPOCH) for _ in range(101)
    )

    assert len(reader.get(ROUTE).json()["backfills"]) == 100


def test_the_list_costs_the_same_queries_however_long_it_is(reader, django_assert_max_num_queries):
    for name in ("one", "two", "three"):
        order(make_instance(name=name))
    reader.get(ROUTE)

    with django_assert_max_num_queries(2):
        reader.get(ROUTE)


def test_a_reading_of_some_days_can_be_asked_for(keeper):
    make_instance(name="lab")

    answer = asked(keeper, instance="pve-0", days=30)

    assert answer.status_code == 201
    assert (answer.json()["reason"], answer.json()["state"]) == ("asked", "waiting")
    assert answer.json()["start"] == "2025-12-02T12:00:00Z"


def test_without_days_everything_is_read(keeper):
    make_instance()

    assert asked(keeper, instance="pve-0").json()["start"] is None


def test_what_is_asked_for_already_is_not_asked_for_again(keeper):
    make_instance()
    asked(keeper, instance="pve-0")

    assert_error(asked(keeper, instance="pve-0", days=3), 409, "already_open")


@pytest.mark.parametrize("instance", ["pve-7", "pbs-0", "lab", "", "pve-", "pve-00", "pve-9999999999"])
def test_an_instance_that_there_is_not_is_not_found(instance, keeper):
    make_instance()

    assert_error(asked(keeper, instance=instance), 404, "node_not_found")


def test_a_paused_instance_is_not_read(keeper):
    make_instance(is_paused=True)

    assert_error(asked(keeper, instance="pve-0"), 400, "validation_error")


@pytest.mark.parametrize("body", [{}, {"instance": 5}, {"instance": "pve-0", "days": 0}, {"instance": "pve-0", "days": 3651},
    {"instance": "pve-0", "days": "3"}])  # fmt: skip
def test_what_is_asked_for_is_checked(body, keeper):
    make_instance()

    assert asked(keeper, **body).status_code == 400


def test_a_reading_can_be_cancelled_once(keeper):
    one = order(make_instance(), state=BackfillState.RUNNING)
    route = f"{ROUTE}/{one.pk}/cancel"

    first = keeper.post(route)

    assert (first.status_code, first.json()["state"], first.json()["ended"]) == (
        200,
        "cancelled",
        "2026-01-01T12:00:00Z",
    )
    assert_error(keeper.post(route), 409, "already_ended")


@pytest.mark.parametrize("number", [999, 10**30, "0", "nothing", "7x"])
def test_a_reading_that_there_is_not_is_not_found(number, keeper):
    assert_error(keeper.post(f"{ROUTE}/{number}/cancel"), 404, "backfill_not_found")


def test_whoever_may_only_look_changes_nothing(reader):
    one = order(make_instance())

    assert asked(reader, instance="pve-0").status_code == 403
    assert reader.post(f"{ROUTE}/{one.pk}/cancel").status_code == 403


def test_a_stranger_sees_nothing(client):
    assert client.get(ROUTE).status_code == 401


def test_the_admin_lists_them_and_cancels(make_user):
    admin = Client(HTTP_HOST="localhost", HTTP_ORIGIN="http://localhost")
    admin.force_login(make_user("ada", is_superuser=True, is_staff=True))
    one = order(make_instance(name="lab"), state=BackfillState.RUNNING, done_count=3, total_count=9)

    page = admin.get("/admin/monitoring/backfill/")
    admin.post(
        "/admin/monitoring/backfill/",
        {"action": "cancel", "_selected_action": [one.pk]},
    )

    one.refresh_from_db()
    assert "3 of 9" in page.content.decode()
    assert one.state == BackfillState.CANCELLED


def test_the_diagnostics_tell_what_could_not_be_read_at_last(token_client):
    lab = make_instance(name="lab", is_paused=True)
    order(lab, state=BackfillState.FAILED, message="refused the call")
    client = token_client("admin")

    told = client.get("/api/diagnostics").json()["errors"]
    order(lab, reason=BackfillReason.ASKED)

    assert [one for one in told if "records" in one] == [
        "Proxmox's own records of lab could not be read: refused the call"
    ]
    assert "records" not in str(client.get("/api/diagnostics").json()["errors"])
