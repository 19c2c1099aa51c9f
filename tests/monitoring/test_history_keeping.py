"""What polls see is kept: of every kind of object, under its row, and only what is known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import OperationalError

from monitoring.collecting import run
from monitoring.history import keeping, metrics, reading, rows
from monitoring.history.batches import Opened
from monitoring.history.metrics import Kind
from monitoring.known.memory import MEMORY
from monitoring.models import HistoryBatch, HistoryPart
from monitoring.polling import outcomes
from monitoring.store.current import store
from nodes.models import Datastore, Guest, Node, Storage
from pulse.lib import saving
from tests.conftest import NOON

pytestmark = pytest.mark.django_db

EPOCH = int(NOON.timestamp())


def poll_for(watched, seconds, *, collects=False):
    """Poll every ten seconds; the slow lanes visit when they are wanted."""
    for _ in range(0, seconds, 10):
        watched.poll(after=10)
        if collects:
            run.collect(watched.instance.pk, NOON + timedelta(seconds=watched.seconds))


def series(watched, kind, pk, *wanted, points=12):
    """Return what is kept of an object up to now."""
    memory = store().load(MEMORY, of=watched.instance.pk)
    end = EPOCH + watched.seconds + 10
    columns = reading.read(
        watched.instance.pk,
        {kind: ([pk], wanted)},
        start_epoch=end - points * 10,
        end_epoch=end,
        points=points,
        head=memory.head,
    )
    return columns.series.get((kind, pk), {})


def test_guests_nodes_and_storages_have_series(fake_pve, watch):
    watched = watch(fake_pve)
    watched.poll()
    fake_pve.site.set_metric(101, cpu=0.25, mem=1 << 30)
    poll_for(watched, 130)

    guest = Guest.objects.get(vmid=101)
    own = series(watched, Kind.GUEST, guest.pk, metrics.CPU, metrics.MEMORY_USED, metrics.NETWORK_IN)
    node = series(
        watched, Kind.NODE, Node.objects.get().pk, metrics.CPU, metrics.MEMORY_TOTAL, metrics.LOAD_1
    )
    storage = Storage.objects.filter(name="local").first()
    use = series(watched, Kind.STORAGE, storage.pk, metrics.DISK_USED, metrics.DISK_TOTAL)

    assert own[metrics.CPU].means == [25.0] * 12
    assert own[metrics.MEMORY_USED].means == [1 << 30] * 12
    assert all(one is not None for one in own[metrics.NETWORK_IN].means)
    assert all(one is not None for one in node[metrics.CPU].means)
    assert len(use) == 2
    assert HistoryBatch.objects.count() == 2  # the minutes that are over


def test_a_renamed_and_migrated_guest_keeps_its_series(fake_cluster, watch):
    watched = watch(fake_cluster)
    poll_for(watched, 60)
    guest = Guest.objects.filter(gone_at=None).order_by("vmid").first()
    nodes = Node.objects.order_by("name").values_list("name", flat=True)
    target = next(name for name in nodes if name != guest.node_name)
    fake_cluster.migrate_guest(guest.vmid, target)
    watched.instance.name = "renamed"
    watched.instance.version += 1
    watched.instance.save()
    poll_for(watched, 60)

    own = series(watched, Kind.GUEST, guest.pk, metrics.MEMORY_TOTAL)

    assert Guest.objects.get(pk=guest.pk).node_name == target
    assert sum(one is not None for one in own[metrics.MEMORY_TOTAL].means) == 12


def test_a_backup_server_and_its_datastores_have_series(fake_pbs, watch):
    watched = watch(fake_pbs, "pbs")
    poll_for(watched, 120)

    host = series(watched, Kind.INSTANCE, watched.instance.pk, metrics.CPU, metrics.MEMORY_USED)
    datastore = series(
        watched, Kind.DATASTORE, Datastore.objects.first().pk, metrics.DISK_USED, metrics.DISK_TOTAL
    )

    assert len(host) == 2
    assert datastore[metrics.DISK_TOTAL].means[-1] > datastore[metrics.DISK_USED].means[-1] > 0


def test_a_mail_gateway_has_series_of_its_nodes_and_queues(fake_pmg, watch):
    watched = watch(fake_pmg, "pmg", user=fake_pmg.user, password=fake_pmg.password)
    poll_for(watched, 120)

    part = HistoryPart.objects.get(kind="mail_node")
    node = series(watched, Kind.MAIL_NODE, part.pk, metrics.CPU, metrics.MAIL_DEFERRED)
    whole = series(watched, Kind.INSTANCE, watched.instance.pk, metrics.MAIL_IN_TODAY)

    assert len(node) == 2
    assert whole[metrics.MAIL_IN_TODAY].means[-1] is not None


def test_pools_and_file_systems_have_series(fake_pve, watch):
    watched = watch(fake_pve)
    poll_for(watched, 600, collects=True)

    kinds = set(HistoryPart.objects.values_list("kind", flat=True))
    part = HistoryPart.objects.filter(kind="filesystem").first()
    use = series(watched, Kind.FILESYSTEM, part.pk, metrics.DISK_USED, metrics.DISK_TOTAL)

    assert kinds == {"filesystem", "pool"}
    assert use[metrics.DISK_TOTAL].means[-1] > use[metrics.DISK_USED].means[-1] > 0
    assert Guest.objects.filter(pk=part.owner_id).exists()


def test_a_host_that_does_not_answer_leaves_a_gap(fake_pve, watch):
    watched = watch(fake_pve)
    poll_for(watched, 60)
    fake_pve.stop()
    poll_for(watched, 30)
    fake_pve.start()
    poll_for(watched, 40)

    guest = Guest.objects.filter(kind="qemu").first()
    own = series(watched, Kind.GUEST, guest.pk, metrics.MEMORY_TOTAL, points=13)

    assert [one is not None for one in own[metrics.MEMORY_TOTAL].means] == [True] * 6 + [False] * 3 + [
        True
    ] * 4


def test_polls_that_come_faster_than_proxmox_renews_its_figures_are_not_all_kept(fake_pve, watch):
    watched = watch(fake_pve)
    for _ in range(22):
        watched.poll(after=3)

    instants = Opened(bytes(HistoryBatch.objects.get().body)).epochs
    assert [epoch - EPOCH for epoch in instants] == [3, 12, 21, 30, 39, 48, 57]


def test_samples_wait_while_nothing_can_be_written(fake_pve, watch, monkeypatch):
    watched = watch(fake_pve)
    poll_for(watched, 50)

    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "write", full)
        poll_for(watched, 120)
        waiting = len(store().load(MEMORY, of=watched.instance.pk).head)
    poll_for(watched, 10)

    assert waiting == 17
    assert HistoryBatch.objects.count() >= 2
    guest = Guest.objects.filter(kind="qemu").first()
    own = series(watched, Kind.GUEST, guest.pk, metrics.MEMORY_TOTAL, points=18)
    assert all(one is not None for one in own[metrics.MEMORY_TOTAL].means)


def test_samples_are_taken_though_nothing_else_of_the_poll_can_be_saved(fake_pve, watch, monkeypatch):
    watched = watch(fake_pve)
    poll_for(watched, 60)

    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(outcomes, "record_success", full)
        poll_for(watched, 60)

    guest = Guest.objects.filter(kind="qemu").first()
    own = series(watched, Kind.GUEST, guest.pk, metrics.MEMORY_TOTAL, points=12)
    assert all(one is not None for one in own[metrics.MEMORY_TOTAL].means)


def test_samples_are_taken_though_new_parts_cannot_be_saved(fake_pve, watch, monkeypatch):
    watched = watch(fake_pve)
    poll_for(watched, 30)

    def full(*args, **kwargs):
        raise OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(keeping, "write", full)
        patched.setattr(rows, "add_parts", full)
        patched.setattr(saving, "is_told", lambda error: True)
        poll_for(watched, 600, collects=True)
        waiting = len(store().load(MEMORY, of=watched.instance.pk).head)
        parts = HistoryPart.objects.count()
    poll_for(watched, 60)

    assert (waiting, parts) == (63, 0)
    assert set(HistoryPart.objects.values_list("kind", flat=True)) == {"filesystem", "pool"}


def test_what_is_in_memory_is_written_when_the_process_ends(fake_pve, watch):
    watched = watch(fake_pve)
    poll_for(watched, 30)
    assert not HistoryBatch.objects.exists()

    assert keeping.write_all(seconds=5.0) == 1
    assert keeping.write_all(seconds=5.0) == 0

    assert HistoryBatch.objects.get().start_epoch == EPOCH + 10


@pytest.mark.parametrize(("step", "first"), [(3600, 70), (-3600, 80), (86_400, 70), (-86_400, 80)])
def test_samples_are_taken_on_when_the_clock_is_set(fake_pve, watch, step, first):
    watched = watch(fake_pve)
    poll_for(watched, 60)
    watched.seconds += step
    poll_for(watched, 60)

    epochs = sorted(
        epoch - EPOCH for row in HistoryBatch.objects.all() for epoch in Opened(bytes(row.body)).epochs
    )
    head = [one.epoch - EPOCH for one in store().load(MEMORY, of=watched.instance.pk).head]

    assert sorted(epochs + head) == sorted([*range(10, 70, 10), *range(first + step, 130 + step, 10)])


def test_the_last_minute_of_a_host_that_falls_silent_is_written_without_it(fake_pve, watch):
    watched = watch(fake_pve)
    poll_for(watched, 30)
    fake_pve.stop()
    poll_for(watched, 60)

    assert HistoryBatch.objects.get().start_epoch == EPOCH + 10
    assert store().load(MEMORY, of=watched.instance.pk).head == ()


def test_the_last_samples_of_an_instance_that_is_paused_are_saved(
    fake_pve, watch, django_capture_on_commit_callbacks
):
    watched = watch(fake_pve)
    poll_for(watched, 30)
    instance = watched.row()
    instance.is_paused = True
    with django_capture_on_commit_callbacks(execute=True):
        instance.save()

    assert HistoryBatch.objects.get().start_epoch == EPOCH + 10
    assert store().load(MEMORY, of=instance.pk) is None
