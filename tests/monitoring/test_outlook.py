"""The forecasts of everything that has a size are computed now and then, and kept in the store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from monitoring.choices import PartKind
from monitoring.history import outlook
from monitoring.history.metrics import Kind
from monitoring.known.forecasts import FORECASTS
from monitoring.models import HistoryPart
from monitoring.store.current import store
from monitoring.tasks import look_ahead
from nodes.identity import ObjectKey, ObjectKind
from tests.conftest import NOON
from tests.factories import make_datastore, make_guest, make_instance, make_node, make_storage
from tests.monitoring.filling_up import DAY, EPOCH, fill

pytestmark = pytest.mark.django_db

HOUR = 3600


def made(instance, kind, pk):
    """Return the forecast that is kept of an object."""
    return store().load(FORECASTS, of=instance.pk).of(ObjectKey(kind, pk))


def make_part(instance, kind, owner, name, *, last_seen_at=NOON):
    return HistoryPart.objects.create(
        instance=instance, kind=kind, owner_id=owner.pk, name=name, last_seen_at=last_seen_at
    )


def test_everything_that_has_a_size_has_a_forecast():
    instance, server = make_instance(), make_instance("pbs")
    node, storage = make_node(instance), make_storage(instance)
    container = make_guest(instance, 200, kind="lxc")
    datastore = make_datastore(server)
    pool = make_part(instance, PartKind.POOL, node, "tank")
    system = make_part(instance, PartKind.FILESYSTEM, make_guest(instance, 101), "/var")
    objects = {
        (instance, Kind.NODE): node,
        (instance, Kind.STORAGE): storage,
        (instance, Kind.GUEST): container,
        (instance, Kind.POOL): pool,
        (instance, Kind.FILESYSTEM): system,
        (server, Kind.DATASTORE): datastore,
        (server, Kind.INSTANCE): server,
    }
    for (owner, kind), row in objects.items():
        fill(owner.pk, kind, row.pk, share=0.9, per_day=0.005)

    assert outlook.look_ahead(at_epoch=EPOCH) == 7

    for (owner, kind), row in objects.items():
        told = made(owner, kind.object_kind, row.pk)
        assert told.state == "growing", kind
        assert (told.full_epoch - EPOCH) / DAY == pytest.approx(20, abs=1)


def test_of_a_virtual_machine_its_file_systems_have_one():
    instance = make_instance()
    machine = make_guest(instance, 101, kind="qemu")

    outlook.look_ahead(at_epoch=EPOCH)

    assert made_or_nothing(instance, ObjectKind.GUEST, machine.pk) is None


def made_or_nothing(instance, kind, pk):
    kept = store().load(FORECASTS, of=instance.pk)
    return kept.of(ObjectKey(kind, pk)) if kept is not None else None


def test_of_what_nothing_is_kept_it_is_unknown():
    instance = make_instance()
    storage = make_storage(instance)

    outlook.look_ahead(at_epoch=EPOCH)

    assert made(instance, ObjectKind.STORAGE, storage.pk).state == "unknown"


def test_what_is_gone_has_none_any_more():
    instance = make_instance()
    storage, other = make_storage(instance), make_storage(instance, "other")
    pool = make_part(instance, PartKind.POOL, make_node(instance), "tank")
    outlook.look_ahead(at_epoch=EPOCH)

    storage.gone_at = NOON
    storage.save()
    pool.last_seen_at = NOON - timedelta(days=4)
    pool.save()
    outlook.look_ahead(at_epoch=EPOCH + 600)

    assert made(instance, ObjectKind.STORAGE, storage.pk) is None
    assert made(instance, ObjectKind.POOL, pool.pk) is None
    assert made(instance, ObjectKind.STORAGE, other.pk) is not None


def test_a_paused_instance_is_not_looked_at():
    make_storage(make_instance(is_paused=True))

    assert outlook.look_ahead(at_epoch=EPOCH) == 0


def test_a_forecast_is_renewed_after_six_hours():
    storage = make_storage()

    assert outlook.look_ahead(at_epoch=EPOCH) == 1
    assert outlook.look_ahead(at_epoch=EPOCH + 6 * HOUR - 1) == 0
    assert outlook.look_ahead(at_epoch=EPOCH + 6 * HOUR) == 1
    assert made(storage.instance, ObjectKind.STORAGE, storage.pk).made_epoch == EPOCH + 6 * HOUR


def test_forecasts_of_a_clock_that_was_ahead_are_made_anew():
    make_storage()
    outlook.look_ahead(at_epoch=EPOCH + DAY)

    assert outlook.look_ahead(at_epoch=EPOCH) == 1


@pytest.mark.parametrize(
    ("share", "per_day", "hours"),
    [(0.5, 0.0, 24), (0.5, 0.004, 24), (0.9, 0.005, 6)],
    ids=["flat", "full in 125 days", "full in 20 days"],
)
def test_the_disk_of_a_guest_that_is_not_full_for_long_is_looked_at_once_a_day(share, per_day, hours):
    instance = make_instance()
    guest = make_guest(instance, 200, kind="lxc")
    fill(instance.pk, Kind.GUEST, guest.pk, share=share, per_day=per_day)
    outlook.look_ahead(at_epoch=EPOCH)

    assert outlook.look_ahead(at_epoch=EPOCH + hours * HOUR - 1) == 0
    assert outlook.look_ahead(at_epoch=EPOCH + hours * HOUR) == 1


def test_a_round_is_bounded_and_the_next_one_goes_on(monkeypatch):
    monkeypatch.setattr(outlook, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(outlook, "SLICE", 2)
    instance = make_instance()
    for number in range(5):
        make_storage(instance, f"s{number}")

    assert outlook.look_ahead(at_epoch=EPOCH) == 3
    assert outlook.look_ahead(at_epoch=EPOCH) == 2
    assert outlook.look_ahead(at_epoch=EPOCH) == 0


def test_a_round_begins_nothing_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(outlook, "BUDGET_SECONDS", 0.0)
    make_storage()

    assert outlook.look_ahead(at_epoch=EPOCH) == 0


def test_an_instance_that_another_worker_looks_at_is_left_to_it():
    storage = make_storage()
    store().take(f"forecasts:{storage.instance_id}", b"other", seconds=60)

    assert outlook.look_ahead(at_epoch=EPOCH) == 0


def test_what_cannot_be_read_of_one_instance_keeps_nothing_from_the_others(monkeypatch, caplog):
    first, second = make_storage(make_instance()), make_storage(make_instance(), "other")
    read = outlook.read

    def failing(instance_id, *args, **options):
        if instance_id == first.instance_id:
            raise OperationalError("disk I/O error")
        return read(instance_id, *args, **options)

    monkeypatch.setattr(outlook, "read", failing)

    assert outlook.look_ahead(at_epoch=EPOCH) == 1
    assert made(second.instance, ObjectKind.STORAGE, second.pk) is not None
    assert "lab: nothing could be forecast" in caplog.text


def test_queries_do_not_grow_with_the_objects(django_assert_max_num_queries):
    instance = make_instance()
    for number in range(40):
        make_storage(instance, f"s{number}")

    with django_assert_max_num_queries(40):
        assert outlook.look_ahead(at_epoch=EPOCH) == 40


def test_the_task_looks_at_what_there_is():
    make_storage()

    assert look_ahead() == 1
