"""What is told of a range: of one object, with the blind times of its instance, and everywhere in pages."""

from __future__ import annotations

from itertools import chain

import pytest
from django.db import connection

from monitoring.choices import BlindCause, EventKind
from monitoring.history import timeline
from monitoring.history.metrics import Kind
from monitoring.history.timeline import Asked, events_of, page_of
from monitoring.models import BlindTime, HistoryEvent
from nodes.identity import ObjectKey, ObjectKind
from nodes.models import Guest, Storage
from tests.conftest import NOON
from tests.factories import make_guest, make_instance
from tests.monitoring.collected import turn, with_token

pytestmark = pytest.mark.django_db

T = int(NOON.timestamp())
HOUR, DAY = 3600, 86_400


def keep(instance, start, *, end=None, of=None, kind=EventKind.POWER, code="qmstart", outcome="ok", **fields):
    """One event of a guest, or else of the instance; `start` and `end` from noon on."""
    return HistoryEvent.objects.create(
        instance=instance,
        object_kind="guest" if of else "instance",
        object_id=(of or instance).pk,
        kind=kind,
        code=code,
        outcome=outcome,
        key=f"{HistoryEvent.objects.count()}",
        start_epoch=T + start,
        end_epoch=None if end is None else T + end,
        **fields,
    )


def blind(instance, start, end, cause=BlindCause.STOPPED):
    return BlindTime.objects.create(instance=instance, start_epoch=T + start, end_epoch=T + end, cause=cause)


def test_an_object_is_told_what_happened_within_a_range_or_lasted_into_it():
    instance = make_instance()
    guest, other = make_guest(instance, 100), make_guest(instance, 101)
    keep(instance, -2 * HOUR, end=-HOUR - 1, of=guest, code="over")
    keep(instance, -2 * HOUR, end=-HOUR + 1, of=guest, code="into", text="by anna@pve")
    keep(instance, -3 * HOUR, of=guest, code="runs", outcome="running")
    keep(instance, -3 * HOUR, of=guest, code="instant")
    keep(instance, -10, of=guest, code="within")
    keep(instance, 0, of=guest, code="after")
    keep(instance, -10, of=other, code="other")
    blind(instance, -90 * 60, -50 * 60)
    blind(make_instance(), -90 * 60, -50 * 60)

    events = events_of(Kind.GUEST, guest.pk, instance.pk, start_epoch=T - HOUR, end_epoch=T)

    assert events == [
        ("power", "runs", "", "running", T - 3 * HOUR, None),
        ("power", "into", "by anna@pve", "ok", T - 2 * HOUR, T - HOUR + 1),
        ("blind", "stopped", "Pulse did not run", "", T - 5400, T - 3000),
        ("power", "within", "", "ok", T - 10, None),
    ]


def test_of_too_many_the_newest_are_told(monkeypatch):
    monkeypatch.setattr(timeline, "MOST_EVENTS", 3)
    instance = make_instance()
    for second in range(5):
        keep(instance, second)

    events = events_of(Kind.INSTANCE, instance.pk, instance.pk, start_epoch=T, end_epoch=T + 10)

    assert [one.start_epoch - T for one in events] == [2, 3, 4]


def test_an_object_costs_the_same_queries_however_much_happened(django_assert_num_queries):
    instance = make_instance()
    guest = make_guest(instance, 100)
    for count in (1, 20):
        for second in range(count):
            keep(instance, -second, of=guest)
        with django_assert_num_queries(3):
            events_of(Kind.GUEST, guest.pk, instance.pk, start_epoch=T - DAY, end_epoch=T + 1)


def pages(asked):
    """What each page tells, from the newest on: the seconds from noon, and the codes."""
    found = []
    while True:
        told = page_of(asked)
        page = told[: asked.limit]
        found.append([(one.place.start_epoch - T, one.event.code) for one in page])
        if len(told) <= asked.limit:
            return found
        asked = asked._replace(before=page[-1].place)


def test_pages_tell_everything_once_also_what_is_of_one_second():
    first, second = make_instance(), make_instance()
    for number in range(3):
        keep(first, 5, code=f"same-{number}")
    keep(second, 7, code="newest")
    blind(first, 5, 9)
    blind(second, 5, 9, BlindCause.PAUSED)
    keep(first, -1, code="before")
    keep(first, 10, code="after")

    asked = Asked(T, T + 10, limit=2)

    assert pages(asked) == [
        [(7, "newest"), (5, "paused")],
        [(5, "stopped"), (5, "same-2")],
        [(5, "same-1"), (5, "same-0")],
    ]
    assert list(chain(*pages(asked._replace(limit=1)))) == list(chain(*pages(asked)))


def test_what_is_asked_of_a_kind_an_object_or_an_instance_is_told_alone():
    instance, other = make_instance(), make_instance()
    guest = make_guest(instance, 100)
    keep(instance, 1, of=guest, code="of-guest", kind=EventKind.BACKUP)
    keep(instance, 2, code="of-instance")
    keep(other, 3, code="of-other", kind=EventKind.BACKUP)
    blind(instance, 4, 9)
    blind(other, 5, 9, BlindCause.PAUSED)
    asked = Asked(T, T + 10, limit=10)
    key = ObjectKey(ObjectKind.GUEST, guest.pk)

    assert pages(asked._replace(kind="backup")) == [[(3, "of-other"), (1, "of-guest")]]
    assert pages(asked._replace(kind="blind")) == [[(5, "paused"), (4, "stopped")]]
    assert pages(asked._replace(instance_id=instance.pk)) == [
        [(4, "stopped"), (2, "of-instance"), (1, "of-guest")]
    ]
    assert pages(asked._replace(instance_id=instance.pk, object=key)) == [[(4, "stopped"), (1, "of-guest")]]


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="asks SQLite how it finds them")
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ({"object_kind": "guest", "object_id": 1}, "history_event_of_object"),
        ({"instance": 1}, "history_event_of_instance"),
        ({}, "history_event_in_order"),
    ],
)
def test_what_happened_is_found_by_an_index(wanted, index):
    rows = HistoryEvent.objects.filter(**wanted, start_epoch__gte=T, start_epoch__lt=T + HOUR)

    plan = rows.order_by("-start_epoch", "-pk")[:10].explain()

    assert index in plan
    assert connection.vendor == "sqlite"


@pytest.mark.slow
def test_backups_that_lie_in_a_storage_are_told_of_it_and_of_their_guests(fake_pve, watch):
    host = with_token(watch(fake_pve), fake_pve.site)
    at = fake_pve.site.add_backup(100, "nas-backup")
    turn(host, times=4)
    storage, guest = Storage.objects.get(name="nas-backup"), Guest.objects.get(vmid=100)

    span = {"start_epoch": at - 5, "end_epoch": at + 5}
    of_storage = events_of(Kind.STORAGE, storage.pk, host.instance.pk, **span)
    of_its_guest = events_of(Kind.GUEST, guest.pk, host.instance.pk, **span)

    assert of_storage == [("backup", "vzdump", "guest 100", "ok", at, None)]
    assert of_its_guest == [("backup", "vzdump", "in nas-backup", "ok", at, None)]
